/**
 * The program `outrigger`: names the commands and their flags. Each command's work is in a file of its own under commands/, loaded only when it
 * is asked for. `outrigger sidecar` is a program of its own (sidecar-program.ts), because the sidecar must stay small. main.ts runs it; completion and
 * docs/commands.md are made of it.
 */
import { Argument, Command, type Option } from 'commander';
import { version } from '../sidecar/runtime/version.ts';
import { withExample } from './command-example.ts';
import type { Shell } from './completion/completion-script.ts';
import { addConfigCommands } from './config-program.ts';
import { booleanFromEnvironment, valueFromEnvironment } from './environment.ts';
import {
  controlPlane,
  controlPlaneAdmin,
  dataDir,
  flag,
  output,
  shownFlags,
  sidecarAdmin,
  sidecarInstead,
} from './flag.ts';
import { addIdentityCommands } from './identity-program.ts';
import { addInterceptCommands } from './intercept-program.ts';
import { addLiveCommands } from './live-program.ts';
import { addProxyIdentityCommands } from './proxy-identity-program.ts';
import { refuseEmpty } from './refuse-empty.ts';
import { proofFlags, sidecarHelp } from './sidecar-flags.ts';
import { UserError } from './user-error.ts';

/** commander takes a flag without a value as given when its variable is there, whatever it says. */
function readSwitches(command: Command): void {
  for (const option of command.options) {
    const key = option.attributeName();
    if (option.required || option.optional || command.getOptionValueSource(key) !== 'env') continue;
    // Of `--x` and `--no-x` the one whose variable it is.
    if (valueFromEnvironment(option.name(), process.env) === undefined) continue;
    const on = booleanFromEnvironment(option.name(), process.env);
    command.setOptionValueWithSource(key, option.negate ? !on : on, 'env');
  }
}

/** Flags by their names. */
function flagsOfVariables(command: Command): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  for (const option of command.options) {
    // Of `--x` and `--no-x` the one whose variable it is.
    if (option.envVar === undefined || process.env[option.envVar] === undefined) continue;
    if (command.getOptionValueSource(option.attributeName()) !== 'env') continue;
    for (const name of [option.short, option.long])
      if (name?.startsWith('--')) variables.set(name.slice(2), option.envVar);
  }
  return variables;
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

/** As commander names an option's value. */
const camelCase = (name: string): string => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
/** Where Kubernetes puts a service account's credentials. */
const mounted = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Flags that take several values: given again and again, or with commas in the environment variable. */
const several = (value: string, before: string[] | undefined): string[] => [...(before ?? []), ...value.split(',')];

/** The same, of values that have commas. */
const again = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

const rules = `outrigger <command> --help explains each command.

Every flag has an environment variable OUTRIGGER_<FLAG>; a flag wins, also over the variable of a flag
that excludes it. An empty variable is none. Flags without a value are on by 1, true, yes or on, and
off by 0, false, no or off. Data goes to stdout, all else to stderr.

Exit codes: 0 fine, 1 a problem found or a failure, 2 wrong usage; run: as its command.`;

