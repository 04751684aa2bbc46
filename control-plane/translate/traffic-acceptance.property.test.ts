/** Whatever TrafficPolicy, RateLimitPolicy or FaultPolicy is accepted, our sidecar takes what comes of it (client-acceptance.property.test.ts has the other kinds). */
import fc from 'fast-check';
import { test } from 'vitest';
import { clusterType, endpointsType, listenerType, routesType } from '../../sidecar/xds/ads/resource-type.ts';
import { retryConditions } from '../config-kind/traffic-resource.ts';
import {
  duration,
  everyAccepted,
  metadata,
  name,
  parsed,
  path,
  pattern,
  service,
  target,
  text,
} from './accepted-values.test-data.ts';

const decoders = { listeners: listenerType, routes: routesType, clusters: clusterType, endpoints: endpointsType };

const any = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<object> =>
  fc.record(fields, { requiredKeys: [] }) as fc.Arbitrary<object>;
/** Within all bounds, at their ends, and beyond. */
const time = fc.oneof(fc.constantFrom('1ms', '10ms', '100ms', '1s', '5m', '1h', '24h'), duration);
const whole = fc.constantFrom(0, 1, 2, 3, 16, 32, 100, 127, 1_000, 1_000_000, 10_000_000, 4_000_000_000);
const few = fc.constantFrom(0, 1, 3, 10);
const percent = fc.oneof(
  fc.constantFrom(0, 100, 0.1, 33.333, 99.999_999, 1e-9),
  fc.double({ min: 0, max: 100, noNaN: true }),
);
const factor = fc.oneof(fc.constantFrom(0.1, 1, 10), fc.double({ min: 0.1, max: 10, noNaN: true }));
const status = fc.constantFrom(100, 200, 204, 304, 399, 400, 429, 503, 599);
const header = fc.oneof(fc.constantFrom('x-tenant', 'Retry-After', 'cookie', ':path', 'connection'), name);

/** One field at a time: what is wrong in one hides the rest. */
const requestMatch = fc.oneof(
  fc.record({
    paths: fc.array(fc.oneof(fc.constantFrom('/a', '/a*', '/*', '*'), path), { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ methods: fc.array(fc.constantFrom('GET', 'M-SEARCH', 'get'), { minLength: 1, maxLength: 2 }) }),
  fc.record({
    headers: fc.tuple(
      fc.record({
        type: fc.constantFrom('Exact', 'RegularExpression'),
        name: header,
        value: fc.oneof(text, pattern),
      }),
    ),
  }),
  fc.record({ callers: fc.array(fc.constantFrom('shop/orders', 'shop/*', 'a.b/c'), { minLength: 1, maxLength: 2 }) }),
);
/** From the bounds of what counts requests. */
const count = fc.constantFrom(1, 2, 1_000, 4_000_000_000);
const someTime = fc.constantFrom('50ms', '1s', '90s', '1h', '24h');

const limits = { maxConnections: whole, maxPendingRequests: whole, maxRequests: whole, maxRetries: whole };
const methods = fc.uniqueArray(fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'OPTIONS', 'x'), {
  minLength: 1,
  maxLength: 2,
});
const retries = any({
  methods,
  attempts: few,
  on: fc.uniqueArray(fc.constantFrom(...retryConditions), { minLength: 1, maxLength: 4 }),
  statusCodes: fc.array(status, { minLength: 1, maxLength: 3 }),
  backoff: any({ base: time, max: time }),
  waitHeaders: fc.tuple(fc.record({ name: header, format: fc.constantFrom('seconds', 'unixTimestamp') })),
  maxWait: time,
  budget: any({ percent, minConcurrency: whole }),
  hostSelection: fc.constantFrom('other', 'any'),
});
const hedging = fc
  .tuple(
    fc.oneof(
      fc.record({ delay: time }),
      fc
        .tuple(
          fc.record({ percentile: fc.constantFrom(50, 99, 99.9) }),
          any({ minSamples: fc.constantFrom(1, 50, 100_000), minDelay: time }),
        )
        .map(([when, more]) => ({ ...when, ...more })),
    ),
    any({ maxAttempts: fc.constantFrom(1, 10), methods }),
  )
  .map(([when, more]) => ({ ...when, ...more }));
const upTo = (most: number): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 1, max: most }) },
    { weight: 1, arbitrary: fc.constantFrom(-1, 0, most + 1) },
  );
