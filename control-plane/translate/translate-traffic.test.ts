/** TrafficPolicies, and the defaults without any, in what proxies are sent. That Envoy takes it is test/interop/resilience-in-envoy.test.ts. */
import type { JsonObject } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import type { Cluster } from '../../proto/generated/envoy/config/cluster/v3/cluster_pb.js';
import { noClusterTraffic, noRouteTraffic } from '../config-kind/traffic-resource.ts';
import type { Model, PortDefinition } from '../model/model.ts';
import { ModelBuilder } from '../model/model-builder.ts';
import { faultText } from '../source/fault.ts';
import { parseFile } from '../source/parse-file.ts';
import { checkResources } from './check-resources.ts';
import { clusterTraffic } from './cluster-traffic.ts';
import { type DefaultResilience, defaultResilience } from './default-resilience.ts';
import { leftOutOf } from './own-extensions.ts';
import type { ClientKind } from './proxy-node.ts';
import { asJson } from './resources-as-yaml.test-data.ts';
import { routeFields } from './route-traffic.ts';
import { proxy } from './sample-mesh.test-data.ts';
import { translate } from './translate.ts';

const orders = (protocol: string): string =>
  `{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: orders, namespace: shop}, spec: {ports: [{port: 80, appProtocol: ${protocol}}]}}`;
const policy = (spec: string): string =>
  `{apiVersion: outrigger.dev/v1, kind: TrafficPolicy, metadata: {name: p, namespace: shop}, spec: {targetRefs: [{kind: Service, name: orders}], ${spec}}}`;
const route = (rule: string, kind = 'HTTPRoute'): string =>
  `{apiVersion: gateway.networking.k8s.io/v1, kind: ${kind}, metadata: {name: r, namespace: shop}, spec: {parentRefs: [{group: "", kind: Service, name: orders}], rules: [{backendRefs: [{name: orders, port: 80}], ${rule}}]}}`;

function modelOf(...documents: string[]): Model {
  const { resources, faults } = parseFile('t.yaml', documents.join('\n---\n'));
  expect(faults.map(faultText)).toEqual([]);
  return new ModelBuilder().build({ resources, instances: [] });
}

/** Route actions of the port, and its cluster, as proto JSON. */
function sent(kind: ClientKind, protocol: string, ...documents: string[]) {
  const resources = translate(modelOf(orders(protocol), ...documents), proxy(kind));
  expect(checkResources(resources)).toEqual([]);
  const table = asJson('routes', resources.routes.get(kind === 'grpc' ? 'orders.shop:80' : 'outbound')!) as {
    virtualHosts: Array<{ routes: Array<{ route: JsonObject }> }>;
  };
  const cluster = asJson('clusters', resources.clusters.get('outbound|80||orders.shop')!) as JsonObject;
  return { routes: table.virtualHosts[0]!.routes.map((each) => each.route), cluster };
}

const everything = policy(`
  timeouts: {connect: 2s, request: 5s, perTry: 1s, streamIdle: 1m, connectionIdle: 10m, maxDuration: 1h},
  retries: {attempts: 3, on: [gateway-error, unavailable], statusCodes: [409], methods: [GET, POST], backoff: {base: 10ms, max: 1s},
    waitHeaders: [{name: Retry-After}, {name: X-RateLimit-Reset, format: unixTimestamp}], maxWait: 10s, budget: {percent: 25, minConcurrency: 5}, hostSelection: other},
  hedging: {onPerTryTimeout: true},
  limits: {maxConnections: 1, maxPendingRequests: 2, maxRequests: 3, maxRetries: 4, highPriority: {maxRequests: 5}},
  outlierDetection: {consecutive5xx: 7, consecutiveGatewayFailures: 0, consecutiveLocalOriginFailures: 3, successRate: {minHosts: 3, requestVolume: 10, deviations: 1.5}, failurePercentage: {percent: 50, minHosts: 4, requestVolume: 30}, interval: 1s, baseEjectionTime: 2s, maxEjectionTime: 3s, ejectionJitter: 0s, maxEjectionPercent: 30, panicThreshold: 25},
  healthChecks: [{http: {path: /healthz, expectedStatuses: [{from: 200, to: 204}]}, interval: 5s, jitter: 1s, timeout: 2s, unhealthyThreshold: 4, healthyThreshold: 1, unhealthyInterval: 30s}],
  loadBalancing: {algorithm: roundRobin, slowStart: {window: 1m}},
  tcpKeepAlive: {time: 1m}`);

