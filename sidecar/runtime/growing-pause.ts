/** The pause before something is tried again: twice as long from one failure to the next up to a bound, and half of it by chance, so that sidecars do not all come back at once. */
import type { Random } from './clock.ts';

/** Milliseconds. `failures`: how many there were in a row before this one. */
export function growingPauseMs(failures: number, firstMs: number, longestMs: number, random: Random): number {
  return Math.min(longestMs, firstMs * 2 ** Math.min(failures, 10)) * (0.5 + random() / 2);
}
