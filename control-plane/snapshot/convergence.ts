/**
 * How long a change takes to be in force: from the moment that the model has it to the last answer, ACK or NACK, of a proxy that was sent something because of it. While changes follow upon each other it is one time,
 * from the first of them. A proxy that goes is not waited for.
 */
import type { HistogramSample } from '../../metrics/metric-family.ts';

export const convergenceBoundsMs: readonly number[] = [
  10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000,
];

export class Convergence<Proxy> implements HistogramSample {
  readonly labels = {};
  readonly counts: Float64Array = new Float64Array(convergenceBoundsMs.length + 1);
  readonly exemplars = null;
  readonly native = null;
  /** Milliseconds. */
  sum = 0;
  count = 0;
  readonly #nowMs: () => number;
  readonly #waitingFor = new Set<Proxy>();
  /** -1: nothing is under way. */
  #sinceMs = -1;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Proxies that were sent something and have not answered. */
  get waiting(): number {
    return this.#waitingFor.size;
  }

  changed(): void {
    if (this.#sinceMs < 0) this.#sinceMs = this.#nowMs();
  }

  /** It has something to answer. */
  waitFor(proxy: Proxy): void {
    if (this.#sinceMs >= 0) this.#waitingFor.add(proxy);
  }

  /** Everything was handed out; where nobody had to be told anything, there is nothing to measure. */
  published(): void {
    if (this.#waitingFor.size === 0) this.#sinceMs = -1;
  }

  isWaitingFor(proxy: Proxy): boolean {
    return this.#waitingFor.has(proxy);
  }

  settled(proxy: Proxy): void {
    if (!this.#waitingFor.delete(proxy) || this.#waitingFor.size > 0) return;
    const tookMs = this.#nowMs() - this.#sinceMs;
    this.#sinceMs = -1;
    let bucket = 0;
    while (bucket < convergenceBoundsMs.length && tookMs > convergenceBoundsMs[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sum += tookMs;
    this.count++;
  }

  gone(proxy: Proxy): void {
    if (this.#waitingFor.delete(proxy)) this.published();
  }
}
