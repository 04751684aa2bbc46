/**
 * Whether a request is traced, decided at its head (Envoy's rules, and a parent's decision before them):
 *
 *   forced by a trusted caller (x-envoy-force-trace, B3 debug)        yes
 *   decided by who sent it                                            as it says; of strangers within the rate
 *   x-client-trace-id of a trusted caller                             client_sampling, else as all others
 *   nobody has decided                                                random_sampling, within the rate
 *
 * Of what was chosen here, and not by a parent, overall_sampling lets its share pass.
 */
import type { Random } from '../runtime/clock.ts';
import type { IncomingTrace, TraceWishes } from './trace-context.ts';

/** Per 10 000. */
export interface SamplingShares {
  readonly clientSampling: number;
  readonly randomSampling: number;
  readonly overallSampling: number;
}

export class HeadSampling {
  readonly #random: Random;
  readonly #ratePerSecond: number;
  #tokens: number;
  #filledAtMs = -Infinity;

  /** `ratePerSecond` 0: no limit. */
  constructor(ratePerSecond: number, random: Random) {
    this.#ratePerSecond = ratePerSecond;
    this.#random = random;
    this.#tokens = Math.max(1, ratePerSecond);
  }

  /** `trusted`: the caller may ask for something. */
  chooses(incoming: IncomingTrace & TraceWishes, trusted: boolean, shares: SamplingShares, nowMs: number): boolean {
    const forced = trusted && (incoming.forced || incoming.debug);
    if (incoming.sampled !== null && !forced) return incoming.sampled && (trusted || this.#withinRate(nowMs));
    const asked = trusted && incoming.client && this.#isOf(shares.clientSampling);
    if (!asked && !forced && !(this.#isOf(shares.randomSampling) && this.#withinRate(nowMs))) return false;
    return this.#isOf(shares.overallSampling);
  }

  #isOf(share: number): boolean {
    return share >= 10_000 || (share > 0 && this.#random() * 10_000 < share);
  }

  #withinRate(nowMs: number): boolean {
    const rate = this.#ratePerSecond;
    if (rate === 0) return true;
    const most = Math.max(1, rate);
    if (this.#filledAtMs !== -Infinity)
      this.#tokens = Math.min(most, this.#tokens + ((nowMs - this.#filledAtMs) * rate) / 1_000);
    this.#filledAtMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
