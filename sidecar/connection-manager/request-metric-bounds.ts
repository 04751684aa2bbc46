/**
 * How many label sets metrics of requests may have in one process. Every label is of the configuration, of a proven identity, or one of few words; but routes times callers times answers can be more than anybody
 * can store. What comes beyond is counted under the label `overflow`, and that it was is counted too.
 */
import type { Counter, StatLabels, StatStore } from '../stats/stat-store.ts';

/** A value of a label that stands for all that have none of their own. */
export const overflowLabel = 'overflow';

/** With their histograms about 100 000 lines of a scrape, and 10 MB of memory. */
const mostSets = 4_000;

/** One of each family's counters is a set. */
const bounded: ReadonlySet<string> = new Set([
  'outrigger_requests_total',
  'outrigger_retries_total',
  'outrigger_tcp_connections_opened_total',
]);

/** `label`: what there were too many of; see the metric's description. */
export function labelOverflow(stats: StatStore, label: 'source' | 'code' | 'route'): Counter {
  return stats.counter('outrigger_metric_label_overflow_total', 'outrigger_metric_label_overflow_total', { label });
}

export class RequestMetricBounds {
  /** Answers of one route beyond so many. */
  readonly codeOverflows: Counter;
  /** Sets of all routes beyond so many. */
  readonly routeOverflows: Counter;
  readonly #stats: StatStore;
  readonly #most: number;
  #sets = 0;
  /** `removals` of the store when they were counted; -1: never. */
  #removals = -1;

  constructor(stats: StatStore, most = mostSets) {
    this.#stats = stats;
    this.#most = most;
    this.codeOverflows = labelOverflow(stats, 'code');
    this.routeOverflows = labelOverflow(stats, 'route');
  }

  /** Whether a counter with these labels, which is asked for now, is there already or may be made. */
  roomFor(family: string, labels: StatLabels): boolean {
    if (this.#removals !== this.#stats.removals) this.#count();
    if (this.#stats.hasCounter(family, labels)) return true;
    if (this.#sets >= this.#most) return false;
    this.#sets++;
    return true;
  }

  #count(): void {
    this.#removals = this.#stats.removals;
    this.#sets = 0;
    for (const { family } of this.#stats.counters.values()) if (family !== null && bounded.has(family)) this.#sets++;
  }
}
