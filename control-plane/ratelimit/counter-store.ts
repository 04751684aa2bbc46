/** Where counts of limits are kept. In memory of one control plane for now; a store that several share takes the place of it behind the same interface. */

export interface CounterState {
  /** With the hits of this call. */
  readonly count: number;
  /** Until the count begins anew. */
  readonly resetMs: number;
}

export interface CounterStore {
  /** Adds to the count of a key in the current window; windows begin at whole multiples of their length since 1970, so that all who count agree on them. */
  add(key: string, hits: number, windowMs: number, wallMs: number): Promise<CounterState>;
}

interface Counter {
  windowEndMs: number;
  count: number;
}

/** Far above any count that is compared with, and exact. */
const maxCount = 2 ** 52;

/** Bounded: with too many keys those that were asked for longest ago begin anew. */
export class MemoryCounters implements CounterStore {
  readonly #maxCounters: number;
  /** The one that was asked for last stands last. */
  readonly #counters = new Map<string, Counter>();
  /** How often a counter was given up for another. */
  evictions = 0;

  constructor(maxCounters = 100_000) {
    this.#maxCounters = maxCounters;
  }

  get size(): number {
    return this.#counters.size;
  }

  add(key: string, hits: number, windowMs: number, wallMs: number): Promise<CounterState> {
    const windowEndMs = (Math.floor(wallMs / windowMs) + 1) * windowMs;
    const id = `${windowMs} ${key}`;
    let counter = this.#counters.get(id);
    if (counter === undefined) {
      if (this.#counters.size >= this.#maxCounters) this.#evict(wallMs);
      counter = { windowEndMs, count: 0 };
    } else {
      this.#counters.delete(id);
      // A clock that is set back begins no window anew.
      if (windowEndMs > counter.windowEndMs) {
        counter.windowEndMs = windowEndMs;
        counter.count = 0;
      }
    }
    this.#counters.set(id, counter);
    counter.count = Math.min(maxCount, counter.count + hits);
    return Promise.resolve({ count: counter.count, resetMs: Math.max(0, counter.windowEndMs - wallMs) });
  }

  /** Those at the front whose window is over, at most a few at a time; else the one that was asked for longest ago. */
  #evict(wallMs: number): void {
    let looked = 0;
    for (const [id, { windowEndMs }] of this.#counters) {
      if (looked > 0 && (windowEndMs > wallMs || looked >= 16)) return;
      this.#counters.delete(id);
      if (windowEndMs > wallMs) this.evictions++;
      looked++;
    }
  }
}
