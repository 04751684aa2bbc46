/** The header field that marks answers which stand in a failure's place: `stale; policy="TrafficPolicy shop/payments"`. */
import type { TakenFallback } from './request-fallback.ts';

export const fallbackMark = 'x-outrigger-fallback';

export function markOf({ kind, policy }: TakenFallback): string {
  return policy === '' ? kind : `${kind}; policy="${policy.replaceAll(/[^\x20-\x7e]|["\\]/g, '_')}"`;
}
