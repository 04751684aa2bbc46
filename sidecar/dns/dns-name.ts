/**
 * Names as they are in DNS messages (RFC 1035, 3.1 and 4.1.4): labels of 1 to 63 bytes, 255 bytes at the most. A pointer may only lead backwards, to before the part of the name that it stands in, so that no message leads round in a
 * circle or takes more than its own length to read.
 */

/** The message is not one; said to the caller as FORMERR. */
export class DnsFormatError extends Error {}

export interface DnsName {
  /** For comparisons: lower case, without the last dot; a dot or a backslash inside of a label has a backslash before it, other bytes that are not printable are `\ddd`. '': the root. */
  readonly key: string;
  /** In the case in which it came, without compression. */
  readonly wire: Buffer;
}

const mostNameBytes = 255;
const mostLabelBytes = 63;

/** `next`: what follows it in the message. */
export function readName(message: Buffer, start: number): { readonly name: DnsName; readonly next: number } {
  const parts: Buffer[] = [];
  let length = 1;
  let at = start;
  /** Where this part of the name began: pointers go to before it. */
  let segment = start;
  let next = -1;
  for (;;) {
    const size = byteAt(message, at);
    if ((size & 0xc0) === 0xc0) {
      const target = ((size & 0x3f) << 8) | byteAt(message, at + 1);
      if (next === -1) next = at + 2;
      if (target >= segment) throw new DnsFormatError('a compressed name leads forwards, or to itself');
      // The header has no names.
      if (target < 12) throw new DnsFormatError('a compressed name leads into the header');
      at = target;
      segment = target;
      continue;
    }
    if (size > mostLabelBytes) throw new DnsFormatError('a label has a kind that does not exist');
    if (size === 0) break;
    length += size + 1;
    if (length > mostNameBytes) throw new DnsFormatError('a name has more than 255 bytes');
    if (at + 1 + size > message.length) throw new DnsFormatError('a name ends behind the message');
    parts.push(message.subarray(at, at + 1 + size));
    at += 1 + size;
  }
  if (next === -1) next = at + 1;
  const wire = Buffer.concat([...parts, rootWire]);
  return { name: { key: keyOf(parts), wire }, next };
}

/** Of a host name as people write it, with or without the last dot. Throws a DnsFormatError. */
export function nameFromText(text: string): DnsName {
  const bare = text.endsWith('.') ? text.slice(0, -1) : text;
  if (bare === '') return { key: '', wire: rootWire };
  const parts = bare.split('.').map((label) => {
    const bytes = Buffer.from(label, 'latin1');
    if (bytes.length === 0 || bytes.length > mostLabelBytes)
      throw new DnsFormatError(`${JSON.stringify(text)} has a label of ${bytes.length} bytes; 1 to 63 are allowed`);
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  });
  const wire = Buffer.concat([...parts, rootWire]);
  if (wire.length > mostNameBytes) throw new DnsFormatError(`${JSON.stringify(text)} is longer than 253 characters`);
  return { key: keyOf(parts), wire };
}

const rootWire = Buffer.from([0]);

function keyOf(parts: readonly Buffer[]): string {
  let key = '';
  for (const [i, part] of parts.entries()) {
    if (i > 0) key += '.';
    for (let at = 1; at < part.length; at++) {
      const byte = part[at]!;
      if (byte >= 0x41 && byte <= 0x5a) key += String.fromCharCode(byte + 32);
      else if (byte === 0x2e || byte === 0x5c) key += `\\${String.fromCharCode(byte)}`;
      else if (byte > 0x20 && byte < 0x7f) key += String.fromCharCode(byte);
      else key += `\\${String(byte).padStart(3, '0')}`;
    }
  }
  return key;
}

function byteAt(message: Buffer, at: number): number {
  if (at >= message.length) throw new DnsFormatError('a name ends behind the message');
  return message[at]!;
}
