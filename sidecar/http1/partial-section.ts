/**
 * A head or trailer section of which only a part has come: gathers bytes up to the empty line that ends it, looking at each byte once, so that
 * a peer that sends one byte at a time costs no more than another. Refuses a bare LF as soon as it is seen.
 */

const LF = 10;
const CR = 13;
const minCapacityBytes = 512;

export class PartialSection {
  #bytes: Buffer | null = null;
  length = 0;
  /** The empty line has come: {@link bytes} is the whole section. */
  complete = false;
  /** A line ended with LF alone. */
  bareLf = false;

  get bytes(): Buffer {
    return this.#bytes!.subarray(0, this.length);
  }

  /** Takes from `at` up to the end of the section or of `source`, at most one byte more than `maxBytes` in all; gives the index behind what it took. */
  take(source: Buffer, at: number, maxBytes: number): number {
    const limit = Math.min(source.length, at + maxBytes + 1 - this.length);
    let searched = at;
    let end = limit;
    while (searched < limit) {
      const lf = source.indexOf(LF, searched);
      if (lf < 0 || lf >= limit) break;
      // Bytes before `at` stand in #bytes.
      if (this.#byteBefore(source, at, lf, 1) !== CR) {
        this.bareLf = true;
        return lf + 1;
      }
      const beforeLine = this.#byteBefore(source, at, lf, 2);
      if (beforeLine === LF || beforeLine < 0) {
        this.complete = true;
        end = lf + 1;
        break;
      }
      searched = lf + 1;
    }
    this.#append(source, at, end);
    return end;
  }

  clear(): void {
    this.#bytes = null;
    this.length = 0;
    this.complete = false;
  }

  /** The byte that stands `back` before index `index` of `source`; -1 before the section's first. */
  #byteBefore(source: Buffer, at: number, index: number, back: number): number {
    const place = index - back;
    if (place >= at) return source[place]!;
    const kept = this.length + place - at;
    return kept < 0 ? -1 : this.#bytes![kept]!;
  }

  #append(source: Buffer, start: number, end: number): void {
    const needed = this.length + end - start;
    if (this.#bytes === null || needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(minCapacityBytes, needed * 2));
      if (this.#bytes !== null) this.#bytes.copy(grown, 0, 0, this.length);
      this.#bytes = grown;
    }
    source.copy(this.#bytes, this.length, start, end);
    this.length = needed;
  }
}
