/** Ranges of IP addresses as flags take them, `10.0.0.0/8` or `fd00::/8`, or one address; canonical: the host's bits are zero, and IPv6 is written as by RFC 5952. */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

export type Family = 'IPv4' | 'IPv6';

export interface AddressRange {
  readonly family: Family;
  readonly address: string;
  readonly bits: number;
}

/** Null: it is no such text. An IPv4 address written as IPv6 (`::ffff:…`) is none, as no packet has it. */
export function parseAddressRange(text: string): AddressRange | null {
  const match = /^([0-9a-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(text);
  if (match === null) return null;
  const address = match[1]!;
  const family = isIPv4(address) ? 'IPv4' : isIPv6(address) ? 'IPv6' : null;
  if (family === null || /^::ffff:/i.test(address)) return null;
  const width = widthOf(family);
  const bits = match[2] === undefined ? width : Number(match[2]);
  if (bits > width) return null;
  const rest = BigInt(width - bits);
  const value = (toNumber(address, family) >> rest) << rest;
  return { family, address: toText(value, family), bits };
}

/** Always with its bits. */
export function formatAddressRange({ address, bits }: AddressRange): string {
  return `${address}/${bits}`;
}

/** Without those that are inside of others: what is left is sorted, and no two of them share an address. */
export function mergeRanges(ranges: readonly AddressRange[]): readonly AddressRange[] {
  const merged: AddressRange[] = [];
  for (const range of ranges.toSorted(inOrder))
    if (!merged.some((wider) => holdsRange(wider, range))) merged.push(range);
  return merged;
}

export function holdsRange(wider: AddressRange, narrower: AddressRange): boolean {
  if (wider.family !== narrower.family || wider.bits > narrower.bits) return false;
  const rest = BigInt(widthOf(wider.family) - wider.bits);
  const { family } = wider;
  return toNumber(wider.address, family) >> rest === toNumber(narrower.address, family) >> rest;
}

export function holdsAddress(ranges: readonly AddressRange[], address: string): boolean {
  const list = new BlockList();
  for (const { family, address: start, bits } of ranges)
    list.addSubnet(start, bits, family === 'IPv4' ? 'ipv4' : 'ipv6');
  return list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

/** The address so many behind the range's first; null when the range ends before. */
export function addressIn(range: AddressRange, offset: number): string | null {
  const { family, bits } = range;
  if (BigInt(offset) >= 1n << BigInt(widthOf(family) - bits)) return null;
  return toText(toNumber(range.address, family) + BigInt(offset), family);
}

function inOrder(a: AddressRange, b: AddressRange): number {
  if (a.family !== b.family) return a.family < b.family ? -1 : 1;
  const [one, other] = [toNumber(a.address, a.family), toNumber(b.address, b.family)];
  return one === other ? a.bits - b.bits : one < other ? -1 : 1;
}

const widthOf = (family: Family): number => (family === 'IPv4' ? 32 : 128);

function toNumber(address: string, family: Family): bigint {
  if (family === 'IPv4') return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
  // The URL parser writes the last 32 bits in hexadecimal, and the rest as RFC 5952 does.
  const [head = '', tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::');
  const words = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [front, back] = [words(head), words(tail ?? '')];
  const filled = [...front, ...Array.from({ length: 8 - front.length - back.length }, () => '0'), ...back];
  return filled.reduce((sum, word) => (sum << 16n) | BigInt(`0x${word}`), 0n);
}

function toText(value: bigint, family: Family): string {
  if (family === 'IPv4') return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join('.');
  const words = Array.from({ length: 8 }, (_, at) => ((value >> BigInt(112 - 16 * at)) & 0xffffn).toString(16));
  return new URL(`http://[${words.join(':')}]/`).hostname.slice(1, -1);
}
