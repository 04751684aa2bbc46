/**
 * Connection managers that a listener has no use for any more: they finish what they carry, and are ended when that takes longer than the drain time
 * (Envoy's `--drain-time-s`).
 */
import { ProxyError } from '../codec/proxy-error.ts';
import type { Clock } from '../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { Gauge } from '../stats/stat-store.ts';
import type { ConnectionManager } from './running-listener.ts';

const lookMs = 1_000;

export class RetiredChains implements TimerTarget {
  readonly #deadlines = new Map<ConnectionManager, number>();
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  readonly #drainTimeMs: number;
  readonly #gauge: Gauge;
  readonly #timer: WheelTimer;

  /** `gauge` shows how many there are. */
  constructor(clock: Clock, wheel: TimerWheel, drainTimeMs: number, gauge: Gauge) {
    this.#clock = clock;
    this.#wheel = wheel;
    this.#drainTimeMs = drainTimeMs;
    this.#gauge = gauge;
    this.#timer = new WheelTimer(this);
  }

  get size(): number {
    return this.#deadlines.size;
  }

  get managers(): Iterable<ConnectionManager> {
    return this.#deadlines.keys();
  }

  /** Begins to drain it. */
  add(manager: ConnectionManager): void {
    manager.drain();
    this.#deadlines.set(manager, this.#clock.nowMs() + this.#drainTimeMs);
    this.#gauge.value = this.size;
    if (!this.#timer.armed) this.#wheel.arm(this.#timer, lookMs);
  }

  destroyAll(error: ProxyError): void {
    this.#wheel.disarm(this.#timer);
    for (const manager of this.#deadlines.keys()) manager.destroyAll(error);
    this.#deadlines.clear();
    this.#gauge.value = 0;
  }

  onTimer(): void {
    const now = this.#clock.nowMs();
    for (const [manager, deadline] of this.#deadlines) {
      // Looked at before it is forgotten: a handshake that began under it may still bring a connection.
      if (now >= deadline) manager.destroyAll(drainTimeOver);
      if (now >= deadline || manager.activeConnections === 0) this.#deadlines.delete(manager);
    }
    this.#gauge.value = this.size;
    if (this.size > 0) this.#wheel.arm(this.#timer, lookMs);
  }
}

const drainTimeOver = new ProxyError({
  flag: 'LR',
  source: 'local',
  details: 'drain_time_over',
  message: 'The listener was changed or removed, and the connection did not end within the drain time.',
});
