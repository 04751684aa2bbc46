/**
 * The flags of `outrigger sidecar`, both forms. node:util parses them: a command line library would weigh more than it gives in a process that is multiplied by every service. What the second
 * form stands for is in service-bootstrap.ts, what its identity comes from in sidecar-identity.ts.
 */
import { parseArgs } from 'node:util';
import { booleanFromEnvironment, environmentName, valueFromEnvironment } from './environment.ts';
import { parseWhole } from './host-port.ts';
import { refuseEmpty } from './refuse-empty.ts';
import { UserError } from './user-error.ts';

export const sidecarHelp = `Usage: outrigger sidecar --bootstrap FILE
       outrigger sidecar --service NS/NAME --app-port N [--control-plane HOST:PORT]
       outrigger sidecar --service NS/NAME --interception redirect

Runs a sidecar: from an Envoy v3 bootstrap file (YAML or JSON), or as the sidecar of a service of the mesh.

  --bootstrap FILE             Envoy v3 bootstrap: static resources, ADS, admin, node
  --service NS/NAME            the service that the application is an instance of
  --app-port N                 where the application listens on 127.0.0.1; the instance is registered when it does. With --interception several, with commas: when it listens on all
                               (needed without interception; with it there may be none, or several: 8080,9090)
  --interception MODE          how traffic comes here: none (callers name this sidecar), redirect or tproxy (rules of outrigger intercept; default none)
  --opaque-ports PORTS         with interception: ports where nothing is looked at, as plain TCP (9000,9010-9019)
  --egress allow|registry-only with interception: calls to what no service answers to; may only tighten what the control plane says
  --dns-listen HOST:PORT       with interception: answers DNS for names of the mesh here
  --app-probes JSON            probes of the application that the metrics port makes in the kubelet's place (written by outrigger inject)
  --control-plane HOST:PORT    the control plane's gRPC port, for a sidecar without an identity (default 127.0.0.1:15010)
  --control-plane-tls HOST:PORT  the same over TLS, for one with an identity (default: that host, port 15012)
  --control-plane-sockets DIR  the way to both: Unix sockets plain.sock and tls.sock in DIR, and loopback/HOST:PORT to instances on the host's loopback (of outrigger run --intercept)
  --join-token-file FILE       proof for an identity: a join token; read again each time
  --join-token TOKEN           the same on the command line, where ps shows it until the sidecar runs; OUTRIGGER_JOIN_TOKEN is better
  --kubernetes-token-file FILE proof for an identity: a projected service account token; read again each time
  --service-account NAME       which identity of the namespace to ask for (default: the service's name; a Kubernetes token's own)
  --trust-domain NAME          the mesh's trust domain (default cluster.local)
  --trust-bundle FILE          the mesh's roots (PEM), to know the control plane by (default: trust-bundle.pem in --data-dir)
  --data-dir DIR               the data directory of a control plane on this machine: without a proof, its local-token is one
                               (default: $XDG_STATE_HOME/outrigger or ~/.local/state/outrigger)
  --no-identity                no identity is wanted, whatever proof there is
  --wait-for-proof             a join token that is used up, expired or not known does not end the sidecar: it waits for another in the file
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
  --flight-recorder MIB        what records of recent requests may take in memory, for explain and GET /requests (default 4; 0 or off: none are kept)
  --concurrency N              event loops; only 1 is built yet
  --drain-time SECONDS         how long requests in hand may take after SIGTERM or Ctrl-C (default 45); a second one ends it at once
  --log-level LEVEL            trace, debug, info, warn, error, off (default info)

With --bootstrap only --admin, --listen-metrics, --app-probes, --flight-recorder, --concurrency, --drain-time and --log-level count; the file says
the rest, and other flags are refused.

Every flag has an environment variable OUTRIGGER_<FLAG>; a flag wins, also over the variable of a flag that excludes it. Flags without a
value are on by 1, true, yes or on, and off by 0, false, no or off.

Example:
  outrigger sidecar --bootstrap envoy.yaml
  outrigger sidecar --service shop/orders --app-port 8080
`;

const stringFlags = [
  'bootstrap',
  'service',
  'app-port',
  'interception',
  'opaque-ports',
  'egress',
  'dns-listen',
  'app-probes',
  'control-plane',
  'control-plane-tls',
  'control-plane-sockets',
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
  'flight-recorder',
  'concurrency',
  'drain-time',
  'log-level',
] as const;

type FlagName = (typeof stringFlags)[number];

export interface SidecarFlagText {
  /** `--zone` */
  readonly name: string;
  /** '': it takes no value. */
  readonly placeholder: string;
  readonly description: string;
}

/** As the help has them. */
export function sidecarFlagList(): SidecarFlagText[] {
  return [...sidecarHelp.matchAll(/^ {2}(--[-\w]+)(?: ([A-Z\w][^ ]*))? +(.*)$/gm)].map(([, name, value, text]) => ({
    name: name!,
    placeholder: value ?? '',
    description: text!,
  }));
}

