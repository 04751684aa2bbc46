/**
 * The flags of `outrigger sidecar`, both forms. node:util parses them: a command line library would weigh more than it gives in a process that is multiplied by every service. What the second
 * form stands for is in service-bootstrap.ts, what its identity comes from in sidecar-identity.ts.
 */
import { parseArgs } from 'node:util';
import { parseWhole } from './host-port.ts';
import { UserError } from './user-error.ts';

export const sidecarHelp = `Usage: outrigger sidecar --bootstrap FILE
       outrigger sidecar --service NS/NAME --app-port N [--control-plane HOST:PORT]

Runs a sidecar: from an Envoy v3 bootstrap file (YAML or JSON), or as the sidecar of a service of the mesh.

  --bootstrap FILE             Envoy v3 bootstrap: static resources, ADS, admin, node
  --service NS/NAME            the service that the application is an instance of
  --app-port N                 where the application listens on 127.0.0.1; the instance is registered when it does
  --control-plane HOST:PORT    the control plane's gRPC port, for a sidecar without an identity (default 127.0.0.1:15010)
  --control-plane-tls HOST:PORT  the same over TLS, for one with an identity (default: that host, port 15012)
  --join-token-file FILE       proof for an identity: a join token; read again each time
  --join-token TOKEN           the same on the command line, where ps shows it until the sidecar runs; OUTRIGGER_JOIN_TOKEN is better
  --kubernetes-token-file FILE proof for an identity: a projected service account token; read again each time
  --service-account NAME       which identity of the namespace to ask for (default: the service's name; a Kubernetes token's own)
  --trust-domain NAME          the mesh's trust domain (default cluster.local)
  --trust-bundle FILE          the mesh's roots (PEM), to know the control plane by (default: trust-bundle.pem in --data-dir)
  --data-dir DIR               the data directory of a control plane on this machine: without a proof, its local-token is one
                               (default: $XDG_STATE_HOME/outrigger or ~/.local/state/outrigger)
  --no-identity                no identity is wanted, whatever proof there is
  --outbound-listen HOST:PORT  the application's calls come here (default 127.0.0.1:15001)
  --inbound-listen HOST:PORT   other sidecars' calls come here (default 0.0.0.0:15006)
  --upstream NS/NAME:PORT[=N]  an address of its own for a service's port: 127.0.0.1:N, or a free port; may be given again
  --address HOST               where other sidecars reach this one (default: the host of --inbound-listen, or this machine's first address)
  --admin HOST:PORT            admin endpoint (default: the bootstrap's; with --service 127.0.0.1:15000)
  --admin-token-file FILE      who shows this token (authorization: Bearer) may change things by the admin endpoint from other machines too; or the
                               token itself in OUTRIGGER_ADMIN_TOKEN (default: none, only this machine may)
  --listen-metrics HOST:PORT   /metrics and /healthz for scrapers and probes (with --service default 0.0.0.0:15020; "off" for none)
  --labels K=V,…               labels of this instance, as version=v2
  --zone ZONE                  locality of this instance
  --node-id ID                 default: <service>.<namespace>-<host>-<pid>
  --xds sotw|delta             which xDS variant to speak (default delta)
  --no-register                do not register the instance with the control plane
  --concurrency N              event loops; only 1 is built yet
  --drain-time SECONDS         how long requests in hand may take after SIGTERM (default 45)
  --log-level LEVEL            trace, debug, info, warn, error, off (default info)

Every flag has an environment variable OUTRIGGER_<FLAG>; a flag wins.

Example:
  outrigger sidecar --bootstrap envoy.yaml
  outrigger sidecar --service shop/orders --app-port 8080
`;

const stringFlags = [
  'bootstrap',
  'service',
  'app-port',
  'control-plane',
  'control-plane-tls',
  'join-token',
  'join-token-file',
  'kubernetes-token-file',
  'service-account',
  'trust-domain',
  'trust-bundle',
  'data-dir',
  'outbound-listen',
  'inbound-listen',
  'upstream',
  'address',
  'admin',
  'admin-token-file',
  'listen-metrics',
  'labels',
  'zone',
  'node-id',
  'xds',
  'concurrency',
  'drain-time',
  'log-level',
] as const;

type FlagName = (typeof stringFlags)[number];

