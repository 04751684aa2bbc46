/**
 * Calls that wait for their answer, by when they were sent, so that one that is slow is known as soon as it is, without a timer and without a list: a ring of counts. A call is found to be overdue
 * at most a sixteenth of the limit late.
 */

const ticksInLimit = 16;
/** One tick that is under way at each end, and one to spare. */
const slots = ticksInLimit + 3;

export class WaitingCalls {
  readonly #limitMs: number;
  readonly #tickMs: number;
  readonly #counts = new Float64Array(slots);
  /** The newest tick all of whose calls are overdue, and were given out. */
  #swept: number;

  constructor(limitMs: number, nowMs: number) {
    this.#limitMs = limitMs;
    this.#tickMs = limitMs / ticksInLimit;
    // Ticks of a clock that begins at 0 are never below.
    this.#swept = Math.max(-1, this.#overdueTick(nowMs));
  }

  /** After sweep() of the same moment. The moment that remove() wants. */
  add(nowMs: number): number {
    // A clock that went back: it counts as sent when the oldest one was that is not overdue.
    const sentMs = Math.max(nowMs, (this.#swept + 1) * this.#tickMs);
    this.#counts[Math.floor(sentMs / this.#tickMs) % slots]!++;
    return sentMs;
  }

  /** False: it was overdue, and sweep() has counted it. */
  remove(sentMs: number): boolean {
    const tick = Math.floor(sentMs / this.#tickMs);
    if (tick <= this.#swept) return false;
    this.#counts[tick % slots]!--;
    return true;
  }

  /** How many became overdue since the last time. They are out of it. */
  sweep(nowMs: number): number {
    const to = this.#overdueTick(nowMs);
    if (to <= this.#swept) return 0;
    let overdue = 0;
    const last = Math.min(to, this.#swept + slots);
    for (let tick = this.#swept + 1; tick <= last; tick++) {
      overdue += this.#counts[tick % slots]!;
      this.#counts[tick % slots] = 0;
    }
    this.#swept = to;
    return overdue;
  }

  /** Those that wait are forgotten: remove() must not be called for them. */
  clear(nowMs: number): void {
    this.#counts.fill(0);
    this.#swept = Math.max(this.#swept, this.#overdueTick(nowMs));
  }

  #overdueTick(nowMs: number): number {
    return Math.floor((nowMs - this.#limitMs) / this.#tickMs) - 1;
  }
}
