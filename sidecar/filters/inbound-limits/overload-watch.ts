/**
 * Whether a line of waiting requests has become a standing one: CoDel's question (RFC 8289), asked of the request that waits longest. A burst that drains leaves it waiting for a moment; where it has
 * waited more than the target without a break for an interval, more comes than goes. No timer: it is asked when something joins or leaves.
 */
export class OverloadWatch {
  readonly #targetMs: number;
  readonly #intervalMs: number;
  /** From when the one that waits longest has waited more than the target, without a break; -1: it has not. */
  #aboveSinceMs = -1;
  overloaded = false;

  constructor(targetMs: number, intervalMs: number) {
    this.#targetMs = targetMs;
    this.#intervalMs = intervalMs;
  }

  /** `oldestMs`: since when the one that waits longest does; -1: nobody waits. To be asked before and after one leaves. */
  look(oldestMs: number, nowMs: number): boolean {
    const fromMs = oldestMs + this.#targetMs;
    if (oldestMs < 0 || nowMs < fromMs) {
      this.#aboveSinceMs = -1;
      this.overloaded = false;
      return false;
    }
    if (this.#aboveSinceMs < 0) this.#aboveSinceMs = fromMs;
    this.overloaded = nowMs - this.#aboveSinceMs >= this.#intervalMs;
    return this.overloaded;
  }
}
