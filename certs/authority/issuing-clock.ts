/** The time and the randomness that issuing depends on, injected so that tests can set them. */
import { randomBytes } from 'node:crypto';

export interface IssuingClock {
  /** Wall-clock time, milliseconds since 1970. */
  nowMs(): number;
  /** Cryptographically secure. */
  randomBytes(length: number): Uint8Array;
}

/** Secure randomness with a given wall clock. */
export function issuingClock(nowMs: () => number): IssuingClock {
  return { nowMs, randomBytes };
}
