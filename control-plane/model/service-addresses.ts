/**
 * The address of every Service, for DNS and for TCP by destination. One that has addresses of its own (clusterIPs) keeps them; the others get one of 240.240.0.0/16, which nobody routes, and its twin of 2001:2::f0f0:0/112 for
 * callers with IPv6. Pure: the same Services have the same addresses on every control plane and after every restart, and nothing is stored.
 *
 * The rule: a Service's wishes are the 16 pairs of bytes of the SHA-256 of `namespace/name`. Of those that wish for the same address the older one gets it (creationTimestamp; without one it counts as oldest), then the first by name; all
 * first wishes come before all second ones. So another Service that comes or goes moves an address only where the two wish for the same: with 1,000 Services that happens to one newcomer in 65, and never to the older of two.
 */
import { createHash } from 'node:crypto';
import type { ServiceResource } from '../config-kind/resource.ts';

export interface ServiceAddresses {
  /** IP literals; empty: the mesh has none left. */
  readonly addresses: readonly string[];
  /** They are the mesh's, and lead nowhere without it. */
  readonly assigned: boolean;
}

export interface AddressPlan {
  /** By `namespace/name`, in the order of the Services. */
  readonly byService: ReadonlyMap<string, ServiceAddresses>;
  readonly problems: ReadonlyArray<{ readonly service: ServiceResource; readonly message: string }>;
}

/** Without the first and the last of the block. */
export const assignable = 65_534;
/** After so many taken wishes a Service gets the next free address after its first wish. */
const maxWishes = 16;

export function planAddresses(services: ReadonlyMap<string, ServiceResource>): AddressPlan {
  const problems: Array<{ readonly service: ServiceResource; readonly message: string }> = [];
  const byAge = [...services].toSorted(([a, { createdAt: atA }], [b, { createdAt: atB }]) =>
    atA === atB ? compare(a, b) : compare(timeOf(atA), timeOf(atB)) || compare(a, b),
  );
  const given = new Map<string, string>();
  const ownOf = new Map<string, readonly string[]>();
  for (const [key, service] of byAge) {
    const own = service.addresses.filter((address) => {
      const other = given.get(address);
      if (other === undefined) given.set(address, key);
      else
        problems.push({
          service,
          message: `spec.clusterIP: ${address} is the address of Service ${other} already, which keeps it`,
        });
      return other === undefined;
    });
    ownOf.set(key, own);
  }
  const slots = assignSlots(
    byAge.filter(([key]) => ownOf.get(key)!.length === 0).map(([key]) => key),
    new Set([...given.keys()].map(slotOf).filter((slot) => slot !== null)),
  );
  const byService = new Map<string, ServiceAddresses>();
  for (const [key, service] of services) {
    const own = ownOf.get(key)!;
    const slot = slots.get(key);
    if (own.length > 0) byService.set(key, { addresses: own, assigned: false });
    else if (slot !== undefined) byService.set(key, { addresses: addressesOf(slot), assigned: true });
    else {
      byService.set(key, { addresses: [], assigned: true });
      problems.push({
        service,
        message: `it has no address: all ${assignable} of 240.240.0.0/16 are taken; give it a clusterIP`,
      });
    }
  }
  return { byService, problems };
}

/** Round by round: in round n those that have none yet wish for their n-th, in the order given. */
function assignSlots(keys: readonly string[], taken: Set<number>): ReadonlyMap<string, number> {
  const slots = new Map<string, number>();
  let waiting = keys;
  for (let round = 0; round < maxWishes && waiting.length > 0; round++) {
    const next: string[] = [];
    for (const key of waiting) {
      const slot = wish(key, round);
      if (taken.has(slot)) next.push(key);
      else {
        taken.add(slot);
        slots.set(key, slot);
      }
    }
    waiting = next;
  }
  for (const key of waiting) {
    if (taken.size >= assignable) break;
    let slot = wish(key, 0);
    while (taken.has(slot)) slot = (slot % assignable) + 1;
    taken.add(slot);
    slots.set(key, slot);
  }
  return slots;
}

const wishes = new Map<string, Uint16Array>();
const maxKeptWishes = 100_000;

/** Two bytes each of the SHA-256 of the key; from 1 to {@link assignable}. */
function wish(key: string, round: number): number {
  let of = wishes.get(key);
  if (of === undefined) {
    const digest = createHash('sha256').update(key).digest();
    of = Uint16Array.from({ length: maxWishes }, (_, at) => 1 + (digest.readUInt16BE(at * 2) % assignable));
    if (wishes.size >= maxKeptWishes) wishes.clear();
    wishes.set(key, of);
  }
  return of[round]!;
}

function addressesOf(slot: number): readonly string[] {
  return [`240.240.${slot >> 8}.${slot & 255}`, `2001:2::f0f0:${slot.toString(16)}`];
}

/** Of an address that a Service brought with it: null when it is none of ours. */
function slotOf(address: string): number | null {
  const four = /^240\.240\.(\d+)\.(\d+)$/.exec(address);
  if (four !== null) return Number(four[1]) * 256 + Number(four[2]);
  const six = /^2001:2::f0f0:([0-9a-f]{1,4})$/.exec(address);
  return six === null ? null : Number.parseInt(six[1]!, 16);
}

function timeOf(createdAt: string): number {
  return createdAt === '' ? -Infinity : Date.parse(createdAt);
}

function compare<T extends string | number>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
