/**
 * The client of a control plane over one ADS stream, in either variant: asks, takes, answers each response with ACK or NACK, and waits for what has not come. What else to ask for, and what can be
 * published, says warming.ts. Loses nothing when the stream ends: the last good configuration goes on (xds.md C1.16).
 */
import type { AdsConfig, NodeConfig } from '../../config/bootstrap-config.ts';
import type { ClusterConfig } from '../../config/cluster-config.ts';
import type { ConfigurationSink, Configured } from '../../config/configuration.ts';
import type { ListenerConfig } from '../../config/listener-config.ts';
import type { Clock, Random } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../../runtime/timer-wheel.ts';
import type { StatStore } from '../../stats/stat-store.ts';
import { maxBackoffMs, reconnectDelayMs } from '../reconnect-delay.ts';
import { type AdsResponse, type AdsVariant, deltaVariant, sotwVariant } from './ads-message.ts';
import { sameNames } from './configuration-references.ts';
import { type ListenerFault, ListenerFaults } from './listener-faults.ts';
import { clusterType, endpointsType, listenerType, resourceTypes, routesType, secretType } from './resource-type.ts';
import type { SecretServiceLookup, SecretSink } from './secret-delivery.ts';
import { TypeState } from './type-state.ts';
import { Warming } from './warming.ts';
import { XdsMetrics } from './xds-metrics.ts';

/** One stream to the control plane. */
export interface AdsStream {
  send(message: Uint8Array): void;
  close(): void;
}

/** Opens streams; the real one goes through the sidecar's own cluster (ads-stream.ts). Events may come from inside open(). */
export interface AdsTransport {
  open(path: string, events: AdsStreamEvents): AdsStream;
}

export interface AdsStreamEvents {
  onMessage(message: Uint8Array): void;
  /** The connection that it is on gets a successor: who means to stay for long moves. */
  onDraining?(): void;
  /** Once; `reason` for a person. */
  onEnd(reason: string): void;
}

export interface AdsClientInit {
  readonly config: AdsConfig;
  readonly node: NodeConfig;
  readonly listenersByAds: boolean;
  readonly clustersByAds: boolean;
  readonly initialFetchTimeoutMs: number;
  readonly staticListeners: ReadonlyMap<string, Configured<ListenerConfig>>;
  readonly staticClusters: ReadonlyMap<string, Configured<ClusterConfig>>;
  readonly transport: AdsTransport;
  /** Says by listenersApplied() what became of listeners. */
  readonly sink: ConfigurationSink;
  /** Takes the secrets that come; absent: none are asked for. */
  readonly secrets?: SecretSink | null;
  /** Secrets from services of their own; what refers to them waits for them too. It calls secretsChanged(). */
  readonly secretServices?: SecretServiceLookup | null;
  /** Everything that was asked for at first is here, or has had its time. Called once. */
  readonly onInitialized: () => void;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
  readonly stats: StatStore;
}

/** Names in one line of the log. */
const maxMissingTold = 10;
/** A server that makes up types does not fill memory or log. */
const maxUnaskedTold = 20;

/** Envoy's. */
const statPrefixes: Readonly<Record<TypeState['type']['label'], string>> = {
  cluster: 'cluster_manager.cds',
  listener: 'listener_manager.lds',
  routes: 'http.rds',
  secret: 'sds',
  endpoints: 'cluster.eds',
};

export class AdsClient implements TimerTarget {
  readonly #init: AdsClientInit;
  readonly #variant: AdsVariant;
  readonly #states: ReadonlyMap<string, TypeState>;
  readonly #clusters: TypeState;
  readonly #listeners: TypeState;
  readonly #warming: Warming;
  readonly #metrics: XdsMetrics;
  readonly #reconnectTimer: WheelTimer;
  readonly #fetchTimer: WheelTimer;
  #stream: AdsStream | null = null;
  /** Counts streams: events of an old one are not heard. */
  #streamNumber = 0;
  #streamOpenedMs = 0;
  #nodeSent = false;
  #responses = 0;
  #failures = 0;
  #closed = false;
  #initialized = false;
  #lastGoodWallMs = 0;
  #connected = false;
  readonly #listenerFaults: ListenerFaults;
  /** Types of answers that nobody asked for, as far as they were told. */
  readonly #unaskedTold = new Set<string>();

