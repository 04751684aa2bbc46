/** Starts the programs that the tests join: our sidecar and control plane, Envoy, go-control-plane, backends. Each comes back when it is ready. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { PeerName } from '../peers/peer-catalog.ts';
import { peerPath } from '../peers/peer-path.ts';
import { StartedProgram, waitFor } from '../peers/started-program.ts';
import type { Json } from './envoy-resources.ts';

export const outriggerProgram = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'bin', 'outrigger');

/** The peer's program; fails with what to do when it is missing, because under interop a missing peer is a failure. */
export function peer(name: PeerName): string {
  const path = peerPath(name);
  if (path === null) throw new Error(`the peer ${name} is missing; node test/peers/install.ts ${name} gets it`);
  return path;
}

const folders = new Set<string>();
// A run that is cut off calls no afterAll.
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Programs and a folder of one test; `stop` ends them all, last started first. */
export class Stage {
  readonly folder: string;
  readonly #logs: string;
  readonly #programs: StartedProgram[] = [];
  #files = 0;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'outrigger-interop-'));
    folders.add(this.folder);
    // Apart from the configuration files, whose folder is watched.
    this.#logs = join(this.folder, 'logs');
    mkdirSync(this.#logs);
  }

  async stop(): Promise<void> {
    for (const program of this.#programs.reverse()) await program.stop();
    rmSync(this.folder, { recursive: true, force: true });
    folders.delete(this.folder);
  }

  start(name: string, command: readonly string[], env: Readonly<Record<string, string>> = {}): StartedProgram {
    const program = new StartedProgram(name, command, {
      env,
      logFile: join(this.#logs, `${name}-${this.#programs.length}.log`),
    });
    this.#programs.push(program);
    return program;
  }

  file(name: string, content: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, content);
    return path;
  }

  /** Our sidecar from a bootstrap; ready when its admin port says so, unless `awaitReady` is false. */
  async sidecar(
    bootstrap: Json,
    options: { readonly awaitReady?: boolean; readonly name?: string } = {},
  ): Promise<RunningProxy> {
    const file = this.file(`bootstrap-${this.#files++}.yaml`, stringify(bootstrap));
    const program = this.start(options.name ?? 'sidecar', [
      outriggerProgram,
      'sidecar',
      '--bootstrap',
      file,
      '--log-level',
      'info',
    ]);
    return this.#proxy(program, bootstrap, options.awaitReady ?? true);
  }

  /** Our sidecar as the sidecar of a service. */
  async serviceSidecar(name: string, adminPort: number, flags: readonly string[]): Promise<RunningProxy> {
    const proxy = new RunningProxy(this.start(`sidecar-${name}`, [outriggerProgram, 'sidecar', ...flags]), adminPort);
    await proxy.ready();
    return proxy;
  }

  /** Envoy, one worker, from a bootstrap. */
  async envoy(
    bootstrap: Json,
    options: { readonly awaitReady?: boolean; readonly flags?: readonly string[] } = {},
  ): Promise<RunningProxy> {
    const file = this.file(`bootstrap-${this.#files++}.yaml`, stringify(bootstrap));
    const program = this.start('envoy', [
      peer('envoy'),
      '-c',
      file,
      '--concurrency',
      '1',
      '--base-id',
      nextBaseId(),
      '-l',
      'warning',
      ...(options.flags ?? []),
    ]);
    return this.#proxy(program, bootstrap, options.awaitReady ?? true);
  }

  async #proxy(program: StartedProgram, bootstrap: Json, awaitReady: boolean): Promise<RunningProxy> {
    const adminPort = (bootstrap as { admin: { address: { socket_address: { port_value: number } } } }).admin.address
      .socket_address.port_value;
    const proxy = new RunningProxy(program, adminPort);
    if (awaitReady) await proxy.ready();
    return proxy;
  }

  /** Our control plane over a folder or file of configuration. */
  async controlPlane(options: {
    readonly config: string;
    readonly port: number;
    readonly adminPort: number;
    readonly dataFolder?: string;
    /** Absent: no TLS door. */
    readonly tlsPort?: number;
    readonly flags?: readonly string[];
  }): Promise<StartedProgram> {
    const { dataFolder, tlsPort, flags = [] } = options;
    const data = ['--data-dir', dataFolder ?? mkdtempSync(join(this.#logs, 'data-'))];
    const secure = ['--listen-tls', tlsPort === undefined ? 'off' : `127.0.0.1:${tlsPort}`];
    const program = this.start('control-plane', [
      outriggerProgram,
      'control-plane',
      '--config',
      options.config,
      '--listen',
      `127.0.0.1:${options.port}`,
      '--listen-admin',
      `127.0.0.1:${options.adminPort}`,
      ...data,
      ...secure,
      ...flags,
    ]);
    await waitFor('the control plane to be ready', 20_000, async () => {
      program.failIfEnded();
      return isOk(`http://127.0.0.1:${options.adminPort}/healthz/ready`);
    });
    return program;
  }

  /** A backend that names itself in x-instance and echoes what came. */
  async backend(
    instance: string,
  ): Promise<{ readonly program: StartedProgram; readonly httpPort: number; readonly grpcPort: number }> {
    const program = this.start(`backend-${instance}`, [peer('backend'), '--instance', instance]);
    const found = await program.line(/^(\{.*\})$/m);
    const { http, grpc } = JSON.parse(found[1]!) as { http: string; grpc: string };
    return { program, httpPort: portOf(http), grpcPort: portOf(grpc) };
  }

  /** Runs `bin/outrigger` to its end. */
  async outrigger(words: readonly string[]): Promise<{ readonly how: string; readonly output: string }> {
    const program = this.start(`outrigger-${words[0]}`, [outriggerProgram, ...words]);
    const how = await program.exited;
    await program.logged;
    return { how, output: program.output };
  }
}

export class RunningProxy {
  readonly program: StartedProgram;
  readonly adminPort: number;

  constructor(program: StartedProgram, adminPort: number) {
    this.program = program;
    this.adminPort = adminPort;
  }

  async ready(): Promise<void> {
    await waitFor(`${this.program.name} to be ready`, 20_000, async () => {
      this.program.failIfEnded();
      return isOk(`http://127.0.0.1:${this.adminPort}/ready`);
    });
  }

  async admin(path: string): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.adminPort}${path}`)).text();
  }
}

async function isOk(url: string): Promise<boolean> {
  return fetch(url).then(
    (response) => response.ok,
    () => false,
  );
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}

// Several Envoys on one machine need different ids; the pid keeps apart those of two test runs.
let envoys = 0;

function nextBaseId(): string {
  return String((process.pid % 20_000) * 100 + 50 + (envoys++ % 50));
}
