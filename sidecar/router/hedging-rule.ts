/** A route's hedging (`outrigger.resilience.v1.Hedging`), compiled: of which requests another attempt is sent beside the first, and when. Decides nothing by itself; see hedges.ts. */
import type { RequestHead } from '../codec/message-head.ts';
import type { HedgingConfig } from '../config/route-resilience-config.ts';
import type { LatencyEstimate } from './latency-estimate.ts';

export class HedgingRule {
  readonly maxHedges: number;
  /** It goes by latencies, which have to be measured. */
  readonly measures: boolean;
  readonly #when: HedgingConfig['when'];
  readonly #methods: ReadonlySet<string>;

  constructor({ when, maxHedges, methods }: HedgingConfig) {
    this.maxHedges = maxHedges;
    this.measures = when.kind === 'percentile';
    this.#when = when;
    this.#methods = new Set(methods);
  }

  /** The request may run twice: by its method, and because it opens no tunnel. */
  appliesTo({ method, upgrade }: RequestHead): boolean {
    return upgrade === '' && this.#methods.has(method);
  }

  /** Milliseconds without an answer after which another attempt is sent; -1: too little is known yet. */
  delayMs(estimate: LatencyEstimate | null, nowMs: number): number {
    const when = this.#when;
    if (when.kind === 'delay') return when.delayMs;
    const ms = estimate === null ? -1 : estimate.recentPercentileMs(when.percentile, when.minSamples, nowMs);
    return ms < 0 ? -1 : Math.max(ms, when.minDelayMs);
  }
}
