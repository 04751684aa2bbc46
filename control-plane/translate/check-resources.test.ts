import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { ClusterLoadAssignmentSchema } from '../../proto/generated/envoy/config/endpoint/v3/endpoint_pb.js';
import { RouteConfigurationSchema } from '../../proto/generated/envoy/config/route/v3/route_pb.js';
import { ModelBuilder } from '../model/model-builder.ts';
import { parseFile } from '../source/parse-file.ts';
import { socketAddress } from './api-values.ts';
import { checkResources } from './check-resources.ts';
import { type EncodedResource, encodeResource } from './encoded-resource.ts';
import { proxy, sampleInstances, sampleResources } from './sample-mesh.test-data.ts';
import { type ProxyResources, translate } from './translate.ts';

const good = translate(
  new ModelBuilder().build({ resources: sampleResources(), instances: sampleInstances }),
  proxy('envoy'),
);

function withChange(
  type: keyof ProxyResources,
  change: (map: Map<string, EncodedResource>) => void,
): readonly string[] {
  const map = new Map(good[type]);
  change(map);
  return checkResources({ ...good, [type]: map });
}

const orders = 'outbound|8080||orders.shop';

test('a whole snapshot is fine', () => {
  expect(checkResources(good)).toEqual([]);
});

test('finds references that lead nowhere, in both directions', () => {
  expect(withChange('endpoints', (map) => map.delete(orders))).toEqual([
    `cluster ${orders} refers to load assignment ${orders}, which is not there`,
  ]);
  expect(withChange('clusters', (map) => map.delete(orders))).toEqual(
    expect.arrayContaining([
      `no cluster refers to load assignment ${orders}`,
      `route shop/orders#rule-4 of outbound leads to cluster ${orders}, which is not there`,
    ]),
  );
  expect(withChange('routes', (map) => map.delete('outbound'))).toEqual([
    'listener outbound refers to route configuration outbound, which is not there',
  ]);
  expect(withChange('listeners', (map) => map.delete('inbound'))).toEqual([
    'no listener refers to route configuration inbound|9000||',
  ]);
});

test('finds names that differ inside and outside, and what occurs twice', () => {
  const table = create(RouteConfigurationSchema, {
    name: 'other',
    virtualHosts: [
      { name: 'v', domains: ['a'] },
      { name: 'v', domains: ['a'] },
    ],
  });
  expect(
    withChange('routes', (map) => map.set('outbound', encodeResource(RouteConfigurationSchema, 'outbound', table))),
  ).toEqual([
    'route configuration outbound is named "other" inside',
    'route configuration outbound has two virtual hosts named v',
    'route configuration outbound has the domain a twice',
  ]);
});

test('finds localities that gRPC would leave out (A27), gaps between priorities, and an address that occurs twice', () => {
  const host = { hostIdentifier: { case: 'endpoint' as const, value: { address: socketAddress('10.0.0.1', 1) } } };
  const assignment = create(ClusterLoadAssignmentSchema, {
    clusterName: orders,
    endpoints: [{ lbEndpoints: [host, { ...host, loadBalancingWeight: 1 }], priority: 1 }],
  });
  expect(
    withChange('endpoints', (map) => map.set(orders, encodeResource(ClusterLoadAssignmentSchema, orders, assignment))),
  ).toEqual([
    `load assignment ${orders} has a locality without a name`,
    `load assignment ${orders} has a locality without weight`,
    `load assignment ${orders} has an endpoint without weight`,
    `load assignment ${orders} has the address 10.0.0.1 1 twice`,
    `load assignment ${orders} has no priority 0, but higher ones`,
  ]);
});

test('finds a service that a filter asks and that is not there', () => {
  const { resources } = parseFile(
    'p.yaml',
    '{apiVersion: outrigger.dev/v1, kind: AuthorizationPolicy, metadata: {name: ask, namespace: shop}, spec: {action: EXTERNAL, external: {service: {name: orders, port: 8080}, protocol: grpc}}}',
  );
  const model = new ModelBuilder().build({ resources: [...sampleResources(), ...resources], instances: [] });
  const translated = translate(model, proxy('envoy'));
  expect(checkResources(translated)).toEqual([]);
  const clusters = new Map([...translated.clusters].filter(([name]) => name !== orders));
  expect(checkResources({ ...translated, clusters })).toContain(
    `filter shop/ask of listener inbound asks cluster ${orders}, which is not there`,
  );
});
