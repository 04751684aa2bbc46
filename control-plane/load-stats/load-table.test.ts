import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { ClusterStatsSchema } from '../../proto/generated/envoy/config/endpoint/v3/load_report_pb.js';
import { LoadTable } from './load-table.ts';

const one = {};
const other = {};
const knows = (namespace: string, service: string): boolean => namespace === 'shop' && service === 'orders';

function stats(zones: Readonly<Record<string, readonly [number, number, number]>>, more: object = {}) {
  const init: MessageInitShape<typeof ClusterStatsSchema> = {
    clusterName: 'outbound|80||orders.shop',
    loadReportInterval: { seconds: 10n },
    upstreamLocalityStats: Object.entries(zones).map(([zone, [successes, errors, inProgress]]) => ({
      locality: { zone },
      totalSuccessfulRequests: BigInt(successes),
      totalErrorRequests: BigInt(errors),
      totalIssuedRequests: BigInt(successes + errors),
      totalRequestsInProgress: BigInt(inProgress),
    })),
    ...more,
  };
  return create(ClusterStatsSchema, init);
}

test('adds up the proxies of a service by destination and zone', () => {
  const table = new LoadTable(knows);
  table.set({}, 'shop/storefront', [stats({ north: [90, 10, 2], south: [100, 0, 0] })], 10_000, 0);
  table.set({}, 'shop/storefront', [stats({ north: [100, 0, 1] })], 10_000, 0);
  table.set({}, 'shop/batch', [stats({ south: [0, 0, 1] }, { totalDroppedRequests: 50n })], 10_000, 0);
  const to = { destination: 'shop/orders', port: 80 };
  expect(table.rows(0, 30_000)).toEqual([
    {
      ...to,
      source: 'shop/storefront',
      zone: 'north',
      requestsPerSecond: 20,
      errorShare: 0.05,
      inProgress: 3,
      droppedPerSecond: 0,
      proxies: 2,
    },
    {
      ...to,
      source: 'shop/storefront',
      zone: 'south',
      requestsPerSecond: 10,
      errorShare: 0,
      inProgress: 0,
      droppedPerSecond: 0,
      proxies: 1,
    },
    {
      ...to,
      source: 'shop/batch',
      zone: '',
      requestsPerSecond: 0,
      errorShare: null,
      inProgress: 0,
      droppedPerSecond: 5,
      proxies: 1,
    },
    {
      ...to,
      source: 'shop/batch',
      zone: 'south',
      requestsPerSecond: 0,
      errorShare: null,
      inProgress: 1,
      droppedPerSecond: 0,
      proxies: 1,
    },
  ]);
});

test('counts by the time that the report says, not the one that was asked for; without one, by that', () => {
  const table = new LoadTable(knows);
  table.set(one, 's/a', [stats({ z: [30, 0, 0] }, { loadReportInterval: { seconds: 30n } })], 10_000, 0);
  table.set(other, 's/b', [stats({ z: [30, 0, 0] }, { loadReportInterval: undefined })], 10_000, 0);
  expect(table.rows(0, 30_000).map(({ source, requestsPerSecond }) => [source, requestsPerSecond])).toEqual([
    ['s/b', 3],
    ['s/a', 1],
  ]);
});

test('forgets what is old, and who is gone; a report takes the place of the one before', () => {
  const table = new LoadTable(knows);
  table.set(one, 's/a', [stats({ z: [10, 0, 0] })], 10_000, 0);
  table.set(one, 's/a', [stats({ z: [20, 0, 0] })], 10_000, 5_000);
  expect(table.rows(35_000, 30_000)).toMatchObject([{ requestsPerSecond: 2 }]);
  expect(table.rows(35_001, 30_000)).toEqual([]);
  table.delete(one);
  expect(table.rows(5_000, 30_000)).toEqual([]);
});

test('has no row for what is no Service of the mesh, and few zones, whatever a proxy says', () => {
  const table = new LoadTable(knows);
  const others = [
    'outbound|80||carts.shop',
    'inbound|8080||',
    'outbound|passthrough||',
    'xds',
    'outbound|80||orders.shop.x',
  ];
  table.set(
    one,
    's/a',
    others.map((clusterName) => stats({ z: [1, 0, 0] }, { clusterName })),
    10_000,
    0,
  );
  expect(table.rows(0, 1)).toEqual([]);
  const zones = Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`zone-${i}`, [1, 0, 0] as const]));
  table.set(one, 's/a', [stats(zones)], 10_000, 0);
  const rows = table.rows(0, 1);
  expect(rows).toHaveLength(51);
  expect(rows[0]).toMatchObject({ zone: 'other', requestsPerSecond: 85 });
});
