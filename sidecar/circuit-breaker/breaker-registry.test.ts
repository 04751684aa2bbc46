import { expect, it } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { ResponseHead } from '../codec/message-head.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { Configuration, Configured } from '../config/configuration.ts';
import type { RouteTableConfig } from '../config/route-config.ts';
import { anyPath, forward, route, routeTable } from '../connection-manager/test/configs.ts';
import { ManualTime } from '../connection-manager/test/manual-time.ts';
import { Log } from '../runtime/log.ts';
import { StatStore } from '../stats/stat-store.ts';
import { prometheusText } from '../stats/test/prometheus-text.ts';
import { BreakerRegistry } from './breaker-registry.ts';
import { breakerJson } from './breaker-status.ts';
import { breakerConfig } from './test/breaker-rig.ts';

const time = new ManualTime();

function registry(): { readonly breakers: BreakerRegistry; readonly stats: StatStore; readonly lines: string[] } {
  const stats = new StatStore();
  const lines: string[] = [];
  const log = new Log(time, 'info', false, (line) => lines.push(line.slice(13).trimEnd()));
  return { breakers: new BreakerRegistry({ stats, clock: time, random: () => 0, log }), stats, lines };
}

function configured<T>(value: T): Configured<T> {
  return { value, version: '', origin: 'dynamic', updatedWallMs: 0, raw: new Uint8Array() };
}

function configuration(clusters: readonly ClusterConfig[], tables: readonly RouteTableConfig[] = []): Configuration {
  return {
    listeners: new Map(),
    clusters: new Map(clusters.map((each) => [each.name, configured(each)])),
    routeTables: new Map(tables.map((each) => [each.name, configured(each)])),
    assignments: new Map(),
  };
}

const cluster = (name: string, overrides = {}, more = {}): ClusterConfig =>
  ({ name, circuitBreaker: breakerConfig(overrides), ...more }) as ClusterConfig;
const table = (name: string, overrides = {}): RouteTableConfig =>
  routeTable([route('r', anyPath, forward('c'), { circuitBreaker: breakerConfig(overrides) })], { name });

it('a breaker outlives updates that say nothing else of it, and goes with its cluster, figures and all', () => {
  const { breakers, stats } = registry();
  expect(breakers.forCluster({ name: 'b', circuitBreaker: null } as ClusterConfig)).toBeNull();
  const before = breakers.forCluster(cluster('a'));
  const changed = cluster('a', {}, { connectTimeoutMs: 7 });
  expect(breakers.forCluster(changed)).toBe(before);
  breakers.retain(configuration([changed]));
  expect(breakers.forCluster(changed)).toBe(before);
  const text = 'outrigger_circuit_breaker_state{scope="cluster",name="a"} 0';
  expect(prometheusText(stats)).toContain(text);
  breakers.retain(configuration([]));
  expect(breakers.dump()).toEqual([]);
  expect(prometheusText(stats)).not.toContain('circuit_breaker');
});

it('another threshold makes it begin anew; what an operator decided stays', () => {
  const { breakers, stats } = registry();
  const before = breakers.forCluster(cluster('a'))!;
  expect(breakers.force('a', 'open')).toBe(true);
  const now = cluster('a', { failurePercent: 30 });
  const after = breakers.forCluster(now)!;
  expect(after).not.toBe(before);
  breakers.retain(configuration([now]));
  expect(breakers.dump()).toMatchObject([{ name: 'a', state: 'open', heldByOperator: true }]);
  expect(prometheusText(stats)).toContain('outrigger_circuit_breaker_state{scope="cluster",name="a"} 2');
  expect(prometheusText(stats)).toContain('outrigger_circuit_breaker_forced{scope="cluster",name="a"} 1');
});

it('shows how often it opened in all, and how often in a row, which is what makes it stay open for longer', () => {
  const { breakers } = registry();
  breakers.forCluster(cluster('a'));
  for (const to of ['open', null, 'open', 'closed', null] as const) breakers.force('a', to);
  expect(breakers.dump().map(breakerJson)).toMatchObject([{ openings_in_a_row: 0, total: { opened: 2 } }]);
});

it('routes of one name in virtual hosts of one name share theirs, also over tables', () => {
  const { breakers } = registry();
  const [outbound, upstream] = [table('outbound'), table('outbound|80||orders.shop')];
  const of = ({ virtualHosts }: RouteTableConfig) =>
    breakers.forRoute(virtualHosts[0]!.name, virtualHosts[0]!.routes[0]!);
  const breaker = of(outbound);
  expect(of(upstream)).toBe(breaker);
  breakers.retain(configuration([], [upstream]));
  expect(of(outbound)).toBe(breaker);
  expect(breakers.dump()).toMatchObject([{ scope: 'route', name: 'all/r', rule: 'TrafficPolicy shop/orders' }]);
});

