/** Values that are possible and likely not meant. What `maxPendingRequests: 0` and the like do: ../../cli/simulate/policies.test.ts. */
import { describe, expect, test } from 'vitest';
import { ModelBuilder } from './model-builder.ts';
import { trafficResources } from './traffic-index.test-data.ts';

const document = (kind: string, name: string, spec: string): string =>
  `{apiVersion: outrigger.dev/v1, kind: ${kind}, metadata: {name: ${name}, namespace: shop}, spec: ${spec}}`;
const orders = document(
  'Service',
  'orders',
  '{ports: [{name: http, port: 80}, {name: rpc, port: 81, appProtocol: grpc}]}',
);
const route =
  '{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r, namespace: shop}, spec: {parentRefs: [{group: "", kind: Service, name: orders, port: 80}], rules: [{name: all, backendRefs: [{name: orders, port: 80}]}]}}';
const policy = (spec: string, target = 'kind: Service, name: orders', name = 'p'): string =>
  document('TrafficPolicy', name, `{targetRefs: [{${target}}], ${spec}}`);

function warnings(...policies: string[]): string[] {
  const resources = trafficResources(orders, route, ...policies);
  return new ModelBuilder().build({ resources, instances: [] }).warnings.map(({ message }) => message);
}

test('a time for one attempt that is not shorter than that of the request', () => {
  const ends = 'the request is over before an attempt is, so this ends none, and none is tried again for it';
  expect(warnings(policy('timeouts: {request: 1s, perTry: 1s}'))).toEqual([
    `spec.timeouts.perTry: 1s is not shorter than timeouts.request (1s): ${ends}`,
  ]);
  expect(warnings(policy('timeouts: {perTry: 15s}'))).toEqual([
    `spec.timeouts.perTry: 15s is not shorter than timeouts.request (15s, the default): ${ends}`,
  ]);
  // By what another policy says, of the Service as of the route.
  const admin = policy('timeouts: {perTry: 4s}', 'kind: Service, name: orders, port: 80', 'admin');
  expect(warnings(policy('timeouts: {request: 3s}'), admin)).toEqual([
    `spec.timeouts.perTry: 4s is not shorter than timeouts.request (3s): ${ends}`,
  ]);
  const rule = policy('timeouts: {perTry: 4s}', 'kind: HTTPRoute, name: r, sectionName: all', 'rule');
  expect(warnings(policy('timeouts: {request: 4s}', 'kind: HTTPRoute, name: r'), rule)).toEqual([
    `spec.timeouts.perTry: 4s is not shorter than timeouts.request (4s): ${ends}`,
  ]);
});

test.each([
  'timeouts: {request: 2s, perTry: 1s}',
  'timeouts: {request: 0s, perTry: 1h}',
  'timeouts: {perTry: 0s}',
  'timeouts: {perTry: 14s}',
  'healthChecks: [{tcp: {}, interval: 1s, timeout: 1s}]',
  'limits: {maxRequests: 1}',
])('%s is nothing to warn of', (spec) => {
  expect(warnings(policy(spec))).toEqual([]);
});

test('a gRPC call has no time by default, and an unknown parent may give a route any', () => {
  expect(warnings(policy('timeouts: {perTry: 1h}', 'kind: Service, name: orders, port: 81'))).toEqual([]);
  expect(warnings(policy('timeouts: {perTry: 1h}', 'kind: HTTPRoute, name: r'))).toEqual([]);
});

test('a check of health that waits longer than its interval (Envoy takes it, and checks less often)', () => {
  expect(warnings(policy('healthChecks: [{tcp: {}, interval: 1s, timeout: 2s}]'))).toEqual([
    'spec.healthChecks[0].timeout: 2s is longer than interval (1s): the next check begins an interval after the end of the last, so a host that does not answer is asked every 3s only',
  ]);
});

test('limits of 0 say what they do', () => {
  const zeros = 'maxConnections: 0, maxPendingRequests: 0, maxRequests: 0, maxRetries: 0';
  const said = (path: string, whose: string): string[] => [
    `${path}.maxConnections: 0: each host is connected to all the same, once: a limit of 0 does not shut a Service off`,
    `${path}.maxPendingRequests: 0: no request may wait for a connection, so none is ever made, and every request${whose} that is sent to it is refused (503 UO)`,
    `${path}.maxRequests: 0: every request${whose} that is sent to it is refused (503 UO)`,
    `${path}.maxRetries: 0: no request${whose} is tried again, whatever retries says; a retry budget that is given goes before it`,
  ];
  expect(warnings(policy(`limits: {${zeros}, highPriority: {${zeros}}}`))).toEqual([
    ...said('spec.limits', ''),
    ...said('spec.limits.highPriority', ' of priority HIGH'),
  ]);
  expect(
    warnings(policy('retries: {budget: {percent: 0, minConcurrency: 0}}, outlierDetection: {maxEjectionPercent: 0}')),
  ).toEqual([
    'spec.retries.budget: has no place for any retry: none is made',
    'spec.outlierDetection.maxEjectionPercent: 0: no host is ever ejected; enabled: false says so more plainly',
  ]);
});

