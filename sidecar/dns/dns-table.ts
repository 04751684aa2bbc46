/** Names that we answer for ourselves, with their addresses: exact ones, and `*.` for all names below one, the longest first (as Envoy's table). */
import { isIPv4 } from 'node:net';
import type { DnsDomainConfig } from '../config/dns-config.ts';
import { ipv6Bytes } from '../transport/system-sockets.ts';
import { type DnsRecord, internetClass, recordType } from './dns-message.ts';
import { type DnsName, nameFromText } from './dns-name.ts';

export interface DnsEntry {
  readonly ttl: number;
  readonly ipv4: readonly Buffer[];
  readonly ipv6: readonly Buffer[];
}

export class DnsTable {
  readonly #exact = new Map<string, DnsEntry>();
  /** By what stands behind `*.`. */
  readonly #below = new Map<string, DnsEntry>();

  constructor(domains: readonly DnsDomainConfig[]) {
    for (const { name, addresses, ttlSeconds } of domains) {
      const entry = {
        ttl: ttlSeconds,
        ipv4: addresses.filter((each) => isIPv4(each)).map((each) => Buffer.from(each.split('.').map(Number))),
        ipv6: addresses.filter((each) => !isIPv4(each)).map(ipv6Bytes),
      };
      if (name.startsWith('*.')) this.#below.set(nameFromText(name.slice(2)).key, entry);
      else this.#exact.set(nameFromText(name).key, entry);
    }
  }

  /** Null: it is not ours. */
  find({ key, wire }: DnsName): DnsEntry | null {
    const exact = this.#exact.get(key);
    if (exact !== undefined) return exact;
    if (this.#below.size === 0) return null;
    // Escaped dots cannot be told from others in the key, so labels are taken off the wire's form.
    let at = 0;
    let rest = key;
    while (wire[at] !== 0) {
      const label = wire.subarray(at + 1, at + 1 + wire[at]!);
      at += 1 + label.length;
      rest = rest.slice(escapedLength(label) + 1);
      const found = this.#below.get(rest);
      if (found !== undefined) return found;
    }
    return null;
  }
}

function escapedLength(label: Buffer): number {
  let length = 0;
  for (const byte of label) length += byte === 0x2e || byte === 0x5c ? 2 : byte > 0x20 && byte < 0x7f ? 1 : 4;
  return length;
}

/** All addresses of that type; none: there is nothing of that type at the name (NODATA). */
export function addressRecords(name: DnsName, type: number, { ttl, ipv4, ipv6 }: DnsEntry): DnsRecord[] {
  const of = (recordOf: number, addresses: readonly Buffer[]): DnsRecord[] =>
    addresses.map((data) => ({ name, type: recordOf, class: internetClass, ttl, data }));
  return [
    ...(type === recordType.a || type === recordType.any ? of(recordType.a, ipv4) : []),
    ...(type === recordType.aaaa || type === recordType.any ? of(recordType.aaaa, ipv6) : []),
  ];
}

/** By it a caller knows how long it may remember that there is nothing (RFC 2308, 2.2 and 5): the name is its own zone. */
export function startOfAuthority(name: DnsName, { ttl }: DnsEntry): DnsRecord {
  const numbers = Buffer.alloc(20);
  // Serial, refresh, retry, expire, minimum.
  for (const [i, number] of [1, 3600, 600, 86_400, ttl].entries()) numbers.writeUInt32BE(number, i * 4);
  return {
    name,
    type: recordType.soa,
    class: internetClass,
    ttl,
    // Nobody transfers this zone: its own name is as good as any.
    data: Buffer.concat([name.wire, name.wire, numbers]),
  };
}
