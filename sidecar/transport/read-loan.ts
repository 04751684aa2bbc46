/**
 * A read buffer that is lent out for the length of one read: when everybody who was given bytes of it has given them back before the read is over, the next read
 * goes into the same buffer, which is still in the processor's cache. Who does nothing is safe: bytes that nobody gives back are theirs, and the buffer with them.
 * - Who has copied bytes, parsed them, or handed them to the kernel gives them back, each byte once.
 * - Who keeps bytes beyond the read that others may give back holds the block, and lets it go later.
 * There is one loan at a time: sockets are read one after the other.
 */

/** A buffer that is lent. */
export class LoanBlock {
  readonly buffer: Buffer;
  /** @internal Who holds it beyond the read. */
  holders = 0;
  /** @internal All its bytes came back, but for the holders' sake it was not used again: where it goes when they let go. */
  onFree: ((block: LoanBlock) => void) | null = null;

  constructor(bytes: number) {
    this.buffer = Buffer.allocUnsafeSlow(bytes);
  }
}

/** The present loan; `bytes` is null when there is none. Public for the sake of the fast path: check that before calling {@link returnBytes}. */
export const loan: { bytes: ArrayBufferLike | null; block: LoanBlock | null; returned: number } = {
  bytes: null,
  block: null,
  returned: 0,
};

/** Nobody needs these bytes any more, so far as the caller knows. */
export function returnBytes(chunk: Uint8Array): void {
  if (chunk.buffer === loan.bytes) loan.returned += chunk.length;
}

/** As many bytes of the present read were taken in without being passed on. */
export function returnCount(bytes: number): void {
  loan.returned += bytes;
}

/** The block that `chunk` is of, which from now on is used for nothing else until {@link releaseLoan}; null: it is not lent, and simply the caller's. */
export function holdLoan(chunk: Uint8Array): LoanBlock | null {
  if (loan.bytes === null || chunk.buffer !== loan.bytes) return null;
  const block = loan.block!;
  block.holders++;
  return block;
}

/** The holder needs the block's bytes no more, and has passed them to nobody who may. */
export function releaseLoan(block: LoanBlock): void {
  if (--block.holders > 0) return;
  const { onFree } = block;
  block.onFree = null;
  onFree?.(block);
}

export function beginLoan(block: LoanBlock): void {
  loan.bytes = block.buffer.buffer;
  loan.block = block;
  loan.returned = 0;
}

/** Whether the block may be read into again. If all of `lentBytes` are back but it is held, `onFree` is told when it is not any more. */
export function endLoan(lentBytes: number, onFree: (block: LoanBlock) => void): boolean {
  const block = loan.block!;
  loan.bytes = null;
  loan.block = null;
  if (loan.returned !== lentBytes) return false;
  if (block.holders === 0) return true;
  block.onFree = onFree;
  return false;
}