it('an operator holds and releases by name; the log says so, and figures count transitions', () => {
  const { breakers, stats, lines } = registry();
  breakers.forCluster(cluster('a'));
  expect(breakers.force('nobody', 'open')).toBe(false);
  breakers.force('a', 'open');
  breakers.force('a', null);
  breakers.force('a', 'closed');
  expect(lines).toEqual([
    'warn  circuit breaker of cluster a (TrafficPolicy shop/orders): open: held open by an operator',
    'warn  circuit breaker of cluster a (TrafficPolicy shop/orders): half-open: no longer held open by an operator',
    'warn  circuit breaker of cluster a (TrafficPolicy shop/orders): closed: held closed by an operator',
  ]);
  const text = prometheusText(stats);
  for (const to of ['open', 'half_open', 'closed'])
    expect(text).toContain(`outrigger_circuit_breaker_transitions_total{scope="cluster",name="a",to="${to}"} 1`);
});

it('what an operator decided stays when its resource goes and comes back; the log says that it goes held', () => {
  const { breakers, lines } = registry();
  breakers.forCluster(cluster('a'));
  breakers.force('a', 'open');
  lines.length = 0;
  breakers.retain(configuration([]));
  expect(lines).toEqual([
    'warn  circuit breaker of cluster a (TrafficPolicy shop/orders): gone with its configuration while held open by an operator; it is held again when it comes back',
  ]);
  const back = breakers.forCluster(cluster('a', { failurePercent: 30 }))!;
  expect([back.machine.state, back.machine.forced]).toEqual(['open', 'open']);
  // Released, it is forgotten.
  breakers.force('a', null);
  breakers.retain(configuration([]));
  expect(breakers.forCluster(cluster('a'))!.machine.forced).toBeNull();
});

it('what is held and gone can be released, or held otherwise', () => {
  const { breakers } = registry();
  for (const name of ['a', 'b']) {
    breakers.forCluster(cluster(name));
    breakers.force(name, 'open');
  }
  breakers.retain(configuration([]));
  expect(breakers.force('a', null)).toBe(true);
  expect(breakers.force('a', null)).toBe(false);
  expect(breakers.force('b', 'closed')).toBe(true);
  expect(breakers.forCluster(cluster('a'))!.machine.forced).toBeNull();
  expect(breakers.forCluster(cluster('b'))!.machine.forced).toBe('closed');
});

it('remembers so many of those that are held and gone, the last ones', () => {
  const { breakers } = registry();
  for (let i = 0; i <= 256; i++) {
    breakers.forCluster(cluster(`c${i}`));
    breakers.force(`c${i}`, 'open');
  }
  breakers.retain(configuration([]));
  expect(breakers.force('c0', null)).toBe(false);
  expect(breakers.force('c1', null)).toBe(true);
  expect(breakers.force('c256', null)).toBe(true);
});

it('one that was replaced says nothing more under the name of its successor, whatever comes of the calls that it had', () => {
  const { breakers, stats, lines } = registry();
  const before = breakers.forCluster(cluster('a', { minCalls: 1 }))!;
  const call = { breakerPermit: 0, breakerSentMs: 0 };
  before.enter(call, time.nowMs());
  const now = cluster('a', { failurePercent: 30 });
  breakers.forCluster(now);
  breakers.retain(configuration([now]));
  before.onHead(call, new ResponseHead(503, new HeaderFields()), true, time.nowMs());
  expect(before.machine.state).toBe('open');
  expect(lines).toEqual([]);
  const text = prometheusText(stats);
  expect(text).toContain('outrigger_circuit_breaker_state{scope="cluster",name="a"} 0');
  expect(text).not.toMatch(/transitions_total\{scope="cluster",name="a",to="open"\} 1/);
});

it('a successor shows its own state, although the one before it opened in between', () => {
  const { breakers, stats } = registry();
  const before = breakers.forCluster(cluster('a', { minCalls: 1 }))!;
  const call = { breakerPermit: 0, breakerSentMs: 0 };
  before.enter(call, time.nowMs());
  const now = cluster('a', { failurePercent: 30 });
  breakers.forCluster(now);
  before.onHead(call, new ResponseHead(503, new HeaderFields()), true, time.nowMs());
  breakers.retain(configuration([now]));
  expect(prometheusText(stats)).toContain('outrigger_circuit_breaker_state{scope="cluster",name="a"} 0');
});
