/**
 * The program `outrigger`: names the commands and their flags. Each command's work is in a file of its own under commands/, loaded only when it
 * is asked for. `outrigger sidecar` is a program of its own (sidecar-program.ts), because the sidecar must stay small.
 */
import './no-debugger.ts';
import { Argument, Command, CommanderError, Option } from 'commander';
import { heedBrokenPipes } from './broken-pipe.ts';
import { booleanFromEnvironment, environmentName } from './environment.ts';
import { addIdentityCommands } from './identity-program.ts';
import { addProxyIdentityCommands } from './proxy-identity-program.ts';
import { refuseEmpty } from './refuse-empty.ts';
import { proofFlags, sidecarHelp } from './sidecar-flags.ts';
import { UserError } from './user-error.ts';

const version = '0.1.0';

/** A flag with its environment variable, `OUTRIGGER_<FLAG>`; the flag wins. Of two names the last counts. */
function flag(flags: string, description: string, fallback?: string): Option {
  const option = new Option(flags, description);
  const name = option.name();
  const isProof = (proofFlags as readonly string[]).includes(name);
  // To commander an empty variable is a value.
  if (isProof || process.env[environmentName(name)] !== '') option.env(environmentName(name));
  return fallback === undefined ? option : option.default(fallback);
}

/** commander takes a flag without a value as given when its variable is there, whatever it says. */
function readSwitches(command: Command): void {
  for (const option of command.options) {
    const key = option.attributeName();
    if (option.required || option.optional || command.getOptionValueSource(key) !== 'env') continue;
    const on = booleanFromEnvironment(option.name(), process.env);
    command.setOptionValueWithSource(key, option.negate ? !on : on, 'env');
  }
}

/** Only of flags: of its variable an empty value is none. */
function refuseEmptyFlags(command: Command): void {
  for (const option of command.options) {
    const key = option.attributeName();
    if (command.getOptionValueSource(key) === 'cli') refuseEmpty(option.name(), command.getOptionValue(key));
  }
}

/** An argument that is one of some words; commander would name it by what it is to commander. */
function oneOf(name: string, description: string, words: readonly string[]): Argument {
  return new Argument(`<${name}>`, description).choices(words).argParser((word) => {
    if (words.includes(word)) return word;
    throw new UserError(`${JSON.stringify(word)} is no ${name}; name one of ${words.join(', ')}`, 2);
  });
}

const output = (): Option =>
  flag('-o, --output <FORMAT>', 'how to print').choices(['table', 'json', 'yaml']).default('table');
/** Its variable is not OUTRIGGER_ADMIN: that is the sidecar's admin port. */
const controlPlaneAdmin = (): Option =>
  flag('--admin, --control-plane-admin <HOST:PORT>', "the control plane's admin port", '127.0.0.1:15014');
const controlPlane = (): Option =>
  flag('--control-plane <HOST:PORT>', "the control plane's gRPC port", '127.0.0.1:15010');

/** As commander names an option's value. */
const camelCase = (name: string): string => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
const dataDir = (description: string): Option =>
  flag('--data-dir <DIR>', `${description} (default: $XDG_STATE_HOME/outrigger or ~/.local/state/outrigger)`);
/** Where Kubernetes puts a service account's credentials. */
const mounted = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Flags that take several values: given again and again, or with commas in the environment variable. */
const several = (value: string, before: string[] | undefined): string[] => [...(before ?? []), ...value.split(',')];

const rules = `outrigger <command> --help explains each command.

Every flag has an environment variable OUTRIGGER_<FLAG>; a flag wins, also over the variable of a flag
that excludes it. An empty variable is none. Flags without a value are on by 1, true, yes or on, and
off by 0, false, no or off. Data goes to stdout, all else to stderr.

Exit codes: 0 fine, 1 a problem found or a failure, 2 wrong usage; run: as its command.`;

