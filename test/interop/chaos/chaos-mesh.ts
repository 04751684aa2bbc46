/**
 * The mesh that the chaos test works on: a control plane, services of several instances and callers, each a pod in a network namespace with its application and its sidecar as processes of their own, as `outrigger` starts them; identities and mTLS, all
 * by the defaults. What is done to them is in fault-runner.ts.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StartedProgram } from '../../peers/started-program.ts';
import type { Layout } from './fault-plan.ts';
import { ManagedProcess } from './managed-process.ts';
import type { PodNetwork } from './pod-network.ts';
import type { AccessRecord, ClientRecord, Part, ServiceRecord } from './records.ts';

const here = dirname(fileURLToPath(import.meta.url));
const outrigger = join(here, '../../../bin/outrigger');
const applicationPort = 8080;
export const outboundPort = 15001;
const tlsPort = 15012;
/** How long a sidecar or an application may finish what it has in hand. */
const drainSeconds = 5;
const outbound = 'outbound';

/** What a service's applications speak. */
export type Protocols = ReadonlyMap<string, 'http' | 'http2'>;

export class ChaosMesh {
  readonly #folder: string;
  readonly #logs: string;
  readonly #network: PodNetwork;
  readonly #layout: Layout;
  readonly #protocols: Protocols;
  readonly #processes = new Map<string, ManagedProcess>();
  readonly #programs: StartedProgram[] = [];
  readonly crashes: string[] = [];

