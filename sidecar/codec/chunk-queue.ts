/**
 * Bytes that wait, as a queue of pieces. Large pieces are kept as the views that they are; small ones that follow each other are copied side by side, so that a peer
 * that sends single bytes makes us hold those bytes and not an object, and perhaps a whole read buffer, for each (hardening.md, "resource exhaustion").
 */

/** Smaller pieces are laid together. */
const smallBytes = 2048;
/** A block for small pieces: each twice as large as the one before. */
const minBlockBytes = 512;
const maxBlockBytes = 16 * 1024;

export class ChunkQueue {
  #chunks: Buffer[] = [];
  #from = 0;
  bytes = 0;
  /** Where small pieces go; [#blockStart, #blockEnd) of it stands behind all of `#chunks`. */
  #block: Buffer | null = null;
  #blockStart = 0;
  #blockEnd = 0;
  #blockBytes = 0;

  /** `chunk` is not empty, and nobody writes to it again. */
  push(chunk: Buffer): void {
    const { length } = chunk;
    this.bytes += length;
    const chunks = this.#chunks;
    if (length < smallBytes) {
      if (this.#block === null) {
        const last = chunks.length > this.#from ? chunks[chunks.length - 1]! : null;
        if (last !== null && last.length < smallBytes) {
          chunks.length--;
          this.#openBlock(last.length + length);
          this.#copy(last);
          this.#copy(chunk);
        } else chunks.push(chunk);
        return;
      }
      if (length > this.#block.length - this.#blockEnd) this.#openBlock(length);
      this.#copy(chunk);
      return;
    }
    this.#closeRegion();
    chunks.push(chunk);
  }

  /** Takes up to `most` bytes from the head: one piece or a part of it. Not from an empty queue. */
  take(most: number): Buffer {
    if (this.#from === this.#chunks.length) this.#closeRegion();
    const first = this.#chunks[this.#from]!;
    if (first.length > most) {
      this.#chunks[this.#from] = first.subarray(most);
      this.bytes -= most;
      return first.subarray(0, most);
    }
    this.bytes -= first.length;
    this.#from++;
    if (this.bytes === 0) this.clear();
    else if (this.#from > 64) {
      this.#chunks = this.#chunks.slice(this.#from);
      this.#from = 0;
    }
    return first;
  }

  /** All pieces in order, which stay. Of use until the next call. */
  pieces(): readonly Buffer[] {
    this.#closeRegion();
    return this.#from === 0 ? this.#chunks : this.#chunks.slice(this.#from);
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#from = 0;
    this.bytes = 0;
    this.#block = null;
    this.#blockStart = 0;
    this.#blockEnd = 0;
    this.#blockBytes = 0;
  }

  #copy(chunk: Buffer): void {
    this.#block!.set(chunk, this.#blockEnd);
    this.#blockEnd += chunk.length;
  }

  #openBlock(needed: number): void {
    this.#closeRegion();
    this.#blockBytes = Math.min(maxBlockBytes, Math.max(minBlockBytes, 2 * needed, 2 * this.#blockBytes));
    // Not from the pool, of which a few bytes would keep all.
    this.#block = Buffer.allocUnsafeSlow(this.#blockBytes);
    this.#blockStart = 0;
    this.#blockEnd = 0;
  }

  /** What was laid together becomes a piece; the rest of the block is still used. */
  #closeRegion(): void {
    if (this.#blockEnd === this.#blockStart) return;
    this.#chunks.push(this.#block!.subarray(this.#blockStart, this.#blockEnd));
    this.#blockStart = this.#blockEnd;
  }
}