/** One of them, as words or in the environment, is an identity's proof. */
export const proofFlags = ['join-token', 'join-token-file', 'kubernetes-token-file'] as const;
const switches = ['no-register', 'no-identity', 'wait-for-proof'] as const;
type SwitchName = (typeof switches)[number];

const bySds = 'certificates come by SDS or from files';
/** Flags that count for the sidecar of a service only, and what stands for them with a bootstrap file. */
const serviceFlags: Readonly<Partial<Record<FlagName | SwitchName, string>>> = {
  'app-port': 'its clusters say where the application is',
  interception: 'node.metadata.interception says it',
  'opaque-ports': 'node.metadata.opaque_ports says it',
  egress: 'node.metadata.egress says it',
  'dns-listen': 'node.metadata.dns_listen says it',
  'control-plane': 'dynamic_resources says it',
  'control-plane-tls': 'dynamic_resources says it',
  'control-plane-sockets': 'its clusters may have pipes',
  'join-token': bySds,
  'join-token-file': bySds,
  'kubernetes-token-file': bySds,
  'service-account': bySds,
  'trust-domain': bySds,
  'trust-bundle': bySds,
  'data-dir': bySds,
  'outbound-listen': 'its listeners say it',
  'inbound-listen': 'its listeners say it',
  upstream: 'node.metadata.upstreams says it',
  address: 'nothing is registered',
  labels: 'node.metadata.labels says it',
  zone: 'node.locality.zone says it',
  'node-id': 'node.id says it',
  xds: 'dynamic_resources.ads_config.api_type says it',
  'no-register': 'nothing is registered',
  'no-identity': bySds,
  'wait-for-proof': bySds,
};

/** Variables of a sidecar that who starts one with flags must not hand on; a proof goes by its variable. */
export const sidecarVariables: readonly string[] = [...stringFlags, ...switches]
  .filter((name) => !(proofFlags as readonly string[]).includes(name))
  .map(environmentName);

/** Flags that no word names and a variable says, with that variable. */
export function variablesOfFlags(
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
): ReadonlyMap<string, string> {
  const isTyped = (name: string): boolean =>
    words.some((word) => word === `--${name}` || word.startsWith(`--${name}=`));
  return new Map(
    [...stringFlags, ...switches]
      .filter((name) => !isTyped(name) && environment[environmentName(name)] !== undefined)
      .map((name) => [name, environmentName(name)]),
  );
}

export interface SidecarFlags {
  readonly help: boolean;
  readonly noRegister: boolean;
  readonly noIdentity: boolean;
  readonly waitForProof: boolean;
  /** The command line has a secret in it. */
  readonly secretInWords: boolean;
  readonly values: Readonly<Partial<Record<FlagName, string>>>;
  /** Variables that are set and count for nothing, as the flags are. */
  readonly withoutEffect: readonly string[];
}

type Words = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;

/** Parses the words after `sidecar`, with the environment behind them. Throws a UserError for wrong usage. */
export function parseSidecarFlags(texts: readonly string[], environment: NodeJS.ProcessEnv): SidecarFlags {
  const words = parseWords(withNumbers(texts));
  const given = (name: FlagName): string | undefined => {
    // Of a proof that turned out empty the user must hear: he believes there is one.
    const variable = isProof(name) ? environment[environmentName(name)] : valueFromEnvironment(name, environment);
    const value = words[name] ?? variable;
    // Several values are kept as the environment variable has them: with commas.
    return Array.isArray(value) ? value.join(',') : (value as string | undefined);
  };
  const bootstrapped = given('bootstrap') !== undefined && words['service'] === undefined;
  // One proof is enough: a flag wins over the environment variables of all of them.
  const proofInWords = proofFlags.some((name) => words[name] !== undefined);
  const values: Partial<Record<FlagName, string>> = {};
  const withoutEffect: string[] = [];
  for (const name of stringFlags) {
    const value = given(name);
    if (value === undefined) continue;
    const excluded =
      name === 'bootstrap'
        ? words['service'] !== undefined
        : name === 'service'
          ? words['bootstrap'] !== undefined
          : bootstrapped && serviceFlags[name] !== undefined;
    if (words[name] !== undefined || !(excluded || (proofInWords && isProof(name)))) values[name] = value;
    else if (excluded) withoutEffect.push(environmentName(name));
  }
  const help = words['help'] === true;
  if (!help) {
    for (const [name, value] of Object.entries(words)) refuseEmpty(name, value);
    checkForm(words, values);
    checkFlags(values);
  }
  const variables = switches.filter((name) => !help && booleanFromEnvironment(name, environment));
  if (bootstrapped) withoutEffect.push(...variables.map(environmentName));
  return {
    help,
    noRegister: words['no-register'] === true || variables.includes('no-register'),
    noIdentity: words['no-identity'] === true || (!proofInWords && variables.includes('no-identity')),
    waitForProof: words['wait-for-proof'] === true || variables.includes('wait-for-proof'),
    secretInWords: words['join-token'] !== undefined,
    values,
    withoutEffect,
  };
}

