/**
 * A block of memory into which all connections of this event loop lay out what they are about to write: heads, frame headers and small bodies.
 * Regions are handed out one behind the other; when every region has been taken by the kernel the block starts over, so that
 * steady traffic allocates nothing. What the kernel did not take at once keeps its block alive, and a fresh one is used.
 */

const slabBytes = 64 * 1024;

export class OutputSlab {
  /** The current block. Write only into what `take` gave. */
  buffer: Buffer = Buffer.allocUnsafeSlow(slabBytes);
  /** Where the next region begins. */
  offset = 0;
  /** Regions handed out from the current block and not given back. */
  #outstanding = 0;

  /** Makes sure that `bytes` fit behind `offset`, moving on to a fresh block if not. `bytes` ≤ {@link maxRegionBytes}. */
  ensure(bytes: number): void {
    if (this.offset + bytes <= slabBytes) return;
    this.buffer = Buffer.allocUnsafeSlow(slabBytes);
    this.offset = 0;
    this.#outstanding = 0;
  }

  /** Counts a region begun in the current block. */
  retain(): void {
    this.#outstanding++;
  }

  /** A region of `block` was copied by the kernel. Regions of blocks that were moved on from need no count. */
  release(block: Buffer, regions: number): void {
    if (block !== this.buffer) return;
    this.#outstanding -= regions;
    if (this.#outstanding === 0) this.offset = 0;
  }
}

/** Larger pieces are passed on by reference instead of being copied. */
export const maxCopiedBytes = 8 * 1024;

/** One per event loop. */
export const outputSlab = new OutputSlab();
