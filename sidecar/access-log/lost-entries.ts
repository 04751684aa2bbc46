/** Counts access log lines and entries that nobody gets: under Envoy's name of the sink, and under ours, which is one for all sinks and which an alert watches. */
import type { Counter, StatStore } from '../stats/stat-store.ts';

const lostFamily = 'outrigger_access_log_entries_lost_total';

export class LostEntries {
  readonly #envoys: Counter;
  readonly #ours: Counter;

  /** `envoyName`: Envoy's counter of the same. `sink`: the label's value. */
  constructor(stats: StatStore, envoyName: string, sink: 'file' | 'als' | 'otlp') {
    this.#envoys = stats.counter(envoyName);
    this.#ours = stats.counter(lostFamily, lostFamily, { sink });
  }

  add(entries: number): void {
    this.#envoys.value += entries;
    this.#ours.value += entries;
  }
}