describe('who set what a route says is in its metadata', () => {
  const said = (protocol: string, ...documents: string[]) => {
    const table = asJson(
      'routes',
      translate(modelOf(orders(protocol), ...documents), proxy('envoy')).routes.get('outbound')!,
    );
    const { virtualHosts } = table as {
      virtualHosts: Array<{ routes: Array<{ metadata?: { filterMetadata: Record<string, JsonObject> } }> }>;
    };
    return virtualHosts[0]!.routes.map(({ metadata }) => metadata?.filterMetadata['outrigger.set_by']);
  };
  const by = 'TrafficPolicy shop/p';

  test('a limit is of the policy, or of the route, that says it', () => {
    expect(said('http', policy('timeouts: {request: 5s, perTry: 1s}'))).toEqual([{ timeout: by, per_try_timeout: by }]);
    const own = route('timeouts: {request: 2s, backendRequest: 1s}');
    expect(said('http', policy('timeouts: {request: 5s, streamIdle: 1m}'), own)).toEqual([
      { timeout: 'HTTPRoute shop/r', per_try_timeout: 'HTTPRoute shop/r', idle_timeout: by },
    ]);
  });

  test('the longest time of a stream is of who says the shorter one; the default is nobody', () => {
    expect(said('grpc', policy('timeouts: {request: 5s}'))).toEqual([{ timeout: by, max_stream_duration: by }]);
    expect(said('http', policy('timeouts: {maxDuration: 10s}'))).toEqual([{ max_stream_duration: by }]);
    expect(said('http', policy('timeouts: {maxDuration: 20s}'))).toEqual([undefined]);
  });

  test('a backend that is missing is of the route that names it', () => {
    const to = (...names: string[]) =>
      route('name: reads').replace(
        /backendRefs: \[.*?\]/,
        `backendRefs: [${names.map((name) => `{name: ${name}, port: 80}`).join(', ')}]`,
      );
    const missing = { backend: 'HTTPRoute shop/r', missing: 'there is no Service shop/nowhere' };
    expect(said('http', policy('timeouts: {request: 5s}'), to('orders', 'nowhere'))).toEqual([
      { timeout: by, ...missing, missing_cluster: 'outbound|0||backend.invalid' },
    ]);
    expect(said('http', policy('timeouts: {request: 5s}'), to('nowhere'))).toEqual([missing]);
    expect(said('http', to('nowhere', 'nobody'))).toEqual([
      { ...missing, missing: 'there is no Service shop/nowhere; there is no Service shop/nobody' },
    ]);
    expect(said('http', to('orders'))).toEqual([undefined]);
  });
});

