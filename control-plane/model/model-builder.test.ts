import { describe, expect, test } from 'vitest';
import type { Resource } from '../config-kind/resource.ts';
import { parseFile } from '../source/parse-file.ts';
import { ModelBuilder } from './model-builder.ts';
import { listEndpoints, listRoutes, listServices } from './model-lists.ts';
import type { RegisteredInstance } from './registered-instance.ts';

function resourcesOf(yaml: string): readonly Resource[] {
  const { resources, faults } = parseFile('mesh.yaml', yaml);
  expect(faults).toEqual([]);
  return resources;
}

function instance(service: string, address: string, more: Partial<RegisteredInstance> = {}): RegisteredInstance {
  return {
    namespace: 'shop',
    service,
    instanceId: `${service}-1`,
    address,
    port: 15_006,
    portName: '',
    labels: {},
    zone: '',
    weight: 1,
    healthy: true,
    identity: '',
    ...more,
  };
}

const service = (name: string, spec: string): string =>
  `\n---\n{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: ${name}, namespace: shop}, spec: ${spec}}`;
const route = (kind: string, name: string, namespace: string, parent: string, backend: string): string =>
  `\n---\n{apiVersion: gateway.networking.k8s.io/v1, kind: ${kind}, metadata: {name: ${name}, namespace: ${namespace}}, spec: {parentRefs: [{group: "", kind: Service, namespace: shop, ${parent}}], rules: [{backendRefs: [{namespace: shop, ${backend}}]}]}}`;

const addresses = (
  builder: ModelBuilder,
  yaml: string,
  instances: readonly RegisteredInstance[],
): Record<string, string[]> => {
  const rows = listEndpoints(builder.build({ resources: resourcesOf(yaml), instances }));
  const byPort: Record<string, string[]> = {};
  for (const { service, port, address } of rows) (byPort[`${service}:${port}`] ??= []).push(address);
  return byPort;
};

describe('endpoints', () => {
  test('are those that registered under the name, beside those of the file', () => {
    const yaml = service(
      'a',
      '{ports: [{port: 80, targetPort: 8080}], endpoints: [{address: 10.0.0.9}, {address: 10.0.0.8, port: 1}]}',
    );
    expect(addresses(new ModelBuilder(), yaml, [instance('a', '10.0.0.1'), instance('b', '10.0.0.2')])).toEqual({
      'shop/a:80': ['10.0.0.1:15006', '10.0.0.8:1', '10.0.0.9:8080'],
    });
  });

  test('are those that a selector picks, whatever they registered for, in the same namespace', () => {
    const yaml =
      service('v1', '{ports: [{port: 80}], selector: {app: a, version: v1}}') +
      service('v2', '{ports: [{port: 80}], selector: {version: v2}}');
    const instances = [
      instance('a', '10.0.0.1', { labels: { app: 'a', version: 'v1' } }),
      instance('b', '10.0.0.2', { labels: { app: 'a', version: 'v2' } }),
      instance('v1', '10.0.0.3', { labels: { version: 'v1' } }),
      instance('a', '10.0.0.4', { namespace: 'other', labels: { app: 'a', version: 'v1' } }),
    ];
    expect(addresses(new ModelBuilder(), yaml, instances)).toEqual({
      'shop/v1:80': ['10.0.0.1:15006'],
      'shop/v2:80': ['10.0.0.2:15006'],
    });
  });

  test('of a named port belong to that port only', () => {
    const yaml = service('a', '{ports: [{name: x, port: 80}, {name: y, port: 81}]}');
    expect(
      addresses(new ModelBuilder(), yaml, [instance('a', '10.0.0.1', { portName: 'y' }), instance('a', '10.0.0.2')]),
    ).toEqual({ 'shop/a:80': ['10.0.0.2:15006'], 'shop/a:81': ['10.0.0.1:15006', '10.0.0.2:15006'] });
  });

  test('whose traffic is redirected are at the target port of each port, of a Service of one port at their own', () => {
    const yaml =
      service('a', '{ports: [{name: x, port: 80, targetPort: 9000}, {name: y, port: 5432}]}') +
      service('b', '{ports: [{port: 80}], selector: {app: b}}');
    const one = instance('a', '10.0.0.1', { port: 0, byTargetPort: true, labels: { app: 'b' } });
    const other = instance('a', '10.0.0.2', { port: 8080, byTargetPort: true, labels: { app: 'b' } });
    expect(addresses(new ModelBuilder(), yaml, [one, other])).toEqual({
      'shop/a:80': ['10.0.0.1:9000', '10.0.0.2:9000'],
      'shop/a:5432': ['10.0.0.1:5432', '10.0.0.2:5432'],
      // Of one port, which names no target: where the application says that it listens.
      'shop/b:80': ['10.0.0.1:80', '10.0.0.2:8080'],
    });
  });

  test('at one address and port count once, the registered one first', () => {
    const yaml = service(
      'a',
      '{ports: [{port: 80, targetPort: 15006}], endpoints: [{address: 10.0.0.1}, {address: 10.0.0.1}]}',
    );
    const builder = new ModelBuilder();
    const rows = listEndpoints(
      builder.build({
        resources: resourcesOf(yaml),
        instances: [
          instance('a', '10.0.0.1', { instanceId: 'z', healthy: false }),
          instance('a', '10.0.0.1', { instanceId: 'y' }),
        ],
      }),
    );
    expect(rows).toMatchObject([{ instanceId: 'y', healthy: true, source: 'registry' }]);
  });

  test("at one address and port are the one with an identity, whatever it is called, and the file's before one that proves nothing", () => {
    const identity = 'spiffe://cluster.local/ns/shop/sa/a';
    const yaml = service('a', '{ports: [{port: 80, targetPort: 15006}], endpoints: [{address: 10.0.0.2}]}');
    const model = new ModelBuilder().build({
      resources: resourcesOf(yaml),
      instances: [
        instance('a', '10.0.0.1', { instanceId: 'z', identity }),
        instance('a', '10.0.0.1', { instanceId: 'a' }),
        instance('a', '10.0.0.2', { instanceId: 'b' }),
      ],
    });
    expect(model.services.get('shop/a')!.ports[0]!.endpoints.endpoints).toMatchObject([
      { address: '10.0.0.1', instanceId: 'z', identity, plainCallersOnly: false },
      { address: '10.0.0.2', instanceId: '', plainCallersOnly: false },
    ]);
  });
});

