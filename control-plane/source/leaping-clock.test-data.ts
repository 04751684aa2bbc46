/**
 * Real time that a test can move on: timers that come due by a leap fire within it, each at its own moment. Between leaps it is like the system's, so that what is not tested needs no help; a `still` one stands between leaps,
 * for what counts how much happens in a time, however busy the machine is.
 */
import type { SourceClock } from './source-clock.ts';

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
  handle: NodeJS.Timeout | undefined;
}

export class LeapingClock implements SourceClock {
  readonly #still: boolean;
  readonly #timers = new Set<Timer>();
  #aheadMs = 0;

  constructor({ still = false }: { readonly still?: boolean } = {}) {
    this.#still = still;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer: Timer = {
      atMs: this.nowMs() + delayMs,
      callback,
      handle: this.#wake(() => this.#fire(timer), delayMs),
    };
    this.#timers.add(timer);
    return () => this.#drop(timer);
  }

  nowMs(): number {
    return (this.#still ? 0 : performance.now()) + this.#aheadMs;
  }

  wallMs(): number {
    return Date.now() + this.#aheadMs;
  }

  /** What a callback sets up fires too when its time comes within the leap. */
  leap(ms: number): void {
    const untilMs = this.nowMs() + ms;
    for (;;) {
      const next = [...this.#timers].toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#moveTo(next.atMs);
      this.#fire(next);
    }
    this.#moveTo(untilMs);
    for (const timer of this.#timers) {
      clearTimeout(timer.handle);
      timer.handle = this.#wake(() => this.#fire(timer), timer.atMs - this.nowMs());
    }
  }

  #wake(callback: () => void, delayMs: number): NodeJS.Timeout | undefined {
    return this.#still ? undefined : setTimeout(callback, delayMs).unref();
  }

  #moveTo(ms: number): void {
    this.#aheadMs += Math.max(0, ms - this.nowMs());
  }

  #fire(timer: Timer): void {
    this.#drop(timer);
    timer.callback();
  }

  #drop(timer: Timer): void {
    clearTimeout(timer.handle);
    this.#timers.delete(timer);
  }
}
