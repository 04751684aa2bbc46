import { expect, it } from 'vitest';
import type { EdgeRow, ServiceRow } from '../data/mesh-data.ts';
import { edgeWords, graphOf, nodeWords } from './graph-model.ts';

const service = (id: string): ServiceRow => {
  const [namespace = '', name = ''] = id.split('/');
  return { namespace, name, ports: ['80/http'], addresses: [], endpoints: 2, healthyEndpoints: 1 };
};
const edge = (source: string, destination: string): EdgeRow => ({
  ...{ source, destination, requestsPerSecond: 20, failuresPerSecond: 2, p50Ms: 1.23, p99Ms: 3 },
  securedShare: 1,
});

it('has the world outside, and services that only edges know', () => {
  const { nodes } = graphOf([service('shop/orders')], [edge('', 'shop/orders'), edge('shop/orders', 'ext/bank')], '');
  expect(nodes.map(({ name }) => name)).toEqual(['outside', 'ext/bank', 'shop/orders']);
});

it('of one namespace: its services, and who talks to them', () => {
  const { nodes, edges } = graphOf(
    [service('shop/orders'), service('other/a'), service('other/b')],
    [edge('other/a', 'shop/orders'), edge('other/a', 'other/b')],
    'shop',
  );
  expect([nodes.map(({ id }) => id), edges.length]).toEqual([['other/a', 'shop/orders'], 1]);
});

it('is told in words too', () => {
  const { nodes, edges } = graphOf([service('shop/orders')], [edge('', 'shop/orders')], '');
  expect(nodeWords(nodes[1]!)).toBe('shop/orders, failing, 20.0/s · 10 % failed · 1 of 2 up');
  expect(edgeWords(edges[0]!)).toBe('outside to shop/orders, failing, 20.0/s · 1.2 ms, mTLS');
});
