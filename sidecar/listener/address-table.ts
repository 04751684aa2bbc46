/** Values by ranges of IP addresses: the longest range that has an address wins, as in Envoy's trie. One look-up for each length that occurs. */
import type { AddressRangeConfig } from '../config/rbac-config.ts';
import { type IpAddress, parseIpAddress } from '../filters/rbac/ip-address.ts';

interface Level {
  readonly family: 4 | 6;
  readonly bits: number;
  readonly values: Map<number | string, unknown>;
}

export class AddressTable<T> {
  /** Where no range is named. */
  #any: T | undefined = undefined;
  /** The longest first; null: there is none. */
  #levels: Level[] | null = null;

  /** The value of a range; null: of any address. Made when it is not there. */
  getOrAdd(range: AddressRangeConfig | null, make: () => T): T {
    if (range === null) return (this.#any ??= make());
    const parsed = parseIpAddress(range.address)!;
    // `::ffff:10.0.0.0/104` is 10.0.0.0/8.
    const mapped = parsed.family === 4 && range.address.includes(':');
    const bits = mapped ? Math.max(0, range.prefixBits - 96) : range.prefixBits;
    const levels = (this.#levels ??= []);
    let level = levels.find((each) => each.family === parsed.family && each.bits === bits);
    if (level === undefined) {
      level = { family: parsed.family, bits, values: new Map() };
      levels.push(level);
      levels.sort((a, b) => b.bits - a.bits);
    }
    const key = keyOf(parsed, bits);
    let value = level.values.get(key) as T | undefined;
    if (value === undefined) {
      value = make();
      level.values.set(key, value);
    }
    return value;
  }

  /** `address`: '' where it is not known. */
  find(address: string): T | undefined {
    if (this.#levels === null) return this.#any;
    const parsed = parseIpAddress(address);
    if (parsed === null) return this.#any;
    for (const { family, bits, values } of this.#levels) {
      if (family !== parsed.family) continue;
      const found = values.get(keyOf(parsed, bits));
      if (found !== undefined) return found as T;
    }
    return this.#any;
  }
}

/** The first `bits` of an address. */
function keyOf({ family, words }: IpAddress, bits: number): number | string {
  if (family === 4) return (words[0] & maskOf(bits)) >>> 0;
  let key = '';
  for (let i = 0; i < 4; i++) {
    const left = Math.min(32, Math.max(0, bits - i * 32));
    if (left === 0) break;
    key += `${((words[i]! & maskOf(left)) >>> 0).toString(36)}.`;
  }
  return key;
}

function maskOf(bits: number): number {
  return bits === 0 ? 0 : -1 << (32 - bits);
}
