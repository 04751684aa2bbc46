/** Statistics of inbound limits, at `/stats` and for Prometheus: `outrigger_bulkhead_…{scope,name}`. Names are those of the configuration, and callers by the labels that metrics have for them, of which there are only so many. */
import { bulkheadFamily, type LimitScope } from '../../config/limit-scope.ts';
import type { Counter, Gauge, Histogram, StatStore } from '../../stats/stat-store.ts';
import { RequestCount } from './request-count.ts';
import type { Priority } from './waiting-line.ts';

/** `limit`: it could not wait. */
export type RefusalReason = 'limit' | 'queue_full' | 'queue_timeout' | 'displaced';

const prefix = 'outrigger.bulkhead';
const shedFamily = 'outrigger_requests_shed_total';

/** Refusals for want of room under one limit, by reason. */
export class RefusalCounts {
  readonly #stats: StatStore;
  readonly #labels: { readonly scope: LimitScope; readonly name: string };
  readonly #counters = new Map<RefusalReason, Counter>();

  constructor(stats: StatStore, scope: LimitScope, name: string) {
    this.#stats = stats;
    this.#labels = { scope, name };
  }

  add(reason: RefusalReason): void {
    let counter = this.#counters.get(reason);
    if (counter === undefined) {
      const labels = { ...this.#labels, reason };
      counter = this.#stats.counter(`${prefix}.refused`, `${bulkheadFamily}refused_total`, labels);
      this.#counters.set(reason, counter);
    }
    counter.value++;
  }
}

/** A count that is shown, and knows its name. */
export class ShownCount extends RequestCount {
  readonly name: string;
  readonly refusals: RefusalCounts;

  constructor(stats: StatStore, scope: LimitScope, name: string, limit: number) {
    const gauge = (stat: string): Gauge =>
      stats.gauge(`${prefix}.${stat}`, `${bulkheadFamily}${stat}`, { scope, name });
    super(limit, gauge('requests'), gauge('waiting'));
    if (limit !== Infinity) gauge('limit').value = limit;
    this.name = name;
    this.refusals = new RefusalCounts(stats, scope, name);
  }
}

/** Of the queue, and of refusals by what they were worth. */
export class QueueStats {
  /** The newest are served first. */
  readonly overloaded: Gauge;
  /** Of those that were served. */
  readonly wait: Histogram;
  readonly shed: Readonly<Record<Priority, Counter>>;

  constructor(stats: StatStore) {
    this.overloaded = stats.gauge(`${prefix}.overloaded`, `${bulkheadFamily}overloaded`);
    this.wait = stats.histogram(`${prefix}.queue_wait`, `${bulkheadFamily}queue_wait_seconds`);
    const shed = (priority: Priority): Counter => stats.counter(shedFamily, shedFamily, { priority });
    this.shed = { critical: shed('critical'), default: shed('default'), sheddable: shed('sheddable') };
  }
}
