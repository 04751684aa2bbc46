import type { JsonObject } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import type { ConfigResource, ResourceKind } from './config-resource.ts';
import { configTables } from './config-tables.ts';

function resource(
  kind: ResourceKind,
  name: string,
  body: JsonObject,
  more: Partial<ConfigResource> = {},
): ConfigResource {
  return {
    kind,
    name,
    origin: 'dynamic',
    state: 'active',
    version: '7',
    updated: '',
    fault: '',
    resource: body,
    ...more,
  };
}

const at = (address: string, port: number) => ({ socket_address: { address, port_value: port } });
const http = (config: JsonObject) => ({
  filters: [{ name: 'http', typed_config: { '@type': 'x/envoy.v3.HttpConnectionManager', ...config } }],
});
/** Columns by single blanks. */
const lines = (...resources: readonly ConfigResource[]): string[] =>
  configTables(resources)
    .split('\n')
    .map((line) => line.replaceAll(/ {3,}/g, ' | '));

test('a listener says where it listens and what becomes of what comes', () => {
  const body = {
    address: at('::1', 80),
    filter_chains: [http({ rds: { route_config_name: 'out' } })],
    default_filter_chain: { filters: [{ name: 't', typed_config: { '@type': 'x/envoy.v3.TcpProxy', cluster: 'c' } }] },
  };
  expect(lines(resource('listeners', 'in', body))).toEqual([
    'LISTENER | ADDRESS | TAKES | FROM | STATE',
    'in | [::1]:80 | HTTP by routes out, TCP to c | version 7 | active',
    '',
  ]);
});

test('a route is a row each: domains, match, where to; also those that stand in a listener', () => {
  const routes = [
    { match: { path: '/a' }, route: { cluster: 'a' } },
    {
      match: { prefix: '/', headers: [{ name: 'x' }] },
      route: {
        weighted_clusters: {
          clusters: [
            { name: 'v1', weight: 90 },
            { name: 'v2', weight: 10 },
          ],
        },
      },
    },
    { match: { safe_regex: { regex: '/\\d' } }, direct_response: { status: 404 } },
    { match: { path_separated_prefix: '/p' }, redirect: {} },
  ];
  const table = { name: 'out', virtual_hosts: [{ domains: ['a', 'a.shop'], routes }] };
  const expected = ['= /a | a', '/* and 1 more | v1 90, v2 10', '~ /\\d | answers 404', '/p/* | redirect'];
  expect(lines(resource('routes', 'out', table)).slice(1, -1)).toEqual(
    expected.map((text) => `out | a and 1 more | ${text} | active`),
  );
  const inline = lines(
    resource('listeners', 'in', { filter_chains: [http({ route_config: { virtual_hosts: table.virtual_hosts } })] }),
  );
  expect(inline).toContain('(of in) | a and 1 more | = /a | a | active');
});

test('a cluster says its type, how it balances and whether by TLS; endpoints also those that stand in a cluster', () => {
  const endpoints = [
    {
      locality: { zone: 'z1' },
      priority: 1,
      lb_endpoints: [
        { endpoint: { address: at('10.0.0.1', 80) }, load_balancing_weight: 3, health_status: 'DRAINING' },
      ],
    },
  ];
  const cluster = { type: 'STATIC', lb_policy: 'LEAST_REQUEST', transport_socket: {}, load_assignment: { endpoints } };
  expect(lines(resource('clusters', 'c', cluster, { origin: 'static', fault: 'bad' }))).toEqual([
    'CLUSTER | TYPE | BALANCES | TLS | FROM | STATE',
    'c | STATIC | LEAST_REQUEST | yes | bootstrap | active, the newest refused',
    '',
    'ENDPOINTS OF | ADDRESS | ZONE | PRIORITY | WEIGHT | HEALTH',
    'c | 10.0.0.1:80 | z1 | 1 | 3 | DRAINING',
    '',
  ]);
});

test('of what was never accepted there is the name', () => {
  expect(
    lines(resource('clusters', 'c', {}, { resource: null, state: 'refused', version: '', fault: 'bad' }))[1],
  ).toMatch(/^c \| - \| - \| - \| control plane/);
});
