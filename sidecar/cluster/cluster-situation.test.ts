import { expect, test } from 'vitest';
import { BreakerRegistry } from '../circuit-breaker/breaker-registry.ts';
import { breakerConfig } from '../circuit-breaker/test/breaker-rig.ts';
import { HeaderFields } from '../codec/header-fields.ts';
import { ResponseHead } from '../codec/message-head.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import {
  activeCheckTimedOut,
  excludedByImmediateFailure,
  failedActiveCheck,
  pendingActiveCheck,
} from './host-health.ts';
import { outlierConfig } from './outlier/test/outlier-config.ts';
import { RunningCluster } from './running-cluster.ts';
import type { RunningHost } from './running-host.ts';
import {
  assignment,
  clusterConfig,
  endpoint,
  locality,
  ScriptedRequest,
  ScriptedUpstream,
} from './test/scripted-upstream.ts';
import type { ClusterSituation } from './upstream.ts';

const at = (n: number): string => `10.0.0.${n}:80`;

function bench(
  more: Partial<ClusterConfig> = {},
  health: ReadonlyArray<'healthy' | 'draining' | 'unhealthy' | 'degraded'> = [],
) {
  const upstream = new ScriptedUpstream();
  const breakers = new BreakerRegistry({
    ...{ stats: upstream.stats, clock: upstream.clock, random: upstream.random },
    log: null,
  });
  const endpoints = [0, 1, 2, 3].map((n) => endpoint(at(n), { health: health[n] ?? 'healthy' }));
  const config = clusterConfig({ discovery: { kind: 'eds', serviceName: 'payments' }, ...more });
  const cluster = new RunningCluster(config, { ...upstream.context, breakers }, () => {});
  cluster.setAssignment(assignment(locality(endpoints)));
  return {
    upstream,
    cluster,
    host: (n: number): RunningHost => cluster.hosts.byAddress.get(at(n))!,
    situation: (): ClusterSituation => cluster.situation(upstream.now),
  };
}

test('of a cluster that is well there is nothing to say', () => {
  expect(bench().situation()).toEqual({ passedOver: [], circumstances: [] });
});

test('a host that was ejected: for how long, and why', () => {
  const { cluster, host, upstream, situation } = bench({ outlierDetection: outlierConfig({ maxEjectionPercent: 50 }) });
  for (let i = 0; i < 5; i++) cluster.onResponseHead(host(0), new ResponseHead(503, new HeaderFields()), false);
  upstream.now += 2_500;
  expect(situation()).toEqual({
    passedOver: [{ host: at(0), why: 'ejected for 2.5 s (5 consecutive 5xx)' }],
    circumstances: ['1 of 4 hosts of payments are passed over'],
  });
});

test('what service discovery says, and what health checks do', () => {
  const { host, situation } = bench({}, ['draining', 'unhealthy', 'degraded']);
  expect(situation().passedOver).toEqual([
    { host: at(0), why: 'draining' },
    { host: at(1), why: 'unhealthy, as the control plane says' },
    { host: at(2), why: 'degraded' },
  ]);
  for (const [health, why] of [
    [failedActiveCheck, 'failed its health check'],
    [failedActiveCheck | activeCheckTimedOut, 'did not answer its health check'],
    [failedActiveCheck | excludedByImmediateFailure, 'said that it fails its health check'],
    [pendingActiveCheck, 'not checked yet'],
  ] as const) {
    host(3).health = health;
    expect(situation().passedOver.at(-1)).toEqual({ host: at(3), why });
  }
});

test('too few that are healthy is panic; none at all is said', () => {
  const few = bench({}, ['unhealthy', 'unhealthy', 'unhealthy']);
  few.cluster.hosts.refresh();
  expect(few.situation().circumstances).toEqual([
    '3 of 4 hosts of payments are passed over',
    'payments is in panic: too few of its hosts are healthy, so all of them are asked',
  ]);
  const none = bench();
  none.cluster.setAssignment(null);
  expect(none.situation().circumstances).toEqual(['payments has no hosts']);
});

test('of many hosts 16 are named', () => {
  const { cluster, situation } = bench();
  const endpoints = Array.from({ length: 40 }, (_, n) => endpoint(at(n), { health: 'draining' }));
  cluster.setAssignment(assignment(locality(endpoints)));
  expect(situation().passedOver.length).toBe(16);
  expect(situation().circumstances[0]).toBe('40 of 40 hosts of payments are passed over');
});

test('limits that are reached, of the priority that the request had', () => {
  const limits = { maxConnections: 100, maxPendingRequests: 100, maxRequests: 1, maxRetries: 3 };
  const { cluster, upstream, situation } = bench({ limits });
  const request = new ScriptedRequest(cluster).ask();
  upstream.connectAll();
  expect(situation().circumstances).toEqual(['payments: 1 of 1 requests are taken']);
  expect(cluster.highPriority().situation(upstream.now).circumstances).toEqual([]);
  request.stream!.finish();
  expect(situation().circumstances).toEqual([]);
});

test('a circuit breaker that is open: whose, for how long and why', () => {
  const circuitBreaker = breakerConfig({ rule: 'TrafficPolicy shop/payments' });
  const { cluster, upstream, situation } = bench({ circuitBreaker });
  cluster.breaker!.force('open');
  upstream.now += 3_000;
  expect(situation().circumstances[0]).toMatch(
    /^circuit breaker of cluster payments \(TrafficPolicy shop\/payments\): open for 3 s: /,
  );
});
