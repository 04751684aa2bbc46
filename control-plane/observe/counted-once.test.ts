import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ServiceModel } from '../model/model.ts';
import { countedOnce, type StepSide } from './counted-once.ts';
import { sameInstances } from './shared-instances.ts';

/** Instances by service; the names of services, and hosts, are few, so that they meet. */
const mesh = fc.dictionary(
  fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
  fc.array(fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'), { maxLength: 2 }),
);
const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'not-of-the-mesh');
const side = fc.record({
  direction: fc.constantFrom('inbound', 'outbound'),
  source: fc.oneof(name, fc.constant('unknown')),
  destination: name,
  sum: fc.record({ requests: fc.nat(100), secured: fc.nat(100) }),
});

type Mesh = Readonly<Record<string, readonly string[]>>;

function modelOf(hosts: Mesh): { services: ReadonlyMap<string, ServiceModel> } {
  const services = Object.entries(hosts).map(([service, addresses]) => {
    const endpoints = { endpoints: addresses.map((address) => ({ address, port: 80 })) };
    return [service, { name: service, ports: [{ endpoints }] } as unknown as ServiceModel] as const;
  });
  return { services: new Map(services) };
}

/** Each pair of services by itself. */
function share(hosts: Mesh, a: string, b: string): boolean {
  return a === b || (hosts[a] ?? []).some((address) => hosts[b]?.includes(address) === true);
}

/** Each side with each other. */
function countedOneByOne(sides: readonly StepSide[], end: 'source' | 'destination', hosts: Mesh): StepSide[] {
  const outbound = sides.filter(({ direction }) => direction === 'outbound');
  return sides.filter((inbound) => {
    if (inbound.direction === 'outbound') return true;
    const told = outbound.filter(({ destination }) => share(hosts, destination, inbound.destination));
    if (inbound.source !== 'unknown')
      return !told.some(
        ({ source, destination }) =>
          source === inbound.source && (end === 'source' || destination === inbound.destination),
      );
    const plain = told.reduce((sum, { sum: { requests, secured } }) => sum + Math.max(0, requests - secured), 0);
    return inbound.sum.requests > plain * 1.1 + (plain > 0 ? 2 : 0);
  });
}

test('what both sides tell is counted as if each side were compared with each other', () => {
  fc.assert(
    fc.property(mesh, fc.array(side), fc.constantFrom('source', 'destination'), (hosts, sides, end) => {
      const model = modelOf(hosts);
      expect(countedOnce(sides, end, (service) => sameInstances(model, service))).toEqual(
        countedOneByOne(sides, end, hosts),
      );
    }),
    { numRuns: 500 },
  );
});

test('the names of the same instances are those that any address has in common', () => {
  fc.assert(
    fc.property(mesh, name, (hosts, service) => {
      const found = sameInstances(modelOf(hosts), service);
      expect([...found].sort()).toEqual(
        [...new Set([...Object.keys(hosts), service])].filter((other) => share(hosts, service, other)).sort(),
      );
    }),
  );
});

test('each inbound side asks once which names its service has, however many others there are', () => {
  const sides = ['inbound', 'outbound'].flatMap((direction) =>
    Array.from({ length: 500 }, (_, at) => ({
      ...{ direction, source: at % 2 === 0 ? 'unknown' : `caller-${at}`, destination: `service-${at}` },
      sum: { requests: 1, secured: 0 },
    })),
  );
  let asked = 0;
  countedOnce(sides, 'source', (service) => {
    asked++;
    return new Set([service]);
  });
  expect(asked).toBe(500);
});
