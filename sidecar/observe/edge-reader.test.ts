import { expect, test } from 'vitest';
import type { BreakerStatus } from '../circuit-breaker/breaker-status.ts';
import { RequestMetrics } from '../connection-manager/request-metrics.ts';
import { StatStore } from '../stats/stat-store.ts';
import { durationBoundsSeconds, type EdgeFigure, EdgeReader } from './edge-reader.ts';

const outbound = { direction: 'outbound', source: 'shop/orders', destination: 'shop/payments', route: 'r' } as const;

class Fixture {
  readonly stats = new StatStore();
  readonly breakers: BreakerStatus[] = [];
  readonly clusters: string[] = [];
  readonly reader: EdgeReader;

  constructor() {
    this.reader = new EdgeReader({
      stats: () => this.stats,
      breakers: () => this.breakers,
      clustersWithCertificate: () => this.clusters,
    });
  }

  count(scope: ConstructorParameters<typeof RequestMetrics>[1], status: number, flag = '', grpcStatus = '', ms = 2) {
    const set = new RequestMetrics(this.stats, scope).set('http1', status, grpcStatus, flag);
    set.requests.value++;
    set.duration!.record(ms);
  }

  only(): EdgeFigure {
    const edges = this.reader.look();
    expect(edges).toHaveLength(1);
    return edges[0]!;
  }
}

test('gives what was counted since the last look, by edge, class and flag', () => {
  const it = new Fixture();
  it.count(outbound, 200);
  expect(it.only()).toMatchObject({ requests: 1, failures: 0, classes: { '2xx': 1 }, flags: {} });
  it.count(outbound, 200);
  it.count(outbound, 503, 'URX,UF');
  it.count(outbound, 200, '', '14');
  const edge = it.only();
  expect(edge).toMatchObject({
    ...outbound,
    requests: 3,
    failures: 2,
    classes: { '2xx': 2, '5xx': 1 },
    flags: { URX: 1, UF: 1 },
  });
  expect(edge.durations.reduce((sum, each) => sum + each, 0)).toBe(3);
  expect(edge.durations).toHaveLength(durationBoundsSeconds.length + 1);
  expect(edge.durationSumSeconds).toBeCloseTo(0.006);
  expect(it.reader.look()).toEqual([]);
});

test('what was held up on purpose, or answered by a fallback, and then well, has not failed; its flags are told', () => {
  const it = new Fixture();
  it.count(outbound, 200, 'DI');
  it.count(outbound, 200, 'FB');
  it.count(outbound, 200, 'UF,FB');
  expect(it.only()).toMatchObject({ requests: 3, failures: 1, flags: { DI: 1, FB: 2, UF: 1 } });
});

test('what was counted before the first look is none of it', () => {
  const stats = new StatStore();
  new RequestMetrics(stats, outbound).set('http1', 200, '', '').requests.value = 7;
  const sources = { stats: () => stats, breakers: () => [], clustersWithCertificate: () => [] };
  expect(new EdgeReader(sources).look()).toEqual([]);
});

test('counters that were set to 0 meanwhile count what they have', () => {
  const it = new Fixture();
  it.count(outbound, 200);
  it.count(outbound, 200);
  it.reader.look();
  for (const counter of it.stats.counters.values()) counter.value = 0;
  it.count(outbound, 200);
  expect(it.only().requests).toBe(1);
});

test('answers beyond the sets of labels are requests, of which nothing is known: neither failures nor a class', () => {
  const it = new Fixture();
  const metrics = new RequestMetrics(it.stats, outbound);
  for (let i = 0; i < 100; i++) metrics.set('http1', 200 + i, '', '').requests.value++;
  metrics.set('http1', 200, '', 'UF').requests.value++;
  const { requests, failures, classes, flags } = it.only();
  expect({ requests, failures, flags }).toEqual({ requests: 101, failures: 0, flags: {} });
  expect(classes).toEqual({ '2xx': 64 });
});

test('retries are told', () => {
  const it = new Fixture();
  new RequestMetrics(it.stats, outbound).countRetry('policy' as never);
  expect(it.only()).toMatchObject({ requests: 0, retries: 1 });
});

test('of inbound requests those of callers that proved themselves are secured', () => {
  const it = new Fixture();
  it.count({ ...outbound, direction: 'inbound' }, 200);
  expect(it.only().secured).toBe(1);
  it.count({ ...outbound, direction: 'inbound', source: 'unknown' }, 200);
  expect(it.only().secured).toBe(0);
});

test('of outbound ones the share of connections that shook hands with our certificate', () => {
  const it = new Fixture();
  it.clusters.push('outbound|80||payments.shop');
  it.stats.counter('cluster.outbound|80||payments.shop.upstream_cx_total').value = 2;
  it.stats.counter('cluster.outbound|80||payments.shop.ssl.handshake').value = 1;
  for (let i = 0; i < 4; i++) it.count(outbound, 200);
  expect(it.only().secured).toBe(2);
});

test('tells what is under way, and the worst state of the breakers of an edge, also when nothing passes', () => {
  const it = new Fixture();
  it.count(outbound, 200);
  it.reader.look();
  it.stats.gauge('cluster.outbound|80||payments.shop.upstream_rq_active').value = 3;
  expect(it.only().active).toBe(3);
  it.stats.gauge('cluster.outbound|80||payments.shop.upstream_rq_active').value = 0;
  const breaker = (scope: string, name: string, state: string, heldByOperator = false): BreakerStatus =>
    ({ scope, name, state, heldByOperator }) as BreakerStatus;
  it.breakers.push(breaker('cluster', 'outbound|80||payments.shop', 'closed'), breaker('route', 'vh/r', 'half-open'));
  expect(it.only().breaker).toBe('half_open');
  it.breakers.push(breaker('cluster', 'outbound|80||payments.shop', 'open', true));
  expect(it.only().breaker).toBe('forced_open');
});
