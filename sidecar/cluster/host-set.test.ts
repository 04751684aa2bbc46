import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EndpointConfig } from '../config/cluster-config.ts';
import { HostSet } from './host-set.ts';
import { assignment, endpoint, locality, ScriptedUpstream } from './test/scripted-upstream.ts';

function hostSet(panic = 50, localityWeighted = false): HostSet {
  return new HostSet({
    panicThresholdPercent: panic,
    localityWeighted,
    failTrafficOnPanic: false,
    random: new ScriptedUpstream().random,
    slowStart: null,
  });
}

/** Share of each host over many choices of a group, hosts within a group weighed alike. */
function spread(set: HostSet, picks = 2_000): Record<string, number> {
  const shares: Record<string, number> = {};
  for (let i = 0; i < picks; i++) {
    const group = set.chooseGroup();
    if (group === null) shares['none'] = (shares['none'] ?? 0) + 1 / picks;
    else
      for (const { address } of group.hosts) shares[address] = (shares[address] ?? 0) + 1 / picks / group.hosts.length;
  }
  return shares;
}

const many = (count: number, health: EndpointConfig['health'], net: number): EndpointConfig[] =>
  Array.from({ length: count }, (_, i) => endpoint(`10.0.${net}.${i + 1}:80`, { health }));

describe('HostSet', () => {
  it('keeps hosts by address, whatever else changes about them', () => {
    const set = hostSet();
    set.update(assignment(locality([endpoint('10.0.0.1:80'), endpoint('10.0.0.2:80')])));
    const kept = set.byAddress.get('10.0.0.1:80')!;
    const change = set.update(
      assignment(locality([endpoint('10.0.0.3:80'), endpoint('10.0.0.1:80', { weight: 7 })], { zone: 'b' })),
    );
    expect(set.byAddress.get('10.0.0.1:80')).toBe(kept);
    expect(kept.weight).toBe(7);
    expect(kept.locality.zone).toBe('b');
    expect(change.added.map(({ address }) => address)).toEqual(['10.0.0.3:80']);
    expect(change.removed.map(({ address }) => address)).toEqual(['10.0.0.2:80']);
  });

  it('has nobody without an assignment', () => {
    const set = hostSet();
    expect(set.chooseGroup()).toBeNull();
    set.update(null);
    expect(set.chooseGroup()).toBeNull();
  });

  it('skips unhealthy and draining hosts, takes unknown ones', () => {
    const set = hostSet();
    set.update(
      assignment(
        locality([
          endpoint('10.0.0.1:80', { health: 'unknown' }),
          endpoint('10.0.0.2:80', { health: 'unhealthy' }),
          endpoint('10.0.0.3:80', { health: 'draining' }),
          endpoint('10.0.0.4:80'),
          endpoint('10.0.0.5:80'),
        ]),
      ),
    );
    expect(Object.keys(spread(set)).toSorted()).toEqual(['10.0.0.1:80', '10.0.0.4:80', '10.0.0.5:80']);
    expect(set.healthyCount).toBe(3);
  });

  it('panics below the threshold: unhealthy hosts get traffic, draining ones do not', () => {
    const set = hostSet();
    set.update(assignment(locality([endpoint('10.0.0.1:80'), ...many(3, 'unhealthy', 1), ...many(1, 'draining', 2)])));
    expect(Object.keys(spread(set))).toHaveLength(4);
    const calm = hostSet(0);
    calm.update(assignment(locality([endpoint('10.0.0.1:80'), ...many(3, 'unhealthy', 1)])));
    expect(Object.keys(spread(calm))).toEqual(['10.0.0.1:80']);
  });

  it('fails over to the next priority by the overprovisioning factor', () => {
    const set = hostSet();
    set.update(
      assignment(
        locality([...many(5, 'healthy', 0), ...many(5, 'unhealthy', 1)]),
        locality(many(10, 'healthy', 2), { priority: 1 }),
      ),
    );
    const shares = spread(set, 10_000);
    const first = Object.entries(shares).reduce(
      (sum, [address, share]) => sum + (address.startsWith('10.0.0.') ? share : 0),
      0,
    );
    expect(first).toBeGreaterThan(0.68);
    expect(first).toBeLessThan(0.72);
  });

  it('uses degraded hosts only for what healthy ones cannot carry', () => {
    const set = hostSet();
    set.update(assignment(locality([...many(8, 'healthy', 0), ...many(2, 'degraded', 1)])));
    expect(Object.keys(spread(set)).every((address) => address.startsWith('10.0.0.'))).toBe(true);
    set.update(assignment(locality(many(2, 'degraded', 1))));
    expect(Object.keys(spread(set))).toHaveLength(2);
  });

  it('looks at weights of localities only when told to, and at none with weight 0 then', () => {
    const far = assignment(
      locality(many(1, 'healthy', 0), { zone: 'a', weight: 3 }),
      locality(many(3, 'healthy', 1), { zone: 'b', weight: 1 }),
      locality(many(1, 'healthy', 2), { zone: 'c', weight: 0 }),
    );
    const plain = hostSet();
    plain.update(far);
    expect(spread(plain)['10.0.0.1:80']).toBeCloseTo(0.2);
    const weighted = hostSet(50, true);
    weighted.update(far);
    const shares = spread(weighted);
    expect(shares['10.0.0.1:80']).toBeCloseTo(0.75);
    expect(shares['10.0.2.1:80']).toBeUndefined();
  });

  it('finds another host when there is one (retry on another host)', () => {
    const set = hostSet();
    set.update(assignment(locality(many(3, 'healthy', 0)), locality(many(1, 'healthy', 1), { priority: 1 })));
    const hosts = [...set.byAddress.values()].filter(({ address }) => address.startsWith('10.0.0.'));
    expect(set.find((host) => host !== hosts[0] && host !== hosts[2])).toBe(hosts[1]);
    expect(set.find((host) => !hosts.includes(host))).toBeNull();
  });

  it('after any series of updates holds exactly the addresses of the last', () => {
    const endpoints = fc.uniqueArray(fc.nat(12), { maxLength: 10 });
    fc.assert(
      fc.property(fc.array(endpoints, { minLength: 1, maxLength: 8 }), (updates) => {
        const set = hostSet();
        const known = new Map<string, unknown>();
        for (const numbers of updates) {
          const { added, removed } = set.update(assignment(locality(numbers.map((n) => endpoint(`10.0.0.${n}:80`)))));
          for (const { address } of removed) expect(known.delete(address)).toBe(true);
          for (const host of added) known.set(host.address, host);
          expect([...set.byAddress.keys()].toSorted()).toEqual(numbers.map((n) => `10.0.0.${n}:80`).toSorted());
          for (const [address, host] of set.byAddress) expect(known.get(address)).toBe(host);
        }
      }),
      { numRuns: 50 },
    );
  });
});