describe('identity', () => {
  test('nothing new is the same model, also when the inputs are new but equal', () => {
    const builder = new ModelBuilder();
    const yaml =
      service('a', '{ports: [{port: 80}]}') + route('HTTPRoute', 'r', 'shop', 'name: a', 'name: a, port: 80');
    const first = builder.build({ resources: resourcesOf(yaml), instances: [instance('a', '10.0.0.1')] });
    expect(builder.build({ resources: resourcesOf(`# moved\n${yaml}`), instances: [instance('a', '10.0.0.1')] })).toBe(
      first,
    );
  });

  test('a changed instance leaves definitions and routings as they were', () => {
    const builder = new ModelBuilder();
    const resources = resourcesOf(service('a', '{ports: [{port: 80}]}') + service('b', '{ports: [{port: 80}]}'));
    const b = instance('b', '10.0.0.2');
    const first = builder.build({ resources, instances: [instance('a', '10.0.0.1'), b] });
    const second = builder.build({ resources, instances: [instance('a', '10.0.0.3'), b] });
    expect(second.routings).toBe(first.routings);
    expect(second.services.get('shop/b')).toBe(first.services.get('shop/b'));
    const [before, after] = [first, second].map(({ services }) => services.get('shop/a')!.ports[0]!);
    expect(after!.definition).toBe(before!.definition);
    expect(after!.endpoints).not.toBe(before!.endpoints);
  });

  test('a backend that appears changes the routing that names it', () => {
    const builder = new ModelBuilder();
    const yaml =
      service('a', '{ports: [{port: 80}]}') + route('HTTPRoute', 'r', 'shop', 'name: a', 'name: b, port: 80');
    const first = builder.build({ resources: resourcesOf(yaml), instances: [] });
    expect(first.routings[0]!.producer[0]!.rules[0]!.backends[0]!.problem).toBe('there is no Service shop/b');
    const second = builder.build({
      resources: resourcesOf(yaml + service('b', '{ports: [{port: 80}]}')),
      instances: [],
    });
    expect(second.routings[0]!.producer[0]!.rules[0]!.backends[0]!.problem).toBe('');
    expect(second.routings[0]).not.toBe(first.routings[0]);
  });
});

