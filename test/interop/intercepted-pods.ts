/**
 * Pods as Kubernetes makes them, each a network namespace on one bridge: an application that knows nothing, a stock Envoy under our control plane, and rules by hand that lead everything through it. The bridge and the control
 * plane are in a namespace of their own; nothing of the host's network is touched.
 */
import { execFile, execFileSync } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type StartedProgram, waitFor } from '../peers/started-program.ts';
import { adsBootstrap, type Json } from './envoy-resources.ts';
import { mesh } from './mesh-configuration.ts';
import { towardsControlPlane } from './mesh-with-identities.ts';
import { outriggerProgram, peer, type Stage } from './programs.ts';

export interface Call {
  readonly how: 'http' | 'http2' | 'websocket' | 'tcp' | 'tls' | 'dns';
  readonly host: string;
  readonly port: number;
  /** Host, server name, or the name that is asked for. */
  readonly name?: string;
  readonly path?: string;
  /** What the caller says first; '' : nothing. */
  readonly say?: string;
  /** Enough is heard. */
  readonly until?: string;
}

export interface CallAnswer {
  readonly status: number;
  readonly text: string;
  /** '' : none. */
  readonly error: string;
}

export interface Pod {
  readonly namespace: string;
  readonly address: string;
  readonly ipv6: string;
}

const hubAddress = '10.77.0.1';
const hubIpv6 = 'fd77::1';
const tlsPort = 15_012;
const adminPort = 15_014;
/** Of the proxy: what it sends itself is left alone. */
const proxyGroup = '1337';
const run = promisify(execFile);
const beside = (file: string): string => join(import.meta.dirname, file);

let made = 0;
const open = new Set<InterceptedPods>();
// A run that is cut off calls no afterAll.
process.on('exit', () => {
  for (const pods of open) pods.removeNetwork();
});

