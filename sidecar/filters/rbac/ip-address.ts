/** IP addresses as numbers, and ranges of them. An IPv4 address that came in IPv6 form (`::ffff:10.0.0.1`, as sockets of both families give it) is IPv4: else it would slip through a rule. */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import type { AddressRangeConfig } from '../../config/rbac-config.ts';

export interface IpAddress {
  readonly family: 4 | 6;
  /** 32 bits each; IPv4: the first. */
  readonly words: readonly [number, number, number, number];
}

/** Null: not an address. A zone (`%eth0`) is left aside. */
export function parseIpAddress(text: string): IpAddress | null {
  if (isIPv4(text)) return { family: 4, words: [ipv4Word(text), 0, 0, 0] };
  if (!isIPv6(text)) return null;
  const zone = text.indexOf('%');
  const words = ipv6Words(zone < 0 ? text : text.slice(0, zone));
  if (words[0] === 0 && words[1] === 0 && words[2] === 0xffff) return { family: 4, words: [words[3], 0, 0, 0] };
  return { family: 6, words };
}

/** `ip:port` or `[ip]:port`. */
export function parseEndpoint(endpoint: string): { readonly address: IpAddress | null; readonly port: number } {
  const colon = endpoint.lastIndexOf(':');
  const host = endpoint.slice(0, Math.max(0, colon));
  const bare = host.startsWith('[') ? host.slice(1, -1) : host;
  return { address: parseIpAddress(bare), port: Number(endpoint.slice(colon + 1)) };
}

/** `ip:port` in the form that everybody writes. `host` is an address. */
export function endpointText(host: string, port: number): string {
  if (isIPv4(host)) return `${host}:${port}`;
  return `[${new SocketAddress({ address: host, family: 'ipv6' }).address}]:${port}`;
}

export class AddressRange {
  readonly #family: 4 | 6;
  readonly #start: IpAddress['words'];
  readonly #masks: readonly number[];

  /** The configuration was checked. */
  constructor({ address, prefixBits }: AddressRangeConfig) {
    const parsed = parseIpAddress(address)!;
    this.#family = parsed.family;
    // `::ffff:10.0.0.0/104` is 10.0.0.0/8.
    const bits = parsed.family === 4 && address.includes(':') ? Math.max(0, prefixBits - 96) : prefixBits;
    this.#masks = [0, 32, 64, 96].map((before) => maskOf(Math.min(32, Math.max(0, bits - before))));
    this.#start = parsed.words;
  }

  contains({ family, words }: IpAddress): boolean {
    if (family !== this.#family) return false;
    const start = this.#start;
    const masks = this.#masks;
    for (let i = 0; i < 4; i++) if (((words[i]! ^ start[i]!) & masks[i]!) !== 0) return false;
    return true;
  }
}

function maskOf(bits: number): number {
  return bits === 0 ? 0 : -1 << (32 - bits);
}

function ipv4Word(text: string): number {
  const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number);
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

function ipv6Words(text: string): [number, number, number, number] {
  const [before = '', after] = text.split('::');
  const head = groups(before);
  const tail = after === undefined ? [] : groups(after);
  const all = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
  const word = (i: number): number => (((all[i] ?? 0) << 16) | (all[i + 1] ?? 0)) >>> 0;
  return [word(0), word(2), word(4), word(6)];
}

/** 16 bits each; an IPv4 address at the end is two. */
function groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const word = ipv4Word(group);
    return [word >>> 16, word & 0xffff];
  });
}
