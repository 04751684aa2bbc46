/** Labels that the configuration adds to metrics of requests, and those that it takes away, as they come out of real streams. */
import { describe, expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import type { RequestMetricsConfig } from '../config/request-metrics-config.ts';
import { StatStore } from '../stats/stat-store.ts';
import { RequestLabels } from './request-labels.ts';
import { labelOverflow, RequestMetricBounds } from './request-metric-bounds.ts';
import { RequestMetrics } from './request-metrics.ts';
import { anyPath, forward, pathMatch, route } from './test/configs.ts';
import { answer, get, StreamRig } from './test/stream-rig.ts';

const nothing: RequestMetricsConfig = { labels: [], omittedLabels: [], omittedMetrics: [] };
const tenant = { kind: 'header', header: 'x-tenant', values: ['blue', 'red'] } as const;
const all: RequestMetricsConfig = {
  ...nothing,
  labels: [
    { name: 'method', from: { kind: 'attribute', attribute: 'method' } },
    { name: 'class', from: { kind: 'attribute', attribute: 'response-class' } },
    { name: 'subset', from: { kind: 'attribute', attribute: 'destination-subset' } },
    { name: 'zone', from: { kind: 'attribute', attribute: 'destination-zone' } },
    { name: 'tenant', from: tenant },
  ],
};

function rigOf(requestMetrics: RequestMetricsConfig): StreamRig {
  return new StreamRig({
    config: { requestMetrics },
    routes: [
      route('a', pathMatch({ kind: 'prefix', value: '/a' }), forward('outbound|80|v1|payments.shop')),
      route('b', anyPath, forward('outbound|80|v1|payments.shop')),
    ],
  });
}

function ask(rig: StreamRig, status = 200, method = 'GET', ...fields: Array<[string, string]>): void {
  const head = get('/', HeaderFields.of(...fields));
  head.method = method;
  rig.again().request(head);
  rig.cluster.streams.at(-1)!.receiver.onHead(answer(status), true);
}

function counted(rig: StreamRig, ...labels: string[]): unknown[] {
  return [...rig.stats.counters.values()]
    .filter(({ family, value }) => family === 'outrigger_requests_total' && value > 0)
    .map((counter) => [...labels.map((label) => counter.labels[label]), counter.value]);
}

describe('labels of a configuration', () => {
  test('say method, class, subset, and a header by its listed values', () => {
    const rig = rigOf(all);
    ask(rig, 200, 'GET', ['X-Tenant', 'blue']);
    ask(rig, 200, 'GET', ['x-tenant', 'blue']);
    ask(rig, 404, 'POST', ['x-tenant', 'green']);
    ask(rig, 404, 'BREW');
    expect(counted(rig, 'method', 'class', 'subset', 'tenant')).toEqual([
      ['GET', '2xx', 'v1', 'blue', 2],
      ['POST', '4xx', 'v1', 'other', 1],
      ['other', '4xx', 'v1', '', 1],
    ]);
  });

  test('say the zone of the host that was asked last; of a request that could not be read they say its answer', () => {
    const labels = new RequestLabels(all);
    const head = get('/', HeaderFields.of());
    const asked = { chosenHost: { zone: 'eu-1a' } };
    expect(labels.valuesOf({ head, status: 503, target: null, lastAttempt: asked })).toEqual([
      ...['GET', '5xx', '', 'eu-1a', ''],
    ]);
    expect(labels.valuesOfRefusal(400)).toEqual(['', '4xx', '', '', '']);
  });

  test('leave out what is not wanted; routes that differ in nothing else are one series', () => {
    const rig = rigOf({
      ...nothing,
      omittedLabels: ['route', 'protocol', 'flags'],
      omittedMetrics: ['outrigger_request_duration_seconds', 'outrigger_request_bytes_total'],
    });
    for (const path of ['/a', '/b']) {
      rig.again().request(get(path, HeaderFields.of()));
      rig.cluster.streams.at(-1)!.receiver.onHead(answer(200), true);
    }
    expect(counted(rig, 'route', 'protocol', 'flags', 'code')).toEqual([['', '', '', '200', 2]]);
    const families = new Set(
      [...rig.stats.counters.values(), ...rig.stats.histograms.values()].map(({ family }) => family),
    );
    expect(families).not.toContain('outrigger_request_duration_seconds');
    expect(families).not.toContain('outrigger_request_bytes_total');
    expect(families).toContain('outrigger_response_bytes_total');
  });
});

test('a hundred thousand requests of whatever method, header and answer have 256 sets for a route, then `overflow`', () => {
  const stats = new StatStore();
  const labels = new RequestLabels(all);
  const metrics = new RequestMetrics(
    stats,
    { direction: 'inbound', source: 'unknown', destination: 'shop/orders', route: 'r' },
    new RequestMetricBounds(stats),
    labels.shape,
  );
  for (let i = 0; i < 100_000; i++) {
    const lastAttempt = { chosenHost: { zone: `zone-${i % 1000}` } };
    metrics.set('http1', 200, '', '', labels.valuesOf({ head: null, status: 200, target: null, lastAttempt })).requests
      .value++;
  }
  const sets = [...stats.counters.values()].filter(({ family }) => family === 'outrigger_requests_total');
  expect(sets.length).toBe(257);
  expect(sets.at(-1)!.labels).toMatchObject({ route: 'r', code: 'overflow', zone: 'overflow', method: 'overflow' });
  expect(labelOverflow(stats, 'code').value).toBe(sets.at(-1)!.value);
});

test('a set is found again by the values of its labels, which the caller of set() may reuse', () => {
  const stats = new StatStore();
  const labels = new RequestLabels({ ...nothing, labels: [{ name: 'tenant', from: tenant }] });
  const scope = { direction: 'inbound', source: 'unknown', destination: 'shop/orders', route: 'r' };
  const metrics = new RequestMetrics(stats, scope, new RequestMetricBounds(stats), labels.shape);
  const of = (value: string) => {
    const head = get('/', HeaderFields.of(['x-tenant', value]));
    return metrics.set('http1', 200, '', '', labels.valuesOf({ head, status: 200, target: null, lastAttempt: null }));
  };
  const blue = of('blue');
  const red = of('red');
  expect(blue).not.toBe(red);
  expect([of('blue'), of('red'), of('violet')]).toEqual([blue, red, of('mauve')]);
  expect(blue.values).toEqual(['blue']);
});
