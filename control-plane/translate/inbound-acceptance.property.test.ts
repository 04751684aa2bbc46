/** Whatever a TrafficPolicy says of workloads themselves and is accepted, our sidecar takes what comes of it (traffic-acceptance.property.test.ts has the rest of the kind). */
import fc from 'fast-check';
import { test } from 'vitest';
import { clusterType, endpointsType, listenerType, routesType } from '../../sidecar/xds/ads/resource-type.ts';
import { everyAccepted, parsed, path, values } from './accepted-values.test-data.ts';

const decoders = { listeners: listenerType, routes: routesType, clusters: clusterType, endpoints: endpointsType };

const whole = (most: number): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 1, max: most }) },
    { weight: 1, arbitrary: fc.constantFrom(-1, 0, most + 1) },
  );
const requestMatch = fc.record(
  {
    paths: fc.array(fc.oneof(path, fc.constantFrom('/a*', '/', '/*')), { minLength: 1, maxLength: 2 }),
    methods: fc.array(fc.constantFrom('GET', 'M-SEARCH', 'PUT', 'get'), { minLength: 1, maxLength: 2 }),
    headers: values,
    callers: fc.array(fc.constantFrom('shop/web', 'shop/*', 'a.b/c', 'web'), { minLength: 1, maxLength: 2 }),
  },
  { requiredKeys: [] },
);
const requests = whole(1_000_000);
const share = fc.constantFrom(0, 12.5, 100, 100, 101);
const queueSpec = fc.record(
  {
    maxRequests: whole(10_000),
    maxRequestsPerCaller: fc.constantFrom(1, 2, 10_000),
    maxWait: fc.constantFrom('10ms', '11ms', '1s', '1h', '2h'),
    overload: fc.record(
      { target: fc.constantFrom('1ms', '9ms', '10ms', '1h'), interval: fc.constantFrom('1ms', '1h') },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
);
const routeLimit = fc.record(
  { name: fc.constantFrom('a', 'b', 'a'.repeat(63), 'A'), match: requestMatch, maxRequests: requests },
  { requiredKeys: ['match', 'maxRequests'] },
);
const exception = fc.record({ callers: fc.constant(['shop/*', 'a/b']), maxRequests: requests });
const least = fc.record(
  { interval: fc.constantFrom('1s', '24h'), requests, jitterPercent: share, bufferPercent: share },
  { requiredKeys: [] },
);
const inboundSpec = fc.oneof(
  fc.record({ inboundLimits: fc.record({ maxRequests: requests, queue: queueSpec }, { requiredKeys: ['queue'] }) }),
  fc.record({ inboundLimits: fc.record({ perRoute: fc.array(routeLimit, { minLength: 1, maxLength: 2 }) }) }),
  exception.map((each) => ({
    inboundLimits: { perCaller: { maxRequests: each.maxRequests, exceptions: [each] }, queue: {} },
  })),
  fc.record({
    adaptiveConcurrency: fc.record(
      {
        minConcurrency: fc.constantFrom(1, 1_000_000),
        maxConcurrency: requests,
        latencyPercentile: share,
        updateInterval: fc.constantFrom('1ms', '1h', '2h'),
        leastLatency: least,
      },
      { requiredKeys: [] },
    ),
  }),
  fc.record({ match: requestMatch, priority: fc.constantFrom('critical', 'default', 'sheddable') }).map((rule) => ({
    priorities: [rule, { match: { methods: ['GET'] }, priority: 'critical' }],
    adaptiveConcurrency: {},
  })),
);

test('our sidecar takes everything that is accepted of limits, adaptive concurrency and priorities of its workload', () => {
  const payments = parsed({
    apiVersion: 'outrigger.dev/v1',
    kind: 'Service',
    metadata: { name: 'payments', namespace: 'shop' },
    spec: { ports: [{ port: 80 }] },
  });
  everyAccepted(decoders, 1_000, inboundSpec, (spec) => [
    payments,
    parsed({
      apiVersion: 'outrigger.dev/v1',
      kind: 'TrafficPolicy',
      metadata: { name: 'policy', namespace: 'shop' },
      spec: { targetRefs: [{ kind: 'Service', name: 'payments' }], ...spec },
    }),
  ]);
});
