/**
 * `outrigger demo`: a control plane, the shop's services with a sidecar beside each, a gentle load, and a live table. Everything is a process of its own, as it would be
 * in earnest, and everything ends with this one.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ChildOutput } from '../../demo/child-output.ts';
import { makeDataFolder } from '../../demo/data-folder.ts';
import { getText } from '../../demo/edges.ts';
import { LiveTable } from '../../demo/live-table.ts';
import { Load } from '../../demo/load.ts';
import { accepts, knowsInstances, until } from '../../demo/readiness.ts';
import { Screen } from '../../demo/screen.ts';
import {
  controlPlaneAdminPort,
  controlPlanePort,
  controlPlaneTlsPort,
  type ShopInstance,
  shop,
  storefrontOutboundPort,
  storefrontPort,
} from '../../demo/shop.ts';
import { Supervisor } from '../../demo/supervisor.ts';
import { prometheusFile, telemetryFile } from '../../demo/telemetry-file.ts';
import { portHolder } from '../../sidecar/listener/port-holder.ts';
import { formatHostPort, parseHostPort, parseWhole } from '../host-port.ts';
import { type SidecarProcess, startSidecar } from '../sidecar-process.ts';
import { UserError } from '../user-error.ts';
import { appEnvironment } from './run.ts';

const root = join(import.meta.dirname, '..');
const ordersPerSecond = 20;
const startLimitMs = 30_000;
/** Requests in hand have this long when the demo ends; it is to be gone soon after Ctrl-C. */
const drainSeconds = 1;
const stopLimitMs = 4_000;

interface RunningInstance {
  readonly instance: ShopInstance;
  readonly sidecar: SidecarProcess;
  readonly app: ChildProcess;
  readonly admin: string;
  /** Where other sidecars reach it. */
  readonly inbound: string;
  readonly readyMs: number;
}

export async function demo(options: { readonly seconds?: string; readonly otlp?: string }): Promise<number> {
  const seconds = options.seconds === undefined ? Infinity : parseWhole('--seconds', options.seconds, 1, 86_400);
  const otlp = options.otlp === undefined ? null : formatHostPort(parseHostPort('--otlp', options.otlp));
  const shopDemo = new ShopDemo(seconds, otlp);
  return shopDemo.run();
}

/** Faults and explanations name files as they are told of: short, for who stands in the folder. */
function asSeenFromHere(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? path : short;
}

/** What the environment says for the user's own mesh is not for the demo's control plane. */
function withoutOurVariables(): Record<string, undefined> {
  return Object.fromEntries(
    Object.keys(process.env)
      .filter((name) => name.startsWith('OUTRIGGER_'))
      .map((name) => [name, undefined]),
  );
}

