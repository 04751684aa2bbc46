/**
 * Hedges of one request: attempts beside one that takes long. Says when the next is due and whether there is a place for it, holds the places that they take among the cluster's retries, and measures how long the first
 * attempt takes, for percentiles. Sends nothing; see router.ts. Made only for requests that may be hedged.
 *
 * What is measured: the first attempt, from when it was sent as a whole until its answer begins. One that lost to its hedge counts with the time until then: it was slower than the percentile in any case, so that hedging does
 * not make the percentile sink. Errors are no measure; hedges are none either.
 */
import type { Host } from '../cluster/upstream.ts';
import type { HedgingRule } from './hedging-rule.ts';
import type { LatencyEstimate } from './latency-estimate.ts';
import type { RetryPlaces, TriedAttempt } from './retry-state.ts';

/** Where a hedge takes its place: the cluster of the attempts. */
export interface HedgePlaces extends RetryPlaces {
  /** There is a host for requests that is none of these. Optional for fakes: there is. */
  hasOtherHost?(tried: readonly Host[]): boolean;
}

export class Hedges {
  readonly #rule: HedgingRule;
  readonly #estimate: LatencyEstimate | null;
  #left: number;
  /** Places that are held, all of one cluster. */
  #held = 0;
  #places: HedgePlaces | null = null;
  /** Null: not yet. */
  #first: TriedAttempt | null = null;
  /** When the first attempt was sent as a whole; -1: not yet, or it is measured already. */
  #measuredFromMs = -1;

  constructor(rule: HedgingRule, estimate: LatencyEstimate | null) {
    this.#rule = rule;
    this.#estimate = estimate;
    this.#left = rule.maxHedges;
  }

  /** An attempt begins, with the whole request. When another one is due, if it is not answered; Infinity: never. */
  dueMs(attempt: TriedAttempt, nowMs: number): number {
    if (this.#first === null) {
      this.#first = attempt;
      this.#measuredFromMs = nowMs;
    }
    const delayMs = this.#left === 0 ? -1 : this.#rule.delayMs(this.#estimate, nowMs);
    return delayMs < 0 ? Infinity : nowMs + delayMs;
  }

  /** Another attempt is due. True: it is to be sent now, to another host. Without another host, or without a place in the budget, there is no hedge for this request any more. */
  tryBegin(places: HedgePlaces, tried: readonly Host[]): boolean {
    if (this.#left === 0) return false;
    if (places.hasOtherHost?.(tried) === false) {
      this.#left = 0;
      return false;
    }
    if (!places.tryBeginRetry()) {
      this.#left = 0;
      places.onRetryEvent?.('hedge-overflow');
      return false;
    }
    this.#left--;
    this.#held++;
    this.#places = places;
    places.onRetryEvent?.('hedge');
    return true;
  }

  /** An attempt is answered, and that goes to the caller. `isHedge`: it was sent beside another. */
  onAnswered(attempt: TriedAttempt, isHedge: boolean, status: number, nowMs: number): void {
    if (isHedge) this.#places?.onRetryEvent?.('hedge-won');
    if (attempt !== this.#first || status < 500) this.#measure(nowMs);
    this.end();
  }

  /** An attempt failed, or its answer is worth nothing: that says nothing of how long answers take. */
  onFailed(attempt: TriedAttempt): void {
    if (attempt === this.#first) this.#measuredFromMs = -1;
  }

  /** The request is over. `unanswered`: the first attempt may be under way yet. */
  end(unanswered = false, nowMs = 0): void {
    // Below what is waited for, a request that its caller gave up says nothing.
    if (unanswered && this.#held > 0) this.#measure(nowMs);
    while (this.#held > 0) {
      this.#held--;
      this.#places!.endRetry();
    }
    this.#places = null;
  }

  #measure(nowMs: number): void {
    if (this.#estimate !== null && this.#measuredFromMs >= 0)
      this.#estimate.add(Math.max(0, nowMs - this.#measuredFromMs), nowMs);
    this.#measuredFromMs = -1;
  }
}
