/** An AdsClient on a clock of its own, wired to a model control plane by two queues that a test empties message by message. */
import type { ClusterConfig } from '../../../config/cluster-config.ts';
import type { Configuration, Configured } from '../../../config/configuration.ts';
import type { ListenerConfig } from '../../../config/listener-config.ts';
import { Log } from '../../../runtime/log.ts';
import { TimerWheel } from '../../../runtime/timer-wheel.ts';
import { SecretStore } from '../../../secret/secret-store.ts';
import { StatStore } from '../../../stats/stat-store.ts';
import { AdsClient, type AdsClientInit, type AdsStream, type AdsStreamEvents } from '../ads-client.ts';
import { ModelControlPlane } from './model-control-plane.ts';

export class ClientHarness {
  readonly server: ModelControlPlane;
  readonly client: AdsClient;
  readonly log: string[] = [];
  readonly published: Configuration[] = [];
  readonly secrets: SecretStore;
  initialized = 0;
  streams = 0;
  /** Streams opened while this is false end at once. */
  reachable = true;
  nowMs = 1_000_000;
  readonly #wheel: TimerWheel;
  #events: AdsStreamEvents | null = null;
  #toServer: Uint8Array[] = [];
  #toClient: Uint8Array[] = [];

  constructor(
    variant: 'sotw' | 'delta',
    options: {
      readonly random?: () => number;
      readonly initialFetchTimeoutMs?: number;
      readonly clustersByAds?: boolean;
      readonly staticClusters?: ReadonlyMap<string, Configured<ClusterConfig>>;
      readonly secretServices?: AdsClientInit['secretServices'];
      /** Names that the sidecar answers itself. */
      readonly localSecrets?: ReadonlySet<string>;
      readonly staticListeners?: ReadonlyMap<string, Configured<ListenerConfig>>;
      /** Called at the end of apply(). */
      readonly onApply?: (configuration: Configuration) => void;
    } = {},
  ) {
    this.server = new ModelControlPlane(variant === 'delta');
    const clock = { nowMs: () => this.nowMs, wallMs: () => this.nowMs };
    this.#wheel = new TimerWheel(clock, () => () => {});
    this.secrets = new SecretStore(clock, options.localSecrets);
    this.client = new AdsClient({
      config: { variant, clusterName: 'xds', authority: 'xds', initialMetadata: [], nodeOnFirstMessageOnly: false },
      node: { id: 'node-1', cluster: 'shop/orders', region: '', zone: '', subZone: '', metadata: {} },
      listenersByAds: true,
      clustersByAds: options.clustersByAds ?? true,
      initialFetchTimeoutMs: options.initialFetchTimeoutMs ?? 15_000,
      staticListeners: options.staticListeners ?? new Map(),
      staticClusters: options.staticClusters ?? new Map(),
      transport: { open: (_path, events) => this.#open(events) },
      sink: {
        apply: (configuration) => {
          this.published.push(configuration);
          options.onApply?.(configuration);
        },
      },
      secrets: this.secrets,
      secretServices: options.secretServices ?? null,
      onInitialized: () => this.initialized++,
      clock,
      wheel: this.#wheel,
      random: options.random ?? (() => 0.5),
      log: new Log(clock, 'info', false, (line) => this.log.push(line)),
      stats: new StatStore(),
    });
  }

  get configuration(): Configuration {
    return this.published.at(-1)!;
  }

  get connected(): boolean {
    return this.#events !== null;
  }

  /** Messages on their way to the server and to the client. */
  get underWay(): readonly [number, number] {
    return [this.#toServer.length, this.#toClient.length];
  }

  #open(events: AdsStreamEvents): AdsStream {
    this.streams++;
    if (!this.reachable) {
      events.onEnd('connection refused');
      return { send: () => {}, close: () => {} };
    }
    this.#events = events;
    this.#toServer = [];
    this.#toClient = [];
    this.server.streamOpened();
    return {
      send: (message) => {
        if (this.#events === events) this.#toServer.push(message);
      },
      close: () => {
        if (this.#events === events) this.#events = null;
      },
    };
  }

  deliverToServer(): boolean {
    const message = this.#toServer.shift();
    if (message === undefined) return false;
    this.#toClient.push(...this.server.onRequest(message));
    return true;
  }

  /** `wanted`: others are lost. */
  deliverToClient(wanted?: (typeUrl: string) => boolean): boolean {
    const message = this.#toClient.shift();
    if (message === undefined) return false;
    if (wanted !== undefined && !wanted(this.server.typeUrlOf(message))) return true;
    this.#events?.onMessage(message);
    return true;
  }

  /** Puts any bytes on their way to the client. */
  inject(message: Uint8Array): void {
    this.#toClient.push(message);
  }

  /** The server sends what changed. */
  push(typeUrl?: string): void {
    if (this.#events !== null)
      this.#toClient.push(...(typeUrl === undefined ? this.server.pushAll() : this.server.push(typeUrl)));
  }

  /** The stream breaks; what was under way is lost. */
  breakStream(): void {
    const events = this.#events;
    this.#events = null;
    this.#toServer = [];
    this.#toClient = [];
    events?.onEnd('the connection was closed');
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.#wheel.advance();
  }

  /** Everything that is under way arrives, the server sends all that it has. Throws when that does not come to an end. */
  settle(): void {
    for (let round = 0; round < 500; round++) {
      this.push();
      let moved = false;
      while (this.deliverToServer()) moved = true;
      while (this.deliverToClient()) moved = true;
      if (!moved) return;
    }
    throw new Error('client and server never come to rest');
  }
}
