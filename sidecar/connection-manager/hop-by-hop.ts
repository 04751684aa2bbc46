/**
 * Fields that are meant for this hop only are not passed on: `connection` and what it lists, keep-alive, proxy-connection, te (but `trailers`), upgrade unless
 * this message is an upgrade. RFC 9110 7.6.1. `transfer-encoding` stays: the codec uses or drops it.
 */
import type { HeaderFields } from '../codec/header-fields.ts';
import { wellKnown } from '../codec/header-name.ts';

/** Whether a field with a well-known name is for this hop only. `te` is not here: see {@link passedTe}. */
export function isHopByHop(known: number, keepUpgrade: boolean): boolean {
  switch (known) {
    case wellKnown.connection:
    case wellKnown.keepAlive:
    case wellKnown.proxyConnection:
    case wellKnown.http2Settings:
      return true;
    case wellKnown.upgrade:
      return !keepUpgrade;
    default:
      return false;
  }
}

/** What of a `te` is passed on: that the caller takes trailers, as gRPC needs it; '' for nothing. */
export function passedTe(value: string): string {
  return value === 'trailers' || /(?:^|[\s,])trailers(?:$|[\s,;])/i.test(value) ? 'trailers' : '';
}

/** Removes the fields that a `connection` value lists; not those that frame, route or authorize the message, which are not the peer's to remove (hardening.md). */
export function removeListed(fields: HeaderFields, connection: string): void {
  if (isUsual(connection)) return;
  for (const option of connection.toLowerCase().split(',')) {
    const name = option.trim();
    if (name !== '' && !kept.has(name)) fields.delete(name);
  }
}

/** Nothing to do for what nearly every peer sends. */
function isUsual(connection: string): boolean {
  return (
    connection === 'keep-alive' ||
    connection === 'close' ||
    connection === 'Keep-Alive' ||
    connection === 'Upgrade' ||
    connection === 'upgrade'
  );
}

const kept: ReadonlySet<string> = new Set([
  'close',
  'keep-alive',
  'upgrade',
  'te',
  'host',
  'content-length',
  'transfer-encoding',
  'content-type',
  'trailer',
  'authorization',
  'cookie',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-request-id',
]);
