import { describe, expect, it } from 'vitest';
import type { ClusterConfig } from '../config/cluster-config.ts';
import { HostGroup } from './host-group.ts';
import { createLoadBalancer } from './load-balancer.ts';
import { RunningHost } from './running-host.ts';
import { endpoint, locality, ScriptedUpstream } from './test/scripted-upstream.ts';

const kinds: Array<ClusterConfig['loadBalancing']> = [
  { kind: 'round-robin' },
  { kind: 'least-request', choiceCount: 2 },
  { kind: 'least-request', choiceCount: 4 },
  { kind: 'random' },
];

function group(weights: readonly number[], random: () => number): HostGroup {
  const hosts = weights.map((weight, i) => {
    const config = endpoint(`10.0.0.${i + 1}:80`, { weight });
    return new RunningHost(config, locality([config]));
  });
  return new HostGroup(hosts, 1, random);
}

/** How often each host is chosen of `picks` times; `inFlight` is given to the host chosen and never taken back. */
function count(
  weights: readonly number[],
  kind: ClusterConfig['loadBalancing'],
  picks: number,
  inFlight = 0,
): number[] {
  const { random } = new ScriptedUpstream();
  const hosts = group(weights, random);
  const choose = createLoadBalancer(kind, random);
  const counts = weights.map(() => 0);
  for (let i = 0; i < picks; i++) {
    const host = choose(hosts);
    counts[hosts.hosts.indexOf(host)]!++;
    host.activeRequests += inFlight;
  }
  return counts;
}

describe.each(kinds)('every load balancer ($kind, $choiceCount)', (kind) => {
  it('gives the only host there is', () => {
    expect(count([1], kind, 10)).toEqual([10]);
  });

  it('gives each of several like hosts its share, and none nothing', () => {
    for (const hosts of [2, 3, 10]) {
      const shares = count(
        Array.from({ length: hosts }, () => 1),
        kind,
        1_000 * hosts,
      );
      for (const share of shares) expect(share).toBeGreaterThan(850);
    }
  });
});

describe('round robin', () => {
  it('takes like hosts strictly in turn', () => {
    const { random } = new ScriptedUpstream();
    const hosts = group([1, 1, 1], random);
    const choose = createLoadBalancer({ kind: 'round-robin' }, random);
    const order = Array.from({ length: 9 }, () => choose(hosts));
    expect(order.slice(3)).toEqual(order.slice(0, 6));
    expect(new Set(order.slice(0, 3)).size).toBe(3);
  });

  it('shares exactly by weight over every whole round, and spreads a heavy host out', () => {
    expect(count([5, 3, 2], { kind: 'round-robin' }, 1_000)).toEqual([500, 300, 200]);
    const { random } = new ScriptedUpstream();
    const hosts = group([9, 1], random);
    const choose = createLoadBalancer({ kind: 'round-robin' }, random);
    let lightRun = 0;
    for (let i = 0; i < 1_000; i++) {
      lightRun = choose(hosts) === hosts.hosts[1] ? lightRun + 1 : 0;
      expect(lightRun).toBeLessThanOrEqual(1);
    }
  });
});

describe('least request', () => {
  it('avoids the host with more in flight', () => {
    const { random } = new ScriptedUpstream();
    const hosts = group([1, 1], random);
    hosts.hosts[0]!.activeRequests = 5;
    const choose = createLoadBalancer({ kind: 'least-request', choiceCount: 2 }, random);
    for (let i = 0; i < 50; i++) expect(choose(hosts)).toBe(hosts.hosts[1]);
  });

  it('evens out what is in flight', () => {
    const shares = count([1, 1, 1, 1], { kind: 'least-request', choiceCount: 2 }, 400, 1);
    for (const share of shares) expect(Math.abs(share - 100)).toBeLessThanOrEqual(3);
  });

  it('takes weights into account as Envoy does: turns by weight / (active + 1)', () => {
    expect(count([3, 1], { kind: 'least-request', choiceCount: 2 }, 400)).toEqual([300, 100]);
    const { random } = new ScriptedUpstream();
    const hosts = group([3, 1], random);
    hosts.hosts[0]!.activeRequests = 2;
    const choose = createLoadBalancer({ kind: 'least-request', choiceCount: 2 }, random);
    const counts = [0, 0];
    for (let i = 0; i < 400; i++) counts[hosts.hosts.indexOf(choose(hosts))]!++;
    expect(counts).toEqual([200, 200]);
  });
});
