/**
 * The program `outrigger`: names the commands and their flags. Each command's work is in a file of its own under commands/, loaded only when it
 * is asked for. `outrigger sidecar` is a program of its own (sidecar-program.ts), because the sidecar must stay small.
 */
import { Argument, Command, CommanderError, Option } from 'commander';
import { UserError } from './user-error.ts';

const version = '0.1.0';

/** A flag with its environment variable, `OUTRIGGER_<FLAG>`; the flag wins. */
function flag(flags: string, description: string, fallback?: string): Option {
  const name = /--([a-z-]+)/.exec(flags)![1]!;
  const option = new Option(flags, description).env(`OUTRIGGER_${name.toUpperCase().replaceAll('-', '_')}`);
  return fallback === undefined ? option : option.default(fallback);
}

const output = (): Option =>
  flag('-o, --output <FORMAT>', 'how to print').choices(['table', 'json', 'yaml']).default('table');
const controlPlaneAdmin = (): Option =>
  flag('--admin <HOST:PORT>', "the control plane's admin port", '127.0.0.1:15014');
const controlPlane = (): Option =>
  flag('--control-plane <HOST:PORT>', "the control plane's gRPC port", '127.0.0.1:15010');

/** Flags that take several values: given again and again, or with commas in the environment variable. */
const several = (value: string, before: string[] | undefined): string[] => [...(before ?? []), ...value.split(',')];

function program(): Command {
  const root = new Command('outrigger')
    .description('A service mesh: a light sidecar proxy beside every service, and a small control plane.')
    .version(version)
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({ writeErr: (text) => process.stderr.write(text.replace(/^error: /, 'outrigger: ')) })
    .showHelpAfterError('(outrigger <command> --help explains each command)');

  const command = (name: string, description: string, example: string): Command =>
    root.command(name).description(description).addHelpText('after', `\nExample:\n  ${example}`);

  command(
    'control-plane',
    'Runs the control plane: reads configuration, keeps the registry, serves xDS.',
    'outrigger control-plane --config mesh/ --data-dir .outrigger',
  )
    .addOption(flag('--config <PATH>', 'YAML file or folder, watched; may be given again').argParser(several))
    .addOption(flag('--data-dir <DIR>', 'where registered instances survive a restart'))
    .addOption(flag('--listen <HOST:PORT>', 'xDS and registration without TLS; loopback only', '127.0.0.1:15010'))
    .addOption(flag('--listen-tls <HOST:PORT>', 'not built yet: refused'))
    .addOption(flag('--listen-admin <HOST:PORT>', 'metrics, health and data for `get`', '127.0.0.1:15014'))
    .addOption(flag('--store <KIND>', 'embedded; etcd is not built yet', 'embedded'))
    .addOption(flag('--log-level <LEVEL>', 'trace, debug, info, warn, error', 'info'))
    .action(async (options) => (await import('./commands/control-plane.ts')).controlPlane(options));

  // Listed here for `--help`; bin/outrigger starts the sidecar's own program for it.
  command(
    'sidecar',
    'Runs a sidecar, from an Envoy v3 bootstrap file or for a service of the mesh.',
    'outrigger sidecar --bootstrap envoy.yaml\n  outrigger sidecar --service shop/orders --app-port 8080',
  )
    .allowUnknownOption()
    .helpOption(false)
    .argument('[flags...]')
    .action(async () => (await import('./commands/sidecar.ts')).sidecar(process.argv.slice(3)));

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
        'an address of its own for a service, handed over as ORDERS_SHOP_ADDRESS and ORDERS_SHOP_URL; may be given again',
      ).argParser(several),
    )
    .addOption(controlPlane())
    .addOption(flag('--labels <K=V,…>', 'labels of this instance, as `version=v2`'))
    .addOption(flag('--zone <ZONE>', 'locality of this instance'))
    .addOption(
      flag('--outbound-listen <HOST:PORT>', "the sidecar's outbound listener; port 0 takes a free one", '127.0.0.1:0'),
    )
    .addOption(
      flag('--inbound-listen <HOST:PORT>', "the sidecar's inbound listener; port 0 takes a free one", '127.0.0.1:0'),
    )
    .addOption(flag('--sidecar-admin <HOST:PORT>', "the sidecar's admin port; port 0 takes a free one", '127.0.0.1:0'))
    .addOption(flag('--listen-metrics <HOST:PORT>', '/metrics and /healthz of the sidecar; off for none', 'off'))
    .addOption(flag('--drain-time <SECONDS>', 'how long requests in hand may take when the command ends', '45'))
    .addOption(flag('--log-level <LEVEL>', "the sidecar's log level", 'warn'))
    .argument('<command...>', 'what to run, after --')
    .passThroughOptions()
    .action(async (words: string[], options) => {
      process.exitCode = await (await import('./commands/run.ts')).run(words, options);
    });

  command(
    'validate',
    'Checks configuration and names every fault with file, line and field.',
    'outrigger validate mesh/',
  )
    .argument('<path...>', 'YAML files or folders')
    .addOption(output())
    .action(async (paths: string[], options) => {
      process.exitCode = await (await import('./commands/validate.ts')).validate(paths, options);
    });

  command('get', 'Lists what the control plane knows.', 'outrigger get endpoints -o json')
    .addArgument(
      new Argument('<kind>', 'what to list').choices(['services', 'endpoints', 'routes', 'policies', 'proxies']),
    )
    .addOption(controlPlaneAdmin())
    .addOption(output())
    .action(async (kind: string, options) => (await import('./commands/get.ts')).get(kind, options));

  command(
    'status',
    'Shows every connected proxy and whether it has taken its configuration (xDS CSDS).',
    'outrigger status',
  )
    .addOption(controlPlane())
    .addOption(output())
    .action(async (options) => {
      process.exitCode = await (await import('./commands/status.ts')).status(options);
    });

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
      .description(what)
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
  ['explain', 'what happened to one request; meanwhile the access log has its request id'],
  ['check', 'finding what is wrong with an installation'],
  ['identity', 'certificates in use'],
  ['bench', 'the benchmark; from a clone, npm run bench'],
];

try {
  await program().parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (error instanceof UserError) {
    process.stderr.write(`outrigger: ${error.message}\n`);
    process.exitCode = error.exitCode;
  } else throw error;
}
