/**
 * Reads DER (X.690), strictly and within bounds: definite lengths in their shortest form, tag numbers below 31, nothing left over. It does not recurse: whoever reads a structure steps into its
 * parts one by one, so that depth is what the grammar says. Knows no certificates.
 */
import { IdentityFault } from '../identity-fault.ts';

export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Tag of a context-specific element, `[number]`. */
export function contextTag(number: number, constructed: boolean): number {
  return (constructed ? 0xa0 : 0x80) | number;
}

/** One element: its tag, its contents, and the whole of it with tag and length. Both are views, not copies. */
export interface DerElement {
  readonly tag: number;
  readonly contents: Uint8Array;
  readonly whole: Uint8Array;
}

const maxOidBytes = 64;

/** All methods throw IdentityFault `malformed`, with the offset from the start of the outermost bytes given. */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #base: number;
  #at = 0;

  /** `base`: where these bytes are within the outermost ones, for messages. */
  constructor(bytes: Uint8Array, base = 0) {
    this.#bytes = bytes;
    this.#base = base;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The tag of the next element; -1 at the end. */
  get nextTag(): number {
    return this.atEnd ? -1 : this.#bytes[this.#at]!;
  }

  end(): void {
    if (!this.atEnd) this.#fail('bytes after the end of the structure');
  }

  element(): DerElement {
    const bytes = this.#bytes;
    const start = this.#at;
    if (bytes.length - start < 2) this.#fail('the bytes end within an element');
    const tag = bytes[start]!;
    if ((tag & 0x1f) === 0x1f) this.#fail('a tag number above 30');
    let at = start + 1;
    let length = bytes[at++]!;
    if (length >= 0x80) {
      const octets = length & 0x7f;
      if (octets === 0) this.#fail('an indefinite length, which DER does not have');
      if (octets > 3 || bytes.length - at < octets) this.#fail('a length that is longer than the bytes');
      if (bytes[at] === 0) this.#fail('a length that is not in its shortest form');
      length = 0;
      for (let index = 0; index < octets; index++) length = length * 256 + bytes[at++]!;
      if (length < 0x80) this.#fail('a length that is not in its shortest form');
    }
    if (bytes.length - at < length) this.#fail('a length that is longer than the bytes');
    this.#at = at + length;
    return { tag, contents: bytes.subarray(at, this.#at), whole: bytes.subarray(start, this.#at) };
  }

  /** The next element, which must have this tag. */
  expect(tag: number): DerElement {
    if (this.nextTag !== tag)
      this.#fail(`tag ${hex(tag)} expected, ${this.atEnd ? 'the end' : hex(this.nextTag)} found`);
    return this.element();
  }

  /** Steps into the next element, which must have this tag. */
  into(tag: number): DerReader {
    const { contents } = this.expect(tag);
    return new DerReader(contents, this.#base + this.#at - contents.length);
  }

  sequence(): DerReader {
    return this.into(derTag.sequence);
  }

  boolean(): boolean {
    const { contents } = this.expect(derTag.boolean);
    if (contents.length !== 1 || (contents[0] !== 0 && contents[0] !== 0xff))
      this.#fail('a boolean that is neither 00 nor FF');
    return contents[0] === 0xff;
  }

  /** Two's complement, shortest form, most significant octet first. */
  integer(): Uint8Array {
    const { contents } = this.expect(derTag.integer);
    if (contents.length === 0) this.#fail('an empty integer');
    if (contents.length > 1) {
      const first = contents[0]!;
      const sign = contents[1]! & 0x80;
      if ((first === 0 && sign === 0) || (first === 0xff && sign !== 0))
        this.#fail('an integer that is not in its shortest form');
    }
    return contents;
  }

  /** An integer of 0 to 2^31 - 1. */
  smallInteger(): number {
    const contents = this.integer();
    if (contents[0]! >= 0x80 || contents.length > 4) this.#fail('an integer that is negative or too large');
    return contents.reduce((sum, octet) => sum * 256 + octet, 0);
  }

  /** Dotted decimal. */
  oid(): string {
    const { contents } = this.expect(derTag.oid);
    if (contents.length === 0 || contents.length > maxOidBytes || contents.at(-1)! >= 0x80)
      this.#fail('an object identifier that is empty, cut off or too long');
    const arcs: number[] = [];
    let arc = 0;
    let first = true;
    for (const octet of contents) {
      if (first && octet === 0x80) this.#fail('an object identifier that is not in its shortest form');
      arc = arc * 128 + (octet & 0x7f);
      if (arc > Number.MAX_SAFE_INTEGER / 256) this.#fail('an object identifier with too large a number');
      first = octet < 0x80;
      if (!first) continue;
      if (arcs.length === 0) {
        const root = Math.min(Math.floor(arc / 40), 2);
        arcs.push(root, arc - root * 40);
      } else arcs.push(arc);
      arc = 0;
    }
    return arcs.join('.');
  }

  octetString(): Uint8Array {
    return this.expect(derTag.octetString).contents;
  }

  /** A bit string of whole octets, as keys and signatures are. */
  bitString(): Uint8Array {
    const { contents } = this.expect(derTag.bitString);
    if (contents.length === 0 || contents[0] !== 0) this.#fail('a bit string that is not of whole octets');
    return contents.subarray(1);
  }

  /** A bit string of up to 16 named bits: bit 0 of the list is bit 0 of the number. */
  namedBits(): number {
    const { contents } = this.expect(derTag.bitString);
    const unused = contents[0] ?? 8;
    const octets = contents.subarray(1);
    const last = octets.at(-1) ?? 0;
    const shortest =
      octets.length === 0
        ? unused === 0
        : unused < 8 && (last & (1 << unused)) !== 0 && (last & ((1 << unused) - 1)) === 0;
    if (!shortest || octets.length > 2) this.#fail('named bits that are not in their shortest form');
    let bits = 0;
    for (let index = 0; index < octets.length * 8; index++)
      if ((octets[index >> 3]! & (0x80 >> (index & 7))) !== 0) bits |= 1 << index;
    return bits;
  }

  /** UTCTime or GeneralizedTime in the forms that RFC 5280 4.1.2.5 allows (seconds, Z, UTCTime up to 2049), as milliseconds since 1970. */
  timeMs(): number {
    const { tag, contents } = this.element();
    const text = String.fromCharCode(...contents.subarray(0, 16));
    const parts = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text);
    const yearDigits = tag === derTag.utcTime ? 2 : tag === derTag.generalizedTime ? 4 : 0;
    if (parts === null || parts[1]!.length !== yearDigits || contents.length !== text.length)
      this.#fail('a time in a form that certificates do not have');
    const [short, month, day, hour, minute, second] = parts.slice(1).map(Number) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const year = yearDigits === 4 ? short : short < 50 ? 2000 + short : 1900 + short;
    if (yearDigits === 4 && year < 2050) this.#fail('a time before 2050 that is not a UTCTime');
    const timeMs = Date.UTC(year, month - 1, day, hour, minute, second);
    const back = new Date(timeMs);
    if (
      back.getUTCMonth() !== month - 1 ||
      back.getUTCDate() !== day ||
      back.getUTCHours() !== hour ||
      back.getUTCMinutes() !== minute ||
      second > 59
    )
      this.#fail('a time that no calendar has');
    return timeMs;
  }

  #fail(what: string): never {
    throw new IdentityFault('malformed', `not valid DER: ${what}, at byte ${this.#base + this.#at}`);
  }
}

function hex(tag: number): string {
  return `0x${tag.toString(16).padStart(2, '0')}`;
}
