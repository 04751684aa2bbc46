/** What other control planes have counted, as their pages in the store say. A page takes the place of its last version as a whole, so nothing is ever added twice. Those that have ended stay for as long as their windows, so an ask may not cost more for each of them. */
import { decodePage } from './counter-page.ts';

interface Entry {
  readonly key: string;
  readonly windowEndMs: number;
  readonly count: number;
}

type Page = readonly Entry[];

/** Of one key in one window, of all writers. */
interface Sum {
  readonly windowEndMs: number;
  count: number;
  /** Entries that it is of. */
  entries: number;
}

/** Why a page was left out: no more are kept, or it could not be read. */
export type LeftOut = 'too many' | 'unreadable';

/** Above any limit (32 bits), and the sum of any number of entries that is kept stays exact, so that they can be taken from it again. */
const maxCount = 2 ** 32;

export class OtherCounts {
  readonly #maxCounts: number;
  readonly #byWriter = new Map<string, Map<string, Page>>();
  /** By page, then key: of each as many as it has windows, which are few. */
  readonly #sums = new Map<string, Map<string, Sum[]>>();
  readonly #alive = new Set<string>();
  readonly #onLeftOut: (reason: LeftOut) => void;
  #size = 0;

  /** `maxCounts`: of all others together. `onLeftOut`: told of each page that is not kept, or not as a whole. */
  constructor(maxCounts: number, onLeftOut: (reason: LeftOut) => void) {
    this.#maxCounts = maxCounts;
    this.#onLeftOut = onLeftOut;
  }

  get size(): number {
    return this.#size;
  }

  /** Writers with a sign of life. */
  get alive(): number {
    return this.#alive.size;
  }

  /** Whether a writer has a sign of life. Pages of those without one, which nobody adds to any more, make room for others. */
  sign(writer: string, alive: boolean): void {
    if (alive) this.#alive.add(writer);
    else this.#alive.delete(writer);
  }

  /** Hits of all others in the window of a key that ends then: 0 of a window that is over for us, or has not begun. */
  countOf(page: string, key: string, windowEndMs: number): number {
    const sums = this.#sums.get(page)?.get(key);
    if (sums !== undefined) for (const sum of sums) if (sum.windowEndMs === windowEndMs) return sum.count;
    return 0;
  }

  /** Of a page for which there is no room its first counts are taken: those that have been on it longest. */
  put(writer: string, page: string, value: Uint8Array): void {
    this.drop(writer, page);
    const read = decodePage(value);
    if (read === null) {
      this.#onLeftOut('unreadable');
      return;
    }
    this.#makeRoom(read.counters.length, writer);
    const room = this.#maxCounts - this.#size;
    if (read.counters.length > room) this.#onLeftOut('too many');
    // A key is on a page of ours once.
    const byKey = new Map<string, Entry>();
    for (const { key, windowEndMs, count } of read.counters.slice(0, room))
      byKey.set(key, { key, windowEndMs: Number(windowEndMs), count: Math.min(maxCount, Number(count)) });
    const entries = [...byKey.values()];
    if (entries.length === 0) return;
    let pages = this.#byWriter.get(writer);
    if (pages === undefined) {
      pages = new Map();
      this.#byWriter.set(writer, pages);
    }
    pages.set(page, entries);
    this.#add(page, entries);
  }

  drop(writer: string, page: string): void {
    const pages = this.#byWriter.get(writer);
    const before = pages?.get(page);
    if (pages === undefined || before === undefined) return;
    pages.delete(page);
    if (pages.size === 0) this.#byWriter.delete(writer);
    this.#subtract(page, before);
  }

  /** Takes pages of those without a sign of life away, as long as there are any. Not of `writer`: when everything is read at the start, its sign comes after its pages. */
  #makeRoom(counts: number, writer: string): void {
    if (this.#size + counts <= this.#maxCounts) return;
    for (const [other, pages] of this.#byWriter) {
      if (other === writer || this.#alive.has(other)) continue;
      for (const page of pages.keys()) {
        this.drop(other, page);
        this.#onLeftOut('too many');
        if (this.#size + counts <= this.#maxCounts) return;
      }
    }
  }

  #add(page: string, entries: Page): void {
    let keys = this.#sums.get(page);
    if (keys === undefined) {
      keys = new Map();
      this.#sums.set(page, keys);
    }
    for (const { key, windowEndMs, count } of entries) {
      const sums = keys.get(key);
      const sum = sums?.find((each) => each.windowEndMs === windowEndMs);
      if (sum !== undefined) {
        sum.count += count;
        sum.entries++;
      } else if (sums !== undefined) sums.push({ windowEndMs, count, entries: 1 });
      else keys.set(key, [{ windowEndMs, count, entries: 1 }]);
    }
    this.#size += entries.length;
  }

  #subtract(page: string, entries: Page): void {
    const keys = this.#sums.get(page)!;
    for (const { key, windowEndMs, count } of entries) {
      const sums = keys.get(key)!;
      const at = sums.findIndex((each) => each.windowEndMs === windowEndMs);
      const sum = sums[at]!;
      sum.count -= count;
      sum.entries--;
      if (sum.entries > 0) continue;
      sums.splice(at, 1);
      if (sums.length === 0) keys.delete(key);
    }
    if (keys.size === 0) this.#sums.delete(page);
    this.#size -= entries.length;
  }
}