  constructor(init: AdsClientInit) {
    this.#init = init;
    this.#metrics = new XdsMetrics(init.stats);
    this.#variant = init.config.variant === 'delta' ? deltaVariant : sotwVariant;
    const sotw = this.#variant === sotwVariant;
    this.#states = new Map(resourceTypes.map((type) => [type.typeUrl, new TypeState(type, sotw && !type.wildcard)]));
    this.#clusters = this.#states.get(clusterType.typeUrl)!;
    this.#listeners = this.#states.get(listenerType.typeUrl)!;
    this.#warming = new Warming(init, {
      clusters: this.#clusters,
      listeners: this.#listeners,
      endpoints: this.#states.get(endpointsType.typeUrl)!,
      routes: this.#states.get(routesType.typeUrl)!,
      secrets: this.#states.get(secretType.typeUrl)!,
    });
    this.#listenerFaults = new ListenerFaults(this.#listeners, init.log);
    this.#reconnectTimer = new WheelTimer(this);
    this.#fetchTimer = new WheelTimer(this);
  }

  get states(): Iterable<TypeState> {
    return this.#states.values();
  }

  /** A stream is open and has been answered. */
  get connected(): boolean {
    return this.#connected;
  }

  start(): void {
    this.#warming.deriveNames(this.#init.clock.nowMs());
    this.#update();
    if (this.#init.initialFetchTimeoutMs > 0) this.#init.wheel.arm(this.#fetchTimer, this.#init.initialFetchTimeoutMs);
    this.#connect();
  }

  close(): void {
    this.#closed = true;
    this.#init.wheel.disarm(this.#reconnectTimer);
    this.#init.wheel.disarm(this.#fetchTimer);
    this.#stream?.close();
    this.#stream = null;
  }

  onTimer(timer: WheelTimer): void {
    if (this.#closed) return;
    if (timer === this.#reconnectTimer) this.#connect();
    else this.#giveUpWaiting();
  }

  // -- the stream --

  #connect(): void {
    const number = ++this.#streamNumber;
    this.#streamOpenedMs = this.#init.clock.nowMs();
    this.#nodeSent = false;
    this.#responses = 0;
    for (const state of this.#states.values()) state.streamOpened();
    this.#init.stats.counter('control_plane.connect_attempts').increment();
    this.#metrics.connectAttempts.increment();
    const stream = this.#init.transport.open(this.#variant.path, {
      onMessage: (message) => {
        if (number === this.#streamNumber && !this.#closed) this.#onMessage(message);
      },
      onDraining: () => {
        if (number === this.#streamNumber && !this.#closed) this.#move();
      },
      onEnd: (reason) => {
        if (number === this.#streamNumber && !this.#closed) this.#onEnd(reason);
      },
    });
    if (number !== this.#streamNumber || this.#reconnectTimer.armed) return;
    this.#stream = stream;
    for (const state of this.#states.values()) this.#ask(state);
    this.#armFetchTimer();
  }

  /** Goes to another connection. What was asked for and held stays; the new stream begins with it, as after any other end. */
  #move(): void {
    this.#stream?.close();
    this.#stream = null;
    this.#init.log.debug('moving the ADS stream to another connection');
    this.#connect();
  }

  /** `broken`: what came on it could not be used. Coming back at once would only bring the same again. */
  #onEnd(reason: string, broken = false): void {
    const { log, wheel, random, clock } = this.#init;
    this.#stream = null;
    this.#streamNumber++;
    for (const state of this.#states.values()) state.streamEnded();
    const wasConnected = this.#connected;
    this.#connected = false;
    this.#init.stats.gauge('control_plane.connected_state').set(0);
    this.#metrics.connected.set(0);
    const answered = this.#responses > 0;
    if (answered && (!broken || clock.nowMs() - this.#streamOpenedMs > maxBackoffMs)) this.#failures = 0;
    // A stream that was answered and ended is normal: come back at once, but not all sidecars in the same moment (gRFC A57).
    const failed = !answered || broken;
    const delayMs = reconnectDelayMs(failed ? this.#failures : -1, random);
    if (failed) this.#failures++;
    if (wasConnected || this.#failures === 1 || this.#failures % 10 === 0) {
      const meanwhile =
        this.#lastGoodWallMs === 0
          ? 'there is no configuration from it yet'
          : `serving the configuration of ${new Date(this.#lastGoodWallMs).toISOString().slice(11, 19)} meanwhile`;
      const text = `control plane (cluster ${this.#init.config.clusterName}): ${reason}; trying again in ${(delayMs / 1000).toFixed(1)} s, ${meanwhile}`;
      if (failed) log.warn(text);
      else log.info(text);
    }
    wheel.arm(this.#reconnectTimer, delayMs);
  }

  #onMessage(bytes: Uint8Array): void {
    const { log } = this.#init;
    let response: AdsResponse;
    try {
      response = this.#variant.decode(bytes);
    } catch (error) {
      log.error(`the control plane sent a message that is not a discovery response: ${(error as Error).message}`);
      this.#stream?.close();
      this.#onEnd('its message could not be decoded', true);
      return;
    }
    const state = this.#states.get(response.typeUrl);
    if (state === undefined || !state.asked) this.#ignoreUnasked(response.typeUrl);
    else this.#onResponse(state, response);
  }

  /** Told once for each type: a control plane that does so does it all the time. */
  #ignoreUnasked(typeUrl: string): void {
    this.#init.stats.counter('control_plane.unasked_responses').increment();
    if (this.#unaskedTold.has(typeUrl) || this.#unaskedTold.size >= maxUnaskedTold) return;
    this.#unaskedTold.add(typeUrl);
    this.#init.log.warn(
      `the control plane sent ${typeUrl === '' ? 'a response without a type' : JSON.stringify(typeUrl.slice(0, 200))}, which was not asked for: it is ignored, this time and from now on`,
    );
  }

  #onResponse(state: TypeState, response: AdsResponse): void {
    const { log, stats, clock } = this.#init;
    this.#responses++;
    if (!this.#connected) {
      this.#connected = true;
      stats.gauge('control_plane.connected_state').set(1);
      this.#metrics.connected.set(1);
      if (this.#failures > 0) log.info('the control plane answers again');
    }
    const sotw = this.#variant === sotwVariant;
    const refused = state.take(response, sotw && state.type.wildcard, clock.wallMs());
    const prefix = statPrefixes[state.type.label];
    stats.counter(`${prefix}.update_attempt`).increment();
    if (refused === '') {
      stats.counter(`${prefix}.update_success`).increment();
      this.#metrics.accepted(state, clock.wallMs());
      this.#lastGoodWallMs = clock.wallMs();
    } else {
      stats.counter(`${prefix}.update_rejected`).increment();
      this.#metrics.rejected(state);
      log.warn(
        `refused an update from the control plane, the configuration before goes on: ${refused.replaceAll('\n', ' | ')}`,
      );
    }
    // What the response refers to is asked for with the answer to it, so that the server sees one step after the other.
    this.#warming.deriveNames(this.#init.clock.nowMs());
    this.#send(
      state,
      refused === '' && state === this.#listeners ? this.#listenerFaults.refuse(clock.wallMs()) : refused,
    );
    for (const other of this.#states.values()) if (other !== state) this.#ask(other);
    this.#update();
  }

  /**
   * Which listeners could not be put to work (a port that is taken): of both origins, after every apply(), all that there are. An update is accepted before its listeners are bound,
   * so for those that came by xDS a NACK follows the ACK, with the same nonce. What ran under that name before goes on, and every new configuration tries again.
   */
  listenersApplied(faults: readonly ListenerFault[]): void {
    const { stats, clock } = this.#init;
    if (this.#closed || !this.#listenerFaults.set(faults)) return;
    const nack = this.#listenerFaults.refuse(clock.wallMs());
    if (nack !== '') {
      stats.counter(`${statPrefixes.listener}.update_rejected`).increment();
      this.#metrics.rejected(this.#listeners);
    }
    // Without a fault of xDS now: an ACK takes the NACK back, unless something else was refused.
    else if (this.#listeners.refused.size > 0) return;
    if (this.#listeners.asked && this.#listeners.nonce !== '') this.#send(this.#listeners, nack);
  }

  /** Tells changed subscriptions, or asks for the first time on this stream. */
  #ask(state: TypeState): void {
    if (this.#stream === null || !this.#enabled(state)) return;
    if (state.type.wildcard) {
      if (!state.asked) this.#send(state, null);
      return;
    }
    if (!state.asked && state.wanted.size === 0) return;
    if (state.asked && sameNames(state.wanted, state.told)) return;
    this.#send(state, null);
  }

  #enabled(state: TypeState): boolean {
    if (state === this.#listeners) return this.#init.listenersByAds;
    if (state === this.#clusters) return this.#init.clustersByAds;
    return true;
  }

  /** `nack`: null for a request of our own accord, '' for an ACK, else the reason. */
  #send(state: TypeState, nack: string | null): void {
    if (this.#stream === null) return;
    const first = !state.asked;
    const names = state.type.wildcard ? [] : [...state.wanted];
    const request = {
      node: this.#nodeSent ? null : this.#init.node,
      typeUrl: state.type.typeUrl,
      nonce: nack === null && this.#variant === deltaVariant ? '' : state.nonce,
      error: nack ?? '',
      version: state.version,
      names,
      subscribe: names.filter((name) => !state.told.has(name)),
      unsubscribe: state.type.wildcard ? [] : [...state.told].filter((name) => !state.wanted.has(name)),
      initialVersions: first
        ? new Map([...state.resources].map(([name, { version }]) => [name, version]))
        : new Map<string, string>(),
    };
    state.ask(new Set(names), this.#init.clock.nowMs());
    this.#nodeSent = true;
    this.#stream.send(this.#variant.encode(request));
  }

  // -- what follows from what --

  /** Publishes; what is in force then may need less than before, so names that nothing refers to any more are given up. */
  #update(): void {
    do this.#publish();
    while (this.#warming.deriveNames(this.#init.clock.nowMs()));
    for (const state of this.#states.values()) this.#ask(state);
    this.#armFetchTimer();
  }

  /** Whether everything is warm decides what is waited for, and whether the sidecar has begun. */
  #publish(): void {
    if (!this.#warming.publish()) {
      this.#armFetchTimer();
      return;
    }
    this.#init.wheel.disarm(this.#fetchTimer);
    if (this.#initialized) return;
    this.#initialized = true;
    this.#init.onInitialized();
  }

  /** Waiting for a secret from elsewhere is over. */
  secretsChanged(): void {
    if (!this.#closed) this.#update();
  }

  /** For when the first of what is waited for has had its time. */
  #armFetchTimer(): void {
    const { wheel, clock, initialFetchTimeoutMs } = this.#init;
    if (initialFetchTimeoutMs <= 0) return;
    let firstMs = Infinity;
    for (const state of this.#states.values())
      for (const [, sinceMs] of state.waiting()) firstMs = Math.min(firstMs, sinceMs);
    if (firstMs < Infinity) wheel.arm(this.#fetchTimer, Math.max(0, firstMs + initialFetchTimeoutMs - clock.nowMs()));
    // Without a stream nothing was asked for; listeners are not kept closed all the same.
    else if (this.#warming.listenersHeld && !this.#fetchTimer.armed) wheel.arm(this.#fetchTimer, initialFetchTimeoutMs);
  }

  /**
   * Envoy's initial_fetch_timeout: what has not come within that time since it was asked for does not hold up the rest. While there is no stream, nothing can be said to be missing
   * (A57).
   */
  #giveUpWaiting(): void {
    const { clock, initialFetchTimeoutMs, log } = this.#init;
    if (this.#stream === null) {
      // A control plane that is away does not keep the listeners of the bootstrap closed for longer than Envoy would.
      if (this.#warming.openListeners()) this.#update();
      this.#armFetchTimer();
      return;
    }
    const missing: string[] = [];
    for (const state of this.#states.values()) {
      for (const [name, sinceMs] of state.waiting()) {
        if (sinceMs + initialFetchTimeoutMs > clock.nowMs()) continue;
        state.giveUp(name);
        missing.push(state.type.wildcard ? `any ${state.type.label}` : `${state.type.label} ${JSON.stringify(name)}`);
      }
    }
    if (missing.length === 0) {
      this.#armFetchTimer();
      return;
    }
    this.#warming.openListeners();
    const more = missing.length > maxMissingTold ? ` and ${missing.length - maxMissingTold} more` : '';
    log.warn(
      `the control plane did not send ${missing.slice(0, maxMissingTold).join(', ')}${more} within ${initialFetchTimeoutMs / 1000} s; going on with what is here`,
    );
    this.#update();
  }
}