/** One of them, as words or in the environment, is an identity's proof. */
export const proofFlags = ['join-token', 'join-token-file', 'kubernetes-token-file'] as const;
/** Flags that only say how a sidecar of a service gets its identity. */
const identityFlags = [
  ...proofFlags,
  'control-plane-tls',
  'service-account',
  'trust-domain',
  'trust-bundle',
  'data-dir',
] as const;

export function environmentName(flag: string): string {
  return `OUTRIGGER_${flag.toUpperCase().replaceAll('-', '_')}`;
}

export interface SidecarFlags {
  readonly help: boolean;
  readonly noRegister: boolean;
  readonly noIdentity: boolean;
  /** The command line has a secret in it. */
  readonly secretInWords: boolean;
  readonly values: Readonly<Partial<Record<FlagName, string>>>;
}

/** Parses the words after `sidecar`, with the environment behind them. Throws a UserError for wrong usage. */
export function parseSidecarFlags(words: readonly string[], environment: NodeJS.ProcessEnv): SidecarFlags {
  let parsed: { values: Record<string, string | boolean | readonly (string | boolean)[] | undefined> };
  try {
    parsed = parseArgs({
      args: [...words],
      options: {
        help: { type: 'boolean', short: 'h' },
        'no-register': { type: 'boolean' },
        'no-identity': { type: 'boolean' },
        ...Object.fromEntries(
          stringFlags.map((name) => [name, { type: 'string' as const, multiple: name === 'upstream' }]),
        ),
      },
      strict: true,
      allowPositionals: false,
    });
  } catch (error) {
    throw new UserError(
      `sidecar: ${(error as Error).message.split('. ')[0]!}; outrigger sidecar --help lists the flags`,
      2,
    );
  }
  const values: Partial<Record<FlagName, string>> = {};
  // One proof is enough: a flag wins over the environment variables of all of them.
  const proofInWords = proofFlags.some((name) => parsed.values[name] !== undefined);
  for (const name of stringFlags) {
    const heeded = !(proofInWords && (proofFlags as readonly string[]).includes(name));
    const given = parsed.values[name] ?? (heeded ? environment[environmentName(name)] : undefined);
    // Several values are kept as the environment variable has them: with commas.
    const value = Array.isArray(given) ? given.join(',') : given;
    if (typeof value === 'string') values[name] = value;
  }
  const flags = {
    help: parsed.values['help'] === true,
    noRegister: parsed.values['no-register'] === true || environment['OUTRIGGER_NO_REGISTER'] === 'true',
    noIdentity: parsed.values['no-identity'] === true || environment['OUTRIGGER_NO_IDENTITY'] === 'true',
    secretInWords: parsed.values['join-token'] !== undefined,
    values,
  };
  if (!flags.help) {
    checkFlags(values);
    checkIdentityFlags(parsed.values);
  }
  return flags;
}

function checkFlags(values: Partial<Record<FlagName, string>>): void {
  if (values.bootstrap === undefined && values.service === undefined) {
    throw new UserError('sidecar needs --bootstrap FILE, or --service NS/NAME with --app-port N', 2);
  }
  if (values.bootstrap !== undefined && values.service !== undefined)
    throw new UserError('sidecar takes --bootstrap or --service, not both', 2);
  if (values.upstream !== undefined && values.service === undefined)
    throw new UserError('--upstream needs --service; with --bootstrap, node.metadata.upstreams says it', 2);
  if (values.service !== undefined && values['app-port'] === undefined) {
    throw new UserError('sidecar --service needs --app-port N: the port that the application listens on', 2);
  }
  if (values.concurrency !== undefined && parseWhole('--concurrency', values.concurrency, 1, 256) !== 1) {
    throw new UserError('--concurrency above 1 is not built yet; run it with 1', 2);
  }
  if (values.xds !== undefined && values.xds !== 'sotw' && values.xds !== 'delta') {
    throw new UserError(`--xds: ${JSON.stringify(values.xds)} is not sotw or delta`, 2);
  }
}

/** Of the words only: the environment of a machine may say them for all its sidecars. */
function checkIdentityFlags(words: Readonly<Record<string, unknown>>): void {
  const [first] = identityFlags.filter((name) => words[name] !== undefined);
  if (first !== undefined && words['bootstrap'] !== undefined)
    throw new UserError(`--${first} needs --service; with --bootstrap, certificates come by SDS or from files`, 2);
}