function isProof(name: FlagName): boolean {
  return (proofFlags as readonly string[]).includes(name);
}

function parseWords(texts: readonly string[]): Words {
  try {
    return parseArgs({
      args: [...texts],
      options: {
        help: { type: 'boolean', short: 'h' },
        ...Object.fromEntries(switches.map((name) => [name, { type: 'boolean' as const }])),
        ...Object.fromEntries(
          stringFlags.map((name) => [name, { type: 'string' as const, multiple: name === 'upstream' }]),
        ),
      },
      strict: true,
      allowPositionals: false,
    }).values;
  } catch (error) {
    throw new UserError(`sidecar: ${wordsFault(error as Error)}; outrigger sidecar --help lists the flags`, 2);
  }
}

/** node:util takes a number below zero for a flag. */
function withNumbers(texts: readonly string[]): readonly string[] {
  const joined: string[] = [];
  for (const text of texts) {
    const before = joined.at(-1) ?? '';
    if (/^-\d/.test(text) && stringFlags.some((name) => before === `--${name}`))
      joined[joined.length - 1] += `=${text}`;
    else joined.push(text);
  }
  return joined;
}

/** In our words, where node:util's are about its own ways. */
function wordsFault({ message }: Error): string {
  const name = /^Option '(?:-\w, )?(--[-\w]+)/.exec(message)?.[1];
  if (name !== undefined && message.includes('argument missing')) return `${name} needs a value`;
  if (name !== undefined && message.includes('is ambiguous'))
    return `${name} needs a value; one that begins with a dash is written ${name}=VALUE`;
  if (name !== undefined && message.includes('does not take an argument')) return `${name} takes no value`;
  return message.split(/\.\s/)[0]!;
}

/** From a bootstrap or of a service. What the environment says for all sidecars of a machine is no fault; what the words say is. */
function checkForm(words: Words, { bootstrap, service }: SidecarFlags['values']): void {
  if (bootstrap === undefined && service === undefined)
    throw new UserError('sidecar needs --bootstrap FILE, or --service NS/NAME with --app-port N', 2);
  if (bootstrap !== undefined && service !== undefined)
    throw new UserError(
      words['bootstrap'] === undefined
        ? 'sidecar takes OUTRIGGER_BOOTSTRAP or OUTRIGGER_SERVICE, not both; a flag wins over both'
        : 'sidecar takes --bootstrap or --service, not both',
      2,
    );
  if (bootstrap === undefined) return;
  const faults = Object.entries(serviceFlags)
    .filter(([name]) => words[name] !== undefined)
    .map(([name, instead]) => `--${name} needs --service; with --bootstrap, ${instead}`);
  if (faults.length > 0) throw new UserError(faults.join('\n'), 2);
}

const modes = ['none', 'redirect', 'tproxy'];

function checkInterception(values: SidecarFlags['values']): void {
  const { interception = 'none', egress } = values;
  if (!modes.includes(interception))
    throw new UserError(`--interception: ${JSON.stringify(interception)} is not one of ${modes.join(', ')}`, 2);
  if (egress !== undefined && egress !== 'allow' && egress !== 'registry-only')
    throw new UserError(`--egress: ${JSON.stringify(egress)} is not allow or registry-only`, 2);
  if (values.service === undefined || interception !== 'none') return;
  for (const name of ['opaque-ports', 'egress', 'dns-listen'] as const)
    if (values[name] !== undefined)
      throw new UserError(`--${name} needs --interception redirect or tproxy: without it only services are called`, 2);
  if (values['app-port'] === undefined)
    throw new UserError('sidecar --service needs --app-port N: the port that the application listens on', 2);
}

function checkFlags(values: SidecarFlags['values']): void {
  checkInterception(values);
  if (values.concurrency !== undefined && parseWhole('--concurrency', values.concurrency, 1, 256) !== 1) {
    throw new UserError('--concurrency above 1 is not built yet; run it with 1', 2);
  }
  flightRecorderBytes(values);
  if (values.xds !== undefined && values.xds !== 'sotw' && values.xds !== 'delta') {
    throw new UserError(`--xds: ${JSON.stringify(values.xds)} is not sotw or delta`, 2);
  }
}

/** Of --flight-recorder. Throws a UserError for what is no size. */
export function flightRecorderBytes({ 'flight-recorder': given = '4' }: SidecarFlags['values']): number {
  return given === 'off' ? 0 : parseWhole('--flight-recorder', given, 0, 1024) * 1024 * 1024;
}
