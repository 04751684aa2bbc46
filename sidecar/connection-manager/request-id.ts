/** Request ids: random UUIDs (version 4) from a pool of random bytes, so that the system is asked once for many. */
import { randomFillSync } from 'node:crypto';

const pool = Buffer.allocUnsafeSlow(4096);
let used = pool.length;

export function newRequestId(): string {
  if (used + 16 > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const at = used;
  used += 16;
  pool[at + 6] = (pool[at + 6]! & 0x0f) | 0x40;
  pool[at + 8] = (pool[at + 8]! & 0x3f) | 0x80;
  const hex = pool.hexSlice(at, at + 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** A caller's id is kept when it can be printed anywhere; else it would forge log lines. */
export function acceptableRequestId(id: string): boolean {
  return /^[\x21-\x7e]{1,128}$/.test(id);
}
