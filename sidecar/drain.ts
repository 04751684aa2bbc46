/**
 * Ending without losing a request: readiness goes first, so that nobody new comes; then requests in hand are finished and connections told to go elsewhere (HTTP/1 `connection: close`,
 * HTTP/2 GOAWAY twice); the outbound side serves until the application is done with it; after the deadline what is left is closed, and named in the log.
 */
import { ProxyError } from './codec/proxy-error.ts';
import type { Clock } from './runtime/clock.ts';
import type { Log } from './runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from './runtime/timer-wheel.ts';

/** What is drained; the listener manager. */
export interface Drainable {
  drain(): void;
  /** Connections that are still open. */
  readonly activeConnections: number;
  destroyConnections(error: ProxyError): void;
}

const checkMs = 50;

export class Drain implements TimerTarget {
  readonly #listeners: Drainable;
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  readonly #log: Log;
  readonly #timer: WheelTimer;
  readonly #deadlineMs: number;
  readonly #done: () => void;

  constructor(listeners: Drainable, drainTimeMs: number, clock: Clock, wheel: TimerWheel, log: Log, done: () => void) {
    this.#listeners = listeners;
    this.#clock = clock;
    this.#wheel = wheel;
    this.#log = log;
    this.#done = done;
    this.#deadlineMs = clock.nowMs() + drainTimeMs;
    this.#timer = new WheelTimer(this);
    listeners.drain();
    this.onTimer();
  }

  onTimer(): void {
    const open = this.#listeners.activeConnections;
    if (open > 0 && this.#clock.nowMs() < this.#deadlineMs) {
      this.#wheel.arm(this.#timer, checkMs);
      return;
    }
    if (open > 0) {
      this.#log.warn(`drain time is over: ${open} connection${open === 1 ? ' was' : 's were'} closed with requests on them`);
      this.#listeners.destroyConnections(drained);
    }
    this.#done();
  }
}

const drained = new ProxyError({ flag: 'LR', source: 'local', details: 'drain_time_exceeded', message: 'This sidecar is shutting down.', http2Code: 0 });
