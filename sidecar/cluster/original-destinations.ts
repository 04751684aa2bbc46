/**
 * The hosts of a cluster of type ORIGINAL_DST: one for each destination that callers' connections were going to, made when it is first asked for, and forgotten when it has had no connection
 * from one look to the next (Envoy's `cleanup_interval`).
 */
import type { LocalityConfig } from '../config/cluster-config.ts';
import type { SocketAddress } from '../config/listener-config.ts';
import type { Clock } from '../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { HostSet } from './host-set.ts';
import { hostAddress, RunningHost } from './running-host.ts';

/** Destinations that are known at once: callers choose them, and each costs memory. */
const mostHosts = 16_384;

const nowhere: LocalityConfig = Object.freeze({
  region: '',
  zone: '',
  subZone: '',
  weight: 1,
  priority: 0,
  endpoints: [],
});

export class OriginalDestinations implements TimerTarget {
  readonly #hosts: HostSet;
  readonly #cleanupIntervalMs: number;
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  readonly #onRemoved: (host: RunningHost) => void;
  readonly #timer: WheelTimer;
  readonly #most: number;
  /** When each was asked for last. */
  readonly #askedMs = new Map<RunningHost, number>();

  constructor(
    hosts: HostSet,
    cleanupIntervalMs: number,
    clock: Clock,
    wheel: TimerWheel,
    onRemoved: (host: RunningHost) => void,
    most: number = mostHosts,
  ) {
    this.#hosts = hosts;
    this.#cleanupIntervalMs = cleanupIntervalMs;
    this.#clock = clock;
    this.#wheel = wheel;
    this.#onRemoved = onRemoved;
    this.#most = most;
    this.#timer = new WheelTimer(this);
  }

  /** The host; null: there are as many as there may be, and all are in use. */
  hostFor(destination: SocketAddress): RunningHost | null {
    const address = hostAddress(destination);
    let host = this.#hosts.byAddress.get(address);
    if (host === undefined) {
      if (this.#hosts.byAddress.size >= this.#most && !this.#makeRoom()) return null;
      host = new RunningHost(
        { address: destination, weight: 1, health: 'unknown', hostname: '', metadata: {} },
        nowhere,
      );
      this.#hosts.add(host);
      if (!this.#timer.armed) this.#wheel.arm(this.#timer, this.#cleanupIntervalMs);
    }
    this.#askedMs.set(host, this.#clock.nowMs());
    return host;
  }

  close(): void {
    this.#wheel.disarm(this.#timer);
  }

  onTimer(): void {
    this.#forget(this.#clock.nowMs() - this.#cleanupIntervalMs);
    if (this.#hosts.byAddress.size > 0) this.#wheel.arm(this.#timer, this.#cleanupIntervalMs);
  }

  /** Those without connections go at once. */
  #makeRoom(): boolean {
    this.#forget(Infinity);
    return this.#hosts.byAddress.size < this.#most;
  }

  #forget(askedBeforeMs: number): void {
    for (const [host, askedMs] of this.#askedMs) {
      if (askedMs > askedBeforeMs || !host.unused || host.activeConnections > 0) continue;
      this.#askedMs.delete(host);
      this.#hosts.remove(host);
      this.#onRemoved(host);
    }
  }
}
