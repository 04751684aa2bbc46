/**
 * One secret from a service of its own (SPIRE's agent, for one), over a stream of its own as Envoy has it: a name that the service does not give out does not hold up the others.
 * Asks, takes, answers with ACK or NACK, and comes back when the stream ends; the last good version stays.
 */
import type { NodeConfig } from '../../config/bootstrap-config.ts';
import type { SecretReference, SecretServiceSource } from '../../config/tls-config.ts';
import type { Clock, Random } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../../runtime/timer-wheel.ts';
import type { SecretValue } from '../../secret/secret.ts';
import type { StatStore } from '../../stats/stat-store.ts';
import type { AdsStream, AdsTransport } from '../ads/ads-client.ts';
import { type AdsResponse, type AdsVariant, deltaVariant, sotwVariant } from '../ads/ads-message.ts';
import { secretType } from '../ads/resource-type.ts';
import type { SecretSink } from '../ads/secret-delivery.ts';
import { TypeState } from '../ads/type-state.ts';
import { maxBackoffMs, reconnectDelayMs } from '../reconnect-delay.ts';

const paths = {
  sotw: '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets',
  delta: '/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets',
} as const;

export interface SecretStreamInit {
  readonly node: NodeConfig;
  readonly secrets: SecretSink;
  /** Through the cluster that the source names. */
  readonly transport: (source: SecretServiceSource) => AdsTransport;
  /** Waiting for the secret is over: it is here, was refused, or had its time. Once; never from inside start(). */
  readonly onSettled: () => void;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
  readonly stats: StatStore;
}

export class SecretStream implements TimerTarget {
  readonly #reference: SecretReference;
  readonly #source: SecretServiceSource;
  readonly #init: SecretStreamInit;
  readonly #variant: AdsVariant;
  readonly #transport: AdsTransport;
  readonly #state = new TypeState(secretType);
  readonly #reconnectTimer: WheelTimer;
  readonly #fetchTimer: WheelTimer;
  #stream: AdsStream | null = null;
  /** Counts streams: events of an old one are not heard. */
  #streamNumber = 0;
  #openedMs = 0;
  #answered = false;
  #failures = 0;
  #settled = false;
  #closed = false;
  #handedOn: unknown = null;

