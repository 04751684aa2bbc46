/**
 * When a TLS connection gets a successor, so that none outlives the certificates that it was made with: well before the first of them ends, and not all at once. The client goes first, as
 * it can open the new one before it stops using the old; the server asks only those that did not.
 */
import type { Random } from '../runtime/clock.ts';

const shortestMs = 100;

/** Milliseconds from now; Infinity when no certificate ends. `leftMs`: until the first of the two certificates ends. */
export function remakeAfterMs(side: 'client' | 'server', leftMs: number, random: Random): number {
  if (leftMs === Infinity) return Infinity;
  const share = side === 'client' ? 0.5 + 0.25 * random() : 0.8 + 0.1 * random();
  return Math.max(shortestMs, leftMs * share);
}
