/**
 * How long requests of one kind take lately: a histogram whose older samples count less and less, so that a percentile of it follows what changes. Bounded: about 1.4 KB, whatever comes in.
 *
 * There are eight buckets for each doubling, so that a percentile is wrong by 9 % of its value at most. Decay is forward: instead of shrinking all buckets as time passes, a new sample counts
 * more than those before it, and all are scaled down when that becomes too much.
 */

const leastMs = 0.5;
const bucketsPerDoubling = 8;
/** Up to 17 minutes; what is longer counts as that. */
const bucketCount = 21 * bucketsPerDoubling + 1;
/** After so long a sample counts half. */
export const halfLifeMs = 30_000;
/** Samples count up to 2 ** this before all are scaled down. */
const mostDoublings = 40;
/** A percentile is worked out no more often. */
const keptForMs = 250;

export class LatencyEstimate {
  readonly #weights = new Float64Array(bucketCount);
  #total = 0;
  /** When a sample counts 1. */
  #landmarkMs = -Infinity;
  #keptPercentile = -1;
  #keptMs = -1;
  #keptUntilMs = -Infinity;

  /** `latencyMs`: not negative. `nowMs` never goes back. */
  add(latencyMs: number, nowMs: number): void {
    const weight = this.#weightAt(nowMs);
    this.#weights[bucketOf(latencyMs)]! += weight;
    this.#total += weight;
  }

  /** How many samples it stands on: older ones count in part. */
  samples(nowMs: number): number {
    // First: it may scale the total.
    const weight = this.#weightAt(nowMs);
    return this.#total / weight;
  }

  /** Milliseconds that so many per cent are below, by linear interpolation within a bucket; -1: nothing was measured. */
  percentileMs(percentile: number): number {
    const total = this.#total;
    if (total === 0) return -1;
    const wanted = (percentile / 100) * total;
    const weights = this.#weights;
    let below = 0;
    let last = 0;
    for (let i = 0; i < bucketCount; i++) {
      const weight = weights[i]!;
      if (weight === 0) continue;
      last = i;
      if (below + weight >= wanted) return within(i, Math.max(0, (wanted - below) / weight));
      below += weight;
    }
    // Rounding at the upper end.
    return within(last, 1);
  }

  /** The same, worked out now and then only; -1 where it stands on fewer samples than that. */
  recentPercentileMs(percentile: number, minSamples: number, nowMs: number): number {
    if (nowMs >= this.#keptUntilMs || percentile !== this.#keptPercentile) {
      this.#keptUntilMs = nowMs + keptForMs;
      this.#keptPercentile = percentile;
      this.#keptMs = this.samples(nowMs) < minSamples ? -1 : this.percentileMs(percentile);
    }
    return this.#keptMs;
  }

  #weightAt(nowMs: number): number {
    const doublings = (nowMs - this.#landmarkMs) / halfLifeMs;
    if (doublings <= mostDoublings) return 2 ** doublings;
    this.#landmarkMs = nowMs;
    if (this.#total > 0) {
      const scale = 2 ** -doublings;
      this.#total = 0;
      const weights = this.#weights;
      for (let i = 0; i < bucketCount; i++) this.#total += weights[i]! *= scale;
    }
    return 1;
  }
}

function bucketOf(ms: number): number {
  if (!(ms > leastMs)) return 0;
  return Math.min(bucketCount - 1, 1 + Math.floor(Math.log2(ms / leastMs) * bucketsPerDoubling));
}

/** A point of a bucket. `share`: 0 its lower end, 1 its upper end. */
function within(bucket: number, share: number): number {
  if (bucket === 0) return leastMs * share;
  const fromMs = leastMs * 2 ** ((bucket - 1) / bucketsPerDoubling);
  return fromMs + (fromMs * 2 ** (1 / bucketsPerDoubling) - fromMs) * share;
}