  constructor(folder: string, network: PodNetwork, layout: Layout, protocols: Protocols) {
    this.#folder = folder;
    this.#logs = join(folder, 'logs');
    this.#network = network;
    this.#layout = layout;
    this.#protocols = protocols;
    mkdirSync(this.#logs);
    mkdirSync(join(folder, 'configuration'));
  }

  /** Ready to be loaded: everything runs and is registered. */
  async start(): Promise<void> {
    this.#writeConfiguration();
    const { controlPlane, callers, services } = this.#layout;
    this.#addControlPlane();
    await this.process(controlPlane, 'control-plane').ready();
    for (const service of [...services.keys(), ...callers]) await this.#makeToken(service);
    for (const [service, pods] of services) for (const pod of pods) this.#addInstance(service, pod);
    // Nobody calls them: their application is the load.
    for (const caller of callers) this.#addSidecar(caller, caller, ['--no-register']);
    await Promise.all([...this.#processes.values()].map((each) => each.ready()));
  }

  async stop(): Promise<void> {
    for (const each of this.#processes.values()) each.signal('SIGCONT');
    await Promise.all([...this.#processes.values()].map((each) => each.end(0)));
    await Promise.all(this.#programs.map((program) => program.stop()));
    await Promise.all(this.#programs.map((program) => program.logged));
  }

  get processes(): readonly ManagedProcess[] {
    return [...this.#processes.values()];
  }

  /** All but the control plane's, which no request waits for. */
  get partsOfRequests(): ReadonlyArray<readonly [ManagedProcess, Part]> {
    const { callers, services } = this.#layout;
    const part = (pod: string, kind: 'app' | 'sidecar'): readonly [ManagedProcess, Part] => [
      this.process(pod, kind),
      { kind, pod, peer: '' },
    ];
    const pods = [...services.values()].flat();
    return [...[...callers, ...pods].map((pod) => part(pod, 'sidecar')), ...pods.map((pod) => part(pod, 'app'))];
  }

  process(pod: string, name: 'app' | 'sidecar' | 'control-plane'): ManagedProcess {
    return this.#processes.get(`${pod} ${name}`)!;
  }

  /** The processes of a part, in the order in which they end. */
  processesOf({ kind, pod }: Part): readonly ManagedProcess[] {
    if (kind === 'link') return [];
    if (kind === 'pod') return [this.process(pod, 'sidecar'), this.process(pod, 'app')];
    return [this.process(pod, kind)];
  }

  /** Begins the load of a caller; ids of its requests begin with `<caller>-<run>-`. `stop()` of what it gives lets the requests under way end. */
  startLoad(caller: string, run: string, seed: number, requestsPerSecond: number): StartedProgram {
    const words = [caller, run, outboundPort, requestsPerSecond, seed, join(this.#folder, `client-${caller}.jsonl`)];
    return this.#run(caller, `load of ${caller}`, [
      ...[process.execPath, join(here, 'load-program.ts')],
      ...[...words, ...this.#layout.services.keys()].map(String),
    ]);
  }

  /** A document of a sidecar's admin port, taken inside its pod; '' when it does not answer. */
  async admin(pod: string, path: string): Promise<string> {
    const script = `fetch(${JSON.stringify(`http://127.0.0.1:15000${path}`)}).then((a) => a.text()).then(console.log)`;
    const program = this.#run(pod, 'admin', [process.execPath, '-e', script]);
    await program.exited;
    await program.logged;
    return program.output;
  }

  clientRecords(): readonly ClientRecord[] {
    return this.#lines(/^client-/).map((line) => JSON.parse(line) as ClientRecord);
  }

  serviceRecords(): readonly ServiceRecord[] {
    return this.#lines(/^service-/).map((line) => JSON.parse(line) as ServiceRecord);
  }

  /** Of callers' requests, by their own sidecars: the only ones that know which pod a request was sent to. */
  accessRecords(): readonly AccessRecord[] {
    return this.#layout.callers.flatMap((pod) =>
      this.logLines(pod)
        .filter((line) => line.startsWith('{"start_time"'))
        .map((line) => this.#accessRecord(pod, line))
        .filter((record) => record !== null),
    );
  }

  /** All that the pod's sidecars (the control plane, for its pod) have written. */
  logLines(pod: string): readonly string[] {
    return readdirSync(this.#logs)
      .filter((name) => name.startsWith(`${pod} sidecar`) || name.startsWith(`${pod} control-plane`))
      .flatMap((name) => readFileSync(join(this.#logs, name), 'utf8').split('\n'));
  }

  #lines(names: RegExp): readonly string[] {
    return readdirSync(this.#folder)
      .filter((name) => names.test(name))
      .flatMap((name) => readFileSync(join(this.#folder, name), 'utf8').split('\n'))
      .filter((line) => line !== '');
  }

  #accessRecord(pod: string, line: string): AccessRecord | null {
    let entry: Readonly<Record<string, string | number | null>>;
    try {
      entry = JSON.parse(line) as Readonly<Record<string, string | number | null>>;
    } catch {
      // Cut off when its writer was killed.
      return null;
    }
    if (entry['listener'] !== outbound) return null;
    const text = (name: string): string => String(entry[name] ?? '');
    return {
      ...{ id: text('request_id'), pod, upstream: this.#network.podAt(text('upstream_host').replace(/:\d+$/, '')) },
      ...{ status: Number(entry['status']), flag: text('flags'), details: text('details') },
      attempts: Number(entry['attempts']),
    };
  }

  #writeConfiguration(): void {
    const documents = [...this.#layout.services.keys()].map((name) => ({
      ...{ apiVersion: 'outrigger.dev/v1', kind: 'Service', metadata: { name, namespace: 'shop' } },
      spec: { ports: [{ name: 'main', port: 80, appProtocol: this.#protocols.get(name) }] },
    }));
    // JSON is YAML.
    writeFileSync(
      join(this.#folder, 'configuration', 'mesh.yaml'),
      documents.map((document) => JSON.stringify(document)).join('\n---\n'),
    );
  }

  #addControlPlane(): void {
    const pod = this.#layout.controlPlane;
    this.#add(pod, 'control-plane', /serving xDS/, [
      ...[outrigger, 'control-plane', '--config', join(this.#folder, 'configuration')],
      ...['--data-dir', join(this.#folder, 'data')],
      ...['--listen', '127.0.0.1:15010', '--listen-tls', `${this.#network.address(pod)}:${tlsPort}`],
      ...['--listen-admin', '127.0.0.1:15014'],
    ]);
  }

  #addInstance(service: string, pod: string): void {
    const log = join(this.#folder, `service-${pod}.jsonl`);
    this.#add(pod, 'app', /listening/, [
      ...[process.execPath, join(here, 'service-program.ts'), pod],
      ...[this.#protocols.get(service)!, String(applicationPort), log],
    ]);
    this.#addSidecar(service, pod, []);
  }

  #addSidecar(service: string, pod: string, flags: readonly string[]): void {
    const { controlPlane } = this.#layout;
    this.#add(pod, 'sidecar', /"message":"ready after/, [
      ...[outrigger, 'sidecar', '--service', `shop/${service}`, '--app-port', String(applicationPort), ...flags],
      ...['--control-plane-tls', `${this.#network.address(controlPlane)}:${tlsPort}`],
      ...['--join-token-file', join(this.#folder, `token-${service}`)],
      ...['--trust-bundle', join(this.#folder, 'data', 'trust-bundle.pem')],
      ...['--inbound-listen', `${this.#network.address(pod)}:15006`, '--listen-metrics', 'off'],
      ...['--drain-time', String(drainSeconds)],
    ]);
  }

  #add(pod: string, name: 'app' | 'sidecar' | 'control-plane', readyLine: RegExp, command: readonly string[]): void {
    const managed = new ManagedProcess({
      name: `${pod} ${name}`,
      readyLine,
      onCrash: (text) => this.crashes.push(text),
      start: () => this.#run(pod, `${pod} ${name}`, command),
    });
    this.#processes.set(managed.name, managed);
    managed.start();
  }

  async #makeToken(account: string): Promise<void> {
    const { controlPlane } = this.#layout;
    const program = this.#run(controlPlane, `token of ${account}`, [
      ...[outrigger, 'identity', 'token', 'create', '--service', `shop/${account}`, '--uses', '1000'],
      ...['--lifetime', '24h', '--data-dir', join(this.#folder, 'data'), '--output', 'json'],
    ]);
    await program.exited;
    await program.logged;
    const [{ token }] = JSON.parse(program.output) as [{ readonly token: string }];
    writeFileSync(join(this.#folder, `token-${account}`), token);
  }

  #run(pod: string, name: string, command: readonly string[]): StartedProgram {
    const program = new StartedProgram(name, this.#network.inside(pod, command), {
      logFile: join(this.#logs, `${name} ${this.#programs.length}.log`),
    });
    this.#programs.push(program);
    return program;
  }
}
