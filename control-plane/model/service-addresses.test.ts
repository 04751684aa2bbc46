/** The addresses of Services: the same for everybody, and as few moves as the rule promises. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ServiceResource } from '../config-kind/resource.ts';
import { assignable, planAddresses } from './service-addresses.ts';

function service(name: string, more: Partial<ServiceResource> = {}): [string, ServiceResource] {
  return [
    `shop/${name}`,
    {
      kind: 'Service',
      namespace: 'shop',
      name,
      place: { file: 'a.yaml', line: 1, column: 1 },
      referencePlaces: new Map(),
      labels: {},
      zone: '',
      selector: null,
      ports: [],
      endpoints: [],
      addresses: [],
      createdAt: '',
      serviceAccounts: [name],
      ...more,
    },
  ];
}

const plan = (...services: ReadonlyArray<[string, ServiceResource]>) => planAddresses(new Map(services));
const addressOf = (name: string, ...services: ReadonlyArray<[string, ServiceResource]>): string | undefined =>
  plan(...services).byService.get(`shop/${name}`)?.addresses[0];
const many = (count: number): Array<[string, ServiceResource]> =>
  Array.from({ length: count }, (_, at) => service(`s${at}`));

/** Two names whose first wish is the same; found by trying. */
function rivals(): readonly [string, string] {
  const seen = new Map<string, string>();
  for (let at = 0; ; at++) {
    const name = `r${at}`;
    const address = addressOf(name, service(name))!;
    const other = seen.get(address);
    if (other !== undefined) return [other, name];
    seen.set(address, name);
  }
}

test('a Service has an address of 240.240.0.0/16 and its IPv6 twin, from its name alone', () => {
  expect(plan(service('orders')).byService.get('shop/orders')).toEqual({
    addresses: ['240.240.100.80', '2001:2::f0f0:6450'],
    assigned: true,
  });
});

test('its own addresses stay, and nobody else is given one of them', () => {
  const taken = addressOf('orders', service('orders'))!;
  const services = [service('db', { addresses: [taken] }), service('orders')];
  const { byService, problems } = plan(...services);
  expect(byService.get('shop/db')).toEqual({ addresses: [taken], assigned: false });
  expect(byService.get('shop/orders')!.addresses[0]).not.toBe(taken);
  expect(problems).toEqual([]);
});

test('of two Services with one address the older keeps it, and the other is told', () => {
  const addresses = ['10.96.0.7'];
  const { byService, problems } = plan(
    service('a', { addresses, createdAt: '2026-02-01T00:00:00Z' }),
    service('b', { addresses, createdAt: '2026-01-01T00:00:00+00:00' }),
  );
  expect(byService.get('shop/b')).toEqual({ addresses, assigned: false });
  expect(byService.get('shop/a')!.assigned).toBe(true);
  expect(problems.map(({ message }) => message)).toEqual([
    'spec.clusterIP: 10.96.0.7 is the address of Service shop/b already, which keeps it',
  ]);
});

describe('of two that wish for the same address', () => {
  const [first, second] = rivals();
  const [a, b] = [first, second].toSorted() as [string, string];

  test('the older gets it, whatever they are called, so that a newcomer moves nobody', () => {
    const old = service(b, { createdAt: '2026-01-01T00:00:00Z' });
    const young = service(a, { createdAt: '2026-01-02T00:00:00Z' });
    expect(addressOf(b, old, young)).toBe(addressOf(b, old));
    expect(addressOf(a, old, young)).not.toBe(addressOf(b, old));
  });

  test('without a time of creation the first by name gets it', () => {
    expect(addressOf(a, service(a), service(b))).toBe(addressOf(a, service(a)));
  });
});

test('the order of Services does not matter, and no two have one address', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(many(3_000), { minLength: 2_000 }), (services) => {
      const shuffled = plan(...services).byService;
      const sorted = plan(...services.toSorted(([x], [y]) => (x < y ? -1 : 1))).byService;
      const addresses = [...shuffled.values()].map((each) => each.addresses[0]);
      expect(new Set(addresses).size).toBe(services.length);
      for (const [key, each] of shuffled) expect(sorted.get(key)).toEqual(each);
    }),
    { numRuns: 5 },
  );
});

test('of 1,000 Services one that goes moves at most one other', () => {
  const all = many(1_000);
  const before = plan(...all).byService;
  let moved = 0;
  for (let gone = 0; gone < 100; gone++) {
    const after = plan(...all.toSpliced(gone, 1)).byService;
    const here = [...after].filter(([key, { addresses }]) => before.get(key)!.addresses[0] !== addresses[0]).length;
    expect(here).toBeLessThanOrEqual(1);
    moved += here;
  }
  expect(moved).toBeLessThanOrEqual(5);
});

test('when all addresses are taken, who has none is told what to do', () => {
  const { byService, problems } = plan(...many(assignable + 1));
  expect([...byService.values()].filter(({ addresses }) => addresses.length === 0)).toHaveLength(1);
  expect(problems.map(({ message }) => message)).toEqual([
    'it has no address: all 65534 of 240.240.0.0/16 are taken; give it a clusterIP',
  ]);
});
