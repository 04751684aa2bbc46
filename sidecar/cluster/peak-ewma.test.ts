import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PeakEwmaConfig } from '../config/cluster-config.ts';
import { HostGroup } from './host-group.ts';
import { PeakEwma } from './peak-ewma.ts';
import { RunningHost } from './running-host.ts';
import { endpoint, locality, ScriptedUpstream } from './test/scripted-upstream.ts';

class Bench {
  readonly upstream = new ScriptedUpstream();
  readonly hosts: RunningHost[];
  readonly balancer: PeakEwma;
  readonly group: HostGroup;

  constructor(count: number, more: Partial<PeakEwmaConfig> = {}) {
    const { clock, random } = this.upstream;
    const place = locality([]);
    this.hosts = Array.from({ length: count }, (_, i) => new RunningHost(endpoint(`10.0.0.${i}:80`), place));
    const config = { kind: 'peak-ewma', decayMs: 10_000, errorPenaltyMs: 1_000, choiceCount: 2, ...more } as const;
    this.balancer = new PeakEwma(config, clock, random);
    this.group = new HostGroup(this.hosts, 1, random);
  }

  /** Requests one after the other, each answered at once as the host does: how many each got. */
  run(times: number, answer: (host: number) => readonly [status: number, latencyMs: number]): number[] {
    const taken = this.hosts.map(() => 0);
    for (let i = 0; i < times; i++) {
      const host = this.balancer.choose(this.group);
      const at = this.hosts.indexOf(host);
      taken[at]!++;
      const [status, latencyMs] = answer(at);
      this.upstream.now += latencyMs;
      this.balancer.observe(host, status, latencyMs);
    }
    return taken;
  }
}

describe('PeakEwma', () => {
  it('prefers the fast host, and still asks the slow one now and then', () => {
    const taken = new Bench(2).run(2_000, (host) => [200, host === 0 ? 200 : 10]);
    expect(taken[0]).toBeGreaterThan(0);
    expect(taken[0]).toBeLessThan(200);
  });

  it.each([[503], [429], [0]])('a host that fails fast (%i) does not attract requests', (status) => {
    const taken = new Bench(3).run(2_000, (host) => (host === 0 ? [status, 1] : [200, 20]));
    expect(taken[0]).toBeLessThan(100);
    const without = new Bench(3, { errorPenaltyMs: 0 }).run(2_000, (host) => (host === 0 ? [503, 1] : [200, 20]));
    expect(without[0]).toBeGreaterThan(1_000);
  });

  it('rises with a slow answer at once and sinks over the decay time', () => {
    const { balancer, hosts, upstream } = new Bench(1);
    const host = hosts[0]!;
    balancer.observe(host, 200, 10);
    balancer.observe(host, 200, 500);
    expect(host.latencyMs).toBe(500);
    upstream.now += 10_000;
    balancer.observe(host, 200, 10);
    expect(host.latencyMs).toBeCloseTo(500 / Math.E + 10 * (1 - 1 / Math.E), 5);
  });

  it('asks a host that has not answered yet once, not with everything', () => {
    const { balancer, hosts, group } = new Bench(2);
    balancer.observe(hosts[0]!, 200, 10);
    const chosen = Array.from({ length: 10 }, () => {
      const host = balancer.choose(group);
      host.activeRequests++;
      return hosts.indexOf(host);
    });
    expect(chosen.filter((host) => host === 1)).toHaveLength(1);
  });

  it('looks at requests in flight and weights', () => {
    const { balancer, hosts, group } = new Bench(2);
    for (const host of hosts) balancer.observe(host, 200, 10);
    hosts[0]!.activeRequests = 3;
    expect(balancer.choose(group)).toBe(hosts[1]);
    hosts[0]!.weight = 8;
    expect(balancer.choose(group)).toBe(hosts[0]);
  });

  it('chooses one of the hosts, whatever it was told', () => {
    const told = fc.tuple(fc.nat(4), fc.constantFrom(0, 200, 429, 500), fc.double({ min: -1, max: 1e7, noNaN: true }));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(told), (count, events) => {
        const { balancer, hosts, group, upstream } = new Bench(count);
        for (const [host, status, latencyMs] of events) {
          balancer.observe(hosts[host % count]!, status, status === 0 ? -1 : Math.max(0, latencyMs));
          upstream.now += 7;
          expect(hosts).toContain(balancer.choose(group));
          expect(hosts[host % count]!.latencyMs).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
});
