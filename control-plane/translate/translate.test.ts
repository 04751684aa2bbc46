import { join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { ClusterSchema } from '../../proto/generated/envoy/config/cluster/v3/cluster_pb.js';
import type { RouteConfiguration } from '../../proto/generated/envoy/config/route/v3/route_pb.js';
import { HttpProtocolOptionsSchema } from '../../proto/generated/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import type { Model } from '../model/model.ts';
import { ModelBuilder } from '../model/model-builder.ts';
import { parseFile } from '../source/parse-file.ts';
import { checkResources } from './check-resources.ts';
import type { EncodedResource } from './encoded-resource.ts';
import type { ProxyNode, UpstreamAddress } from './proxy-node.ts';
import { unknownUpstreamRoute } from './resource-names.ts';
import { asYaml, resourceSchemas } from './resources-as-yaml.test-data.ts';
import { instance, proxy, sampleInstances, sampleResources } from './sample-mesh.test-data.ts';
import { type ProxyResources, translate } from './translate.ts';

function sampleModel(): Model {
  return new ModelBuilder().build({ resources: sampleResources(), instances: sampleInstances });
}

function table(resources: ProxyResources, name: string): RouteConfiguration {
  return resources.routes.get(name)!.message as RouteConfiguration;
}

function hostOf(resources: ProxyResources, domain: string): RouteConfiguration['virtualHosts'][number] | undefined {
  return table(resources, 'outbound').virtualHosts.find(({ domains }) => domains.includes(domain));
}

function modelOf(yaml: string): Model {
  const { resources, faults } = parseFile('test.yaml', yaml);
  expect(faults).toEqual([]);
  return new ModelBuilder().build({ resources, instances: [] });
}

describe('golden files', () => {
  for (const kind of ['envoy', 'outrigger', 'grpc'] as const) {
    test(`${kind} is sent what golden/${kind}.yaml says`, async () => {
      const resources = translate(sampleModel(), proxy(kind));
      expect(checkResources(resources)).toEqual([]);
      await expect(asYaml(resources)).toMatchFileSnapshot(join(import.meta.dirname, `golden/${kind}.yaml`));
    });
  }
});

const upstream = (service: string, port: number, listenPort = 0): UpstreamAddress => ({
  namespace: 'shop',
  service,
  port,
  listen: { host: '127.0.0.1', port: listenPort },
});

describe('addresses of upstreams (outrigger run --upstream)', () => {
  test('a proxy that asks for them is sent what golden/upstreams.yaml says beside the rest', async () => {
    const upstreams = [upstream('payments', 80), upstream('orders', 8080, 9000), upstream('payment', 80)];
    const resources = translate(sampleModel(), proxy('outrigger', { upstreams }));
    expect(checkResources(resources)).toEqual([]);
    const rest = translate(sampleModel(), proxy('outrigger'));
    const added = (type: keyof ProxyResources): Map<string, EncodedResource> =>
      new Map([...resources[type]].filter(([name]) => !rest[type].has(name)));
    expect([...added('clusters'), ...added('endpoints')]).toEqual([]);
    const shown = {
      listeners: added('listeners'),
      routes: added('routes'),
      clusters: new Map(),
      endpoints: new Map(),
    };
    await expect(asYaml(shown)).toMatchFileSnapshot(join(import.meta.dirname, 'golden/upstreams.yaml'));
  });

  const problem = (asked: UpstreamAddress): string => {
    const { routes } = translate(sampleModel(), proxy('outrigger', { upstreams: [asked] }));
    const { name, action } = (
      routes.get(`outbound|${asked.port}||${asked.service}.shop`)!.message as RouteConfiguration
    ).virtualHosts[0]!.routes[0]!;
    const body = action.case === 'directResponse' ? action.value.body?.specifier : undefined;
    return name === unknownUpstreamRoute && body?.case === 'inlineString' ? body.value : '';
  };

  test('what does not exist is answered with the reason', () => {
    expect(problem(upstream('payment', 80))).toBe('there is no service shop/payment; did you mean shop/payments?');
    expect(problem(upstream('zzz', 80))).toBe('there is no service shop/zzz');
    expect(problem(upstream('orders', 1))).toBe('service shop/orders has no port 1; it has 8080, 8081');
    expect(problem(upstream('orders', 5432))).toMatch(/^port 5432 of shop\/orders is tcp/);
  });

  test("a caller's own consumer routes hold there too (GEP-1426)", () => {
    const asked = { upstreams: [upstream('orders', 8080)] };
    const names = (more: Partial<ProxyNode>): string[] =>
      table(
        translate(sampleModel(), proxy('outrigger', { ...asked, ...more })),
        'outbound|8080||orders.shop',
      ).virtualHosts.flatMap(({ routes }) => routes.map(({ name }) => name));
    expect(names({ namespace: 'office', cluster: 'office/desk', service: 'desk' })).toEqual([
      'office/slow-orders#rule-0',
    ]);
    expect(names({})).not.toContain('office/slow-orders#rule-0');
  });

  test('tables keep their identity until a service changes, and follow one that comes', () => {
    const builder = new ModelBuilder();
    const resources = sampleResources();
    const node = proxy('outrigger', { upstreams: [upstream('payments', 80), upstream('payment', 80)] });
    const first = translate(builder.build({ resources, instances: sampleInstances }), node).routes;
    const second = translate(builder.build({ resources, instances: [] }), node).routes;
    for (const name of ['outbound|80||payments.shop', 'outbound|80||payment.shop'])
      expect(second.get(name)).toBe(first.get(name));
    const { resources: more } = parseFile(
      'more.yaml',
      '{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: payment, namespace: shop}, spec: {ports: [{port: 80}]}}',
    );
    const third = translate(builder.build({ resources: [...resources, ...more], instances: [] }), node).routes;
    expect(
      (third.get('outbound|80||payment.shop')!.message as RouteConfiguration).virtualHosts[0]!.routes[0]!.name,
    ).toBe('shop/payment#default');
  });
});

test('the same model gives the same bytes and versions, whoever builds it', () => {
  const a = translate(sampleModel(), proxy('envoy'));
  const b = translate(sampleModel(), proxy('envoy'));
  for (const type of Object.keys(resourceSchemas) as Array<keyof ProxyResources>) {
    for (const [name, resource] of a[type]) {
      expect(b[type].get(name)!.version).toBe(resource.version);
      expect(toBinary(resourceSchemas[type], fromBinary(resourceSchemas[type], resource.bytes))).toEqual(
        resource.bytes,
      );
    }
  }
});

test('one changed endpoint encodes one load assignment; everything else stays the same object', () => {
  const builder = new ModelBuilder();
  const resources = sampleResources();
  const node = proxy('outrigger');
  const before = translate(builder.build({ resources, instances: sampleInstances }), node);
  const instances = [...sampleInstances.slice(1), instance('storefront', '10.0.0.99')];
  const after = translate(builder.build({ resources, instances }), node);
  expect(
    [...after.listeners, ...after.routes, ...after.clusters].every(([name, resource]) =>
      [before.listeners, before.routes, before.clusters].some((map) => map.get(name) === resource),
    ),
  ).toBe(true);
  expect(
    [...after.endpoints].filter(([name, resource]) => before.endpoints.get(name) !== resource).map(([name]) => name),
  ).toEqual(['outbound|80||storefront.shop']);
});

describe('outbound virtual hosts', () => {
  test('answer to the short name only in the namespace of the service', () => {
    const own = translate(sampleModel(), proxy('envoy'));
    const other = translate(
      sampleModel(),
      proxy('envoy', { namespace: 'office', cluster: 'office/desk', service: 'desk' }),
    );
    expect(hostOf(own, 'payments')!.domains).toEqual([
      'payments',
      'payments:80',
      'payments.shop',
      'payments.shop:80',
      'payments.shop.svc.cluster.local',
      'payments.shop.svc.cluster.local:80',
    ]);
    expect(hostOf(other, 'payments')).toBeUndefined();
    expect(hostOf(other, 'payments.shop')!.name).toBe('payments.shop:80');
  });

  test('without a port lead to port 80, or to the first that is routed', () => {
    const resources = translate(sampleModel(), proxy('envoy'));
    expect(hostOf(resources, 'orders')!.name).toBe('orders.shop:8080');
    expect(hostOf(resources, 'orders:8081')!.domains).not.toContain('orders');
    expect(hostOf(resources, 'orders:5432')).toBeUndefined();
  });

  test('a consumer route holds for callers of its namespace only (GEP-1426)', () => {
    const resources = translate(
      sampleModel(),
      proxy('envoy', { namespace: 'office', cluster: 'office/desk', service: 'desk' }),
    );
    expect(hostOf(resources, 'orders.shop:8080')!.routes.map(({ name }) => name)).toEqual([
      'office/slow-orders#rule-0',
    ]);
    expect(hostOf(resources, 'orders.shop:8081')!.routes.length).toBeGreaterThan(3);
    expect(checkResources(resources)).toEqual([]);
  });

  test('a service without routes goes to its own endpoints, gRPC without a timeout, HTTP with 15 s', () => {
    const resources = translate(
      modelOf(
        '{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: a}, spec: {ports: [{name: g, port: 1, appProtocol: grpc}, {name: h, port: 2}, {name: h2, port: 3, appProtocol: http2}]}}',
      ),
      proxy('envoy'),
    );
    const routes = (port: number): unknown[] =>
      hostOf(resources, `a.default:${port}`)!.routes.map(({ match, action }) => [
        match!.grpc !== undefined,
        action.case === 'route'
          ? [Number(action.value.timeout!.seconds), action.value.maxStreamDuration !== undefined]
          : null,
      ]);
    expect(routes(1)).toEqual([[false, [0, true]]]);
    expect(routes(2)).toEqual([[false, [15, false]]]);
    expect(routes(3)).toEqual([
      [true, [0, true]],
      [false, [15, false]],
    ]);
  });
});

const protocol = (service: string, appPort: number): string | undefined => {
  const cluster = translate(
    sampleModel(),
    proxy('envoy', { service, cluster: `shop/${service}`, appPort }),
  ).clusters.get(`inbound|${appPort}||`)!;
  const options = fromBinary(
    HttpProtocolOptionsSchema,
    fromBinary(ClusterSchema, cluster.bytes).typedExtensionProtocolOptions[
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
    ]!.value,
  );
  const { upstreamProtocolOptions } = options;
  return upstreamProtocolOptions.case === 'explicitHttpConfig'
    ? upstreamProtocolOptions.value.protocolConfig.case
    : upstreamProtocolOptions.case;
};

describe('inbound', () => {
  test('needs an application port', () => {
    const resources = translate(sampleModel(), proxy('envoy', { appPort: null }));
    expect([...resources.listeners.keys()]).toEqual(['outbound']);
    expect(checkResources(resources)).toEqual([]);
  });

  test('speaks what the port that targets the application speaks, and passes on what comes when nobody knows', () => {
    expect(protocol('payments', 9000)).toBe('http2ProtocolOptions');
    expect(protocol('storefront', 9000)).toBe('httpProtocolOptions');
    expect(protocol('orders', 9081)).toBe('http2ProtocolOptions');
    expect(protocol('orders', 1)).toBe('useDownstreamProtocolConfig');
    expect(protocol('nobody', 1)).toBe('useDownstreamProtocolConfig');
  });
});

describe('proxyless gRPC', () => {
  test('finds listeners by name, with and without the port', () => {
    const { listeners } = translate(sampleModel(), proxy('grpc'));
    expect([...listeners.keys()]).toEqual(
      expect.arrayContaining([
        'payments.shop:80',
        'payments.shop',
        'orders.shop:8080',
        'orders.shop',
        'orders.shop:8081',
      ]),
    );
  });

  test('is sent no field that it refuses or ignores (xds.md C2)', () => {
    const text = asYaml(translate(sampleModel(), proxy('grpc')));
    for (const field of [
      'pathSeparatedPrefix',
      'queryParameters',
      'directResponse',
      'redirect',
      'LEAST_REQUEST',
      'typedExtensionProtocolOptions',
      'requestHeadersToAdd',
      ' timeout:',
      ':method',
      'trace-bin',
    ]) {
      expect(text).not.toContain(field);
    }
  });
});

test('callers of namespaces that the configuration does not name share one outbound table, however many they are', () => {
  const model = sampleModel();
  const tables = ['x', 'y', 'z'].map((namespace) =>
    translate(model, proxy('outrigger', { namespace, cluster: `${namespace}/a` })).routes.get('outbound'),
  );
  expect(new Set(tables).size).toBe(1);
  expect(translate(model, proxy('outrigger')).routes.get('outbound')).not.toBe(tables[0]);
});
