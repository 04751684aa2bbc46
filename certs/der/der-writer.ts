/** Writes DER (X.690): one function per type, each gives the whole element. Knows no certificates. */
import { derTag } from './der-reader.ts';

/** An element with this tag around the parts. */
export function derElement(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const lengthOctets = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x1_0000 ? 2 : 3;
  if (length >= 0x100_0000)
    throw new RangeError(`a DER element of ${length} bytes is longer than anything here should be`);
  const whole = new Uint8Array(2 + lengthOctets + length);
  whole[0] = tag;
  whole[1] = lengthOctets === 0 ? length : 0x80 | lengthOctets;
  let at = 2;
  for (let index = lengthOctets - 1; index >= 0; index--) whole[at++] = (length >>> (index * 8)) & 0xff;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function derSequence(...parts: readonly Uint8Array[]): Uint8Array {
  return derElement(derTag.sequence, ...parts);
}

export function derSet(part: Uint8Array): Uint8Array {
  return derElement(derTag.set, part);
}

export function derBoolean(value: boolean): Uint8Array {
  return Uint8Array.of(derTag.boolean, 1, value ? 0xff : 0);
}

/** A non-negative integer, given as octets, most significant first. */
export function derInteger(octets: Uint8Array): Uint8Array {
  let start = 0;
  while (start < octets.length - 1 && octets[start] === 0) start++;
  const shortest = octets.subarray(start);
  if (shortest.length === 0) return derElement(derTag.integer, Uint8Array.of(0));
  return shortest[0]! >= 0x80
    ? derElement(derTag.integer, Uint8Array.of(0), shortest)
    : derElement(derTag.integer, shortest);
}

/** Dotted decimal in. */
export function derOid(dotted: string): Uint8Array {
  const [root = 0, second = 0, ...arcs] = dotted.split('.').map(Number);
  const octets: number[] = [];
  for (const arc of [root * 40 + second, ...arcs]) {
    const groups = [arc % 128];
    for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) groups.unshift(0x80 | (rest % 128));
    octets.push(...groups);
  }
  return derElement(derTag.oid, Uint8Array.from(octets));
}

export function derNull(): Uint8Array {
  return Uint8Array.of(derTag.null, 0);
}

export function derOctetString(...parts: readonly Uint8Array[]): Uint8Array {
  return derElement(derTag.octetString, ...parts);
}

/** A bit string of whole octets. */
export function derBitString(octets: Uint8Array): Uint8Array {
  return derElement(derTag.bitString, Uint8Array.of(0), octets);
}

/** Named bits (up to 16), in their shortest form: bit 0 of the number is bit 0 of the list. */
export function derNamedBits(bits: number): Uint8Array {
  if (bits === 0) return derElement(derTag.bitString, Uint8Array.of(0));
  const highest = 31 - Math.clz32(bits);
  const octets = new Uint8Array((highest >> 3) + 1);
  for (let index = 0; index <= highest; index++)
    if ((bits & (1 << index)) !== 0) octets[index >> 3]! |= 0x80 >> (index & 7);
  return derElement(derTag.bitString, Uint8Array.of(7 - (highest & 7)), octets);
}

export function derUtf8String(text: string): Uint8Array {
  return derElement(derTag.utf8String, new TextEncoder().encode(text));
}

export function derPrintableString(text: string): Uint8Array {
  return derElement(derTag.printableString, new TextEncoder().encode(text));
}

/** UTCTime up to 2049, GeneralizedTime from 2050 (RFC 5280 4.1.2.5); fractions of a second are cut off. */
export function derTime(timeMs: number): Uint8Array {
  const digits = new Date(timeMs).toISOString().replace(/[-:T]|\.\d+/g, '');
  const utc = digits < '2050';
  return derElement(
    utc ? derTag.utcTime : derTag.generalizedTime,
    new TextEncoder().encode(utc ? digits.slice(2) : digits),
  );
}