const span = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom('100ms', '1s', '5s', '2m', '1h') },
  { weight: 1, arbitrary: fc.constantFrom('0s', '1ms', '10ms', '24h', '25h') },
);
const breaker = fc.record(
  {
    enabled: fc.constant(true),
    window: span,
    minCalls: upTo(1_000_000),
    failurePercent: upTo(100),
    consecutiveFailures: upTo(1_000_000),
    slowCalls: fc.record({ longerThan: span, percent: upTo(100) }, { requiredKeys: ['longerThan'] }),
    openTime: fc.record({ base: span, max: span, jitterPercent: upTo(100) }, { requiredKeys: [] }),
    probes: fc.record({ atOnce: upTo(1_000), successes: upTo(1_000) }, { requiredKeys: [] }),
    statusCodes: fc.array(fc.constantFrom(400, 500, 503, 599, 600), { minLength: 1, maxLength: 3 }),
    grpcStatuses: fc.array(fc.constantFrom('CANCELLED', 'UNAVAILABLE', 'UNAUTHENTICATED'), { maxLength: 3 }),
  },
  { requiredKeys: [] },
);
const fallbackAnswer = any({
  status: fc.oneof(fc.constantFrom(200, 204, 304, 429, 599), fc.integer({ min: 200, max: 599 })),
  headers: fc.tuple(fc.record({ name: header, value: text })),
  body: text,
  grpc: fc
    .tuple(fc.record({ status: fc.constantFrom('OK', 'UNAVAILABLE', 'UNAUTHENTICATED') }), any({ message: text }))
    .map(([code, more]) => ({ ...code, ...more })),
});
const lastGood = fc.record(
  {
    maxAge: fc.constantFrom('1s', '168h'),
    maxEntryBytes: fc.constantFrom(1, 1_048_576),
    varyBy: fc.array(header, { minLength: 1, maxLength: 2 }),
  },
  { requiredKeys: ['maxAge'] },
);
const fallback = fc.oneof(
  fc.record({ enabled: fc.boolean() }),
  fc.record({ answer: fallbackAnswer }),
  fc.record({ service: fc.record({ name: fc.constantFrom('orders', 'gone'), port: fc.constantFrom(80, 81) }) }),
  any({ answer: fallbackAnswer, lastGoodAnswer: lastGood }),
);
const outlierDetection = fc.oneof(
  fc.record({ enabled: fc.boolean() }),
  any({
    consecutive5xx: whole,
    consecutiveGatewayFailures: whole,
    consecutiveLocalOriginFailures: whole,
    successRate: any({ minHosts: whole, requestVolume: whole, deviations: factor }),
    failurePercentage: any({ percent: fc.constantFrom(0, 1, 100), minHosts: whole, requestVolume: whole }),
    interval: time,
    baseEjectionTime: time,
    maxEjectionTime: time,
    ejectionJitter: time,
    maxEjectionPercent: fc.constantFrom(0, 10, 100),
    panicThreshold: percent,
  }),
);
const probe = fc.oneof(
  fc.record({
    http: fc.record(
      {
        path,
        host: fc.oneof(text, fc.constantFrom('a.example', 'a.example:80', '[::1]:80', '-')),
        expectedStatuses: fc.array(fc.record({ from: status, to: status }), { minLength: 1, maxLength: 2 }),
      },
      { requiredKeys: ['path'] },
    ),
  }),
  fc.record({ grpc: any({ service: text }) }),
  fc.record({ tcp: any({ send: text, receive: text }) }),
  fc.record({ tls: fc.constant({}) }),
);
const healthCheck = fc
  .tuple(
    probe,
    any({
      interval: time,
      jitter: time,
      timeout: time,
      unhealthyThreshold: fc.constantFrom(1, 3, 1_000),
      healthyThreshold: fc.constantFrom(1, 3, 1_000),
      unhealthyInterval: time,
    }),
  )
  .map(([how, when]) => ({ ...how, ...when }));
const loadBalancing = any({
  algorithm: fc.constantFrom('roundRobin', 'leastRequest', 'random'),
  slowStart: fc
    .tuple(fc.record({ window: time }), any({ aggression: factor, minWeightPercent: percent }))
    .map(([window, more]) => ({ ...window, ...more })),
});
/** One or two of them: what is wrong in one field hides the rest. */
const trafficSpec = fc
  .array(
    fc.oneof(
      fc.record({
        timeouts: any({
          connect: time,
          request: time,
          perTry: time,
          streamIdle: time,
          connectionIdle: time,
          maxDuration: time,
        }),
      }),
      fc.record({ retries }),
      fc.record({
        retries: fc.record({ attempts: fc.constantFrom(1, 2) }),
        timeouts: fc.record({ perTry: fc.constantFrom('1ms', '100ms', '1s') }),
        hedging: fc.record({ onPerTryTimeout: fc.boolean() }),
      }),
      fc.record({ hedging }),
      fc.record({ circuitBreaker: fc.oneof(breaker, fc.constant({ enabled: false })) }),
      fc.record({ fallback }),
      fc.record({ limits: any({ ...limits, highPriority: any(limits) }) }),
      fc.record({ outlierDetection }),
      fc.record({ healthChecks: fc.array(healthCheck, { maxLength: 1 }) }),
      fc.record({ loadBalancing }),
      fc.record({ tcpKeepAlive: any({ time, interval: time, probes: fc.constantFrom(1, 3, 127) }) }),
    ) as fc.Arbitrary<object>,
    { minLength: 1, maxLength: 2 },
  )
  .map((parts) => Object.assign({}, ...parts) as object);
