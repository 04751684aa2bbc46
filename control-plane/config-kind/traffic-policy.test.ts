import { describe, expect, test } from 'vitest';
import { faultText } from '../source/fault.ts';
import { parseFile } from '../source/parse-file.ts';
import type { Resource } from './resource.ts';
import type { TrafficPolicyResource } from './traffic-resource.ts';

const head = 'apiVersion: outrigger.dev/v1\nkind: TrafficPolicy\nmetadata: { name: p, namespace: shop }\n';
const orders = 'targetRefs: [{ kind: Service, name: orders }]';

function faults(spec: string): string[] {
  return parseFile('p.yaml', `${head}spec: { ${spec} }\n`).faults.map((fault) => faultText(fault).replace(/^\S+ /, ''));
}

function policy(spec: string): TrafficPolicyResource {
  const { resources, faults } = parseFile('p.yaml', `${head}spec: { ${spec} }\n`);
  expect(faults.map(faultText)).toEqual([]);
  return resources[0] as Resource as TrafficPolicyResource;
}

describe('TrafficPolicy', () => {
  test('names every fault by its field', () => {
    expect(
      faults(
        `targetRefs: [{ kind: Service, name: orders, port: 80, sectionName: http }, { kind: Pod, name: a }],
         timeouts: { connect: 0s, request: 1s, perTry: 2s, streamIdle: 5 },
         retries: { attempts: 11, on: [5XX], statusCodes: [200], methods: [CONNECT], backoff: { base: 2s, max: 1s }, perTryTimeout: 1s },
         limits: { maxConnection: 1, maxRequests: -1, highPriority: { maxRetries: 1.5 } },
         outlierDetection: { enabled: false, interval: 1s, maxEjectionPercent: 101 },
         healthChecks: [{ tcp: {} }, { tls: {} }],
         loadBalancing: { algorithm: random, slowStart: { window: 1m } },
         circuitBreaker: { window: 1ms, slowCalls: {}, probes: { atOnce: 0 }, statusCodes: [200], grpcStatuses: [OK] }`,
      ),
    ).toEqual([
      'spec.targetRefs[0].sectionName: "http" stands beside port; one of them names the port',
      'spec.targetRefs[1].kind: "Pod" is not accepted; accepted: "Service", "HTTPRoute", "GRPCRoute"',
      'spec.timeouts.connect: "0s" is not between 1ms and 24h',
      'spec.timeouts.streamIdle: 5 is not text; put it in quotes',
      'spec.retries.attempts: 11 is not a whole number from 0 to 10',
      'spec.retries.on[0]: "5XX" is not accepted; accepted: "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "refused-stream", "retriable-4xx", "envoy-ratelimited", "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable", "overloaded"; did you mean 5xx?',
      'spec.retries.statusCodes[0]: 200 is not a whole number from 400 to 599',
      'spec.retries.methods[0]: "CONNECT" is not accepted; accepted: "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH"',
      'spec.retries.backoff.max: "1s" is shorter than base',
      'spec.retries.perTryTimeout: stands elsewhere: it is timeouts.perTry',
      'spec.limits.maxConnection: is not a field here; did you mean maxConnections?',
      'spec.limits.maxRequests: -1 is not a whole number from 0 to 10000000',
      'spec.limits.highPriority.maxRetries: 1.5 is not a whole number from 0 to 10000000',
      'spec.outlierDetection.interval: "1s" has no meaning beside enabled: false; remove one of them',
      'spec.outlierDetection.maxEjectionPercent: 101 is not a whole number from 0 to 100',
      'spec.outlierDetection.maxEjectionPercent: 101 has no meaning beside enabled: false; remove one of them',
      'spec.healthChecks: has more than one entry; several checks of one Service are not supported yet',
      'spec.loadBalancing.slowStart: is not possible with algorithm random; use leastRequest or roundRobin',
      'spec.circuitBreaker.window: "1ms" is not between 100ms and 1h',
      'spec.circuitBreaker.slowCalls.longerThan: is missing; text is expected',
      'spec.circuitBreaker.probes.atOnce: 0 is not a whole number from 1 to 1000',
      'spec.circuitBreaker.statusCodes[0]: 200 is not a whole number from 400 to 599',
      expect.stringMatching(
        /^spec\.circuitBreaker\.grpcStatuses\[0\]: "OK" is not accepted; accepted: "CANCELLED", /,
      ) as string,
    ]);
    expect(faults(`${orders}, circuitBreaker: { openTime: { base: 2m, max: 1m } }`)).toEqual([
      'spec.circuitBreaker.openTime.max: "1m" is shorter than base (2m)',
    ]);
    expect(faults(`${orders}, circuitBreaker: { failurePercent: 0 }`)).toEqual([
      'spec.circuitBreaker.failurePercent: 0 is 0, and nothing else opens it; give consecutiveFailures or slowCalls',
    ]);
    expect(faults(`${orders}, circuitBreaker: { enabled: false, window: 1s }`)).toEqual([
      'spec.circuitBreaker.window: "1s" has no meaning beside enabled: false; remove one of them',
    ]);
    expect(faults(`${orders}, healthChecks: [{ interval: 1s }]`)).toEqual([
      'spec.healthChecks[0]: says not how to check; give one of http, grpc, tcp, tls',
    ]);
    expect(faults(`${orders}, healthChecks: [{ http: { path: x }, tcp: {} }]`)).toEqual([
      'spec.healthChecks[0].http.path: "x" is not a path: it begins with /, and has no white space',
      'spec.healthChecks[0].tcp: stands beside http; give one of them',
    ]);
    expect(faults(orders)).toEqual([
      'spec: says nothing beside targetRefs; give timeouts, retries, limits or the like',
    ]);
    expect(faults(`${orders}, timeouts: { request: 1s, perTry: 2s }`)).toEqual([
      'spec.timeouts.perTry: "2s" is longer than timeouts.request (1s)',
    ]);
    expect(faults(`${orders}, hedging: { onPerTryTimeout: true, delay: 1s }`)).toEqual([
      'spec.hedging.onPerTryTimeout: true needs timeouts.perTry, which says when',
      'spec.hedging.delay: "1s" stands beside onPerTryTimeout; give one of them',
    ]);
    // The system takes 32767 s at most.
    expect(faults(`${orders}, tcpKeepAlive: { time: 10h }`)).toEqual([
      'spec.tcpKeepAlive.time: "10h" is not between 1s and 9h',
    ]);
    expect(faults(`${orders}, hedging: { onPerTryTimeout: true }`)).toEqual([
      'spec.hedging.onPerTryTimeout: true needs timeouts.perTry, which says when',
    ]);
  });

  test.each<[string, string[]]>([
    ['{}', ['spec.hedging: says not when; give one of onPerTryTimeout, delay, percentile']],
    ['{ enabled: true }', ['spec.hedging: says not when; give one of onPerTryTimeout, delay, percentile']],
    [
      '{ enabled: false, delay: 1s }',
      ['spec.hedging.delay: "1s" has no meaning beside enabled: false; remove one of them'],
    ],
    [
      '{ delay: 0s, percentile: 99.95, maxAttempts: 0, methods: [CONNECT] }',
      [
        'spec.hedging.delay: "0s" is not between 1ms and 1h',
        'spec.hedging.percentile: 99.95 is not a number from 50 to 99.9',
        'spec.hedging.maxAttempts: 0 is not a whole number from 1 to 10',
        'spec.hedging.methods[0]: "CONNECT" is not accepted; accepted: "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH"',
      ],
    ],
    ['{ delay: 1s, percentile: 99 }', ['spec.hedging.percentile: 99 stands beside delay; give one of them']],
    ['{ delay: 50ms, minSamples: 10 }', ['spec.hedging.minSamples: 10 has a meaning with percentile only']],
    [
      '{ onPerTryTimeout: false, maxAttempts: 2 }',
      ['spec.hedging.maxAttempts: 2 has no meaning with onPerTryTimeout, where retries say how often and for what'],
    ],
    ['{ percentile: 95, methods: [] }', ['spec.hedging.methods: is empty; leave it out']],
    [
      '{ delay: 2s }, timeouts: { request: 2s }',
      ['spec.hedging.delay: "2s" is not shorter than timeouts.request (2s)'],
    ],
  ])('hedging: %s is refused by field path', (text, expected) => {
    expect(faults(`${orders}, hedging: ${text}`)).toEqual(expected);
  });

  test.each<[string, string[]]>([
    ['{}', ['spec.fallback: says not what; give service, lastGoodAnswer, answer, or several']],
    [
      '{ enabled: false, answer: { status: 503 } }',
      ['spec.fallback.answer: has no meaning beside enabled: false; remove one of them'],
    ],
    [
      '{ service: { name: Archive }, methods: [], statusCodes: [200] }',
      [
        'spec.fallback.service.port: is missing; a whole number from 1 to 65535 is expected',
        'spec.fallback.service.name: "Archive" is not a name: 1 to 63 lower-case letters, digits and "-", beginning and ending with a letter or digit (RFC 1123 label)',
        'spec.fallback.methods: is empty; leave it out',
        'spec.fallback.statusCodes[0]: 200 is not a whole number from 400 to 599',
      ],
    ],
    [
      '{ lastGoodAnswer: { maxAge: 200h, maxEntryBytes: 2000000, varyBy: ["a b"] }, methods: [GET] }',
      [
        'spec.fallback.lastGoodAnswer.maxAge: "200h" is not between 1s and 168h',
        'spec.fallback.lastGoodAnswer.maxEntryBytes: 2000000 is not a whole number from 1 to 1048576',
        'spec.fallback.lastGoodAnswer.varyBy[0]: "a b" is not a header name: letters, digits and !#$%&\'*+-.^_`|~ (RFC 9110 5.6.2)',
        'spec.fallback.methods: has a meaning with service only',
      ],
    ],
    ['{ answer: {} }', ['spec.fallback.answer: needs status, or grpc, or both']],
    [
      '{ answer: { status: 204, body: x, headers: [{ name: Content-Length, value: "1" }], grpc: { status: 14 } } }',
      [
        'spec.fallback.answer.headers[0].name: "Content-Length" cannot be set by a header filter: it belongs to the connection, not to the message',
        'spec.fallback.answer.grpc.status: 14 is not accepted; accepted: "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"',
      ],
    ],
    [
      '{ answer: { status: 204, body: x } }',
      ['spec.fallback.answer.body: "x" has no place: an answer 204 has none (RFC 9110)'],
    ],
    [
      '{ answer: { body: x, grpc: { status: OK } } }',
      ['spec.fallback.answer.body: "x" needs status: gRPC calls have no body'],
    ],
  ])('fallback: %s is refused by field path', (text, expected) => {
    expect(faults(`${orders}, fallback: ${text}`)).toEqual(expected);
  });

  test('hedging and fallback have what is said, and defaults', () => {
    const { hedging, fallback } = policy(
      `${orders}, hedging: { percentile: 95 }, fallback: { service: { name: archive, port: 80 }, lastGoodAnswer: { maxAge: 1h, varyBy: [X-User] }, answer: { status: 200, body: "[]", grpc: { status: UNAVAILABLE } } }`,
    ).route;
    expect(hedging).toEqual({
      kind: 'percentile',
      percentile: 95,
      minSamples: 50,
      minDelayMs: 10,
      policy: 'TrafficPolicy shop/p',
      maxAttempts: 1,
      methods: [],
    });
    expect(fallback).toEqual({
      policy: 'TrafficPolicy shop/p',
      service: { namespace: 'shop', name: 'archive', port: 80, timeoutMs: null },
      lastGoodAnswer: { maxAgeMs: 3_600_000, maxEntryBytes: 65_536, varyBy: ['x-user'] },
      answer: { status: 200, headers: [], body: '[]', grpcStatus: 14, grpcMessage: '' },
      methods: [],
      statusCodes: [],
    });
    const off = policy(`${orders}, hedging: { enabled: false }, fallback: { enabled: false }`).route;
    expect([off.hedging, off.fallback]).toEqual([{ kind: 'off' }, 'off']);
  });

  test('has no place for what is of hosts when a target is a route', () => {
    const route = 'targetRefs: [{ kind: HTTPRoute, name: orders, sectionName: reads }]';
    const message = 'is for Services only, and a target is a route (HTTPRoute orders); put it into a policy of its own';
    expect(
      faults(`${route}, limits: {}, timeouts: { connect: 1s, request: 1s }, retries: { budget: { percent: 1 } }`),
    ).toEqual([`spec.limits: ${message}`, `spec.timeouts.connect: "1s" ${message}`, `spec.retries.budget: ${message}`]);
    expect(
      faults('targetRefs: [{ kind: GRPCRoute, name: a, port: 80, group: "" }], timeouts: { request: 1s }'),
    ).toEqual([
      'spec.targetRefs[0].port: 80 is for Services only; rules are named by sectionName',
      'spec.targetRefs[0].group: "" is not the group of a GRPCRoute; write gateway.networking.k8s.io, or leave it out',
    ]);
  });

  test('says nothing of what it leaves open, and fills in what belongs to what it says', () => {
    expect(policy(`${orders}, timeouts: { request: 0s }, retries: { budget: {} }`)).toMatchObject({
      createdAt: '',
      trafficTargets: [{ kind: 'Service', name: 'orders', section: '', port: null, path: 'spec.targetRefs[0]' }],
      route: { requestTimeout: { ms: 0 }, perTryTimeout: null, retries: null },
      cluster: { retryBudget: { percent: 20, minConcurrency: 3 }, outlierDetection: null, healthChecks: [] },
    });
    expect(
      policy(
        `${orders}, retries: { backoff: { base: 10ms }, methods: [GET], waitHeaders: [{ name: Retry-After }] }, healthChecks: [{ grpc: {} }], outlierDetection: { panicThreshold: 0 }, tcpKeepAlive: {}`,
      ),
    ).toMatchObject({
      route: {
        retries: {
          attempts: null,
          on: null,
          methods: ['GET'],
          backoff: { baseMs: 10, maxMs: 100 },
          waitHeaders: [{ name: 'retry-after', format: 'seconds' }],
        },
      },
      cluster: {
        outlierDetection: null,
        panicThresholdPercent: 0,
        healthChecks: [{ probe: { type: 'grpc', service: '' }, intervalMs: 10_000, jitterMs: 1_000, timeoutMs: 1_000 }],
        tcpKeepAlive: { timeMs: 300_000, intervalMs: 15_000, probes: 3 },
      },
    });
    expect(policy(`${orders}, outlierDetection: { enabled: false }`).cluster.outlierDetection).toBe('off');
    expect(policy(`${orders}, circuitBreaker: { enabled: false }`).cluster.circuitBreaker).toBe('off');
    expect(policy(`${orders}, circuitBreaker: { grpcStatuses: [INTERNAL] }`).cluster.circuitBreaker).toEqual({
      rule: 'TrafficPolicy shop/p',
      windowMs: 10_000,
      minCalls: 20,
      failurePercent: 50,
      consecutiveFailures: 0,
      slowCalls: null,
      openMs: 5_000,
      maxOpenMs: 60_000,
      jitterPercent: 20,
      probes: 3,
      successesToClose: 3,
      statusCodes: [],
      grpcStatuses: [13],
    });
  });
});