describe('limits and a breaker of a Service that routes lead away from', () => {
  const v2 = document('Service', 'orders-v2', '{ports: [{name: http, port: 80}]}');
  const away = (backends: string, namespace = 'shop'): string =>
    `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: away, namespace: ${namespace}}, spec: {parentRefs: [{group: "", kind: Service, name: orders, namespace: shop, port: 80}], rules: [{backendRefs: [${backends}]}]}}`;
  const onPort = 'kind: Service, name: orders, port: 80';
  const said = (...policies: string[]): string[] =>
    new ModelBuilder()
      .build({ resources: trafficResources(orders, v2, ...policies), instances: [] })
      .warnings.map(({ message }) => message);
  const nothing =
    'holds for nothing: routes lead every request to Service orders elsewhere; say it of the Services that they lead to';
  const breaker = 'circuitBreaker: {failurePercent: 50}';

  test('hold for nothing, and nothing is refused by a limit of 0', () => {
    const route = away('{name: orders-v2, port: 80}, {name: orders, port: 80, weight: 0}');
    expect(said(route, policy('limits: {maxRequests: 0}', onPort))).toEqual([`spec.limits: ${nothing}`]);
    expect(said(route, policy(breaker, onPort))).toEqual([`spec.circuitBreaker: ${nothing}`]);
  });

  test.each([
    ['a rule leads to it still', away('{name: orders-v2, port: 80}, {name: orders, port: 80}'), onPort, ''],
    [
      'only callers of another namespace are led away',
      away('{name: orders-v2, namespace: shop, port: 80}', 'other'),
      onPort,
      '',
    ],
    ['another port is asked', away('{name: orders-v2, port: 80}'), 'kind: Service, name: orders', ''],
    [
      'it is a fallback',
      away('{name: orders-v2, port: 80}'),
      onPort,
      policy('fallback: {service: {name: orders, port: 80}}', 'kind: Service, name: orders-v2', 'fallback'),
    ],
  ])('hold where %s', (_, route, target, other) => {
    const found = said(route, policy(`limits: {maxRequests: 0}, ${breaker}`, target), ...(other === '' ? [] : [other]));
    expect(found.filter((message) => message.includes('holds for nothing'))).toEqual([]);
    expect(found).toContain('spec.limits.maxRequests: 0: every request that is sent to it is refused (503 UO)');
  });
});

describe('methods of which requests are tried again', () => {
  const none = (where: string): string =>
    `spec.retries.methods: POST is not among them, and gRPC calls (${where}) are POST: none of them is tried again by this policy`;
  const grpcRoute =
    '{apiVersion: gateway.networking.k8s.io/v1, kind: GRPCRoute, metadata: {name: g, namespace: shop}, spec: {parentRefs: [{group: "", kind: Service, name: orders, port: 81}], rules: [{name: all, backendRefs: [{name: orders, port: 81}]}]}}';
  const reads = 'retries: {methods: [GET, PUT]}';

  test('without POST, on a port that speaks gRPC or by a GRPCRoute', () => {
    expect(warnings(policy(reads))).toEqual([none('port 81 of Service orders')]);
    expect(warnings(policy(reads, 'kind: Service, name: orders, sectionName: rpc'))).toEqual([
      none('port 81 of Service orders'),
    ]);
    expect(warnings(grpcRoute, policy(reads, 'kind: GRPCRoute, name: g'))).toEqual([none('GRPCRoute g')]);
    expect(
      warnings(grpcRoute, policy(reads, 'kind: GRPCRoute, name: g, sectionName: all}, {kind: Service, name: orders')),
    ).toEqual([none('GRPCRoute g, port 81 of Service orders')]);
  });

  test('is nothing to warn of elsewhere, nor where there are no retries, or those of another policy', () => {
    expect(warnings(policy(reads, 'kind: Service, name: orders, port: 80'))).toEqual([]);
    expect(warnings(policy(reads, 'kind: HTTPRoute, name: r'))).toEqual([]);
    expect(warnings(policy('retries: {methods: [GET, POST]}'))).toEqual([]);
    expect(warnings(policy('retries: {attempts: 0, methods: [GET]}'))).toEqual([]);
    const calls = policy('retries: {on: [unavailable]}', 'kind: Service, name: orders, port: 81', 'calls');
    expect(warnings(policy(reads), calls)).toEqual([]);
  });

  test('one that is named twice, of hedges and fallbacks too', () => {
    const methods = 'methods: [GET, POST, GET, GET]';
    const said = (field: string): string => `spec.${field}.methods: GET is named more than once; once is enough`;
    expect(warnings(policy(`retries: {${methods}}`))).toEqual([said('retries')]);
    expect(warnings(policy(`hedging: {delay: 1s, ${methods}}`))).toEqual([said('hedging')]);
    expect(
      warnings(
        policy(`fallback: {service: {name: orders, port: 81}, ${methods}}`, 'kind: Service, name: orders, port: 80'),
      ),
    ).toEqual([said('fallback')]);
  });
});

test('the place is that of the field', () => {
  const [, , resource] = trafficResources(orders, route, policy('limits: {\n  maxRequests: 0 }'));
  const { warnings: found } = new ModelBuilder().build({
    resources: [...trafficResources(orders), resource!],
    instances: [],
  });
  expect(found.map(({ place }) => place)).toEqual(['p.yaml:6:3']);
});
