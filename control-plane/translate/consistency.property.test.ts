import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import type { AppProtocol, Resource, ServiceResource } from '../config-kind/resource.ts';
import type { Model } from '../model/model.ts';
import { ModelBuilder } from '../model/model-builder.ts';
import type { RegisteredInstance } from '../model/registered-instance.ts';
import { parseFile } from '../source/parse-file.ts';
import { checkResources } from './check-resources.ts';
import type { EncodedResource } from './encoded-resource.ts';
import type { ClientKind, ProxyNode } from './proxy-node.ts';
import { instance, proxy } from './sample-mesh.test-data.ts';
import { type ProxyResources, translate } from './translate.ts';

const names = ['a', 'b', 'c', 'd'];
const identity = serviceAccountId('cluster.local', 'shop', 'a');
const kinds: readonly ClientKind[] = ['envoy', 'outrigger', 'grpc'];

const serviceYaml = fc
  .record({
    name: fc.constantFrom(...names),
    ports: fc.uniqueArray(
      fc.record({
        port: fc.integer({ min: 78, max: 82 }),
        protocol: fc.constantFrom<AppProtocol>('http', 'http2', 'grpc', 'tcp'),
      }),
      { selector: ({ port }) => port, minLength: 1, maxLength: 3 },
    ),
    selector: fc.option(fc.constantFrom('v1', 'v2')),
    clusterIP: fc.option(fc.constantFrom('10.96.0.1', '10.96.0.2', '240.240.0.1', 'None', 'fd00::1')),
    endpoints: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
  })
  .map(({ name, ports, selector, clusterIP, endpoints }) => ({
    apiVersion: 'outrigger.dev/v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec: {
      ports: ports.map(({ port, protocol }) => ({ name: `p${port}`, port, appProtocol: protocol })),
      endpoints: endpoints.map((last) => ({ address: `10.0.0.${last}` })),
      ...(selector === null ? {} : { selector: { version: selector } }),
      ...(clusterIP === null ? {} : { clusterIP }),
    },
  }));

const rule = fc
  .record({
    path: fc.constantFrom('/', '/x', '/x/y'),
    type: fc.constantFrom('Exact', 'PathPrefix'),
    backends: fc.array(
      fc.record({
        name: fc.constantFrom(...names, 'gone'),
        port: fc.integer({ min: 79, max: 81 }),
        weight: fc.integer({ min: 0, max: 2 }),
      }),
      { maxLength: 3 },
    ),
  })
  .map(({ path, type, backends }) => ({ matches: [{ path: { type, value: path } }], backendRefs: backends }));

const routeYaml = fc
  .record({
    name: fc.constantFrom('r', 's'),
    namespace: fc.constantFrom('shop', 'office'),
    parents: fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 2 }),
    rules: fc.array(rule, { minLength: 1, maxLength: 3 }),
    grpc: fc.boolean(),
  })
  .map(({ name, namespace, parents, rules, grpc }) => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: grpc ? 'GRPCRoute' : 'HTTPRoute',
    metadata: { name, namespace },
    spec: {
      parentRefs: parents.map((parent) => ({ group: '', kind: 'Service', namespace: 'shop', name: parent })),
      rules: grpc
        ? rules.map(({ backendRefs }) => ({ backendRefs: backendRefs.map((each) => ({ ...each, namespace: 'shop' })) }))
        : rules,
    },
  }));

const targets = fc
  .option(fc.constantFrom(...names, 'gone'))
  .map((name) => (name === null ? {} : { targetRefs: [{ kind: 'Service', name }] }));
const authorizationYaml = fc
  .record({
    targets,
    action: fc.constantFrom('ALLOW', 'DENY', 'EXTERNAL'),
    dryRun: fc.boolean(),
    rules: fc.array(
      fc.constantFrom<object>(
        {},
        { from: [{ source: { namespaces: ['shop'], requestPrincipals: ['*'] } }] },
        { to: [{ operation: { paths: ['/x*'], ports: [9000] } }] },
        { when: [{ key: 'request.headers[x-a]', values: ['a', '*b'] }, { cel: "request.method == 'GET'" }] },
      ),
      { maxLength: 2 },
    ),
    asked: fc.constantFrom(...names, 'gone'),
    protocol: fc.constantFrom('grpc', 'http'),
    failOpen: fc.boolean(),
  })
  .map(({ targets, action, dryRun, rules, asked, protocol, failOpen }) => ({
    kind: 'AuthorizationPolicy',
    spec: {
      ...targets,
      action,
      ...(action === 'EXTERNAL'
        ? { external: { service: { name: asked, namespace: 'shop', port: 80 }, protocol, failOpen } }
        : { dryRun, rules }),
    },
  }));
