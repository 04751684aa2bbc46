/**
 * Ending without losing a request: readiness goes first, so that nobody new comes; then requests in hand are finished and connections told to go elsewhere (HTTP/1 `connection: close`,
 * HTTP/2 GOAWAY twice); the outbound side serves until the application is done with it; after the deadline what is left is closed, and counted in the log.
 */
import type { Clock } from './runtime/clock.ts';
import type { Log } from './runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from './runtime/timer-wheel.ts';

/** What is drained; the listener manager. */
export interface Drainable {
  /** Connections of listeners of that direction end after their next answer; listeners go on accepting. */
  drain(direction: 'inbound' | 'outbound' | 'unspecified'): void;
  /** Requests that are not finished; connections without any end by themselves. */
  readonly activeStreams: number;
  readonly activeConnections: number;
  /** Connections with requests, or with answers that the kernel has not taken yet. */
  readonly unfinishedConnections: number;
}

const checkMs = 50;
/** Callers hear a moment later that this instance is gone; who still comes meanwhile is served. */
const settleMs = 500;

export class Drain implements TimerTarget {
  readonly #listeners: Drainable;
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  readonly #log: Log;
  readonly #timer: WheelTimer;
  readonly #deadlineMs: number;
  readonly #earliestMs: number;
  readonly #waitFor: 'connections' | 'requests';
  readonly #done: () => void;

  /** `waitFor` requests: idle connections are not waited for, as nobody is there any more who could answer on them. */
  constructor(
    listeners: Drainable,
    waitFor: 'connections' | 'requests',
    drainTimeMs: number,
    clock: Clock,
    wheel: TimerWheel,
    log: Log,
    done: () => void,
  ) {
    this.#listeners = listeners;
    this.#waitFor = waitFor;
    this.#clock = clock;
    this.#wheel = wheel;
    this.#log = log;
    this.#done = done;
    this.#deadlineMs = clock.nowMs() + drainTimeMs;
    this.#timer = new WheelTimer(this);
    this.#earliestMs = clock.nowMs() + Math.min(drainTimeMs, settleMs);
    // Outbound goes on: the application finishes its own work through it, and closes its connections when it is done.
    listeners.drain('inbound');
    listeners.drain('unspecified');
    this.onTimer();
  }

  onTimer(): void {
    const { activeConnections: open, activeStreams: streams, unfinishedConnections: unfinished } = this.#listeners;
    const left = this.#waitFor === 'connections' ? open : unfinished;
    const now = this.#clock.nowMs();
    if (now < this.#earliestMs || (left > 0 && now < this.#deadlineMs)) {
      this.#wheel.arm(this.#timer, checkMs);
      return;
    }
    if (left > 0) {
      const text = `drain time is over: ${open} connection${open === 1 ? ' is' : 's are'} closed, with ${streams} request${streams === 1 ? '' : 's'} on them`;
      // Connections on which nothing goes on are no loss.
      if (unfinished > 0) this.#log.warn(text);
      else this.#log.info(text);
    }
    this.#done();
  }
}
