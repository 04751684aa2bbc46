import { expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { StatStore } from '../stats/stat-store.ts';
import { labelOverflow, RequestMetricBounds } from './request-metric-bounds.ts';
import { RequestMetrics } from './request-metrics.ts';
import { SourceLabels } from './source-labels.ts';
import { answer, get, StreamRig } from './test/stream-rig.ts';

const million = 1_000_000;

const scope = { direction: 'inbound', source: 'unknown', destination: 'shop/orders', route: 'r' } as const;

function sets(stats: StatStore): number {
  return [...stats.counters.values()].filter(({ family }) => family === 'outrigger_requests_total').length;
}

function overflows(stats: StatStore, label: 'source' | 'code' | 'route'): number {
  return labelOverflow(stats, label).value;
}

test('a million callers have 200 labels and `overflow`, which is counted', () => {
  const stats = new StatStore();
  const sources = new SourceLabels(labelOverflow(stats, 'source'));
  const metrics = new RequestMetrics(stats, scope);
  for (let i = 0; i < million; i++)
    metrics.from(sources.of(`ns/caller-${i}`)).set('http1', 200, '', '').requests.value++;
  expect(sets(stats)).toBe(201);
  expect(overflows(stats, 'source')).toBe(million - 200);
  const counted = [...stats.counters.values()].filter(({ family }) => family === 'outrigger_requests_total');
  expect(counted.find(({ labels }) => labels['source'] === 'overflow')!.value).toBe(million - 200);
});

test('a million callers of a million foreign trust domains have no more than 16 times 50', () => {
  const sources = new SourceLabels();
  const labels = new Set<string>();
  for (let i = 0; i < million; i++) labels.add(sources.of(`ns/caller-${i % 1000}`, `domain-${i >> 6}`));
  expect(labels.size).toBeLessThanOrEqual(16 * 50 + 1);
  expect(labels).toContain('overflow');
});

test('answers of whatever code, status and flags have 64 sets for a route, then `overflow`', () => {
  const stats = new StatStore();
  const metrics = new RequestMetrics(stats, scope);
  for (let i = 0; i < million; i++) metrics.set('http1', 100 + (i % 900), String(i % 17), '').requests.value++;
  expect(sets(stats)).toBe(65);
  expect(overflows(stats, 'code')).toBe(million - 64 * Math.floor(million / (900 * 17)) - 64);
  expect(metrics.set('http1', 100, '0', '').requests.value).toBeGreaterThan(0);
});

test('all sets together have a bound; who has one keeps it, the rest is one set, and room comes back with what is dropped', () => {
  const stats = new StatStore();
  const bounds = new RequestMetricBounds(stats, 10);
  const of = (route: string): RequestMetrics => new RequestMetrics(stats, { ...scope, route }, bounds);
  for (let i = 0; i < 1000; i++) of(`r${i}`).set('http1', 200, '', '').requests.value++;
  expect(sets(stats)).toBe(11);
  expect(overflows(stats, 'route')).toBe(990);
  of('r3').set('http1', 200, '', '').requests.value++;
  expect([sets(stats), overflows(stats, 'route')]).toEqual([11, 990]);
  of('r3').countRetry('policy');
  expect([...stats.counters.values()].filter(({ family }) => family === 'outrigger_retries_total')[0]!.labels).toEqual({
    ...{ direction: 'inbound', source: 'overflow', destination: 'overflow', route: 'overflow', reason: 'policy' },
  });
  stats.remove(({ labels }) => labels['route'] === 'r3');
  of('new').set('http1', 200, '', '').requests.value++;
  expect(overflows(stats, 'route')).toBe(991);
});

test('what a caller sends is no label: distinct hosts, paths and header values make no series', () => {
  const rig = new StreamRig();
  const before = (): number => rig.stats.counters.size + rig.stats.gauges.size + rig.stats.histograms.size;
  let series = 0;
  for (let i = 0; i < 20_000; i++) {
    const head = get(`/p/${i}?q=${i}`, HeaderFields.of(['x-tenant', String(i)], ['user-agent', String(i)]));
    head.authority = `host-${i}.example`;
    rig.again().request(head);
    rig.cluster.streams.at(-1)!.receiver.onHead(answer(200), true);
    if (i === 0) series = before();
  }
  expect(before()).toBe(series);
}, 60_000);