const trafficTarget = fc.oneof(
  any({ port: fc.constantFrom(80, 81) }).map((port) => ({ kind: 'Service', name: 'orders', ...port })),
  fc.constant({ kind: 'HTTPRoute', name: 'orders' }),
);
const route = parsed({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata,
  spec: {
    parentRefs: [{ group: '', kind: 'Service', name: 'orders' }],
    rules: [{ backendRefs: [{ name: 'orders', port: 80 }] }],
  },
});

test('our sidecar takes every TrafficPolicy that is accepted', () => {
  everyAccepted(decoders, 1_500, fc.tuple(trafficTarget, trafficSpec), ([to, spec]) => [
    service,
    route,
    parsed({
      apiVersion: 'outrigger.dev/v1',
      kind: 'TrafficPolicy',
      metadata: { name: 'policy', namespace: 'shop' },
      spec: { targetRefs: [to], ...spec },
    }),
  ]);
});

const errors = fc.oneof(fc.constantFrom(400, 404, 429, 503), fc.integer({ min: 400, max: 599 }));
const by = any({
  caller: fc.boolean(),
  remoteAddress: fc.boolean(),
  headers: fc.array(header, { minLength: 1, maxLength: 2 }),
});
const local = fc.record(
  {
    match: requestMatch,
    by,
    limit: fc
      .tuple(fc.record({ requests: count, per: someTime }), any({ burst: count }))
      .map(([limit, burst]) => ({ ...limit, ...burst })),
  },
  { requiredKeys: ['limit'] },
);
const global = fc.record(
  {
    match: requestMatch,
    by,
    limit: fc.record({ requests: count, unit: fc.constantFrom('second', 'minute', 'hour', 'day') }),
  },
  { requiredKeys: ['limit'] },
);
const rateLimits = fc
  .tuple(
    any({
      local: fc.array(local, { minLength: 1, maxLength: 2 }),
      global: fc.record(
        {
          limits: fc.array(global, { minLength: 1, maxLength: 2 }),
          service: fc.record(
            { name: fc.constantFrom('orders', 'gone'), port: fc.constantFrom(80, 81), domain: text },
            { requiredKeys: ['name', 'port'] },
          ),
          failOpen: fc.boolean(),
          timeout: fc.constantFrom('1ms', '100ms', '10s'),
        },
        { requiredKeys: ['limits'] },
      ),
    }),
    any({ status: errors, tellLimits: fc.boolean() }),
  )
  .map(([what, how]) => ({ ...what, ...how }));
const fault = any({
  match: requestMatch,
  delay: fc
    .tuple(fc.record({ duration: fc.constantFrom('1ms', '3s', '1h') }), any({ percent }))
    .map(([a, b]) => ({ ...a, ...b })),
  abort: fc
    .tuple(
      fc.oneof(
        fc.record({ httpStatus: status }),
        fc.record({ grpcStatus: fc.constantFrom('OK', 'UNAVAILABLE', 'UNAUTHENTICATED') }),
      ),
      any({ percent }),
    )
    .map(([how, share]) => ({ ...how, ...share })),
  responseRateLimit: fc
    .tuple(fc.record({ kibPerSecond: fc.constantFrom(1, 1_000, 1_048_576) }), any({ percent }))
    .map(([a, b]) => ({ ...a, ...b })),
});
const faults = fc
  .tuple(
    fc.record({ faults: fc.array(fault, { minLength: 1, maxLength: 2 }) }),
    any({ until: fc.constantFrom('2126-01-31T12:00:00Z', '2026-01-31T12:00:00Z'), maxActive: count }),
  )
  .map(([what, when]) => ({ ...what, ...when }));

test('our sidecar takes every RateLimitPolicy and FaultPolicy that is accepted', () => {
  const policy = fc.oneof(
    fc.record({ kind: fc.constant('RateLimitPolicy'), to: target, spec: rateLimits }),
    fc.record({ kind: fc.constant('FaultPolicy'), to: target, spec: faults }),
  );
  everyAccepted(decoders, 1_500, policy, ({ kind, to, spec }) => [
    service,
    parsed({
      apiVersion: 'outrigger.dev/v1',
      kind,
      metadata: { name: 'policy', namespace: 'shop' },
      spec: { ...to, ...spec },
    }),
  ]);
});

test('our sidecar takes every circuit breaker that is accepted, of a Service and of a rule', () => {
  const ofRule = parsed({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'r', namespace: 'shop' },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: 'orders' }],
      rules: [{ name: 'a', backendRefs: [{ name: 'orders', port: 80 }], matches: [{ path: { value: '/a' } }, {}] }],
    },
  });
  everyAccepted(decoders, 500, breaker, (circuitBreaker) => [
    service,
    ofRule,
    parsed({
      apiVersion: 'outrigger.dev/v1',
      kind: 'TrafficPolicy',
      metadata: { name: 'policy', namespace: 'shop' },
      spec: {
        targetRefs: [
          { kind: 'Service', name: 'orders' },
          { kind: 'HTTPRoute', name: 'r', sectionName: 'a' },
        ],
        circuitBreaker,
      },
    }),
  ]);
});