class ShopDemo {
  readonly #seconds: number;
  /** HOST:PORT of the collector that gets all traces; null: there are none. */
  readonly #otlp: string | null;
  readonly #screen = new Screen(process.stdout);
  readonly #output = new ChildOutput(this.#screen, process);
  readonly #supervisor = new Supervisor(
    (name, reason) => this.#onEnd(name, reason),
    (name, stream, line) => this.#output.line(name.replace(/^the (?:sidecar of )?/, ''), stream, line),
  );
  readonly #dataDir = makeDataFolder();
  readonly #load = new Load(storefrontPort);
  #controlPlane: ChildProcess | null = null;
  #instances: RunningInstance[] = [];
  #controlPlaneMs = 0;
  #stop: () => void = () => {};
  #fault: string | null = null;

  constructor(seconds: number, otlp: string | null) {
    this.#seconds = seconds;
    this.#otlp = otlp;
  }

  async run(): Promise<number> {
    const stopped = new Promise<void>((resolve) => (this.#stop = resolve));
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => this.#stop());
    // Nobody looks at it any more.
    process.stdout.on('error', () => this.#stop());
    try {
      await checkPorts();
      const started = this.#start();
      // Stopped meanwhile: what is under way then fails, and nobody asks.
      started.catch(() => {});
      await Promise.race([started, stopped]);
      if (this.#instances.length === shop.length) {
        this.#screen.print(this.#welcome(this.#writePrometheusFile()));
        this.#load.start(ordersPerSecond);
        const table = new LiveTable(
          this.#screen,
          this.#instances.map(({ admin }) => admin),
          `127.0.0.1:${controlPlaneAdminPort}`,
          () => this.#output.tick(),
        );
        table.start();
        const timer = this.#seconds === Infinity ? null : setTimeout(this.#stop, this.#seconds * 1000);
        await stopped;
        if (timer !== null) clearTimeout(timer);
        table.stop();
        this.#screen.leave();
        await this.#load.stop();
        this.#screen.print(`\n${this.#load.answered} purchases answered, ${this.#load.failed} failed`);
      }
    } finally {
      await this.#load.stop();
      // The control plane last: so none of the others misses what it needs to end well.
      await this.#supervisor.stop(this.#controlPlane, stopLimitMs);
      rmSync(this.#dataDir, { recursive: true, force: true });
    }
    if (this.#fault !== null) throw new UserError(this.#fault);
    return Number.isFinite(this.#seconds) && this.#load.answered === 0 ? 1 : 0;
  }

  async #start(): Promise<void> {
    this.#screen.print('Outrigger 0.1.0 — a demo shop of four services, each with a sidecar, on this machine only\n');
    const began = performance.now();
    this.#controlPlane = this.#supervisor.spawn(
      'the control plane',
      process.execPath,
      [
        join(import.meta.dirname, 'outrigger.js'),
        'control-plane',
        ...['--config', asSeenFromHere(join(root, 'demo/config')), ...this.#ownConfig(), '--data-dir', this.#dataDir],
        ...['--listen', `127.0.0.1:${controlPlanePort}`, '--listen-tls', `127.0.0.1:${controlPlaneTlsPort}`],
        ...['--listen-admin', `127.0.0.1:${controlPlaneAdminPort}`, '--log-level', 'warn'],
      ],
      withoutOurVariables(),
    );
    await this.#until(
      async () => (await getText(`127.0.0.1:${controlPlaneAdminPort}`, '/healthz/ready')).startsWith('OK'),
      'the control plane did not become ready',
    );
    this.#controlPlaneMs = performance.now() - began;
    const storefront = shop.find(({ inboundPort }) => inboundPort === storefrontPort)!;
    const others = shop.filter((instance) => instance !== storefront);
    // The shop's door opens last: whoever stands before it already, a browser that tries again, is never let into a shop that is not ready.
    const [storefrontApp, ...running] = await Promise.all([
      this.#startApp(storefront, `127.0.0.1:${storefrontOutboundPort}`),
      ...others.map((instance) => this.#startInstance(instance)),
    ]);
    await this.#allKnow(running, others);
    this.#instances = [await this.#startStorefront(storefront, storefrontApp), ...running];
    await this.#allKnow(this.#instances, shop);
    await this.#until(
      async () => (await getText(`127.0.0.1:${storefrontPort}`, '/buy/1')).includes('receipt'),
      'the shop did not answer a purchase',
    );
  }

  /** Flags for what the demo was told to configure beside `demo/config`, which is the user's to edit. */
  #ownConfig(): readonly string[] {
    if (this.#otlp === null) return [];
    const folder = join(this.#dataDir, 'config');
    mkdirSync(folder);
    writeFileSync(join(folder, 'telemetry.yaml'), telemetryFile(this.#otlp));
    return ['--config', folder];
  }

  /** Returns its path. */
  #writePrometheusFile(): string {
    const path = join(this.#dataDir, 'prometheus.yaml');
    const sidecars = this.#instances.map(({ instance, admin }) => ({ name: instance.name, admin }));
    const text = prometheusFile(`127.0.0.1:${controlPlaneAdminPort}`, sidecars, join(root, 'deploy/prometheus'));
    writeFileSync(path, text);
    return path;
  }

  /** That an instance is registered is not enough: a caller's sidecar has to have heard of it. */
  #allKnow(running: readonly RunningInstance[], instances: readonly ShopInstance[]): Promise<void> {
    return this.#until(async () => {
      const texts = await Promise.all(running.map(({ admin }) => getText(admin, '/clusters')));
      return texts.every((text) => knowsInstances(text, instances));
    }, 'the sidecars did not hear of every instance');
  }

  /** As `outrigger run` does: the sidecar, then the application. */
  async #startInstance(instance: ShopInstance): Promise<RunningInstance> {
    const began = performance.now();
    const sidecar = this.#startSidecar(instance, '127.0.0.1:0');
    const { listeners, admin } = await sidecar.ready;
    const app = await this.#startApp(instance, listeners['outbound'] ?? '');
    return { instance, sidecar, app, admin, inbound: listeners['inbound'] ?? '', readyMs: performance.now() - began };
  }

  /** The sidecar of an application that runs already. */
  async #startStorefront(instance: ShopInstance, app: ChildProcess): Promise<RunningInstance> {
    const began = performance.now();
    const sidecar = this.#startSidecar(instance, `127.0.0.1:${storefrontOutboundPort}`);
    const { admin, listeners } = await sidecar.ready;
    return { instance, sidecar, app, admin, inbound: listeners['inbound'] ?? '', readyMs: performance.now() - began };
  }

  #startSidecar(instance: ShopInstance, outbound: string): SidecarProcess {
    const sidecar = startSidecar(
      [
        ...['--service', instance.service, '--app-port', String(instance.appPort), '--labels', instance.labels],
        ...['--control-plane', `127.0.0.1:${controlPlanePort}`, '--outbound-listen', outbound],
        ...[
          '--inbound-listen',
          `127.0.0.1:${instance.inboundPort}`,
          '--admin',
          '127.0.0.1:0',
          '--listen-metrics',
          'off',
        ],
        ...['--drain-time', String(drainSeconds), '--log-level', 'warn'],
        // Minutes of requests, for who tries explain.
        ...['--flight-recorder', '32'],
        // The control plane's local token is in it: the proof of programs of the same user for a certificate.
        ...['--control-plane-tls', `127.0.0.1:${controlPlaneTlsPort}`, '--data-dir', this.#dataDir],
      ],
      {},
      'pipe',
    );
    this.#supervisor.watch(`the sidecar of ${instance.name}`, sidecar.child);
    return sidecar;
  }

  /** Resolves when the application listens. */
  async #startApp(instance: ShopInstance, outbound: string): Promise<ChildProcess> {
    const app = this.#supervisor.spawn(
      instance.name,
      process.execPath,
      ['--disable-sigusr1', join(root, 'demo/services', instance.program)],
      { ...appEnvironment(String(instance.appPort), outbound), ...instance.environment },
    );
    await this.#until(() => accepts(instance.appPort), `${instance.name} did not listen on port ${instance.appPort}`);
    return app;
  }

  async #until(condition: () => Promise<boolean>, otherwise: string): Promise<void> {
    try {
      await until(condition, otherwise, startLimitMs);
    } catch (error) {
      throw new UserError((error as Error).message);
    }
  }

  /** Instances may be killed: that is one of the things to try. While the demo starts none may end. */
  #onEnd(name: string, reason: string): void {
    if (this.#instances.length < shop.length) {
      this.#fault ??= `${name} ended while the demo started (${reason})`;
      this.#stop();
    } else this.#screen.print(`  ${name} ended (${reason}); the others go on`);
  }

  #welcome(prometheusConfig: string): string {
    const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
    const lines = [
      `  control plane   ready   ${seconds(this.#controlPlaneMs)}   xDS 127.0.0.1:${controlPlaneTlsPort} (TLS)   dashboard http://127.0.0.1:${controlPlaneAdminPort}`,
    ];
    for (const { instance, readyMs, app } of this.#instances) {
      const where = instance.inboundPort === storefrontPort ? `   http://127.0.0.1:${storefrontPort}` : '';
      const [namespace, account] = instance.service.split('/');
      lines.push(
        `  ${instance.name.padEnd(15)} ready   ${seconds(readyMs)}   pid ${String(app.pid).padEnd(7)} spiffe://cluster.local/ns/${namespace}/sa/${account}${where}`,
      );
    }
    lines.push(
      '  pid: the process of the service itself; its sidecar is another, beside it. When it is killed its sidecar takes the instance out.',
    );
    const v1 = this.#instances.find(({ instance }) => instance.name === 'payments v1');
    const orders = this.#instances.find(({ instance }) => instance.name === 'orders');
    const traces =
      this.#otlp === null
        ? 'start it by npm start -- --otlp HOST:PORT, with an OpenTelemetry collector there: it gets a trace of every purchase'
        : `look where the collector at ${this.#otlp} puts its traces: one for each purchase, over all hops`;
    return `${lines.join('\n')}

Try, in another terminal:
  curl -i http://127.0.0.1:${storefrontPort}/buy/42              see x-request-id in the answer, then:
  bin/outrigger explain <x-request-id>      that request, hop by hop, in words
  bin/outrigger top                         routes, live; --edges: who calls whom
  bin/outrigger tap --data-dir ${this.#dataDir} --to payments      requests as they end
  prometheus --config.file=${prometheusConfig} --storage.tsdb.path=${this.#dataDir}/prometheus      scrapes all of it, with our rules and alerts
  ${traces}
  bin/outrigger status                      every sidecar, and whether it took its configuration
  bin/outrigger get endpoints               where the instances are
  bin/outrigger dashboard --data-dir ${this.#dataDir}      all of it in a browser: its address, with what lets you change something there
  curl -i http://${orders?.inbound ?? '<address>'}/orders/1       orders itself, without a certificate: refused, and told why
  edit demo/config/security.yaml: dryRun: true → false, save; then buy 13: denied, by the policy's name
  bin/outrigger identity show --admin ${orders?.admin ?? '<address>'}      the certificate of the sidecar of orders
  edit demo/config/payments.yaml: weights 90/10 → 50/50, save, watch the table
  break that file and save: it is refused with line and column, and the shop goes on
  kill ${v1?.sidecar.child.pid ?? '<pid>'}   (the sidecar of one of two payments v1): no request fails
  bin/outrigger run --data-dir ${this.#dataDir} --service shop/payments --port 18099 --labels app=payments,version=v1 -- \\
    env VERSION=v1 node_modules/.bin/node demo/services/payments.ts      adds an instance
Ctrl-C stops everything.
`;
  }
}

async function checkPorts(): Promise<void> {
  for (const port of [
    controlPlanePort,
    controlPlaneTlsPort,
    controlPlaneAdminPort,
    storefrontPort,
    storefrontOutboundPort,
    ...shop.map((instance) => instance.appPort),
  ]) {
    if (await accepts(port))
      throw new UserError(
        `port ${port} on 127.0.0.1 is taken by ${holderText(port)}, and the demo needs it; is another demo running?`,
      );
  }
}

function holderText(port: number): string {
  const holder = portHolder(port);
  return holder === null ? 'another program' : `pid ${holder.pid} (${holder.command})`;
}