const peerYaml = fc
  .record({ targets, mode: fc.constantFrom('STRICT', 'PERMISSIVE', 'DISABLE') })
  .map(({ targets, mode }) => ({ kind: 'PeerAuthentication', spec: { ...targets, mtls: { mode } } }));
const tokenYaml = targets.map((targets) => ({
  kind: 'RequestAuthentication',
  spec: { ...targets, jwtRules: [{ issuer: 'i', jwksUri: 'https://i.example/keys' }] },
}));
const trafficYaml = fc
  .record({
    target: fc.oneof(
      fc.constantFrom(...names, 'gone').map((name) => ({ kind: 'Service', name })),
      fc.constantFrom('HTTPRoute', 'GRPCRoute').map((kind) => ({ kind, name: 'r' })),
    ),
    timeouts: fc.constantFrom({ request: '1s' }, { request: '0s', perTry: '1s' }, { maxDuration: '1h' }),
    retries: fc.constantFrom({ attempts: 0 }, { attempts: 3, on: ['unavailable', '5xx'] }, { statusCodes: [503] }),
    breaker: fc.constantFrom<object>({}, {}, { circuitBreaker: {} }, { circuitBreaker: { enabled: false } }),
    hosts: fc.constantFrom<object>(
      {},
      { healthChecks: [{ grpc: {} }] },
      { outlierDetection: { successRate: {} }, limits: { maxRequests: 1, highPriority: {} } },
      { inboundLimits: { maxRequests: 1 }, priorities: [{ match: { paths: ['/x*'] }, priority: 'critical' }] },
      { adaptiveConcurrency: {} },
    ),
  })
  .map(({ target, timeouts, retries, breaker, hosts }) => ({
    kind: 'TrafficPolicy',
    spec: { targetRefs: [target], timeouts, retries, ...breaker, ...(target.kind === 'Service' ? hosts : {}) },
  }));
const faultYaml = targets.map((targets) => ({
  kind: 'FaultPolicy',
  spec: {
    ...targets,
    faults: [{ match: { callers: ['shop/a'] }, abort: { httpStatus: 503 } }, { delay: { duration: '1s' } }],
  },
}));
const limitYaml = fc
  .record({ targets, asked: fc.option(fc.constantFrom(...names, 'gone')), failOpen: fc.boolean(), local: fc.boolean() })
  .map(({ targets, asked, failOpen, local }) => ({
    kind: 'RateLimitPolicy',
    spec: {
      ...targets,
      ...(local
        ? { local: [{ match: { paths: ['/x*'] }, by: { caller: true }, limit: { requests: 1, per: '1s' } }] }
        : {}),
      global: {
        limits: [{ limit: { requests: 1, unit: 'second' } }],
        failOpen,
        ...(asked === null ? {} : { service: { name: asked, namespace: 'shop', port: 80 } }),
      },
    },
  }));
const policyYaml = fc
  .tuple(
    fc.oneof(authorizationYaml, peerYaml, tokenYaml, trafficYaml, faultYaml, limitYaml),
    fc.constantFrom('p', 'q'),
    fc.constantFrom('shop', 'outrigger'),
  )
  .map(([policy, name, namespace]) => ({
    apiVersion: 'outrigger.dev/v1',
    metadata: { name, namespace },
    ...policy,
  }));
