/** Latencies of one window, in buckets of two significant digits (as Envoy's histograms have): memory is fixed, and a percentile is right to a twentieth, on average to much less. */

/** A microsecond to a thousand seconds; what lies outside counts as the nearest. */
const leastExponent = -3;
const mostExponent = 5;
const perDecade = 90;
const bucketCount = (mostExponent - leastExponent + 1) * perDecade;

export class LatencyWindow {
  readonly #counts = new Uint32Array(bucketCount);
  count = 0;

  record(latencyMs: number): void {
    this.#counts[bucketOf(latencyMs)]!++;
    this.count++;
  }

  /** `share`: 0 to 1. 0 when there is nothing. */
  percentile(share: number): number {
    const wanted = Math.max(1, Math.ceil(share * this.count));
    let seen = 0;
    for (let bucket = 0; bucket < bucketCount && this.count > 0; bucket++) {
      const here = this.#counts[bucket]!;
      if (seen + here >= wanted) {
        const [start, width] = boundsOf(bucket);
        return start + (width * (wanted - seen - 0.5)) / here;
      }
      seen += here;
    }
    return 0;
  }

  clear(): void {
    this.#counts.fill(0);
    this.count = 0;
  }
}

function bucketOf(latencyMs: number): number {
  if (!(latencyMs >= 10 ** leastExponent)) return 0;
  const exponent = Math.floor(Math.log10(latencyMs));
  if (exponent > mostExponent) return bucketCount - 1;
  // 10 to 99.
  const digits = Math.min(99, Math.max(10, Math.floor(latencyMs / 10 ** (exponent - 1))));
  return (exponent - leastExponent) * perDecade + digits - 10;
}

function boundsOf(bucket: number): readonly [startMs: number, widthMs: number] {
  const width = 10 ** (Math.floor(bucket / perDecade) + leastExponent - 1);
  return [((bucket % perDecade) + 10) * width, width];
}