describe('what it says of the workloads themselves', () => {
  test('names every fault by its field', () => {
    expect(
      faults(
        `${orders},
         inboundLimits: {
           maxRequests: 0,
           perCaller: { maxRequests: 1000001, exceptions: [{ callers: [web], maxRequests: 1 }] },
           perRoute: [{ name: A, match: { paths: [x] }, maxRequests: 1 }, { match: {}, maxRequests: 1 }],
           queue: { maxRequests: 10001, maxWait: 1ms, overload: { target: 0s } },
         },
         adaptiveConcurrency: { minConcurrency: 0, latencyPercentile: 101, leastLatency: { interval: 1ms, request: 1 } },
         priorities: [{ match: { callers: [shop/web] }, priority: high }]`,
      ),
    ).toEqual([
      'spec.inboundLimits.maxRequests: 0 is not a whole number from 1 to 1000000',
      'spec.inboundLimits.perCaller.maxRequests: 1000001 is not a whole number from 1 to 1000000',
      'spec.inboundLimits.perCaller.exceptions[0].callers[0]: "web" is not a caller; write it as namespace/account, or namespace/*',
      'spec.inboundLimits.perRoute[0].name: "A" is not a name: lower-case letters, digits and -, at most 63',
      'spec.inboundLimits.perRoute[0].match.paths[0]: "x" is not a path: it begins with /, and has no ? and no #',
      'spec.inboundLimits.perRoute[1].match: is every request; give maxRequests beside perRoute instead',
      'spec.inboundLimits.queue.maxRequests: 10001 is not a whole number from 1 to 10000',
      'spec.inboundLimits.queue.maxWait: "1ms" is not between 10ms and 1h',
      'spec.inboundLimits.queue.overload.target: "0s" is not between 1ms and 1h',
      'spec.adaptiveConcurrency.minConcurrency: 0 is not a whole number from 1 to 1000000',
      'spec.adaptiveConcurrency.latencyPercentile: 101 is not per cent: a number from 0 to 100',
      'spec.adaptiveConcurrency.leastLatency.interval: "1ms" is not between 1s and 24h',
      'spec.adaptiveConcurrency.leastLatency.request: is not a field here; did you mean requests?',
      'spec.priorities[0].priority: "high" is not accepted; accepted: "critical", "default", "sheddable"',
    ]);
    expect(
      faults(
        `${orders}, inboundLimits: { queue: { maxRequests: 5, maxRequestsPerCaller: 6, overload: { target: 500ms } } }`,
      ),
    ).toEqual([
      'spec.inboundLimits.queue.maxRequestsPerCaller: 6 is more than maxRequests (5)',
      'spec.inboundLimits.queue.overload.target: "500ms" is not less than maxWait (500ms)',
    ]);
    expect(faults(`${orders}, inboundLimits: {}`)).toEqual([
      'spec.inboundLimits: limits nothing; give maxRequests, perCaller or perRoute, or a queue for adaptiveConcurrency',
    ]);
    const both = '{ match: { methods: [GET] }, maxRequests: 1 }';
    expect(
      faults(
        `${orders}, inboundLimits: { perRoute: [{ name: route-1, match: { methods: [PUT] }, maxRequests: 1 }, ${both}] }`,
      ),
    ).toEqual(['spec.inboundLimits.perRoute[1].name: route-1 is that of perRoute[0] too']);
    expect(
      faults(
        `${orders}, inboundLimits: { enabled: false, maxRequests: 1 }, adaptiveConcurrency: { minConcurrency: 9, maxConcurrency: 8 }`,
      ),
    ).toEqual([
      'spec.inboundLimits.maxRequests: 1 has no meaning beside enabled: false; remove one of them',
      'spec.adaptiveConcurrency.minConcurrency: 9 is more than maxConcurrency (8)',
    ]);
    expect(
      faults(
        `${orders}, priorities: [{ match: {}, priority: critical }, { match: { methods: [GET] }, priority: default }]`,
      ),
    ).toEqual(['spec.priorities[0].match: is every request, so that nothing comes of those behind it; put it last']);
    const route = 'targetRefs: [{ kind: HTTPRoute, name: orders }]';
    expect(
      faults(
        `${route}, inboundLimits: { maxRequests: 1 }, adaptiveConcurrency: {}, priorities: [{ match: {}, priority: critical }]`,
      ),
    ).toEqual(
      ['inboundLimits', 'adaptiveConcurrency', 'priorities'].map(
        (field) =>
          `spec.${field}: is for Services only, and a target is a route (HTTPRoute orders); put it into a policy of its own`,
      ),
    );
  });

  test('has defaults for what it leaves open', () => {
    const { inbound } = policy(
      `${orders}, inboundLimits: { perCaller: { maxRequests: 5 }, queue: { maxRequests: 9, maxWait: 30ms } }, adaptiveConcurrency: { maxConcurrency: 2 }`,
    );
    expect(inbound).toEqual({
      limits: {
        ...{ rule: 'TrafficPolicy shop/p', maxRequests: null, perRoute: [] },
        perCaller: { maxRequests: 5, exceptions: [] },
        queue: { maxRequests: 9, maxRequestsPerCaller: 5, maxWaitMs: 30, targetMs: 15, intervalMs: 100 },
      },
      adaptiveConcurrency: {
        ...{ minConcurrency: 2, maxConcurrency: 2, latencyPercentile: 50, updateIntervalMs: 100 },
        ...{ leastLatencyIntervalMs: 60_000, leastLatencyRequests: 50, jitterPercent: 15, bufferPercent: 25 },
      },
      priorities: [],
    });
    expect(
      policy(`${orders}, inboundLimits: { enabled: false }, adaptiveConcurrency: { enabled: false }`).inbound,
    ).toEqual({
      ...{ limits: 'off', adaptiveConcurrency: 'off', priorities: [] },
    });
  });
});

