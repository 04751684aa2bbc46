/** How fast counters grow between two looks, and which gauges have moved. Knows no admin port and no clock. */
import type { CounterOrGauge, StatRow } from './stat-rows.ts';

export type RateRow = CounterOrGauge & {
  /** Since the look before. Null: at the first, of a gauge, and of a counter that was set back (a restart, /reset_counters). */
  readonly per_second: number | null;
};

export class CounterRates {
  /** Null: there was no look yet. */
  #before: ReadonlyMap<string, number> | null;
  #atMs: number;

  constructor() {
    this.#before = null;
    this.#atMs = 0;
  }

  /** `nowMs`: of a clock that never goes back. Histograms have no rate. `moved`: only what is another value than at the look before. */
  look(rows: readonly StatRow[], nowMs: number, moved: boolean): RateRow[] {
    const seconds = (nowMs - this.#atMs) / 1_000;
    const before = this.#before;
    const values = rows.filter((row) => row.kind !== 'histogram');
    this.#before = new Map(values.map(({ name, value }) => [name, value]));
    this.#atMs = nowMs;
    return values
      .filter(({ name, value }) => !moved || before?.get(name) !== value)
      .map((row) => {
        // One that was not there had counted nothing.
        const grown = row.value - (before?.get(row.name) ?? 0);
        const known = before !== null && row.kind === 'counter' && grown >= 0 && seconds > 0;
        return { ...row, per_second: known ? Math.round((grown / seconds) * 100) / 100 : null };
      });
  }
}
