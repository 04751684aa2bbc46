/** The counts of this control plane by the pages on which they stand in the store, and which of these have to be written. */
import { type Count, CountTable } from '../count-table.ts';
import { encodePage, pageOf } from './counter-page.ts';

interface Page {
  readonly windowMs: number;
  readonly counts: Set<Count>;
}

/** Callers choose keys, and so could fill one page: what a store takes at once is limited. More than that on a page is counted here alone. */
const maxCountsPerPage = 2_048;

/** What is to be written of a page; a null value: it is empty, and has to go. */
export interface PageWrite {
  readonly page: string;
  readonly windowMs: number;
  readonly value: Buffer | null;
}

export class OwnPages {
  readonly #table: CountTable;
  readonly #pages = new Map<string, Page>();
  /** Those that the store has not got as they are here; the one that waits longest stands first. */
  readonly #changed = new Set<string>();
  /** How often a count was left out of what others see. */
  leftOut = 0;

  constructor(maxCounters: number) {
    this.#table = new CountTable(maxCounters, (count) => this.#dropped(count));
  }

  get size(): number {
    return this.#table.size;
  }

  get evictions(): number {
    return this.#table.evictions;
  }

  /** Pages to be written. */
  get changes(): number {
    return this.#changed.size;
  }

  /** The page comes back too, as others' counts are looked up by it. */
  add(key: string, hits: number, windowMs: number, wallMs: number): { readonly own: Count; readonly page: string } {
    const own = this.#table.add(key, hits, windowMs, wallMs);
    const page = pageOf(key, windowMs);
    this.#page(page, windowMs).counts.add(own);
    this.#changed.add(page);
    return { own, page };
  }

  /** Everything has to be written again: nobody knows what the store has. */
  markAll(): void {
    for (const page of this.#pages.keys()) this.#changed.add(page);
  }

  /** Forgets counts whose window is over. Their pages get smaller, or go. */
  sweep(wallMs: number): void {
    for (const page of this.#pages.values())
      for (const count of page.counts) if (count.windowEndMs <= wallMs) this.#table.drop(count);
  }

  /** The next pages to write, of about `maxBytes` in all; they count as written from here on: when it fails, `markAll`. Counts whose window is over stay out. */
  take(maxPages: number, maxBytes: number, wallMs: number): PageWrite[] {
    const writes: PageWrite[] = [];
    let bytes = 0;
    for (const name of this.#changed) {
      if (writes.length >= maxPages || bytes >= maxBytes) break;
      this.#changed.delete(name);
      const { windowMs, counts } = this.#pages.get(name)!;
      const running = [...counts].filter(({ windowEndMs }) => windowEndMs > wallMs);
      const shown = running.slice(0, maxCountsPerPage);
      this.leftOut += running.length - shown.length;
      const value = shown.length === 0 ? null : encodePage(wallMs, shown);
      if (counts.size === 0) this.#pages.delete(name);
      writes.push({ page: name, windowMs, value });
      bytes += value?.length ?? 0;
    }
    return writes;
  }

  #page(name: string, windowMs: number): Page {
    let page = this.#pages.get(name);
    if (page === undefined) {
      page = { windowMs, counts: new Set() };
      this.#pages.set(name, page);
    }
    return page;
  }

  #dropped(count: Count): void {
    const name = pageOf(count.key, count.windowMs);
    if (this.#pages.get(name)?.counts.delete(count) === true) this.#changed.add(name);
  }
}