export class InterceptedPods {
  readonly #stage: Stage;
  readonly #name = `outrigger-${process.pid}-l${made++}`;
  readonly #namespaces: string[] = [];
  readonly #config: string;
  readonly #certificate: readonly [string, string];
  readonly #hub: string;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#config = join(stage.folder, 'mesh.yaml');
    this.#certificate = [join(stage.folder, 'app.pem'), join(stage.folder, 'app.key')];
    open.add(this);
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=app',
      ].concat(['-out', this.#certificate[0], '-keyout', this.#certificate[1]]),
      { stdio: 'ignore' },
    );
    this.#hub = this.#namespace('hub');
    this.#ip(this.#hub, 'link add br0 type bridge');
    this.#ip(this.#hub, `addr add ${hubAddress}/24 dev br0`);
    this.#ip(this.#hub, `addr add ${hubIpv6}/64 dev br0 nodad`);
    this.#ip(this.#hub, 'link set br0 up');
  }

  /** `flags`: of the control plane. */
  async start(documents: readonly Json[], flags: readonly string[] = []): Promise<void> {
    this.configure(documents);
    const program = this.#program('control-plane', this.#hub, [
      ...[outriggerProgram, 'control-plane', '--config', this.#config, '--data-dir', this.#dataDir],
      ...[
        '--listen',
        '127.0.0.1:15010',
        '--listen-tls',
        `0.0.0.0:${tlsPort}`,
        '--listen-admin',
        `127.0.0.1:${adminPort}`,
      ],
      ...flags,
    ]);
    await program.line(/serving xDS/);
  }

  configure(documents: readonly Json[]): void {
    writeFileSync(`${this.#config}.new`, mesh(...documents));
    renameSync(`${this.#config}.new`, this.#config);
  }

  /** A pod with its applications, and nothing in between. */
  async pod(name: string): Promise<Pod> {
    const namespace = this.#namespace(name);
    const address = `10.77.0.${this.#namespaces.length}`;
    const ipv6 = `fd77::${this.#namespaces.length}`;
    this.#ip(this.#hub, `link add v-${name} type veth peer name eth0 netns ${namespace}`);
    this.#ip(this.#hub, `link set v-${name} master br0 up`);
    this.#ip(namespace, `addr add ${address}/24 dev eth0`);
    // No address of the link's own, which would come a while later.
    this.#ip(namespace, 'link set eth0 addrgenmode none');
    this.#ip(namespace, `addr add ${ipv6}/64 dev eth0 nodad`);
    this.#ip(namespace, 'link set eth0 up');
    this.#ip(namespace, `route add default via ${hubAddress}`);
    this.#ip(namespace, `-6 route add default via ${hubIpv6}`);
    // From which proxies hand on what comes to ports that nobody named.
    this.#ip(namespace, 'addr add ::6/128 dev lo nodad');
    await this.#program(`app-${name}`, namespace, [
      process.execPath,
      beside('intercepted-app-program.ts'),
      name,
      ...this.#certificate,
    ]).line(/listening/);
    return { namespace, address, ipv6 };
  }

  /** Envoy beside the pod's applications, and the rules. */
  async intercept(
    { namespace }: Pod,
    service: string,
    metadata: Json,
    program: 'envoy' | 'sidecar' = 'envoy',
  ): Promise<void> {
    // First, as an init container does: of a connection that is there already nobody knows who opened it.
    const rules =
      metadata['interception'] === 'TPROXY'
        ? transparentRules
        : redirectRules.flatMap((rule) => [rule, `ip6${rule.slice(2)}`]);
    for (const rule of rules) {
      const [program = '', ...words] = rule.split(' ');
      const path = program.endsWith('tables') ? join(dirname(peer('iptables')), program) : program;
      await this.#in(namespace, [path, ...words]);
    }
    const token = (
      await this.#in(this.#hub, [
        ...[outriggerProgram, 'identity', 'token', 'create', '--service', `shop/${service}`],
        ...['--data-dir', this.#dataDir, '--admin', `127.0.0.1:${adminPort}`, '-o', 'json'],
      ])
    ).stdout;
    const bootstrap = adsBootstrap({
      node: { id: namespace, cluster: `shop/${service}`, metadata },
      adminPort: 15_000,
      xdsPort: tlsPort,
      variant: 'DELTA_GRPC',
      initialMetadata: [{ key: 'authorization', value: `Bearer ${tokenOf(token)}` }],
      transportSocket: towardsControlPlane(this.#trustBundle),
    });
    const text = JSON.stringify(bootstrap).replaceAll(
      `"address":"127.0.0.1","port_value":${tlsPort}`,
      `"address":"${hubAddress}","port_value":${tlsPort}`,
    );
    const file = this.#stage.file(`${namespace}.json`, text);
    const baseId = String((process.pid % 20_000) * 100 + this.#namespaces.length);
    const proxy = this.#program(`${program}-${service}`, namespace, [
      ...['setpriv', '--regid', proxyGroup, '--clear-groups'],
      ...(program === 'envoy'
        ? [peer('envoy'), '-c', file, '--concurrency', '1', '--base-id', baseId, '-l', 'warning', '--drain-time-s', '1']
        : [outriggerProgram, 'sidecar', '--bootstrap', file, '--drain-time', '1']),
    ]);
    await waitFor(`the ${program} of ${service} to be ready`, 20_000, async () => {
      proxy.failIfEnded();
      return (await this.admin({ namespace }, '/ready')).includes('LIVE');
    });
  }

  async register(service: string, { address }: Pod, port: number, portName: string): Promise<void> {
    const { stdout } = await this.#in(this.#hub, [
      ...[outriggerProgram, 'identity', 'token', 'create', '--service', `shop/${service}`],
      ...['--data-dir', this.#dataDir, '--admin', `127.0.0.1:${adminPort}`, '-o', 'json'],
    ]);
    const { trustBundle } = { trustBundle: this.#trustBundle };
    const instance = { tlsPort, token: tokenOf(stdout), trustBundle, service, address, port, portName };
    await this.#in(this.#hub, [process.execPath, beside('intercepted-register-program.ts'), JSON.stringify(instance)]);
  }

  async call({ namespace }: Pick<Pod, 'namespace'>, call: Call): Promise<CallAnswer> {
    const { stdout } = await this.#in(namespace, [
      process.execPath,
      beside('intercepted-call-program.ts'),
      JSON.stringify(call),
    ]);
    return JSON.parse(stdout) as CallAnswer;
  }

  /** Of the Envoy of a pod; '' : it does not answer. */
  async admin({ namespace }: Pick<Pod, 'namespace'>, path: string): Promise<string> {
    return this.#in(namespace, ['curl', '-s', `http://127.0.0.1:15000${path}`]).then(
      ({ stdout }) => stdout,
      () => '',
    );
  }

  async counted(pod: Pick<Pod, 'namespace'>, name: string): Promise<number> {
    const line = (await this.admin(pod, '/stats')).split('\n').find((each) => each.startsWith(`${name}: `));
    return Number(line?.slice(name.length + 2) ?? 0);
  }

  /** As `outrigger get services` has it. */
  async addressesOf(service: string): Promise<readonly string[]> {
    const { stdout } = await this.#in(this.#hub, ['curl', '-s', `http://127.0.0.1:${adminPort}/api/v1/services`]);
    const rows = JSON.parse(stdout) as ReadonlyArray<{ readonly name: string; readonly addresses: readonly string[] }>;
    return rows.find(({ name }) => name === service)!.addresses;
  }

  removeNetwork(): void {
    open.delete(this);
    for (const namespace of this.#namespaces.splice(0).toReversed())
      execFileSync('ip', ['netns', 'del', namespace], { stdio: 'ignore' });
  }

  get #dataDir(): string {
    return join(this.#stage.folder, 'data');
  }

  get #trustBundle(): string {
    return join(this.#dataDir, 'trust-bundle.pem');
  }

  #namespace(name: string): string {
    const namespace = `${this.#name}-${name}`;
    execFileSync('ip', ['netns', 'add', namespace]);
    this.#namespaces.push(namespace);
    this.#ip(namespace, 'link set lo up');
    return namespace;
  }

  #ip(namespace: string, words: string): void {
    execFileSync('ip', ['-n', namespace, ...words.split(' ')]);
  }

  #in(namespace: string, command: readonly string[]): Promise<{ readonly stdout: string }> {
    return run('ip', ['netns', 'exec', namespace, ...command], { encoding: 'utf8' });
  }

  #program(name: string, namespace: string, command: readonly string[]): StartedProgram {
    return this.#stage.start(name, ['ip', 'netns', 'exec', namespace, ...command]);
  }
}

