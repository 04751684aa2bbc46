/**
 * Finds the {@link HeaderName} for a spelling straight from the bytes of a head, so that the common case makes no string.
 * A bounded open-addressed table in front of `headerName`; spellings that don't fit in fall through to it.
 */
import { type HeaderName, headerName } from '../codec/header-name.ts';
import { latin1Slice } from './latin1-slice.ts';

const slotCount = 2048;
const slotMask = slotCount - 1;
/** Kept half empty, so that probes stay short. A peer that invents names can fill it, never grow it. */
const maxEntries = slotCount / 2;
const maxProbes = 8;
const maxNameBytes = 64;

const hashes = new Int32Array(slotCount);
const entries: Array<HeaderName | null> = Array.from({ length: slotCount }, () => null);
let entryCount = 0;

/** The name of the bytes from `start` to `end`, whose hash is `hash` (each byte: `hash = imul(hash, 31) + byte | 0`, from 0). They form a token. */
export function nameFromBytes(bytes: Buffer, start: number, end: number, hash: number): HeaderName {
  let slot = (hash ^ (hash >>> 15)) & slotMask;
  for (let probe = 0; probe < maxProbes; probe++) {
    const entry = entries[slot]!;
    if (entry === null) return keep(slot, hash, bytes, start, end);
    if (hashes[slot] === hash && equals(entry.raw, bytes, start, end)) return entry;
    slot = (slot + 1) & slotMask;
  }
  return headerName(latin1Slice(bytes, start, end));
}

function equals(raw: string, bytes: Buffer, start: number, end: number): boolean {
  const { length } = raw;
  if (length !== end - start) return false;
  for (let i = 0; i < length; i++) if (raw.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

function keep(slot: number, hash: number, bytes: Buffer, start: number, end: number): HeaderName {
  // A string of its own, not a piece of the head: the interned name must not keep a whole head alive.
  const name = headerName(latin1Slice(bytes, start, end));
  if (end - start <= maxNameBytes && entryCount < maxEntries) {
    entries[slot] = name;
    hashes[slot] = hash;
    entryCount++;
  }
  return name;
}