describe('what Envoy has no field for', () => {
  const extended = policy(`
    hedging: {percentile: 99, minSamples: 20, minDelay: 5ms, maxAttempts: 2, methods: [GET, POST]},
    fallback: {service: {name: orders, port: 80, timeout: 1s}, lastGoodAnswer: {maxAge: 1h, varyBy: [x-user]},
      answer: {status: 200, headers: [{name: Content-Type, value: application/json}], body: "[]", grpc: {status: UNAVAILABLE, message: later}},
      methods: [GET], statusCodes: [503]}`);
  const tables = (kind: ClientKind, ...documents: string[]) =>
    translate(modelOf(orders('http'), ...documents), proxy(kind)).routes;

  test('is an extension of routes that only our sidecar is sent', () => {
    const table = asJson('routes', tables('outrigger', extended).get('outbound')!) as {
      virtualHosts: Array<{ routes: Array<{ typedPerFilterConfig?: JsonObject }> }>;
    };
    expect(table.virtualHosts[0]!.routes.map((each) => each.typedPerFilterConfig)).toEqual([
      {
        'outrigger.hedging': {
          '@type': 'type.googleapis.com/outrigger.resilience.v1.Hedging',
          policy: 'TrafficPolicy shop/p',
          percentile: { percentile: 99, minSamples: 20, minDelay: '0.005s' },
          maxHedges: 2,
          methods: ['GET', 'POST'],
        },
        'outrigger.fallback': {
          '@type': 'type.googleapis.com/outrigger.resilience.v1.Fallback',
          policy: 'TrafficPolicy shop/p',
          service: { cluster: 'outbound|80||orders.shop', timeout: '1s' },
          stale: { maxAge: '3600s', maxEntryBytes: 65_536, varyBy: ['x-user'] },
          answer: {
            status: 200,
            headers: [{ name: 'Content-Type', value: 'application/json' }],
            body: '[]',
            grpcStatus: 14,
            grpcMessage: 'later',
          },
          methods: ['GET'],
          statusCodes: [503],
        },
      },
    ]);
    for (const kind of ['envoy', 'grpc'] as const)
      for (const resource of tables(kind, extended).values())
        expect(JSON.stringify(asJson('routes', resource))).not.toContain('outrigger.resilience');
    expect(checkResources(translate(modelOf(orders('http'), extended), proxy('outrigger')))).toEqual([]);
  });

  test('without it, our sidecar and Envoy are sent the same object', () => {
    const model = modelOf(orders('http'), everything);
    const table = (kind: ClientKind) => translate(model, proxy(kind)).routes.get('outbound');
    expect(table('outrigger')).toBe(table('envoy'));
  });

  test('is told of, for those that go without', () => {
    const model = modelOf(orders('http'), extended, route('name: reads'));
    expect(leftOutOf(model, 'envoy')).toEqual(['fallback of TrafficPolicy shop/p', 'hedging of TrafficPolicy shop/p']);
    expect(leftOutOf(model, 'outrigger')).toEqual([]);
    expect(leftOutOf(modelOf(orders('http'), everything), 'envoy')).toEqual([]);
  });

  test('holds for rules of routes too, unless they have no backend', () => {
    const table = asJson('routes', tables('outrigger', extended, route('name: reads')).get('outbound')!);
    expect(JSON.stringify(table).split('outrigger.resilience.v1.Fallback').length).toBe(2);
    const none = route('name: reads').replace('name: orders, port: 80', 'name: nobody, port: 80');
    expect(JSON.stringify(asJson('routes', tables('outrigger', extended, none).get('outbound')!))).not.toContain(
      'outrigger.resilience',
    );
  });
});

