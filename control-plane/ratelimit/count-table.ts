/** Counts by key and window, in memory and bounded: what each store of counters keeps of its own. */

export interface Count {
  readonly key: string;
  readonly windowMs: number;
  /** Milliseconds since 1970, a multiple of `windowMs`. */
  windowEndMs: number;
  count: number;
}

/** Far above any count that is compared with, and exact. */
const maxCount = 2 ** 52;

const setBackMs = 5_000;

/** With too many keys those that were asked for longest ago begin anew. */
export class CountTable {
  readonly #maxCounts: number;
  readonly #onDropped: (count: Count) => void;
  /** The one that was asked for last stands last. */
  readonly #counts = new Map<string, Count>();
  /** How often a count was given up for another before its window was over. */
  evictions = 0;

  /** `onDropped`: told of each count that is kept no more. */
  constructor(maxCounts: number, onDropped: (count: Count) => void = () => {}) {
    this.#maxCounts = maxCounts;
    this.#onDropped = onDropped;
  }

  get size(): number {
    return this.#counts.size;
  }

  /** Adds to the count of a key in the window that holds `wallMs`; windows begin at whole multiples of their length. */
  add(key: string, hits: number, windowMs: number, wallMs: number): Count {
    const windowEndMs = (Math.floor(wallMs / windowMs) + 1) * windowMs;
    const id = idOf(key, windowMs);
    let found = this.#counts.get(id);
    if (found === undefined) {
      if (this.#counts.size >= this.#maxCounts) this.#evict(wallMs);
      found = { key, windowMs, windowEndMs, count: 0 };
    } else {
      this.#counts.delete(id);
      // A clock that is set back a little begins no window anew; set back far, it would take as long again until the count ends.
      if (windowEndMs > found.windowEndMs || found.windowEndMs - windowEndMs > Math.max(setBackMs, windowMs)) {
        found.windowEndMs = windowEndMs;
        found.count = 0;
      }
    }
    this.#counts.set(id, found);
    found.count = Math.min(maxCount, found.count + hits);
    return found;
  }

  drop(count: Count): void {
    if (this.#counts.delete(idOf(count.key, count.windowMs))) this.#onDropped(count);
  }

  /** Those at the front whose window is over, at most a few at a time; else the one that was asked for longest ago. */
  #evict(wallMs: number): void {
    let looked = 0;
    for (const count of this.#counts.values()) {
      if (looked > 0 && (count.windowEndMs > wallMs || looked >= 16)) return;
      if (count.windowEndMs > wallMs) this.evictions++;
      this.drop(count);
      looked++;
    }
  }
}

function idOf(key: string, windowMs: number): string {
  return `${windowMs} ${key}`;
}
