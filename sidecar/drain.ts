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
  /** The same, without those of outbound listeners. */
  readonly unfinishedInbound: number;
  /** Connections that inbound listeners have taken so far. */
  readonly acceptedInbound: number;
}

/**
 * What a drain waits for. `requests`: idle connections are not waited for, as nobody is there any more who could answer on them. `inbound-requests`: nor is what the application asks of others;
 * nothing is closed at the end, as the application is still there.
 */
export type DrainWait = 'connections' | 'requests' | 'inbound-requests';

export interface DrainOptions {
  readonly waitFor: DrainWait;
  readonly drainTimeMs: number;
  /**
   * Callers hear a moment later that this instance is gone; who still comes meanwhile is served. Default 500 ms; with `inbound-requests` from the last connection on, as far as {@link maxSettleMs}: while
   * some still come, not all have heard.
   */
  readonly settleMs?: number;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly log: Log;
  readonly done: () => void;
}

const checkMs = 50;
const defaultSettleMs = 500;
/** Who comes for this long after it is no caller of the mesh, and does not hear of it. */
const maxSettleMs = 5_000;

export class Drain implements TimerTarget {
  readonly #listeners: Drainable;
  readonly #options: DrainOptions;
  readonly #timer: WheelTimer;
  readonly #deadlineMs: number;
  readonly #latestSettledMs: number;
  #earliestMs: number;
  #accepted: number;

  constructor(listeners: Drainable, options: DrainOptions) {
    this.#listeners = listeners;
    this.#options = options;
    const { clock, drainTimeMs, settleMs = defaultSettleMs } = options;
    this.#deadlineMs = clock.nowMs() + drainTimeMs;
    this.#timer = new WheelTimer(this);
    this.#earliestMs = clock.nowMs() + Math.min(drainTimeMs, settleMs);
    this.#latestSettledMs = clock.nowMs() + Math.min(drainTimeMs, maxSettleMs);
    this.#accepted = listeners.acceptedInbound;
    // Outbound goes on: the application finishes its own work through it, and closes its connections when it is done.
    listeners.drain('inbound');
    listeners.drain('unspecified');
    this.onTimer();
  }

  onTimer(): void {
    const left = this.#left;
    const { clock, wheel, done, waitFor, settleMs = defaultSettleMs } = this.#options;
    const now = clock.nowMs();
    const { acceptedInbound } = this.#listeners;
    if (waitFor === 'inbound-requests' && acceptedInbound !== this.#accepted) {
      this.#accepted = acceptedInbound;
      this.#earliestMs = Math.min(now + settleMs, this.#latestSettledMs);
    }
    if (now < this.#earliestMs || (left > 0 && now < this.#deadlineMs)) {
      wheel.arm(this.#timer, checkMs);
      return;
    }
    if (left > 0) this.#tellOver();
    done();
  }

  get #left(): number {
    switch (this.#options.waitFor) {
      case 'connections':
        return this.#listeners.activeConnections;
      case 'requests':
        return this.#listeners.unfinishedConnections;
      case 'inbound-requests':
        return this.#listeners.unfinishedInbound;
    }
  }

  #tellOver(): void {
    const { waitFor, log, drainTimeMs } = this.#options;
    const { activeConnections: open, activeStreams: streams, unfinishedConnections: unfinished } = this.#listeners;
    if (waitFor === 'inbound-requests') {
      log.warn(`requests in hand did not end within ${drainTimeMs / 1000} s`);
      return;
    }
    const text = `drain time is over: ${open} connection${open === 1 ? ' is' : 's are'} closed, with ${streams} request${streams === 1 ? '' : 's'} on them`;
    // Connections on which nothing goes on are no loss.
    if (unfinished > 0) log.warn(text);
    else log.info(text);
  }
}