const redirectRules: readonly string[] = [
  'iptables -t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 15006',
  `iptables -t nat -A OUTPUT -p tcp -m owner --gid-owner ${proxyGroup} -j RETURN`,
  'iptables -t nat -A OUTPUT -p tcp -o lo -j RETURN',
  'iptables -t nat -A OUTPUT -p tcp -j REDIRECT --to-ports 15001',
];

/** The proxy's connections to the application have the caller's address and the mark 1337; the answers are led back to it by the mark of their connection. */
const transparentRules: readonly string[] = [
  ...redirectRules.slice(1),
  'iptables -t mangle -A PREROUTING -p tcp -m mark --mark 1337 -j CONNMARK --save-mark',
  'iptables -t mangle -A PREROUTING -p tcp -m mark --mark 1337 -j RETURN',
  'iptables -t mangle -A PREROUTING -p tcp -i lo -j RETURN',
  // Of what the pod has opened itself: TPROXY drops what belongs to a socket that is not transparent.
  'iptables -t mangle -A PREROUTING -p tcp -m conntrack --ctdir REPLY -j RETURN',
  'iptables -t mangle -A PREROUTING -p tcp -m socket --transparent --nowildcard -j MARK --set-mark 1338',
  'iptables -t mangle -A PREROUTING -p tcp -m mark --mark 1338 -j RETURN',
  'iptables -t mangle -A PREROUTING -p tcp -j TPROXY --on-port 15006 --tproxy-mark 1338',
  'iptables -t mangle -A OUTPUT -p tcp -m connmark --mark 1337 -j CONNMARK --restore-mark',
  'ip rule add fwmark 1337 lookup 133',
  'ip rule add fwmark 1338 lookup 133',
  // Where the way of an answer from loopback is looked for, it has no mark yet.
  'ip rule add from 127.0.0.0/8 iif lo lookup 133',
  'ip route add local default dev lo table 133',
];

/** What `identity token create -o json` prints. */
function tokenOf(json: string): string {
  const found = JSON.parse(json) as { readonly token: string } | ReadonlyArray<{ readonly token: string }>;
  return (Array.isArray(found) ? found[0] : found).token as string;
}