/** `onVariables`: told, before a command acts, which of its flags come from which variable. */
export function program(onVariables: (variables: ReadonlyMap<string, string>) => void = () => {}): Command {
  const root = new Command('outrigger')
    .description('A service mesh: a light sidecar proxy beside every service, and a small control plane.')
    .version(version)
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({ writeErr: (text) => process.stderr.write(text.replace(/^error: /, 'outrigger: ')) })
    .configureHelp({
      helpWidth: Math.min(process.stdout.columns ?? 100, 100),
      minWidthToWrap: 24,
      optionTerm: shownFlags,
    })
    .addHelpText('after', `\n${rules}`)
    .hook('preAction', (_, action) => {
      onVariables(flagsOfVariables(action));
      refuseEmptyFlags(action);
      readSwitches(action);
    })
    .showHelpAfterError('(outrigger <command> --help explains each command)');

  const command = (name: string, description: string, example: string): Command =>
    withExample(root.command(name).description(description), example);

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
    .addOption(
      flag('--source <NAME>', 'kubernetes: Services, Pods, routes and policies of an API server, beside --config'),
    )
    .addOption(
      flag('--kubeconfig <FILE>', 'where that API server is; default: that of the cluster in which this Pod runs'),
    )
    .addOption(
      flag(
        '--kubernetes-namespace <NAME>',
        "with --kubeconfig: the control plane's own namespace, where its Lease and its roles are; default: outrigger-system; in a Pod always that of its service account",
      ),
    )
    .addOption(
      flag(
        '--publish-root',
        "with --source kubernetes: keeps the mesh's roots in the ConfigMap outrigger-root of each namespace, and in the webhook's configuration; default with --listen-webhook",
      ),
    )
    .addOption(flag('--no-publish-root', 'they come into the cluster by other means'))
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
    .addOption(
      flag(
        '--kubernetes-api <URL>',
        'take Kubernetes service account tokens, reviewed by this API server; default: the one of --source kubernetes',
      ),
    )
    .addOption(flag('--kubernetes-audience <NAME>', 'whom those tokens have to be for', 'outrigger'))
    .addOption(flag('--kubernetes-token <FILE>', "the control plane's own token", `${mounted}/token`))
    .addOption(flag('--kubernetes-ca <FILE>', "the API server's CA", `${mounted}/ca.crt`))
    .addOption(flag('--listen-admin <HOST:PORT>', 'metrics, health and data for `get`', '127.0.0.1:15014'))
    .addOption(
      flag(
        '--egress <POLICY>',
        'where redirected traffic may go: allow (anywhere), or registry-only (to Services); a workload may only say registry-only',
        'allow',
      ),
    )
    .addOption(
      flag(
        '--listen-webhook <HOST:PORT>',
        'puts sidecars into pods for the Kubernetes API server, as 0.0.0.0:15017',
        'off',
      ),
    )
    .addOption(
      flag(
        '--webhook-name <NAME>',
        'how the API server calls it, for its certificate; may be given again, or several with commas',
      )
        .argParser(several)
        .default(['outrigger-webhook.outrigger-system.svc']),
    )
    .addOption(
      flag(
        '--webhook-configuration <NAME>',
        'its MutatingWebhookConfiguration, in which --publish-root keeps the caBundle',
        'outrigger-inject',
      ),
    )
    .addOption(flag('--webhook-certificate <FILE>', "your own certificate (PEM chain), watched, instead of the mesh's"))
    .addOption(flag('--webhook-key <FILE>', 'its key (PEM)'))
    .addOption(
      flag('--inject-set <KNOB=VALUE>', 'a knob for all pods (docs/inject.md); may be given again').argParser(again),
    )
    .addOption(
      flag(
        '--inject-lock <KNOB>',
        'a knob that pods have no say in, several with commas; none for none (default: image, image-pull-policy, control-plane, trust-domain, identity, platform)',
      ).argParser(several),
    )
    .addOption(
      flag(
        '--store <KIND>',
        'embedded, or etcd: control planes then share the counters of global rate limits, and nothing else (no authority, tokens, instances or rotations)',
        'embedded',
      ),
    )
    .addOption(
      flag(
        '--etcd <HOST:PORT>',
        'a member of the etcd of --store etcd; may be given again, or several with commas',
      ).argParser(several),
    )
    .addOption(flag('--etcd-ca <FILE>', "speak TLS to it, and trust these roots (PEM); 'system' for the system's"))
    .addOption(flag('--etcd-cert <FILE>', 'our certificate for it (PEM), with --etcd-ca and --etcd-key'))
    .addOption(flag('--etcd-key <FILE>', 'its key (PEM)'))
    .addOption(flag('--etcd-prefix <TEXT>', 'of all our keys in it: another for each mesh (default: "/outrigger/")'))
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
    .addOption(
      flag(
        '--intercept',
        'a network of its own for the command: all of its connections go through the sidecar, services are found by name; needs root',
      ),
    )
    .addOption(flag('--user <USER>', 'with --intercept: whom the command runs as; default: who called sudo, else root'))
    .addOption(flag('--no-dns', 'with --intercept: names of services are not answered'))
    .addOption(flag('--egress <POLICY>', 'with --intercept: allow or registry-only, for what no service answers to'))
    .addOption(flag('--opaque-ports <PORTS>', 'with --intercept: ports where nothing is looked at, as plain TCP'))
    .addOption(flag('--exclude-outbound-ports <PORTS>', 'with --intercept: connections to these pass by the sidecar'))
    .addOption(flag('--exclude-outbound-ranges <CIDR,…>', 'with --intercept: connections to these pass by the sidecar'))
    .argument('<command...>', 'what to run, after --')
    .passThroughOptions()
    .action(async (words: string[], options, run: Command) => {
      refuseRunFlags(options.intercept === true, (name) => run.getOptionValueSource(camelCase(name)) === 'cli');
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
      process.exitCode = await (await import('./commands/validate.ts')).validate(paths, options, () => Date.now());
    });

  const manifests = (): Option =>
    flag('-f, --filename <PATH>', 'a manifest, a folder of them, or - for stdin; may be given again').argParser(
      several,
    );
  const manifestFormat = (): Option =>
    flag('-o, --output <FORMAT>', 'how to print').choices(['yaml', 'json']).default('yaml');

  command(
    'inject',
    'Puts the sidecar into Kubernetes manifests: pods and every kind of workload; all else goes through as it is.',
    'outrigger inject -f orders.yaml | kubectl apply -f -\n  outrigger inject -f manifests/ --set interception=tproxy --set log-level=debug      docs/inject.md lists the knobs',
  )
    .addOption(manifests())
    .addOption(
      flag(
        '--set <KNOB=VALUE>',
        'a knob for all pods; the annotation outrigger.dev/KNOB of a pod wins; may be given again',
      ).argParser(again),
    )
    .addOption(flag('-n, --namespace <NAME>', 'of manifests that name none'))
    .addOption(manifestFormat())
    .action(async (options) => {
      process.exitCode = await (await import('./commands/inject.ts')).inject(options);
    });

  command(
    'webhook',
    'Prints what registers the injection webhook with Kubernetes (a MutatingWebhookConfiguration).',
    'outrigger webhook --data-dir .outrigger | kubectl apply -f -',
  )
    .addOption(flag('--webhook-configuration <NAME>', 'the name of the object', 'outrigger-inject'))
    .addOption(flag('--service <NS/NAME>', 'the Service in front of the webhook', 'outrigger-system/outrigger-webhook'))
    .addOption(flag('--service-port <N>', 'its port', '443'))
    .addOption(flag('--url <URL>', 'where the API server finds it instead: https://HOST:PORT'))
    .addOption(
      flag('--failure-policy <WORD>', 'what becomes of pods while the webhook does not answer')
        .choices(['Fail', 'Ignore'])
        .default('Fail'),
    )
    .addOption(
      flag('--trust-bundle <FILE>', "whom to believe: the mesh's roots (PEM); default: trust-bundle.pem in --data-dir"),
    )
    .addOption(dataDir('of a control plane on this machine'))
    .addOption(manifestFormat())
    .action(async (options) => {
      (await import('./commands/webhook.ts')).webhook(options);
    });

  command(
    'wait',
    'Waits until a sidecar is ready: before an application begins, beside a sidecar that is no native one.',
    'outrigger wait --timeout 60s',
  )
    .addOption(sidecarAdmin())
    .addOption(flag('--timeout <DURATION>', 'how long', '60s'))
    .action(async ({ sidecarAdmin: admin, timeout }) =>
      (await import('./commands/pod-hooks.ts')).wait({ admin, timeout }),
    );

  command(
    'drain',
    'Tells a sidecar to leave the mesh, and waits until what callers have in hand is finished.',
    'outrigger drain --timeout 50s',
  )
    .addOption(sidecarAdmin())
    .addOption(flag('--timeout <DURATION>', 'how long', '50s'))
    .action(async ({ sidecarAdmin: admin, timeout }) =>
      (await import('./commands/pod-hooks.ts')).drain({ admin, timeout }),
    );

  command(
    'uninject',
    'Takes the sidecar out of Kubernetes manifests: they are as before inject.',
    'outrigger uninject -f orders.yaml | kubectl apply -f -',
  )
    .addOption(manifests())
    .addOption(manifestFormat())
    .action(async (options) => {
      process.exitCode = await (await import('./commands/inject.ts')).uninject(options);
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

  command(
    'dashboard',
    "Prints the address of the control plane's dashboard, with what lets you change something from there.",
    'outrigger dashboard --open',
  )
    .addOption(controlPlaneAdmin())
    .addOption(dataDir("the control plane's, where its local token is"))
    .addOption(flag('--open', 'open it in a browser too'))
    .addOption(flag('--no-token', 'to look only'))
    .action(async (options) => (await import('./commands/dashboard.ts')).dashboard(options));

  command('get', 'Lists what the control plane knows.', 'outrigger get endpoints -o json')
    .addArgument(oneOf('kind', 'what to list', ['services', 'endpoints', 'routes', 'policies', 'proxies', 'loads']))
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
    'stats',
    "Shows a sidecar's figures: counters, gauges, and histograms as quantiles; with --watch what moves, and how fast.",
    "outrigger stats --filter 'upstream_rq_(total|5xx)'\n  outrigger stats --watch 5s --filter downstream_rq      requests per second, every 5 s",
  )
    .addOption(flag('--filter <REGEX>', 'only figures whose name this finds something in (RE2)'))
    .addOption(flag('--all', 'also what was never counted; with --watch, also what does not move'))
    .addOption(
      flag('--watch [DURATION]', 'look again and again, and show rates per second; every 2s if not said').preset('2s'),
    )
    .addOption(flag('--count <N>', 'with --watch: end after so many looks'))
    .addOption(sidecarAdmin())
    .addOption(output())
    .action(async (options) => (await import('./commands/stats.ts')).stats(options));

  addLiveCommands(root);

  addConfigCommands(root);

  const logs = withExample(
    root.command('logs').description("A sidecar's log while it runs."),
    'outrigger logs level debug',
  );
  withExample(
    logs.command('level').description("Shows a sidecar's log level, or sets it until the sidecar ends."),
    'outrigger logs level\n  outrigger logs level debug --admin 127.0.0.1:15000',
  )
    .addArgument(
      new Argument('[level]', 'what the sidecar is to log')
        .choices(['trace', 'debug', 'info', 'warn', 'error', 'off'])
        .argParser((word) => word),
    )
    .addOption(sidecarAdmin())
    .addOption(output())
    .action(async (level: string | undefined, options) =>
      (await import('./commands/logs.ts')).logsLevel(level, options, process.env['OUTRIGGER_ADMIN_TOKEN'] ?? ''),
    );

  command(
    'breaker',
    "Shows a sidecar's circuit breakers, or those of all; holds one open or closed, or releases it.",
    "outrigger breaker list\n  outrigger breaker list --all      of every sidecar, through the control plane\n  outrigger breaker open 'outbound|80||payments.shop'      nobody of this sidecar calls payments any more\n  outrigger breaker release 'outbound|80||payments.shop'",
  )
    .addArgument(oneOf('action', 'list, open, close or release', ['list', 'open', 'close', 'release']))
    .argument('[name]', 'of the circuit breaker, as list shows it')
    .addOption(sidecarAdmin())
    .addOption(flag('--all', 'of all sidecars, through the control plane'))
    .addOption(
      flag(
        '--proxy <NAME>',
        'of this sidecar (node id), or of all of a service (NAMESPACE/SERVICE), through the control plane',
      ),
    )
    .addOption(flag('--control-plane-admin <HOST:PORT>', "the control plane's admin port", '127.0.0.1:15014'))
    .addOption(dataDir("the control plane's data directory, which has the token for changes"))
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
    'outrigger check\n  outrigger check --sidecar-admin 127.0.0.1:15000      one sidecar, by its own admin port',
  )
    .addOption(controlPlaneAdmin())
    .addOption(flag('--control-plane <HOST:PORT>', 'its plain door; default: where it says that it listens'))
    .addOption(flag('--control-plane-tls <HOST:PORT>', 'its TLS door; default: where it says that it listens'))
    .addOption(flag('--trust-bundle <FILE>', "the mesh's roots (PEM); default: trust-bundle.pem in --data-dir"))
    .addOption(dataDir('whose rights are looked at, where it is on this machine'))
    .addOption(sidecarInstead())
    .addOption(output())
    .action(async (options) => {
      process.exitCode = await (await import('./commands/check.ts')).check(options, Date.now);
    });

  command(
    'report',
    'Gathers what a bug report needs into one archive: what control plane and sidecars say, the machine, check. Secrets are masked, and nothing is sent anywhere.',
    'outrigger report --sidecar-admin 127.0.0.1:15000 --config mesh/ --log sidecar.log',
  )
    .addOption(flag('--file <FILE>', 'where it is written; default: outrigger-report-<time>.tar.gz in this folder'))
    .addOption(controlPlaneAdmin())
    .addOption(controlPlane())
    .addOption(
      flag('--sidecar-admin <HOST:PORT>', 'admin port of a sidecar, or of an Envoy; may be given again').argParser(
        several,
      ),
    )
    .addOption(flag('--config <PATH>', 'configuration to take along; may be given again').argParser(several))
    .addOption(flag('--log <FILE>', 'log whose last MiB is taken; may be given again').argParser(several))
    .addOption(flag('--timeout <DURATION>', 'how long any part is waited for', '10s'))
    .addOption(output())
    .action(async (options) => {
      const { sidecarAdmin = [], config = [], log = [] } = options as Record<string, string[] | undefined>;
      process.exitCode = await (await import('./commands/report.ts')).report(
        { ...options, sidecarAdmin, config, log },
        Date.now,
        () => performance.now(),
      );
    });

  const identity = command(
    'identity',
    'Who is who in the mesh: identities in use, join tokens, the roots and their rotation.',
    'outrigger identity token create --service shop/orders',
  );
  addIdentityCommands(identity);
  addProxyIdentityCommands(identity);

  addInterceptCommands(
    command(
      'intercept',
      "The redirect rules that lead a host's or pod's traffic through its sidecar, by nftables or iptables.",
      'outrigger intercept install --verify\n  outrigger intercept show\n  outrigger intercept remove',
    ),
  );

  command(
    'completion',
    'Prints a script that completes commands and flags when you press Tab.',
    'outrigger completion bash > /etc/bash_completion.d/outrigger\n  source <(outrigger completion zsh)      only in this shell\n  outrigger completion fish > ~/.config/fish/completions/outrigger.fish',
  )
    .addArgument(oneOf('shell', 'for which shell', ['bash', 'zsh', 'fish']))
    .action(async (shell: Shell) => {
      process.stdout.write((await import('./completion/completion-script.ts')).completionScript(shell, root));
    });

  command(
    'demo',
    'Runs the demo: a shop of four services, each with a sidecar, on this machine only.',
    'outrigger demo --seconds 20\n  outrigger demo --otlp 127.0.0.1:4317',
  )
    .addOption(flag('--seconds <N>', 'stop by itself after so many seconds'))
    .addOption(flag('--otlp <HOST:PORT>', 'sends every trace to the OpenTelemetry collector there, by gRPC'))
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

/** Flags of one form of `run` say nothing in the other. */
function refuseRunFlags(intercept: boolean, isGiven: (name: string) => boolean): void {
  const wrong = (names: readonly string[]): string | undefined => names.find(isGiven);
  const ofIntercepted = wrong([
    'user',
    'dns',
    'egress',
    'opaque-ports',
    'exclude-outbound-ports',
    'exclude-outbound-ranges',
  ]);
  if (!intercept && ofIntercepted !== undefined)
    throw new UserError(`--${ofIntercepted === 'dns' ? 'no-dns' : ofIntercepted} needs --intercept`, 2);
  const ofBeside = wrong(['upstream', 'outbound-listen', 'inbound-listen', 'sidecar-admin', 'listen-metrics']);
  if (intercept && ofBeside !== undefined)
    throw new UserError(
      `--${ofBeside} says nothing with --intercept: in the command's own network ${ofBeside === 'upstream' ? 'services are called by their names' : 'the sidecar has its usual ports (15000, 15001, 15006, 15020)'}`,
      2,
    );
}

/** Commands of the contract that later work brings: refused, never silently nothing. */
const notBuilt: ReadonlyArray<readonly [string, string]> = [['bench', 'the benchmark; from a clone, npm run bench']];
