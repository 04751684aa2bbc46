/** Where counts of limits are kept: in memory of one control plane, or (shared-counters/) also in a store that several share. */
import { CountTable } from './count-table.ts';

export interface CounterState {
  /** With the hits of this call. */
  readonly count: number;
  /** Until the count begins anew. */
  readonly resetMs: number;
}

export interface CounterStore {
  /** Adds to the count of a key in the current window; windows begin at whole multiples of their length since 1970, so that all who count agree on them. A key is short: whatever is long goes in as a digest. */
  add(key: string, hits: number, windowMs: number, wallMs: number): Promise<CounterState>;
  /** Counts kept here. */
  readonly size: number;
  /** How often a count was given up for another before its window was over. */
  readonly evictions: number;
}

export const defaultMaxCounters = 100_000;

/** Bounded: with too many keys those that were asked for longest ago begin anew. */
export class MemoryCounters implements CounterStore {
  readonly #table: CountTable;

  constructor(maxCounters = defaultMaxCounters) {
    this.#table = new CountTable(maxCounters);
  }

  get size(): number {
    return this.#table.size;
  }

  get evictions(): number {
    return this.#table.evictions;
  }

  add(key: string, hits: number, windowMs: number, wallMs: number): Promise<CounterState> {
    const { count, windowEndMs } = this.#table.add(key, hits, windowMs, wallMs);
    return Promise.resolve({ count, resetMs: Math.max(0, windowEndMs - wallMs) });
  }
}