const policies = fc.uniqueArray(policyYaml, {
  selector: ({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`,
  maxLength: 4,
});

/** Addresses of services that are there in some meshes and not in others. */
const upstreams = [...names, 'gone'].flatMap((service) =>
  [80, 81].map((port) => ({ namespace: 'shop', service, port, listen: { host: '127.0.0.1', port: 0 } })),
);

/** How traffic comes to a proxy, and what it says of it. */
const interceptions = fc.record({
  interception: fc.constantFrom<ProxyNode['interception']>('REDIRECT', 'TPROXY'),
  ipFamilies: fc.constantFrom<ProxyNode['ipFamilies']>(['IPv4'], ['IPv6'], ['IPv4', 'IPv6']),
  egress: fc.constantFrom<ProxyNode['egress']>('allow', 'registry-only'),
  opaquePorts: fc.constantFrom([], [{ start: 79, end: 80 }], [{ start: 1, end: 65_535 }]),
  appPort: fc.constantFrom(null, 80, 9000),
  labels: fc.constantFrom<Record<string, string>>({}, { version: 'v1' }),
  dnsListen: fc.constantFrom(null, { host: '127.0.0.1', port: 15_053 }),
});

const mesh = fc.record({
  documents: fc.tuple(
    fc.uniqueArray(serviceYaml, { selector: ({ metadata }) => metadata.name, maxLength: 4 }),
    fc.uniqueArray(routeYaml, {
      selector: ({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`,
      maxLength: 3,
    }),
    policies,
  ),
  instances: fc.uniqueArray(
    fc.record({
      service: fc.constantFrom(...names),
      last: fc.integer({ min: 1, max: 9 }),
      version: fc.constantFrom('v1', 'v2'),
      zone: fc.constantFrom('', 'a', 'b'),
    }),
    { selector: ({ last }) => last, maxLength: 6 },
  ),
});

function resourcesOf(documents: readonly unknown[]): readonly Resource[] {
  const { resources, faults } = parseFile(
    'random.yaml',
    documents.map((document) => JSON.stringify(document)).join('\n---\n'),
  );
  expect(faults).toEqual([]);
  return resources;
}

function instancesOf(
  list: ReadonlyArray<{ service: string; last: number; version: string; zone: string }>,
): RegisteredInstance[] {
  return list.map(({ service, last, version, zone }) =>
    instance(service, `10.0.0.${last}`, { labels: { version }, zone }),
  );
}

const all = (resources: ProxyResources): Array<[string, EncodedResource]> =>
  Object.entries(resources).flatMap(([type, map]) =>
    [...(map as ReadonlyMap<string, EncodedResource>)].map(([name, resource]): [string, EncodedResource] => [
      `${type} ${name}`,
      resource,
    ]),
  );

function changed(before: ProxyResources, after: ProxyResources): string[] {
  const old = new Map(all(before));
  return all(after)
    .filter(([key, resource]) => old.get(key) !== resource)
    .map(([key]) => key)
    .concat([...old.keys()].filter((key) => !new Map(all(after)).has(key)));
}

