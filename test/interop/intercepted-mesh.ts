/**
 * A mesh as users have it, in network namespaces: hosts on one bridge, each with applications that know nothing of the mesh, rules by `outrigger intercept`, and a sidecar process as user 1337 with a certificate by join token; the
 * control plane is a process on the bridge. Touches nothing of the machine's own network, and is gone with `remove` or with the process.
 */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { type StartedProgram, waitFor } from '../peers/started-program.ts';
import type { Json } from './envoy-resources.ts';
import type { Call, CallAnswer } from './intercepted-pods.ts';
import { mesh } from './mesh-configuration.ts';
import { outriggerProgram, peer, type Stage } from './programs.ts';

export type Mode = 'redirect' | 'tproxy';
export type Backend = 'nftables' | 'iptables';
export type Family = 'IPv4' | 'IPv6';

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface SidecarOptions {
  readonly mode: Mode;
  readonly appPorts: readonly number[];
  readonly flags?: readonly string[];
}

interface HostPlace {
  readonly name: string;
  readonly namespace: string;
  readonly addresses: Readonly<Record<Family, string>>;
  readonly families: readonly Family[];
  readonly device: string;
}

const bridge = { IPv4: '10.78.0.1', IPv6: 'fd78::1' } as const;
const [plainPort, tlsPort, adminPort] = [15_010, 15_012, 15_014];
const beside = (file: string): string => join(import.meta.dirname, file);

let made = 0;
const networks = new Set<InterceptedMesh>();
// A run that is cut off calls no afterAll.
process.on('exit', () => {
  for (const network of networks) network.remove();
});

export class InterceptedMesh {
  readonly stage: Stage;
  readonly env: Readonly<Record<string, string>>;
  readonly hub: string;
  controlPlane!: StartedProgram;
  readonly #name = `outrigger-${process.pid}-e${made++}`;
  readonly #namespaces: string[] = [];
  readonly #config: string;
  readonly #dataDir: string;
  #hosts = 0;

  constructor(stage: Stage) {
    this.stage = stage;
    // What sidecars read of it, they read as another user.
    chmodSync(stage.folder, 0o755);
    this.#config = join(stage.folder, 'mesh.yaml');
    this.#dataDir = join(stage.folder, 'data');
    const folders = (['iptables', 'nft', 'ip'] as const).map((tool) => dirname(peer(tool)));
    this.env = { PATH: [...new Set(folders), process.env['PATH']].join(delimiter) };
    networks.add(this);
    this.hub = this.namespace('hub');
    this.ip(this.hub, 'link add br0 type bridge');
    this.ip(this.hub, `addr add ${bridge.IPv4}/16 dev br0`);
    this.ip(this.hub, `addr add ${bridge.IPv6}/64 dev br0 nodad`);
    this.ip(this.hub, 'link set br0 up');
  }

