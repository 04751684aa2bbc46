/** What policies ask of running instances, and how many each policy holds for, as the admin port tells it. */
import { expect, test } from 'vitest';
import { parseSpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import { ModelBuilder } from '../model/model-builder.ts';
import type { RegisteredInstance } from '../model/registered-instance.ts';
import { parseFile } from '../source/parse-file.ts';
import type { ProxyNode } from '../translate/proxy-node.ts';
import { instance, proxy } from '../translate/sample-mesh.test-data.ts';
import { listPoliciesInUse, listWorkloads, type WorkloadSources } from './workload-list.ts';

const id = 'spiffe://cluster.local/ns/shop/sa/orders';
const identity = parseSpiffeId(id);

const document = (kind: string, name: string, spec: string): string =>
  `{apiVersion: outrigger.dev/v1, kind: ${kind}, metadata: {name: ${name}, namespace: shop}, spec: ${spec}}`;
const orders = document('Service', 'orders', '{ports: [{port: 80, targetPort: 9000}]}');

function sources(
  documents: readonly string[],
  instances: readonly RegisteredInstance[],
  proxies: readonly ProxyNode[] = [],
): WorkloadSources {
  const { resources, faults } = parseFile('p.yaml', documents.join('\n---\n'));
  expect(faults).toEqual([]);
  return { model: new ModelBuilder().build({ resources, instances }), instances, proxies };
}

const ordersProxy = (nodeId: string, more: Partial<ProxyNode> = {}): ProxyNode =>
  proxy('outrigger', { id: nodeId, cluster: 'shop/orders', service: 'orders', ...more });

test('an instance has the mode that policies ask for, and the sidecar that is beside it', () => {
  const port = document(
    'PeerAuthentication',
    'ports',
    '{targetRefs: [{kind: Service, name: orders}], portLevelMtls: {9000: {mode: PERMISSIVE}}}',
  );
  const instances = [
    instance('orders', '10.0.0.1', { instanceId: 'host-1', identity: id }),
    instance('orders', '10.0.0.2', { instanceId: 'host-2' }),
    instance('orders', '10.0.0.3', { instanceId: 'named' }),
  ];
  const proxies = [
    ordersProxy('orders.shop-host-1', { identity }),
    ordersProxy('named', { appPort: 9001 }),
    ordersProxy('orders.shop-host-22'),
  ];
  expect(listWorkloads(sources([orders, port], instances, proxies))).toMatchObject([
    { service: 'shop/orders', identity: id, mode: 'PERMISSIVE', byDefault: false, sidecar: { identity: id } },
    {
      instanceId: 'host-2',
      mode: 'PERMISSIVE',
      reason: 'PeerAuthentication shop/ports: mTLS PERMISSIVE',
      sidecar: null,
    },
    { instanceId: 'named', mode: 'STRICT', byDefault: true, sidecar: { nodeId: 'named', identity: '' } },
  ]);
});

test('an address in a file is a workload without an identity, whose sidecar is the one that listens there', () => {
  const service = document(
    'Service',
    'orders',
    '{ports: [{name: a, port: 80, targetPort: 15006}, {name: b, port: 81, targetPort: 15006}], endpoints: [{address: 10.0.0.9}]}',
  );
  const rows = listWorkloads(
    sources([service], [], [ordersProxy('o', { identity, inboundListen: { host: '10.0.0.9', port: 15006 } })]),
  );
  expect(rows).toMatchObject([
    {
      service: 'shop/orders',
      address: '10.0.0.9:15006',
      source: 'file',
      identity: '',
      mode: 'STRICT',
      sidecar: { nodeId: 'o', identity: id },
    },
  ]);
});

test('a policy holds for registered instances, addresses in files and proxies, each once', () => {
  const policies = [
    document('AuthorizationPolicy', 'all', '{}'),
    document('AuthorizationPolicy', 'v2', '{selector: {matchLabels: {version: v2}}}'),
    document('AuthorizationPolicy', 'v3', '{selector: {matchLabels: {version: v3}}}'),
    document('PeerAuthentication', 'orders', '{targetRefs: [{kind: Service, name: orders}], mtls: {mode: STRICT}}'),
  ];
  const instances = [
    instance('orders', '10.0.0.1', { instanceId: 'a' }),
    instance('orders', '10.0.0.2', { instanceId: 'b', labels: { version: 'v2' } }),
  ];
  const proxies = [ordersProxy('orders.shop-a'), ordersProxy('envoy-1', { labels: { version: 'v2' } })];
  const rows = listPoliciesInUse(sources([orders, ...policies], instances, proxies));
  expect(rows.map(({ name, workloads }) => [name, workloads])).toEqual([
    ['orders', 3],
    ['all', 3],
    ['v2', 2],
    ['v3', 0],
  ]);
});

test('a port that a policy names and no application has: the one that was probably meant', () => {
  const target = 'targetRefs: [{kind: Service, name: orders}]';
  const ports = (list: string): string => `{${target}, action: DENY, rules: [{to: [{operation: {ports: [${list}]}}]}]}`;
  const policies = [
    document('AuthorizationPolicy', 'a', ports('80')),
    document('AuthorizationPolicy', 'b', ports('81, 9001')),
    document('AuthorizationPolicy', 'c', ports('9000')),
    document('AuthorizationPolicy', 'd', '{action: DENY, rules: [{when: [{key: destination.port, values: ["80"]}]}]}'),
    document('PeerAuthentication', 'e', `{${target}, portLevelMtls: {80: {mode: DISABLE}}}`),
  ];
  const instances = [instance('orders', '10.0.0.1', { instanceId: 'a' })];
  const proxies = [ordersProxy('orders.shop-a', { appPort: 9001 }), ordersProxy('envoy-1', { appPort: 9002 })];
  const of = (...sourced: [readonly RegisteredInstance[], readonly ProxyNode[]]): Record<string, readonly string[]> =>
    Object.fromEntries(
      listPoliciesInUse(sources([orders, ...policies], ...sourced)).map(({ name, warnings }) => [name, warnings]),
    );
  const meant = (path: string): string[] => [
    `${path}: no application that it holds for listens on port 80, which is a Service's: 9001 or 9002 was probably meant, where the application behind it listens`,
  ];
  expect(of(instances, proxies)).toEqual({
    a: meant('spec.rules[0]'),
    b: ['spec.rules[0]: no application that it holds for listens on port 81: they listen on 9001 or 9002'],
    c: ['spec.rules[0]: no application that it holds for listens on port 9000: they listen on 9001 or 9002'],
    d: meant('spec.rules[0]'),
    e: meant('spec.portLevelMtls'),
  });
  // Without a sidecar that says it, by the Service; without anybody there is nothing to say.
  expect(of(instances, [])).toMatchObject({ a: [expect.stringContaining('9000 was probably meant')], c: [] });
  expect(of([], [])).toMatchObject({ a: [], e: [] });
});

test('a policy names the proxies that it holds for and that refused what policies say now', () => {
  const policies = [
    document('AuthorizationPolicy', 'all', '{}'),
    document('AuthorizationPolicy', 'v2', '{selector: {matchLabels: {version: v2}}}'),
  ];
  const refusing = [ordersProxy('orders-1')];
  const rows = listPoliciesInUse(sources([orders, ...policies], [], refusing), refusing);
  expect(rows.map(({ name, refusedBy }) => [name, refusedBy])).toEqual([
    ['all', ['orders-1']],
    ['v2', []],
  ]);
});