describe('for any mesh', () => {
  test('the resources of every kind of client, of callers in any namespace, are consistent', () => {
    fc.assert(
      fc.property(mesh, ({ documents, instances }) => {
        const model = new ModelBuilder().build({
          resources: resourcesOf(documents.flat()),
          instances: instancesOf(instances),
        });
        for (const kind of kinds) {
          for (const namespace of ['shop', 'office', 'elsewhere']) {
            const node = { namespace, service: 'a', upstreams };
            expect(checkResources(translate(model, proxy(kind, node)))).toEqual([]);
            expect(checkResources(translate(model, proxy(kind, { ...node, identity })))).toEqual([]);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test('the resources of proxies that traffic is redirected to are consistent, and no two chains match the same', () => {
    fc.assert(
      fc.property(mesh, interceptions, ({ documents, instances }, intercepted) => {
        const model = new ModelBuilder().build({
          resources: resourcesOf(documents.flat()),
          instances: instancesOf(instances),
        });
        for (const kind of ['envoy', 'outrigger'] as const) {
          for (const namespace of ['shop', 'elsewhere']) {
            const node = { namespace, service: 'a', ...intercepted };
            expect(checkResources(translate(model, proxy(kind, node)))).toEqual([]);
            expect(checkResources(translate(model, proxy(kind, { ...node, identity })))).toEqual([]);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  test('with redirected traffic, too, a change of one instance changes load assignments only, and the same model says the same', () => {
    fc.assert(
      fc.property(mesh, interceptions, ({ documents, instances }, intercepted) => {
        fc.pre(instances.length > 0);
        const resources = resourcesOf(documents.flat());
        const all = instancesOf(instances);
        const builder = new ModelBuilder();
        const node = proxy('outrigger', { service: 'a', identity, ...intercepted });
        const before = translate(builder.build({ resources, instances: all }), node);
        const model = builder.build({ resources, instances: [{ ...all[0]!, weight: 7 }, ...all.slice(1)] });
        expect(changed(before, translate(model, node)).filter((key) => !key.startsWith('endpoints '))).toEqual([]);
        const again = translate(builder.build({ resources: [...resources], instances: all }), node);
        expect(changed(before, again).filter((key) => !key.startsWith('endpoints '))).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  test('a change of one instance changes the load assignments of the Services that pick it, and nothing else', () => {
    fc.assert(
      fc.property(mesh, fc.constantFrom(...kinds), ({ documents, instances }, kind) => {
        fc.pre(instances.length > 0);
        const resources = resourcesOf(documents.flat());
        const all = instancesOf(instances);
        const builder = new ModelBuilder();
        const node = proxy(kind, { service: 'a', upstreams, identity });
        const before = translate(builder.build({ resources, instances: all }), node);
        const first = all[0]!;
        const after = translate(
          builder.build({ resources, instances: [{ ...first, weight: 7 }, ...all.slice(1)] }),
          node,
        );
        const picked = resources.filter(
          (resource): resource is ServiceResource =>
            resource.kind === 'Service' &&
            (resource.selector === null
              ? resource.name === first.service
              : resource.selector['version'] === first.labels['version']),
        );
        const expected = picked.flatMap(({ name, ports }) =>
          ports.filter(({ protocol }) => protocol !== 'tcp').map(({ port }) => ({ name, port })),
        );
        // An instance may be hidden behind another at the same address, but each has one of its own here; a file's endpoint listens on another port.
        expect(changed(before, after).toSorted()).toEqual(
          expected.map(({ name, port }) => `endpoints outbound|${port}||${name}.shop`).toSorted(),
        );
      }),
      { numRuns: 60 },
    );
  });

  test('building again from equal but new input gives the same model, part by part', () => {
    fc.assert(
      fc.property(mesh, ({ documents, instances }) => {
        const builder = new ModelBuilder();
        const build = (): Model =>
          builder.build({ resources: resourcesOf(documents.flat()), instances: instancesOf(instances) });
        const before = build();
        const after = build();
        expect(after.services).toBe(before.services);
        expect(after.routings).toBe(before.routings);
        expect(after.policies).toBe(before.policies);
      }),
      { numRuns: 40 },
    );
  });

  test('a change of policies about identities and faults changes the inbound listener at most, and which instances callers reach by mTLS, and back again to the same bytes', () => {
    const atInbound = (list: ReadonlyArray<{ readonly kind: string }>): Array<{ readonly kind: string }> =>
      list.filter(({ kind }) => kind !== 'TrafficPolicy' && kind !== 'RateLimitPolicy');
    fc.assert(
      fc.property(mesh, policies, ({ documents: [services, routes, before], instances }, after) => {
        const builder = new ModelBuilder();
        const node = proxy('envoy', { service: 'a', identity });
        const of = (list: readonly object[]): ProxyResources =>
          translate(
            builder.build({
              resources: resourcesOf([...services, ...routes, ...list]),
              instances: instancesOf(instances),
            }),
            node,
          );
        const [first, second, third] = [of(atInbound(before)), of(atInbound(after)), of(atInbound(before))];
        // PeerAuthentication says of endpoints too whether callers come by mTLS, and whether those without identity are reached at all.
        expect(
          changed(first, second).filter((key) => key !== 'listeners inbound' && !key.startsWith('endpoints ')),
        ).toEqual([]);
        expect(third.listeners.get('inbound')!.version).toBe(first.listeners.get('inbound')!.version);
      }),
      { numRuns: 60 },
    );
  });
});