  async start(documents: readonly Json[], flags: readonly string[] = []): Promise<void> {
    this.configure(documents);
    const listen = ['--listen', `127.0.0.1:${plainPort}`, '--listen-tls', `[::]:${tlsPort}`];
    this.controlPlane = this.program('control-plane', this.hub, [
      ...[outriggerProgram, 'control-plane', '--config', this.#config, '--data-dir', this.#dataDir],
      ...listen,
      ...['--listen-admin', `127.0.0.1:${adminPort}`, ...flags],
    ]);
    await this.controlPlane.line(/serving xDS/);
    this.stage.file('roots.pem', readFileSync(join(this.#dataDir, 'trust-bundle.pem'), 'utf8'));
  }

  configure(documents: readonly Json[]): void {
    writeFileSync(`${this.#config}.new`, mesh(...documents));
    renameSync(`${this.#config}.new`, this.#config);
  }

  /** With addresses of the families, and nothing on it. */
  host(name: string, families: readonly Family[] = ['IPv4', 'IPv6']): InterceptedHost {
    const number = ++this.#hosts + 1;
    const namespace = this.namespace(name);
    const addresses = { IPv4: `10.78.0.${number}`, IPv6: `fd78::${number}` };
    this.ip(this.hub, `link add v${number} type veth peer name eth0 netns ${namespace}`);
    this.ip(this.hub, `link set v${number} master br0 up`);
    // No address of the link's own, which would come a while later.
    this.ip(namespace, 'link set eth0 addrgenmode none');
    if (families.includes('IPv4')) this.ip(namespace, `addr add ${addresses.IPv4}/16 dev eth0`);
    if (families.includes('IPv6')) this.ip(namespace, `addr add ${addresses.IPv6}/64 dev eth0 nodad`);
    this.ip(namespace, 'link set eth0 up');
    if (families.includes('IPv4')) this.ip(namespace, `route add default via ${bridge.IPv4}`);
    if (families.includes('IPv6')) this.ip(namespace, `-6 route add default via ${bridge.IPv6}`);
    return new InterceptedHost(this, { name, namespace, addresses, families, device: `v${number}` });
  }

  /** File with a join token that as many sidecars of the service may use. */
  async tokenFile(service: string, uses: number): Promise<string> {
    const { stdout, stderr } = await this.run(this.hub, [
      ...[outriggerProgram, 'identity', 'token', 'create', '--service', `shop/${service}`, '--uses', String(uses)],
      ...['--data-dir', this.#dataDir, '--admin', `127.0.0.1:${adminPort}`, '-o', 'json'],
    ]);
    if (stdout === '') throw new Error(stderr);
    const found = JSON.parse(stdout) as { readonly token: string } | ReadonlyArray<{ readonly token: string }>;
    return this.stage.file(`token-${service}`, `${(Array.isArray(found) ? found[0] : found).token}\n`);
  }

  get roots(): string {
    return join(this.stage.folder, 'roots.pem');
  }

  controlPlaneOf(family: Family): string {
    return family === 'IPv4' ? `${bridge.IPv4}:${tlsPort}` : `[${bridge.IPv6}]:${tlsPort}`;
  }

  /** Rows of `outrigger get …`. */
  async get<T>(kind: 'services' | 'endpoints'): Promise<readonly T[]> {
    const { stdout } = await this.run(this.hub, ['curl', '-s', `http://127.0.0.1:${adminPort}/api/v1/${kind}`]);
    return JSON.parse(stdout) as readonly T[];
  }

  /** Where callers find it: as `outrigger get services` has it. */
  async addressOf(service: string, family: Family): Promise<string> {
    const rows = await this.get<{ readonly name: string; readonly addresses: readonly string[] }>('services');
    const { addresses = [] } = rows.find(({ name }) => name === service) ?? {};
    const address = addresses.find((each) => each.includes(':') === (family === 'IPv6'));
    if (address === undefined) throw new Error(`${service} has no ${family} address: ${addresses.join(', ')}`);
    return address;
  }

  remove(): void {
    networks.delete(this);
    for (const namespace of this.#namespaces.splice(0).toReversed())
      spawnSync('ip', ['netns', 'del', namespace], { env: { ...process.env, ...this.env } });
  }

  namespace(name: string): string {
    const namespace = `${this.#name}-${name}`;
    execFileSync('ip', ['netns', 'add', namespace], { env: { ...process.env, ...this.env } });
    this.#namespaces.push(namespace);
    this.ip(namespace, 'link set lo up');
    return namespace;
  }

  ip(namespace: string, words: string): void {
    execFileSync('ip', ['-n', namespace, ...words.split(' ')], { env: { ...process.env, ...this.env } });
  }

  /** Its end, whatever it is. */
  run(namespace: string, command: readonly string[]): Promise<Output> {
    return new Promise((resolve) => {
      const options = { env: { ...process.env, ...this.env }, maxBuffer: 64 << 20, timeout: 120_000 };
      const child = execFile('ip', ['netns', 'exec', namespace, ...command], options, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : (child.exitCode ?? -1), stdout, stderr });
      });
      child.stdin?.end();
    });
  }

  program(name: string, namespace: string, command: readonly string[]): StartedProgram {
    return this.stage.start(name, ['ip', 'netns', 'exec', namespace, ...command], this.env);
  }
}

export class InterceptedHost {
  readonly name: string;
  readonly namespace: string;
  readonly addresses: Readonly<Record<Family, string>>;
  readonly families: readonly Family[];
  /** The end of its cable at the bridge. */
  readonly device: string;
  sidecarProgram!: StartedProgram;
  readonly #mesh: InterceptedMesh;

  constructor(mesh: InterceptedMesh, place: HostPlace) {
    this.#mesh = mesh;
    this.name = place.name;
    this.namespace = place.namespace;
    this.addresses = place.addresses;
    this.families = place.families;
    this.device = place.device;
  }

  run(command: readonly string[]): Promise<Output> {
    return this.#mesh.run(this.namespace, command);
  }

  /** What it printed; throws when it fails. */
  async output(command: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(command);
    if (code !== 0) throw new Error(`${command.join(' ')} on ${this.name} ended with ${code}:\n${stdout}${stderr}`);
    return stdout;
  }

  program(name: string, command: readonly string[]): StartedProgram {
    return this.#mesh.program(`${name}-${this.name}`, this.namespace, command);
  }

  /** `outrigger intercept …` there. */
  intercept(...words: readonly string[]): Promise<Output> {
    return this.run([outriggerProgram, 'intercept', ...words]);
  }

  async install(mode: Mode, backend: Backend, ...flags: readonly string[]): Promise<string> {
    const words = ['intercept', 'install', '--mode', mode, '--backend', backend, ...flags];
    return this.output([outriggerProgram, ...words]);
  }

  /** The words that start a sidecar here as user 1337. It reads the checkout, wherever that is. */
  sidecarCommand(service: string, tokenFile: string, { mode, appPorts, flags = [] }: SidecarOptions): string[] {
    const capabilities = `+dac_read_search${mode === 'tproxy' ? ',+net_admin' : ''}`;
    return [
      ...['setpriv', '--reuid', '1337', '--regid', '1337', '--clear-groups'],
      ...['--inh-caps', capabilities, '--ambient-caps', capabilities],
      ...[outriggerProgram, 'sidecar', '--service', `shop/${service}`, '--interception', mode],
      ...(appPorts.length === 0 ? [] : ['--app-port', appPorts.join(',')]),
      ...['--control-plane-tls', this.#mesh.controlPlaneOf(this.families[0]!)],
      ...['--join-token-file', tokenFile, '--trust-bundle', this.#mesh.roots, '--drain-time', '10'],
      ...flags,
    ];
  }

  /** Returns when it is ready. */
  async sidecar(service: string, options: SidecarOptions & { readonly tokenFile?: string }): Promise<StartedProgram> {
    const tokenFile = options.tokenFile ?? (await this.#mesh.tokenFile(service, 1));
    const program = this.program('sidecar', this.sidecarCommand(service, tokenFile, options));
    this.sidecarProgram = program;
    await waitFor(`the sidecar of ${this.name} to be ready`, 30_000, async () => {
      program.failIfEnded();
      return (await this.admin('/ready')).includes('LIVE');
    });
    return program;
  }

  /** Of the sidecar; '' : it does not answer. */
  async admin(path: string): Promise<string> {
    return (await this.run(['curl', '-s', '-m', '5', `http://127.0.0.1:15000${path}`])).stdout;
  }

  async counted(name: string): Promise<number> {
    const line = (await this.admin('/stats')).split('\n').find((each) => each.startsWith(`${name}: `));
    return Number(line?.slice(name.length + 2) ?? 0);
  }

  /** One call, as an application here makes it. */
  async call(call: Call): Promise<CallAnswer> {
    return JSON.parse(
      await this.output([process.execPath, beside('intercepted-call-program.ts'), JSON.stringify(call)]),
    ) as CallAnswer;
  }

  /** All of the rules, routes and addresses, without dates and counters. */
  async snapshot(): Promise<string> {
    const commands = [
      ['iptables-save'],
      ['ip6tables-save'],
      ['nft', '-s', 'list', 'ruleset'],
      ['ip', 'rule'],
      ['ip', '-6', 'rule'],
      ['ip', 'route', 'show', 'table', 'all'],
      ['ip', '-6', 'route', 'show', 'table', 'all'],
      ['ip', 'addr'],
    ];
    const outputs: string[] = [];
    for (const command of commands) outputs.push(`$ ${command.join(' ')}\n${await this.output(command)}`);
    return outputs
      .join('')
      .replaceAll(/^#.*\n/gm, '')
      .replaceAll(/\[\d+:\d+\]/g, '');
  }
}
