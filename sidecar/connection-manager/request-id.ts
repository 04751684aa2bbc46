/** Request ids: random UUIDs (version 4) from a pool of random bytes, so that the system is asked once for many. */
import { randomFillSync } from 'node:crypto';

const pool = Buffer.allocUnsafeSlow(4096);
let used = pool.length;
const text = Buffer.alloc(36, '-');
const hexDigits = Uint8Array.from(Buffer.from('0123456789abcdef'));

export function newRequestId(): string {
  if (used + 16 > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  let to = 0;
  for (let i = 0; i < 16; i++) {
    let byte = pool[used++]!;
    // Version and variant. RFC 9562 5.4.
    if (i === 6) byte = (byte & 0x0f) | 0x40;
    else if (i === 8) byte = (byte & 0x3f) | 0x80;
    if (i === 4 || i === 6 || i === 8 || i === 10) to++;
    text[to++] = hexDigits[byte >> 4]!;
    text[to++] = hexDigits[byte & 15]!;
  }
  return text.toString('latin1');
}

/** A caller's id is kept when it can be printed anywhere; else it would forge log lines. */
export function acceptableRequestId(id: string): boolean {
  return /^[\x21-\x7e]{1,128}$/.test(id);
}
