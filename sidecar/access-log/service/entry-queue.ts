/** Encoded entries that wait to be sent, within bounds: past them an entry is dropped, never kept. */

const mostEntries = 16_384;
const leastBytes = 1024 * 1024;

export class EntryQueue {
  readonly #maxBytes: number;
  #entries: Uint8Array[] = [];
  #bytes = 0;

  /** `batchBytes`: of what is sent at a time; several of them have room. */
  constructor(batchBytes: number) {
    this.#maxBytes = Math.max(leastBytes, 4 * batchBytes);
  }

  get length(): number {
    return this.#entries.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** False: there is no room, and the entry is lost. */
  push(entry: Uint8Array): boolean {
    if (this.#entries.length >= mostEntries || this.#bytes + entry.length > this.#maxBytes) return false;
    this.#entries.push(entry);
    this.#bytes += entry.length;
    return true;
  }

  /** The oldest ones, as many as fit, but one at least. */
  take(maxEntries: number, maxBytes: number): readonly Uint8Array[] {
    let count = 0;
    let bytes = 0;
    while (count < this.#entries.length && count < maxEntries) {
      const { length } = this.#entries[count]!;
      if (count > 0 && bytes + length > maxBytes) break;
      bytes += length;
      count++;
    }
    this.#bytes -= bytes;
    return this.#entries.splice(0, count);
  }
}