describe('a policy that says everything', () => {
  test('is in the routes and the cluster that Envoy and our sidecar are sent, in their own fields', () => {
    const { routes, cluster } = sent('envoy', 'http', everything);
    expect(routes).toEqual([
      {
        cluster: 'outbound|80||orders.shop',
        timeout: '5s',
        idleTimeout: '60s',
        maxStreamDuration: { maxStreamDuration: '5s' },
        hedgePolicy: { hedgeOnPerTryTimeout: true },
        retryPolicy: {
          retryOn: 'gateway-error,unavailable,retriable-status-codes',
          numRetries: 3,
          perTryTimeout: '1s',
          retriableStatusCodes: [409],
          retriableRequestHeaders: [
            { name: ':method', stringMatch: { exact: 'GET' } },
            { name: ':method', stringMatch: { exact: 'POST' } },
          ],
          retryBackOff: { baseInterval: '0.010s', maxInterval: '1s' },
          retryHostPredicate: [
            {
              name: 'envoy.retry_host_predicates.previous_hosts',
              typedConfig: {
                '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
              },
            },
          ],
          hostSelectionRetryMaxAttempts: '5',
          rateLimitedRetryBackOff: {
            resetHeaders: [{ name: 'retry-after' }, { name: 'x-ratelimit-reset', format: 'UNIX_TIMESTAMP' }],
            maxInterval: '10s',
          },
        },
      },
    ]);
    expect(cluster).toMatchObject({
      connectTimeout: '2s',
      roundRobinLbConfig: {
        slowStartConfig: { slowStartWindow: '60s', aggression: { defaultValue: 1 }, minWeightPercent: { value: 10 } },
      },
      circuitBreakers: {
        thresholds: [
          {
            maxConnections: 1,
            maxPendingRequests: 2,
            maxRequests: 3,
            maxRetries: 4,
            retryBudget: { budgetPercent: { value: 25 }, minRetryConcurrency: 5 },
          },
          { priority: 'HIGH', maxConnections: 1_024, maxPendingRequests: 1_024, maxRequests: 5 },
        ],
      },
      outlierDetection: {
        splitExternalLocalOriginErrors: true,
        consecutive5xx: 7,
        enforcingConsecutive5xx: 100,
        enforcingConsecutiveGatewayFailure: 0,
        consecutiveLocalOriginFailure: 3,
        enforcingConsecutiveLocalOriginFailure: 100,
        enforcingSuccessRate: 100,
        successRateMinimumHosts: 3,
        successRateRequestVolume: 10,
        successRateStdevFactor: 1_500,
        enforcingFailurePercentage: 100,
        failurePercentageThreshold: 50,
        failurePercentageMinimumHosts: 4,
        failurePercentageRequestVolume: 30,
        interval: '1s',
        baseEjectionTime: '2s',
        maxEjectionTime: '3s',
        maxEjectionTimeJitter: '0s',
        maxEjectionPercent: 30,
      },
      commonLbConfig: { healthyPanicThreshold: { value: 25 } },
      healthChecks: [
        {
          timeout: '2s',
          interval: '5s',
          intervalJitter: '1s',
          unhealthyThreshold: 4,
          healthyThreshold: 1,
          noTrafficInterval: '5s',
          unhealthyInterval: '30s',
          httpHealthCheck: { host: 'orders.shop', path: '/healthz', expectedStatuses: [{ start: '200', end: '205' }] },
        },
      ],
      upstreamConnectionOptions: { tcpKeepalive: { keepaliveTime: 60, keepaliveInterval: 15, keepaliveProbes: 3 } },
    });
    expect(JSON.stringify(cluster)).toContain('"idleTimeout":"600s"');
    expect(sent('outrigger', 'http', everything)).toEqual({ routes, cluster });
  });

  test('is cut down for proxyless gRPC to what it takes (A31, A32, A44, A50)', () => {
    const { routes, cluster } = sent('grpc', 'grpc', everything);
    expect(routes).toEqual([
      {
        cluster: 'outbound|80||orders.shop',
        maxStreamDuration: { maxStreamDuration: '5s' },
        retryPolicy: {
          retryOn: 'unavailable',
          numRetries: 3,
          retryBackOff: { baseInterval: '0.010s', maxInterval: '1s' },
        },
      },
    ]);
    // Round robin is 0, which proto JSON leaves out.
    expect(cluster).not.toHaveProperty('lbPolicy');
    expect(cluster).toMatchObject({
      circuitBreakers: { thresholds: [{ maxRequests: 3 }] },
      outlierDetection: { enforcingSuccessRate: 100, failurePercentageThreshold: 50, interval: '1s' },
    });
    for (const field of ['healthChecks', 'upstreamConnectionOptions', 'roundRobinLbConfig', 'commonLbConfig'])
      expect(cluster).not.toHaveProperty(field);
    expect(JSON.stringify(cluster)).not.toContain('onsecutive');
  });

  test('retries no call of a proxyless gRPC client where it names methods without POST', () => {
    const of = (methods: string) => sent('grpc', 'grpc', policy(`retries: {on: [unavailable], methods: ${methods}}`));
    expect(of('[GET, PUT]').routes[0]).not.toHaveProperty('retryPolicy');
    expect(of('[POST]').routes[0]).toHaveProperty('retryPolicy');
  });
});