describe('routes', () => {
  test('attach to every port, to one by number, or to one by name', () => {
    const ports = '{ports: [{name: x, port: 80}, {name: y, port: 81}]}';
    const attached = (parent: string): string[] =>
      listRoutes(
        new ModelBuilder().build({
          resources: resourcesOf(service('a', ports) + route('HTTPRoute', 'r', 'shop', parent, 'name: a, port: 80')),
          instances: [],
        }),
      ).map(({ service }) => service);
    expect(attached('name: a')).toEqual(['shop/a:80', 'shop/a:81']);
    expect(attached('name: a, port: 81')).toEqual(['shop/a:81']);
    expect(attached('name: a, sectionName: x')).toEqual(['shop/a:80']);
    expect(attached('name: a, port: 9')).toEqual([]);
  });

  test('of another namespace hold for its callers only; a GRPCRoute goes before an HTTPRoute (GEP-1426)', () => {
    const yaml =
      service('a', '{ports: [{port: 80}]}') +
      route('HTTPRoute', 'h', 'shop', 'name: a', 'name: a, port: 80') +
      route('GRPCRoute', 'g', 'shop', 'name: a', 'name: a, port: 80') +
      route('HTTPRoute', 'c', 'office', 'name: a', 'name: a, port: 80');
    const model = new ModelBuilder().build({ resources: resourcesOf(yaml), instances: [] });
    expect(model.routings[0]!.producer.map(({ name }) => name)).toEqual(['g']);
    expect(
      [...model.routings[0]!.consumers].map(([namespace, routes]) => [namespace, routes.map(({ name }) => name)]),
    ).toEqual([['office', ['c']]]);
    expect(model.warnings.map(({ resource, message }) => `${resource}: ${message}`)).toEqual([
      'HTTPRoute shop/h: spec.parentRefs[0]: GRPCRoute shop/g has the same parent and port: a GRPCRoute goes before an HTTPRoute, which has no effect there',
    ]);
  });
});

test('warns of what is likely not meant, with its place', () => {
  const yaml =
    service('a', '{ports: [{name: db, port: 5432, appProtocol: tcp}], selector: {app: a}}') +
    route('GRPCRoute', 'g', 'shop', 'name: a', 'name: a, port: 1');
  const { warnings } = new ModelBuilder().build({
    resources: resourcesOf(yaml),
    instances: [instance('a', '10.0.0.1'), instance('gone', '10.0.0.2')],
  });
  expect(warnings.map(({ resource, place, message }) => `${resource} ${place} ${message}`)).toEqual([
    'GRPCRoute shop/g mesh.yaml:5:119 spec.parentRefs[0]: Service shop/a speaks tcp there; the route has no effect there',
    'GRPCRoute shop/g mesh.yaml:5:197 spec.rules[0].backendRefs[0]: Service shop/a has no port 1; it has 5432 (db); requests for it are answered UNAVAILABLE',
    'instances of shop/a  1 registered, but the selector of Service shop/a does not pick it: nobody is sent there',
    'instances of shop/gone  1 registered, but there is no Service shop/gone: nobody is sent there',
  ]);
});

test('lists services, endpoints and routes as plain rows', () => {
  const yaml =
    service('a', '{ports: [{name: x, port: 80}, {name: g, port: 81, appProtocol: grpc}]}') +
    route('HTTPRoute', 'r', 'shop', 'name: a, port: 80', 'name: a, port: 81, weight: 3');
  const model = new ModelBuilder().build({
    resources: resourcesOf(yaml),
    instances: [instance('a', 'fd00::1', { healthy: false, zone: 'z', labels: { v: '1' } })],
  });
  expect(listServices(model)).toEqual([
    {
      namespace: 'shop',
      name: 'a',
      ports: ['80/http', '81/grpc'],
      addresses: ['240.240.133.134', '2001:2::f0f0:8586'],
      addressSource: 'assigned',
      endpoints: 1,
      healthyEndpoints: 0,
      labels: {},
    },
  ]);
  expect(listEndpoints(model)[0]).toEqual({
    namespace: 'shop',
    service: 'shop/a',
    port: 80,
    address: '[fd00::1]:15006',
    instanceId: 'a-1',
    labels: { v: '1' },
    zone: 'z',
    weight: 1,
    healthy: false,
    source: 'registry',
  });
  expect(listRoutes(model)).toEqual([
    {
      namespace: 'shop',
      kind: 'HTTPRoute',
      name: 'r',
      service: 'shop/a:80',
      rule: 'shop/r#rule-0',
      callers: '',
      matches: ['/*'],
      backends: ['a.shop:81 3'],
    },
  ]);
  expect(JSON.parse(JSON.stringify(listRoutes(model)))).toEqual(listRoutes(model));
});
