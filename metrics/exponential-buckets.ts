/**
 * Counts in exponential buckets (see NativeBuckets), as narrow as their number allows: they begin with 8 to each doubling (values known to 9 %), and when values lie so far apart that there would be too many buckets,
 * each two become one, as the Go client of Prometheus does it. Memory is bounded, and no value is out of range.
 */
import type { NativeBuckets } from './metric-family.ts';

const finestSchema = 3;
/** As OpenTelemetry's default. */
const mostBuckets = 160;
/** About a microsecond, where it is seconds. */
const zeroThreshold = 2 ** -20;

export class ExponentialBuckets implements NativeBuckets {
  readonly zeroThreshold: number = zeroThreshold;
  schema = finestSchema;
  zeroCount = 0;
  firstIndex = 0;
  #counts = new Float64Array(0);
  /** How many of `#counts`, from its start, are in use. */
  #used = 0;
  #bucketsPerDoubling = 2 ** finestSchema;

  get counts(): Float64Array {
    return this.#counts.subarray(0, this.#used);
  }

  /** Counts `times` observations of a value that is not negative. */
  record(value: number, times = 1): void {
    if (!(value > zeroThreshold)) {
      this.zeroCount += times;
      return;
    }
    const index = Math.ceil(Math.log2(value) * this.#bucketsPerDoubling);
    const at = index - this.firstIndex;
    if (at >= 0 && at < this.#used) this.#counts[at]! += times;
    else this.#widen(value, index, times);
  }

  clear(): void {
    this.schema = finestSchema;
    this.#bucketsPerDoubling = 2 ** finestSchema;
    this.zeroCount = 0;
    this.#counts = new Float64Array(0);
    this.#used = 0;
  }

  #widen(value: number, index: number, times: number): void {
    if (this.#used === 0) this.firstIndex = index;
    const first = Math.min(index, this.firstIndex);
    const used = Math.max(index + 1, this.firstIndex + this.#used) - first;
    if (used > mostBuckets) {
      this.#halve();
      this.record(value, times);
      return;
    }
    if (used > this.#counts.length || first < this.firstIndex) {
      const wider = new Float64Array(Math.min(mostBuckets, Math.max(16, used, this.#counts.length)));
      wider.set(this.counts, this.firstIndex - first);
      this.#counts = wider;
    }
    this.firstIndex = first;
    this.#used = used;
    this.#counts[index - first]! += times;
  }

  /** Buckets 2k-1 and 2k become bucket k. */
  #halve(): void {
    const first = Math.ceil(this.firstIndex / 2);
    const counts = new Float64Array(mostBuckets);
    for (let i = 0; i < this.#used; i++) counts[Math.ceil((this.firstIndex + i) / 2) - first]! += this.#counts[i]!;
    this.#used = Math.ceil((this.firstIndex + this.#used - 1) / 2) - first + 1;
    this.firstIndex = first;
    this.#counts = counts;
    this.schema--;
    this.#bucketsPerDoubling /= 2;
  }
}