describe('a policy', () => {
  test('with a health check asks by gRPC where the port speaks HTTP/2, by TCP, or by the handshake', () => {
    const checks = (protocol: string, check: string): unknown =>
      sent('envoy', protocol, policy(`healthChecks: [${check}]`)).cluster['healthChecks'];
    expect(checks('grpc', '{grpc: {service: a}}')).toMatchObject([
      { grpcHealthCheck: { serviceName: 'a', authority: 'orders.shop' } },
    ]);
    // Envoy refuses such a cluster.
    expect(checks('http', '{grpc: {service: a}}')).toBeUndefined();
    expect(checks('http', '{tcp: {send: PING, receive: PONG}}')).toMatchObject([
      { tcpHealthCheck: { send: { text: '50494e47' }, receive: [{ text: '504f4e47' }] } },
    ]);
    expect(checks('http', '{tls: {}}')).toMatchObject([{ tcpHealthCheck: {} }]);
    expect(checks('http2', '{http: {path: /}}')).toMatchObject([{ httpHealthCheck: { codecClientType: 'HTTP2' } }]);
  });

  test('with 0 attempts turns retries off, and with enabled: false ejection', () => {
    expect(sent('envoy', 'http', policy('retries: {attempts: 0}')).routes[0]!['retryPolicy']).toMatchObject({
      numRetries: 0,
    });
    expect(sent('envoy', 'http', policy('outlierDetection: {enabled: false}')).cluster).not.toHaveProperty(
      'outlierDetection',
    );
  });

  test('with a timeout holds for gRPC too: as the most that a caller may ask for', () => {
    expect(sent('envoy', 'grpc', policy('timeouts: {request: 7s, maxDuration: 1h}')).routes[0]).toMatchObject({
      timeout: '7s',
      maxStreamDuration: { grpcTimeoutHeaderMax: '7s', maxStreamDuration: '7s' },
    });
  });

  test('holds behind what a rule says itself: retry and timeouts (GEP-1731, GEP-1742)', () => {
    const { routes } = sent(
      'envoy',
      'http',
      policy('timeouts: {request: 5s}, retries: {attempts: 1, hostSelection: any}'),
      route('retry: {codes: [503], attempts: 2, backoff: 50ms}, timeouts: {backendRequest: 20s}'),
    );
    expect(routes).toEqual([
      {
        cluster: 'outbound|80||orders.shop',
        timeout: '5s',
        retryPolicy: {
          hostSelectionRetryMaxAttempts: '5',
          retryHostPredicate: [
            {
              name: 'envoy.retry_host_predicates.previous_hosts',
              typedConfig: {
                '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
              },
            },
          ],
          retryOn: 'connect-failure,refused-stream,reset-before-request,retriable-status-codes',
          retriableStatusCodes: [503],
          numRetries: 2,
          perTryTimeout: '20s',
          retryBackOff: { baseInterval: '0.050s', maxInterval: '0.500s' },
        },
      },
    ]);
    const alone = sent('envoy', 'http', route('retry: {attempts: 2}, timeouts: {backendRequest: 20s}')).routes[0];
    expect(alone).toMatchObject({ timeout: '20s', retryPolicy: { perTryTimeout: '20s' } });
  });

  test('of gRPC codes reaches both kinds of clients from a GRPCRoute', () => {
    const rule = route('retry: {codes: [UNAVAILABLE]}', 'GRPCRoute');
    expect(sent('envoy', 'grpc', rule).routes[0]!['retryPolicy']).toMatchObject({
      retryOn: 'connect-failure,refused-stream,reset-before-request,unavailable',
      numRetries: 1,
    });
    expect(sent('grpc', 'grpc', rule).routes[0]!['retryPolicy']).toEqual({ retryOn: 'unavailable', numRetries: 1 });
  });
});

describe('circuit breakers', () => {
  const spec =
    'circuitBreaker: {slowCalls: {longerThan: 200ms}, window: 1s, statusCodes: [500], grpcStatuses: [INTERNAL]}';
  const ofRule = `{apiVersion: outrigger.dev/v1, kind: TrafficPolicy, metadata: {name: q, namespace: shop}, spec: {targetRefs: [{kind: HTTPRoute, name: r, sectionName: reads}], ${spec}}}`;
  const documents = [orders('http'), policy(spec), route('name: reads'), ofRule];
  const extension = (name: string) => ({
    'outrigger.circuit_breaker': {
      '@type': 'type.googleapis.com/outrigger.resilience.v1.CircuitBreaker',
      rule: `TrafficPolicy shop/${name}`,
      window: '1s',
      minimumCalls: 20,
      failurePercent: 50,
      consecutiveFailures: 0,
      slowCalls: { longerThan: '0.200s', percent: 50 },
      openTime: '5s',
      maxOpenTime: '60s',
      jitterPercent: 20,
      probes: 3,
      successesToClose: 3,
      failureStatuses: [500],
      failureGrpcStatuses: [13],
    },
  });
  const breakersFor = (kind: ClientKind): unknown[] => {
    const resources = translate(modelOf(...documents), proxy(kind));
    expect(checkResources(resources)).toEqual([]);
    const table = asJson('routes', resources.routes.get(kind === 'grpc' ? 'orders.shop:80' : 'outbound')!);
    const cluster = asJson('clusters', resources.clusters.get('outbound|80||orders.shop')!);
    const found = (json: unknown): unknown[] => {
      if (typeof json !== 'object' || json === null) return [];
      return Object.entries(json).flatMap(([key, value]) =>
        key === 'outrigger.circuit_breaker' ? [{ [key]: value }] : found(value),
      );
    };
    return [...found(table), ...found(cluster)];
  };

  test('are at the cluster for a Service and at the route for a rule, for our sidecars', () => {
    expect(breakersFor('outrigger')).toEqual([extension('q'), extension('p')]);
  });

  test('are sent to nobody else: Envoy would refuse the resource', () => {
    expect(breakersFor('envoy')).toEqual([]);
    expect(breakersFor('grpc')).toEqual([]);
  });
});

