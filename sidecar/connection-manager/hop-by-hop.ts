/**
 * Fields that are meant for this hop only are not passed on: `connection` and what it lists, keep-alive, proxy-connection, te (but `trailers`), upgrade unless
 * this message is an upgrade. RFC 9110 7.6.1. `transfer-encoding` stays: the codec uses or drops it.
 */
import type { HeaderFields } from '../codec/header-fields.ts';
import { wellKnown } from '../codec/header-name.ts';

/** Removes them in place, walking the fields once. */
export function removeHopByHop(fields: HeaderFields, keepUpgrade: boolean): void {
  const { names, values } = fields;
  let listed: string[] | null = null;
  for (let i = 0; i < names.length; i++) {
    if (names[i]!.known !== wellKnown.connection) continue;
    for (const option of values[i]!.toLowerCase().split(',')) {
      const word = option.trim();
      // What frames or routes the message is not the peer's to remove (hardening.md).
      if (word !== '' && word !== 'close' && word !== 'keep-alive' && word !== 'upgrade' && word !== 'te' && !protectedNames.has(word)) (listed ??= []).push(word);
    }
  }
  let to = 0;
  for (let from = 0; from < names.length; from++) {
    const name = names[from]!;
    if (name.known !== 0 && dropped(name.known, values[from]!, keepUpgrade)) continue;
    if (listed !== null && listed.includes(name.lower)) continue;
    if (to !== from) {
      names[to] = name;
      values[to] = values[from]!;
    }
    to++;
  }
  names.length = to;
  values.length = to;
}

const protectedNames: ReadonlySet<string> = new Set(['host', 'content-length', 'transfer-encoding', 'content-type', 'authorization', 'x-forwarded-for', 'x-forwarded-proto', 'x-request-id']);

function dropped(known: number, value: string, keepUpgrade: boolean): boolean {
  switch (known) {
    case wellKnown.connection:
    case wellKnown.keepAlive:
    case wellKnown.proxyConnection:
    case wellKnown.http2Settings:
      return true;
    case wellKnown.upgrade:
      return !keepUpgrade;
    case wellKnown.te:
      return value.toLowerCase() !== 'trailers';
    default:
      return false;
  }
}
