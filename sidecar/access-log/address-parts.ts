/** Parts of `ip:port` texts, and networks of addresses. */

import { SocketAddress } from 'node:net';
import { type IpAddress, parseIpAddress } from '../filters/rbac/ip-address.ts';

export function withoutPort(address: string): string {
  const host = address.slice(0, address.lastIndexOf(':'));
  return host.startsWith('[') ? host.slice(1, -1) : host;
}

export function portOf(address: string): number | null {
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  return address === '' || !Number.isInteger(port) ? null : port;
}

/** `10.1.0.0/16` for 10.1.10.23 and 16; null: not an address, or one of a family that has fewer bits. */
export function network(address: string, bits: number): string | null {
  const parsed = parseIpAddress(address);
  if (parsed === null || (parsed.family === 4 && bits > 32)) return null;
  const words = parsed.words.map((word, i) => (word & maskOf(bits - 32 * i)) >>> 0);
  return `${addressText(parsed.family, words)}/${bits}`;
}

function maskOf(bits: number): number {
  return bits >= 32 ? -1 : bits <= 0 ? 0 : -1 << (32 - bits);
}

function addressText(family: IpAddress['family'], words: readonly number[]): string {
  if (family === 4) return [24, 16, 8, 0].map((shift) => (words[0]! >>> shift) & 255).join('.');
  const groups = words.flatMap((word) => [(word >>> 16).toString(16), (word & 0xffff).toString(16)]);
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}
