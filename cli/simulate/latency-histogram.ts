/** Many latencies as counts: fine enough for percentiles within 2 %, small enough to have one for each edge and moment. Exact to the byte from run to run. */

/** Buckets grow by 2 %, from 0.01 ms. */
const growth = Math.log(1.02);
const leastMs = 0.01;
/** Up to three hours. */
const buckets = 1050;

export class LatencyHistogram {
  readonly #counts = new Uint32Array(buckets);
  #total = 0;
  #sumMs = 0;

  get count(): number {
    return this.#total;
  }

  get meanMs(): number {
    return this.#total === 0 ? 0 : this.#sumMs / this.#total;
  }

  record(ms: number): void {
    const at = ms <= leastMs ? 0 : Math.min(buckets - 1, Math.ceil(Math.log(ms / leastMs) / growth));
    this.#counts[at]!++;
    this.#total++;
    this.#sumMs += ms;
  }

  /** `share` of the latencies are this long at most; 0: there are none. */
  percentileMs(share: number): number {
    if (this.#total === 0) return 0;
    const wanted = Math.max(1, Math.ceil(share * this.#total));
    let seen = 0;
    for (let at = 0; at < buckets; at++) {
      seen += this.#counts[at]!;
      if (seen >= wanted) return leastMs * Math.exp(at * growth);
    }
    return Infinity;
  }

  addTo(sum: LatencyHistogram): void {
    for (let at = 0; at < buckets; at++) sum.#counts[at]! += this.#counts[at]!;
    sum.#total += this.#total;
    sum.#sumMs += this.#sumMs;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#total = 0;
    this.#sumMs = 0;
  }
}
