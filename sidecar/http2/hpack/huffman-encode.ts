/** Huffman encoding of strings of bytes (RFC 7541 5.2). */
import { codeLengths, codes } from './huffman-code.ts';

const lengths = Uint8Array.from(codeLengths);
const bits = Int32Array.from(codes);

/** Bytes that `text` (latin1) takes when encoded. */
export function huffmanLength(text: string): number {
  let total = 0;
  for (let i = 0; i < text.length; i++) total += lengths[text.charCodeAt(i) & 0xff]!;
  return (total + 7) >> 3;
}

/** Writes `text` (latin1) at `at`; the place behind it. */
export function encodeHuffman(text: string, target: Buffer, at: number): number {
  let to = at;
  // Up to 7 bits wait in `pending`; a code of up to 30 bits is fed in two halves so that 32 bits suffice.
  let pending = 0;
  let waiting = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    const code = bits[symbol]!;
    let left = lengths[symbol]!;
    if (left > 16) {
      left -= 16;
      pending = (pending << left) | (code >>> 16);
      waiting += left;
      while (waiting >= 8) target[to++] = pending >>> (waiting -= 8);
      left = 16;
    }
    pending = (pending << left) | (code & ((1 << left) - 1));
    waiting += left;
    while (waiting >= 8) target[to++] = pending >>> (waiting -= 8);
    pending &= (1 << waiting) - 1;
  }
  if (waiting > 0) target[to++] = (pending << (8 - waiting)) | ((1 << (8 - waiting)) - 1);
  return to;
}