function program(): Command {
  const root = new Command('outrigger')
    .description('A service mesh: a light sidecar proxy beside every service, and a small control plane.')
    .version(version)
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({ writeErr: (text) => process.stderr.write(text.replace(/^error: /, 'outrigger: ')) })
    .configureHelp({ helpWidth: Math.min(process.stdout.columns ?? 100, 100), minWidthToWrap: 24 })
    .addHelpText('after', `\n${rules}`)
    .hook('preAction', (_, action) => {
      refuseEmptyFlags(action);
      readSwitches(action);
    })
    .showHelpAfterError('(outrigger <command> --help explains each command)');

  const command = (name: string, description: string, example: string): Command =>
    root.command(name).description(description).addHelpText('after', `\nExample:\n  ${example}`);

  command(
    'control-plane',
    'Runs the control plane: reads configuration, keeps the registry, serves xDS.',
    'outrigger control-plane --config mesh/ --data-dir .outrigger',
  )
    .addOption(
      flag('--config <PATH>', 'YAML file or folder, watched; may be given again, or several with commas').argParser(
        several,
      ),
    )
    .addOption(dataDir('where its authority, tokens and registered instances are kept'))
    .addOption(flag('--listen <HOST:PORT>', 'xDS and registration without TLS; loopback only', '127.0.0.1:15010'))
    .addOption(
      flag('--listen-tls <HOST:PORT>', 'the same by TLS, with identities and secrets; off for none', '127.0.0.1:15012'),
    )
    .addOption(flag('--trust-domain <NAME>', 'the first part of every SPIFFE ID of this mesh', 'cluster.local'))
    .addOption(flag('--certificate-lifetime <DURATION>', 'how long workload certificates last', '24h'))
    .addOption(
      flag('--ca-certificate <FILE>', 'sign with your own root or intermediate (PEM chain) instead of one made here'),
    )
    .addOption(flag('--ca-key <FILE>', 'its key (PEM)'))
    .addOption(flag('--ca-roots <FILE>', 'its root, when the chain does not end in it'))
    .addOption(flag('--ca-own', 'a root made here takes the place of your own from before, by a rotation'))
    .addOption(
      flag(
        '--federate <TRUST-DOMAIN=FILE>',
        'trust another trust domain by this bundle (PEM or SPIFFE JSON), watched; may be given again, or several with commas',
      ).argParser(several),
    )
    .addOption(flag('--kubernetes-api <URL>', 'take Kubernetes service account tokens, reviewed by this API server'))
    .addOption(flag('--kubernetes-audience <NAME>', 'whom those tokens have to be for', 'outrigger'))
    .addOption(flag('--kubernetes-token <FILE>', "the control plane's own token", `${mounted}/token`))
    .addOption(flag('--kubernetes-ca <FILE>', "the API server's CA", `${mounted}/ca.crt`))
    .addOption(flag('--listen-admin <HOST:PORT>', 'metrics, health and data for `get`', '127.0.0.1:15014'))
    .addOption(flag('--store <KIND>', 'embedded; etcd is not built yet', 'embedded'))
    .addOption(flag('--log-level <LEVEL>', 'trace, debug, info, warn, error', 'info'))
    .action(async (options) => (await import('./commands/control-plane.ts')).controlPlane(options));

  // Listed here for `--help`; bin/outrigger starts the sidecar's own program for it.
  const sidecar = root
    .command('sidecar')
    .description('Runs a sidecar, from an Envoy v3 bootstrap file or for a service of the mesh.')
    .allowUnknownOption()
    .helpOption(false)
    .argument('[flags...]')
    .action(async () => (await import('./commands/sidecar.ts')).sidecar(process.argv.slice(3)));
  sidecar.helpInformation = () => sidecarHelp;

  command(
    'run',
    'Starts a command with a sidecar beside it and exits as the command exits.',
    'outrigger run --service shop/orders --port 8080 -- node orders.js\n  outrigger run --service shop/orders --port 8080 --upstream payments:80 -- sh -c \'curl "$PAYMENTS_SHOP_URL"\'',
  )
    .addOption(flag('--service <NS/NAME>', 'the service that the command is an instance of').makeOptionMandatory())
    .addOption(flag('--port <N>', 'where the command listens (handed to it as PORT)').makeOptionMandatory())
    .addOption(
      flag(
        '--upstream <NS/NAME:PORT[=LOCALPORT]>',
        'an address of its own for a service, handed over as ORDERS_SHOP_ADDRESS and ORDERS_SHOP_URL; may be given again, or several with commas',
      ).argParser(several),
    )
    .addOption(controlPlane())
    .addOption(
      flag('--control-plane-tls <HOST:PORT>', 'the same over TLS, with an identity; default: that host, port 15012'),
    )
    .addOption(flag('--join-token-file <FILE>', 'proof for an identity: a join token'))
    .addOption(flag('--join-token <TOKEN>', 'the same in the open: ps shows it; OUTRIGGER_JOIN_TOKEN does not'))
    .addOption(flag('--kubernetes-token-file <FILE>', 'proof for an identity: a Kubernetes service account token'))
    .addOption(flag('--service-account <NAME>', "which identity to ask for; default: the service's name"))
    .addOption(flag('--trust-domain <NAME>', "the mesh's trust domain; default cluster.local"))
    .addOption(flag('--trust-bundle <FILE>', "the mesh's roots (PEM); default: trust-bundle.pem in --data-dir"))
    .addOption(
      flag('--data-dir <DIR>', 'the data directory of a control plane on this machine: without a proof, it has one'),
    )
    .addOption(flag('--no-identity', 'no identity is wanted, whatever proof there is'))
    .addOption(
      flag(
        '--wait-for-proof',
        'a join token that is used up, expired or not known does not end it: it waits for another',
      ),
    )
    .addOption(flag('--labels <K=V,…>', 'labels of this instance, as `version=v2`'))
    .addOption(flag('--zone <ZONE>', 'locality of this instance'))
    .addOption(flag('--node-id <ID>', 'its name in the registry; <service>.<namespace>-<host>-<pid> if not given'))
    .addOption(
      flag('--outbound-listen <HOST:PORT>', "the sidecar's outbound listener; port 0 takes a free one", '127.0.0.1:0'),
    )
    .addOption(
      flag('--inbound-listen <HOST:PORT>', "the sidecar's inbound listener; port 0 takes a free one", '127.0.0.1:0'),
    )
    .addOption(flag('--sidecar-admin <HOST:PORT>', "the sidecar's admin port; port 0 takes a free one", '127.0.0.1:0'))
    .addOption(flag('--listen-metrics <HOST:PORT>', '/metrics and /healthz of the sidecar; off for none', 'off'))
    .addOption(flag('--drain-time <SECONDS>', 'how long requests in hand may take when the command ends', '45'))
    .addOption(flag('--log-level <LEVEL>', "the sidecar's: trace, debug, info, warn, error, off", 'warn'))
    .addOption(flag('--foreground', 'the command shares the terminal with its shell: Ctrl-C reaches it at once'))
    .argument('<command...>', 'what to run, after --')
    .passThroughOptions()
    .action(async (words: string[], options, run: Command) => {
      const proofsInWords = proofFlags.filter((name) => run.getOptionValueSource(camelCase(name)) === 'cli');
      // A flag wins over the variable of a flag that excludes it.
      const identity = options.identity || (proofsInWords.length > 0 && run.getOptionValueSource('identity') === 'env');
      process.exitCode = await (await import('./commands/run.ts')).run(words, { ...options, identity }, proofsInWords);
    });

  command(
    'validate',
    'Checks configuration and names every fault with file, line and field; then exit 1.',
    'outrigger validate mesh/',
  )
    .argument('<path...>', 'YAML files or folders')
    .addOption(output())
    .action(async (paths: string[], options) => {
      process.exitCode = await (await import('./commands/validate.ts')).validate(paths, options);
    });

  command(
    'simulate',
    'Plays a described fleet under policies, on virtual time: what would come of a failure, and what a policy would change. The same seed gives the same result.',
    'outrigger simulate demo/simulations/storm.yaml --chart storm.html',
  )
    .argument('<file>', 'YAML: a Simulation (services, load, failures), and policies and routes as further documents')
    .addOption(flag('--seed <N>', "another run than the file's"))
    .addOption(flag('--duration <DURATION>', "of virtual time, instead of the file's"))
    .addOption(flag('--chart <FILE>', 'write a chart too: .svg or .html'))
    .addOption(output())
    .action(async (file: string, options) => {
      process.exitCode = await (await import('./commands/simulate.ts')).simulate(file, options, () =>
        performance.now(),
      );
    });

  command('get', 'Lists what the control plane knows.', 'outrigger get endpoints -o json')
    .addArgument(oneOf('kind', 'what to list', ['services', 'endpoints', 'routes', 'policies', 'proxies']))
    .addOption(controlPlaneAdmin())
    .addOption(output())
    .action(async (kind: string, options) => (await import('./commands/get.ts')).get(kind, options));

  command(
    'status',
    'Shows every connected proxy and whether it has taken its configuration (xDS CSDS). Exit 1 when one refused some.',
    'outrigger status',
  )
    .addOption(controlPlane())
    .addOption(output())
    .action(async (options) => {
      process.exitCode = await (await import('./commands/status.ts')).status(options);
    });

  command(
    'breaker',
    "Shows a sidecar's circuit breakers; holds one open or closed, or releases it.",
    "outrigger breaker list\n  outrigger breaker open 'outbound|80||payments.shop'      nobody of this sidecar calls payments any more\n  outrigger breaker release 'outbound|80||payments.shop'",
  )
    .addArgument(oneOf('action', 'list, open, close or release', ['list', 'open', 'close', 'release']))
    .argument('[name]', 'of the circuit breaker, as list shows it')
    .addOption(flag('--admin <HOST:PORT>', "the sidecar's admin port", '127.0.0.1:15000'))
    .addOption(output())
    .action(async (action, name: string | undefined, options) =>
      (await import('./commands/breaker.ts')).breaker(
        action,
        name,
        options,
        process.env['OUTRIGGER_ADMIN_TOKEN'] ?? '',
      ),
    );

  command(
    'check',
    'Finds what is wrong with an installation and says how to mend it. Exit 1 when something has to be mended now.',
    'outrigger check\n  outrigger check --sidecar 127.0.0.1:15000      one sidecar, by its own admin port',
  )
    .addOption(controlPlaneAdmin())
    .addOption(flag('--control-plane <HOST:PORT>', 'its plain door; default: where it says that it listens'))
    .addOption(flag('--control-plane-tls <HOST:PORT>', 'its TLS door; default: where it says that it listens'))
    .addOption(flag('--trust-bundle <FILE>', "the mesh's roots (PEM); default: trust-bundle.pem in --data-dir"))
    .addOption(dataDir('whose rights are looked at, where it is on this machine'))
    .addOption(flag('--sidecar <HOST:PORT>', 'look at this sidecar instead'))
    .addOption(output())
    .action(async (options) => {
      process.exitCode = await (await import('./commands/check.ts')).check(options, Date.now);
    });

  const identity = command(
    'identity',
    'Who is who in the mesh: identities in use, join tokens, the roots and their rotation.',
    'outrigger identity token create --service shop/orders',
  );
  addIdentityCommands(identity, { flag, output, controlPlaneAdmin, dataDir });
  addProxyIdentityCommands(identity, { flag, output });

  command(
    'demo',
    'Runs the demo: a shop of four services, each with a sidecar, on this machine only.',
    'outrigger demo --seconds 20',
  )
    .addOption(flag('--seconds <N>', 'stop by itself after so many seconds'))
    .action(async (options) => {
      process.exitCode = await (await import('./commands/demo.ts')).demo(options);
    });

  for (const [name, what] of notBuilt) {
    root
      .command(name, { hidden: true })
      .description(`Not built yet: ${what}.`)
      .allowUnknownOption()
      .argument('[words...]')
      .action(() => {
        throw new UserError(`${name} is not built yet (${what}); README.md, "Limits", lists what is`, 2);
      });
  }
  return root;
}

/** Commands of the contract that later work brings: refused, never silently nothing. */
const notBuilt: ReadonlyArray<readonly [string, string]> = [
  ['intercept', 'redirect rules'],
  ['inject', 'Kubernetes injection'],
  ['config', "a sidecar's effective configuration; meanwhile GET /config_dump on its admin port"],
  ['stats', "a sidecar's figures; meanwhile GET /stats on its admin port"],
  ['logs', "a sidecar's log level; meanwhile POST /logging?level=… on its admin port"],
  ['top', 'live figures by route'],
  ['tap', 'live requests by filter'],
  [
    'explain',
    'what happened to one request; meanwhile look for its request id in the access logs of both sidecars: "policy" is the rule that allowed or denied it, "dry_run_denied_by" one that is only tried, "details" and "flags" say why it failed',
  ],
  ['bench', 'the benchmark; from a clone, npm run bench'],
];

heedBrokenPipes(['control-plane', 'sidecar', 'run', 'demo'].includes(process.argv[2] ?? ''));
try {
  await program().parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (error instanceof UserError) {
    process.stderr.write(`outrigger: ${error.message}\n`);
    process.exitCode = error.exitCode;
  } else throw error;
}
