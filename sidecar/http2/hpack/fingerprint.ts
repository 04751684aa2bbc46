/** A number for a run of bytes, by which a value is known again without being kept: 30 bits, four bytes at a step. Who chooses bytes can make two of them equal. */
export function fingerprint(buffer: Buffer, start: number, end: number): number {
  let hash = end - start;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const word = buffer[at]! | (buffer[at + 1]! << 8) | (buffer[at + 2]! << 16) | (buffer[at + 3]! << 24);
    hash = Math.imul(hash ^ word, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  for (; at < end; at++) {
    hash = Math.imul(hash ^ buffer[at]!, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash & 0x3fff_ffff;
}
