/** Random bytes for ids, of which the system is asked for many at a time. One pool for the process. */
import { randomFillSync } from 'node:crypto';

export const randomPool = Buffer.allocUnsafeSlow(2048);
let next = randomPool.length;

/** Where in the pool `length` bytes begin that nobody has had; good until the next call. No more than 2,048. */
export function takeRandom(length: number): number {
  if (next + length > randomPool.length) {
    randomFillSync(randomPool);
    next = 0;
  }
  const from = next;
  next += length;
  return from;
}
