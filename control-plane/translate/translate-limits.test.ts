/** FaultPolicies and RateLimitPolicies in what proxies are sent. That Envoy does it is test/interop/resilience-in-envoy.test.ts. */
import { describe, expect, test } from 'vitest';
import { parseSpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import type { Model } from '../model/model.ts';
import { ModelBuilder } from '../model/model-builder.ts';
import type { PolicyEndings } from '../model/policy-ends.ts';
import { faultText } from '../source/fault.ts';
import { parseFile } from '../source/parse-file.ts';
import { checkResources } from './check-resources.ts';
import type { ProxyNode } from './proxy-node.ts';
import { asJson } from './resources-as-yaml.test-data.ts';
import { proxy } from './sample-mesh.test-data.ts';
import { type ProxyResources, translate } from './translate.ts';

const services = ['orders', 'limits'].map(
  (name) =>
    `{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: ${name}, namespace: shop}, spec: {ports: [{port: 80, appProtocol: ${name === 'limits' ? 'grpc' : 'http'}}]}}`,
);
const policy = (kind: string, spec: string, name = 'p'): string =>
  `{apiVersion: outrigger.dev/v1, kind: ${kind}, metadata: {name: ${name}, namespace: shop}, spec: {${spec}}}`;

function modelOf(documents: readonly string[], endings?: PolicyEndings): Model {
  const { resources, faults } = parseFile('t.yaml', [...services, ...documents].join('\n---\n'));
  expect(faults.map(faultText)).toEqual([]);
  return new ModelBuilder().build({ resources, instances: [], ...(endings === undefined ? {} : { endings }) });
}

interface Filter {
  readonly name: string;
  readonly typedConfig: Readonly<Record<string, unknown>>;
}

const orders = (more: Partial<ProxyNode> = {}): ProxyNode =>
  proxy('outrigger', { service: 'orders', identity: parseSpiffeId('spiffe://example.org/ns/shop/sa/orders'), ...more });

function filtersOf(resources: ProxyResources): Filter[] {
  expect(checkResources(resources)).toEqual([]);
  const listener = asJson('listeners', resources.listeners.get('inbound')!) as unknown as {
    filterChains: Array<{ filters: Array<{ typedConfig: { httpFilters: Filter[] } }> }>;
  };
  return listener.filterChains[0]!.filters[0]!.typedConfig.httpFilters;
}

function sent(documents: readonly string[], more: Partial<ProxyNode> = {}, endings?: PolicyEndings) {
  const resources = translate(modelOf(documents, endings), orders(more));
  const table = asJson('routes', resources.routes.get('inbound|9000||')!) as unknown as {
    virtualHosts: Array<{ routes: Array<{ route: { rateLimits?: unknown[] } }> }>;
  };
  return { filters: filtersOf(resources), descriptions: table.virtualHosts[0]!.routes[0]!.route.rateLimits ?? [] };
}

describe('a FaultPolicy', () => {
  const faults = policy(
    'FaultPolicy',
    'until: "2026-01-31T12:00:00Z", maxActive: 3, faults: [{match: {paths: [/a.b, /c/*], methods: [GET, PUT], headers: [{name: X-A, value: "1"}], callers: [shop/storefront, office/*]}, delay: {duration: 1500ms, percent: 0.25}, abort: {httpStatus: 503, percent: 10}}, {responseRateLimit: {kibPerSecond: 64}}]',
  );

  test('is a filter for each rule before the router, by path, method, headers and the proven name of the caller', () => {
    const { filters } = sent([faults]);
    expect(filters.map(({ name }) => name)).toEqual([
      'envoy.filters.http.fault',
      'envoy.filters.http.fault.1',
      'envoy.filters.http.router',
    ]);
    expect(filters[0]!.typedConfig).toMatchObject({
      delay: { fixedDelay: '1.500s', percentage: { numerator: 2_500, denominator: 'MILLION' } },
      abort: { httpStatus: 503, percentage: { numerator: 10 } },
      maxActiveFaults: 3,
      filterMetadata: { policy: 'FaultPolicy shop/p' },
      headers: [
        { name: ':path', stringMatch: { safeRegex: { regex: '(?:/a\\.b(?:\\?.*)?|/c/.*)' } } },
        { name: ':method', stringMatch: { safeRegex: { regex: '(?:GET|PUT)' } } },
        { name: 'x-a', stringMatch: { exact: '1' } },
        {
          name: 'x-forwarded-client-cert',
          stringMatch: {
            safeRegex: {
              regex: '(?:.*;)?URI=spiffe://example\\.org/ns/(?:shop/sa/storefront|office/sa/[^/;,"]+)(?:;.*)?',
            },
          },
        },
      ],
    });
    expect(filters[1]!.typedConfig).toMatchObject({
      responseRateLimit: { fixedLimit: { limitKbps: '64' }, percentage: { numerator: 100 } },
    });
  });

  test('is gone when its time is over, and the listener is as before it came', () => {
    const ending = (over: boolean): PolicyEndings => new Map([['shop/p', { atMs: 0, over }]]);
    expect(sent([faults], {}, ending(false)).filters).toHaveLength(3);
    expect(sent([faults], {}, ending(true)).filters).toEqual(sent([]).filters);
  });

  test('holds for the workloads that it names', () => {
    const other = policy(
      'FaultPolicy',
      'targetRefs: [{kind: Service, name: limits}], faults: [{abort: {httpStatus: 503}}]',
    );
    expect(sent([other]).filters).toHaveLength(1);
  });
});

describe('a RateLimitPolicy', () => {
  test('of local limits is one filter with a bucket for each, and descriptions in the inbound route', () => {
    const { filters, descriptions } = sent([
      policy(
        'RateLimitPolicy',
        'local: [{match: {paths: [/pay]}, limit: {requests: 2, per: 1s, burst: 5}}, {by: {caller: true, remoteAddress: true, headers: [X-User]}, limit: {requests: 10, per: 1m}}]',
      ),
    ]);
    expect(filters.map(({ name }) => name)).toEqual([
      'envoy.filters.http.local_ratelimit',
      'envoy.filters.http.router',
    ]);
    expect(filters[0]!.typedConfig).toMatchObject({
      status: { code: 'TooManyRequests' },
      enableXRatelimitHeaders: 'DRAFT_VERSION_03',
      rateLimitedAsResourceExhausted: true,
      descriptors: [
        {
          entries: [
            { key: 'rule', value: 'shop/p#local-0' },
            { key: 'match', value: 'yes' },
          ],
          tokenBucket: { maxTokens: 5, tokensPerFill: 2, fillInterval: '1s' },
        },
        {
          entries: [
            { key: 'rule', value: 'shop/p#local-1' },
            { key: 'caller' },
            { key: 'remote_address' },
            { key: 'x-user' },
          ],
          tokenBucket: { maxTokens: 10, tokensPerFill: 10, fillInterval: '60s' },
        },
      ],
    });
    expect(descriptions).toMatchObject([
      {
        actions: [
          { genericKey: { descriptorKey: 'rule', descriptorValue: 'shop/p#local-0' } },
          { headerValueMatch: { descriptorKey: 'match', descriptorValue: 'yes', headers: [{ name: ':path' }] } },
        ],
      },
      {
        actions: [
          { genericKey: { descriptorValue: 'shop/p#local-1' } },
          { extension: { name: 'caller' } },
          { remoteAddress: {} },
          { requestHeaders: { headerName: 'x-user', descriptorKey: 'x-user' } },
        ],
      },
    ]);
  });

  const global = (more: string, name = 'p'): string =>
    policy('RateLimitPolicy', `global: {limits: [{limit: {requests: 1, unit: second}}]${more}}`, name);

  test('of global limits asks the control plane, or a Service of the mesh; the same settings share a filter', () => {
    const { filters, descriptions } = sent([
      global('', 'a'),
      global('', 'b'),
      global(', failOpen: false, timeout: 1s, service: {name: limits, port: 80, domain: d}', 'c'),
    ]);
    expect(filters.map(({ typedConfig }) => typedConfig)).toMatchObject([
      {
        domain: 'outrigger',
        timeout: '0.100s',
        rateLimitService: { grpcService: { envoyGrpc: { clusterName: 'outrigger-control-plane' } } },
      },
      {
        domain: 'd',
        stage: 1,
        timeout: '1s',
        failureModeDeny: true,
        rateLimitService: { grpcService: { envoyGrpc: { clusterName: 'outbound|80||limits.shop' } } },
      },
      {},
    ]);
    expect(descriptions).toMatchObject([
      { stage: 0, actions: [{ genericKey: { descriptorValue: 'shop/a#global-0' } }] },
      { stage: 0, actions: [{ genericKey: { descriptorValue: 'shop/b#global-0' } }] },
      { stage: 1, actions: [{ genericKey: { descriptorValue: 'shop/c#global-0' } }] },
    ]);
  });

  test('whom nobody can be asked for holds not, or denies, as it says', () => {
    const gone = ', service: {name: gone, port: 80}';
    expect(sent([global(gone)]).filters).toHaveLength(1);
    const denied = sent([global(`${gone}, failOpen: false`)]).filters;
    expect(denied.map(({ name }) => name)).toEqual(['outrigger.rbac.deny', 'envoy.filters.http.router']);
    expect(JSON.stringify(denied)).toContain('shop/p: there is no Service shop/gone');
    const unknown = sent([global(', failOpen: false')], { controlPlaneCluster: '' }).filters;
    expect(JSON.stringify(unknown)).toContain('node.metadata.control_plane_cluster');
    expect(modelOf([global(', service: {name: orders, port: 80}')]).warnings.map(({ message }) => message)).toEqual([
      'spec.global.service: port 80 of Service shop/orders speaks http; limits are asked by gRPC (appProtocol grpc or http2); its limits do not hold',
    ]);
  });
});
