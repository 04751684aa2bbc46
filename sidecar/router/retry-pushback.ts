/** gRPC's pushback: a service says when its next attempt is welcome (gRFC A6, `grpc-retry-pushback-ms` beside the status). */
import type { HeaderFields } from '../codec/header-fields.ts';

/** A day: nobody waits so long, and the number stays one. */
const mostMs = 86_400_000;

/** Milliseconds to wait before another attempt; -1: there must be none (what is negative or no number means that too); null: nothing is said. */
export function retryPushbackMs(fields: HeaderFields): number | null {
  const value = fields.get('grpc-retry-pushback-ms');
  if (value === undefined) return null;
  return /^\d{1,10}$/.test(value) ? Math.min(Number(value), mostMs) : -1;
}