describe('retry of rules (GEP-1731)', () => {
  const route = (kind: string, rule: string): string =>
    `{apiVersion: gateway.networking.k8s.io/v1, kind: ${kind}, metadata: {name: r}, spec: {parentRefs: [{group: "", kind: Service, name: a}], rules: [${rule}]}}`;
  const parsed = (kind: string, rule: string) => parseFile('r.yaml', route(kind, rule));

  test('an HTTPRoute names statuses, a GRPCRoute codes of gRPC, which go beside the safe cases', () => {
    expect(
      parsed(
        'HTTPRoute',
        '{name: reads, retry: {codes: [500, 503], attempts: 2, backoff: 100ms}, timeouts: {backendRequest: 2s}}',
      ).resources[0],
    ).toMatchObject({
      rules: [
        {
          name: 'reads',
          timeoutMs: null,
          backendTimeoutMs: 2_000,
          retry: { attempts: 2, on: null, statusCodes: [500, 503], backoff: { baseMs: 100, maxMs: 1_000 } },
        },
      ],
    });
    expect(parsed('GRPCRoute', '{retry: {codes: [RESOURCE_EXHAUSTED]}}').resources[0]).toMatchObject({
      rules: [
        {
          retry: {
            attempts: null,
            on: ['connect-failure', 'refused-stream', 'reset-before-request', 'resource-exhausted'],
          },
        },
      ],
    });
    expect(
      parsed('HTTPRoute', '{retry: {codes: [302], attempts: -1, backoff: 0s}}').faults.map(({ path }) => path),
    ).toEqual(['spec.rules[0].retry.codes[0]', 'spec.rules[0].retry.attempts', 'spec.rules[0].retry.backoff']);
  });
});