test('a policy that asks for ejection and says no more gets what the defaults have, before they are switched on', () => {
  for (const spec of ['outlierDetection: {}', 'outlierDetection: {enabled: true}'])
    expect(sent('envoy', 'http', policy(spec)).cluster).toMatchObject({
      outlierDetection: { consecutiveGatewayFailure: 5, baseEjectionTime: '10s', maxEjectionPercent: 50 },
    });
});

describe('without a policy (needs-and-defaults.md)', () => {
  /** As after the integrator's switch. */
  const allOn = Object.fromEntries(
    Object.entries(defaultResilience).map(([name, value]) => [
      name,
      typeof value === 'object' && 'enabled' in value ? { ...value, enabled: true } : value,
    ]),
  ) as unknown as DefaultResilience;
  const definition: PortDefinition = {
    namespace: 'shop',
    service: 'orders',
    port: 80,
    name: '',
    targetPort: null,
    protocol: 'http',
    isDefault: true,
    serviceAccounts: [],
    traffic: noClusterTraffic,
  };

  test('a request has 15 s and one more attempt where the service saw nothing of it; limits are 1024, 1024, 10000', () => {
    const { routes, cluster } = sent('envoy', 'http');
    expect(routes[0]).toMatchObject({
      timeout: '15s',
      retryPolicy: { retryOn: 'connect-failure,refused-stream,reset-before-request', numRetries: 1 },
    });
    expect(cluster['circuitBreakers']).toMatchObject({
      thresholds: [{ maxConnections: 1_024, maxPendingRequests: 1_024, maxRequests: 10_000 }],
    });
  });

  test('with every default switched on there are back-off, another host, a budget, ejection and keep-alive', () => {
    expect(routeFields(noRouteTraffic, false, allOn)).toMatchObject({
      retryPolicy: {
        numRetries: 1,
        retryBackOff: { baseInterval: { nanos: 25_000_000 }, maxInterval: { nanos: 250_000_000 } },
        retryHostPredicate: [{ name: 'envoy.retry_host_predicates.previous_hosts' }],
      },
    });
    expect(clusterTraffic(definition, allOn) as unknown as Cluster).toMatchObject({
      circuitBreakers: { thresholds: [{ retryBudget: { budgetPercent: { value: 20 }, minRetryConcurrency: 3 } }] },
      outlierDetection: {
        splitExternalLocalOriginErrors: true,
        enforcingConsecutive5xx: 0,
        consecutiveGatewayFailure: 5,
        consecutiveLocalOriginFailure: 5,
        enforcingSuccessRate: 0,
        failurePercentageThreshold: 20,
        baseEjectionTime: { seconds: 10n },
        maxEjectionPercent: 50,
      },
      upstreamConnectionOptions: { tcpKeepalive: { keepaliveTime: 300 } },
    });
  });

  test('a number of retries that somebody wrote down goes before the budget that is a default', () => {
    const limits = { maxConnections: null, maxPendingRequests: null, maxRequests: null, maxRetries: 9 };
    const { circuitBreakers } = clusterTraffic({ ...definition, traffic: { ...noClusterTraffic, limits } }, allOn);
    expect(circuitBreakers!.thresholds![0]).toMatchObject({ maxRetries: 9 });
    expect(circuitBreakers!.thresholds![0]!.retryBudget).toBeUndefined();
  });
});