  constructor(reference: SecretReference, source: SecretServiceSource, init: SecretStreamInit) {
    this.#reference = reference;
    this.#source = source;
    this.#init = init;
    this.#variant = source.variant === 'delta' ? deltaVariant : sotwVariant;
    this.#transport = init.transport(source);
    this.#state.want(new Set([reference.name]), 0);
    this.#reconnectTimer = new WheelTimer(this);
    this.#fetchTimer = new WheelTimer(this);
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** Begins to ask, behind the work in hand: the cluster that leads to the service may be part of it. */
  start(): void {
    const { initialFetchTimeoutMs } = this.#source;
    if (initialFetchTimeoutMs > 0) this.#init.wheel.arm(this.#fetchTimer, initialFetchTimeoutMs);
    queueMicrotask(() => {
      if (!this.#closed) this.#connect();
    });
  }

  /** Nobody refers to it any more. */
  close(): void {
    this.#closed = true;
    this.#init.wheel.disarm(this.#reconnectTimer);
    this.#init.wheel.disarm(this.#fetchTimer);
    this.#stream?.close();
    this.#stream = null;
    this.#init.secrets.remove(this.#reference.key);
  }

  onTimer(timer: WheelTimer): void {
    if (this.#closed) return;
    if (timer === this.#reconnectTimer) {
      this.#connect();
      return;
    }
    const { initialFetchTimeoutMs } = this.#source;
    this.#init.log.warn(
      `${this.#what()} did not come within ${initialFetchTimeoutMs / 1000} s; going on without it, and asking for it further`,
    );
    this.#settle();
  }

  #connect(): void {
    const number = ++this.#streamNumber;
    const { clock, stats } = this.#init;
    this.#openedMs = clock.nowMs();
    this.#answered = false;
    this.#state.streamOpened();
    stats.counter(`${this.#stat()}.connect_attempts`).increment();
    const stream = this.#transport.open(paths[this.#source.variant], {
      onMessage: (message) => {
        if (number === this.#streamNumber && !this.#closed) this.#onMessage(message);
      },
      onEnd: (reason) => {
        if (number === this.#streamNumber && !this.#closed) this.#onEnd(reason);
      },
    });
    if (number !== this.#streamNumber) return;
    this.#stream = stream;
    this.#send(null);
  }

  #onMessage(bytes: Uint8Array): void {
    let response: AdsResponse;
    try {
      response = this.#variant.decode(bytes);
    } catch {
      // What the parser says may quote the bytes, and these a key.
      this.#stream?.close();
      this.#onEnd('it sent a message that is no discovery response', true);
      return;
    }
    if (response.typeUrl !== '' && response.typeUrl !== secretType.typeUrl) {
      this.#stream?.close();
      this.#onEnd(`it sent ${JSON.stringify(response.typeUrl.slice(0, 200))} instead of secrets`, true);
      return;
    }
    this.#onResponse(response);
  }

  #onResponse(response: AdsResponse): void {
    const { clock, log, stats, secrets } = this.#init;
    const { key, name } = this.#reference;
    if (!this.#answered && this.#failures > 0) log.info(`${this.#what()}: the service answers again`);
    this.#answered = true;
    const refused = this.#state.take(response, false, clock.wallMs());
    stats.counter(`${this.#stat()}.update_attempt`).increment();
    stats.counter(`${this.#stat()}.${refused === '' ? 'update_success' : 'update_rejected'}`).increment();
    if (refused !== '')
      log.warn(
        `refused ${this.#what()}: ${refused.replaceAll('\n', ' | ')}; ${this.#handedOn === null ? 'there is none from before' : 'the one before goes on'}`,
      );
    const resource = this.#state.resources.get(name);
    if (resource !== undefined && resource.value !== this.#handedOn) {
      this.#handedOn = resource.value;
      secrets.set(key, name, resource.version, resource.value as SecretValue);
    }
    const fault = this.#state.refused.get(name);
    if (fault !== undefined) secrets.refuse(key, fault.details);
    this.#send(refused);
    if (resource !== undefined || fault !== undefined || this.#state.absent.has(name)) this.#settle();
  }

  /** `broken`: what came on it could not be used; coming back at once would bring the same again. */
  #onEnd(reason: string, broken = false): void {
    const { clock, wheel, random, log } = this.#init;
    this.#stream = null;
    this.#streamNumber++;
    const failed = !this.#answered || broken;
    if (!failed || clock.nowMs() - this.#openedMs > maxBackoffMs) this.#failures = 0;
    const delayMs = reconnectDelayMs(failed ? this.#failures : -1, random);
    if (failed) this.#failures++;
    if (failed && (this.#failures === 1 || this.#failures % 10 === 0))
      log.warn(
        `${this.#what()}: ${reason}; trying again in ${(delayMs / 1000).toFixed(1)} s, ${this.#handedOn === null ? 'there is none yet' : 'the one before goes on meanwhile'}`,
      );
    wheel.arm(this.#reconnectTimer, delayMs);
  }

  /** `nack`: null for the first request of a stream, '' for an ACK, else the reason. */
  #send(nack: string | null): void {
    if (this.#stream === null) return;
    const state = this.#state;
    const { name } = this.#reference;
    const held = state.resources.get(name);
    const first = !state.asked;
    state.asked = true;
    this.#stream.send(
      this.#variant.encode({
        node: first ? this.#init.node : null,
        typeUrl: secretType.typeUrl,
        nonce: state.nonce,
        error: nack ?? '',
        version: state.version,
        names: [name],
        subscribe: first ? [name] : [],
        unsubscribe: [],
        initialVersions: first && held !== undefined ? new Map([[name, held.version]]) : new Map<string, string>(),
      }),
    );
  }

  #settle(): void {
    this.#init.wheel.disarm(this.#fetchTimer);
    if (this.#settled) return;
    this.#settled = true;
    this.#init.onSettled();
  }

  #what(): string {
    return `secret ${JSON.stringify(this.#reference.name)} (SDS, cluster ${this.#source.clusterName})`;
  }

  /** Envoy's. */
  #stat(): string {
    return `sds.${this.#reference.name.replaceAll(':', '_')}`;
  }
}
