/** TrafficPolicy (`outrigger.dev/v1`): how requests to a Service, to one of its ports, or by one route or rule are treated: timeouts, retries, limits, ejection and checks of hosts, load balancing. */
import { z } from 'zod';
import { dnsSubdomain } from './dns-name.ts';
import { durationMs, durationWithin, optionalMs } from './duration.ts';
import { wholeWithin } from './number-within.ts';
import { routeMetadata } from './object-metadata.ts';
import type { Place } from './resource.ts';
import { portNumber } from './route-reference.ts';
import { timeLimit } from './time-limit.ts';
import { breakerSettings, circuitBreaker } from './traffic-breaker.ts';
import { fallback, fallbackSettings } from './traffic-fallback.ts';
import { hedgeSettings, hedging } from './traffic-hedging.ts';
import {
  healthCheckSettings,
  healthChecks,
  loadBalancing,
  loadBalancingSettings,
  outlierDetection,
  outlierSettings,
} from './traffic-hosts.ts';
import {
  adaptiveConcurrency,
  adaptiveConcurrencySettings,
  inboundLimitSettings,
  inboundLimits,
  priorities,
  priorityRules,
} from './traffic-inbound.ts';
import type {
  ClusterTraffic,
  KeepAliveSettings,
  LimitSettings,
  RouteTraffic,
  TrafficPolicyResource,
} from './traffic-resource.ts';
import { retries, retryBudget, retrySettings } from './traffic-retries.ts';

const gatewayGroup = 'gateway.networking.k8s.io';

const targetRef = z
  .strictObject({
    group: z.enum(['', gatewayGroup]).optional().describe('Default: as the kind has it'),
    kind: z.enum(['Service', 'HTTPRoute', 'GRPCRoute']),
    name: dnsSubdomain.describe("Of the policy's namespace"),
    sectionName: z
      .string()
      .min(1, { error: 'is empty; leave it out' })
      .max(253, { error: 'is longer than 253 characters' })
      .optional()
      .describe('Name of a port of the Service, or of a rule of the route. Default: all of them'),
    port: portNumber.optional().describe('Number of a port of the Service. Default: every port'),
  })
  .check(({ value, issues }) => {
    const add = (field: string, message: string): number =>
      issues.push({ code: 'custom', continue: true, input: value, path: [field], message });
    const isService = value.kind === 'Service';
    if (value.group !== undefined && (value.group === '') !== isService)
      add('group', `is not the group of a ${value.kind}; write ${isService ? '""' : gatewayGroup}, or leave it out`);
    if (!isService && value.port !== undefined) add('port', 'is for Services only; rules are named by sectionName');
    if (isService && value.port !== undefined && value.sectionName !== undefined)
      add('sectionName', 'stands beside port; one of them names the port');
  });

const limits = {
  maxConnections: wholeWithin(0, 10_000_000).optional().describe('Default: 1024'),
  maxPendingRequests: wholeWithin(0, 10_000_000)
    .optional()
    .describe('Requests that wait for a connection. Default: 1024'),
  maxRequests: wholeWithin(0, 10_000_000).optional().describe('Under way at a time. Default: 10000'),
  maxRetries: wholeWithin(0, 10_000_000).optional().describe('Retries at a time; a budget goes before it. Default: 3'),
};

/** Fields of `spec` and of `timeouts` that say something of the hosts behind a Service, so that a route has no place for them. */
const serviceOnly = [
  'limits',
  'outlierDetection',
  'healthChecks',
  'loadBalancing',
  'tcpKeepAlive',
  'inboundLimits',
  'adaptiveConcurrency',
  'priorities',
] as const;
const serviceOnlyTimeouts = ['connect', 'connectionIdle'] as const;

const spec = z
  .strictObject({
    targetRefs: z
      .array(targetRef)
      .min(1, { error: 'is empty; name a Service, an HTTPRoute or a GRPCRoute' })
      .max(64, { error: 'has more than 64 entries' }),
    timeouts: z
      .strictObject({
        connect: durationWithin('1ms', '24h').optional().describe('Default: 1s'),
        request: durationWithin('0s', '99999h')
          .optional()
          .describe('From the whole request to the whole answer; 0s: none. Default: 15s; for gRPC none'),
        perTry: durationWithin('0s', '99999h').optional().describe('One attempt; 0s: none. Default: none'),
        streamIdle: durationWithin('0s', '99999h')
          .optional()
          .describe('Without a byte in either direction; 0s: none. Default: 5m'),
        connectionIdle: durationWithin('0s', '99999h')
          .optional()
          .describe('Of connections without a request; 0s: none. Default: 1h'),
        maxDuration: durationWithin('0s', '99999h').optional().describe('Of a stream; 0s: none. Default: none'),
      })
      .optional(),
    retries: retries.optional(),
    hedging: hedging.optional().describe('A second request beside one that takes long, within the retry budget'),
    fallback: fallback
      .optional()
      .describe(
        'What callers get instead of a failure, as long as nothing of an answer has gone to them; ways that are given are tried in the order service, lastGoodAnswer, answer. Our sidecar only',
      ),
    limits: z
      .strictObject({
        ...limits,
        highPriority: z.strictObject(limits).optional().describe('Of requests of priority HIGH'),
      })
      .optional()
      .describe('How much may be under way from one caller to the Service: its bulkhead'),
    inboundLimits: inboundLimits
      .optional()
      .describe('How much the workloads behind the Service take at a time; for sidecars of ours. Default: none'),
    adaptiveConcurrency: adaptiveConcurrency
      .optional()
      .describe('The same, found by how their latency grows. Default: none'),
    priorities: priorities.optional(),
    circuitBreaker: circuitBreaker
      .optional()
      .describe('Refuses requests for a while when too many fail or are slow; for sidecars of ours. Default: none'),
    outlierDetection: outlierDetection.optional().describe('Ejects hosts that fail'),
    healthChecks: healthChecks.optional().describe('Asks hosts how they are'),
    loadBalancing: loadBalancing.optional(),
    tcpKeepAlive: z
      .strictObject({
        time: durationWithin('1s', '9h').optional().describe('Idle time before the first probe. Default: 5m'),
        interval: durationWithin('1s', '9h').optional().describe('Between probes. Default: 15s'),
        probes: wholeWithin(1, 127).optional().describe('Without an answer, then it is closed. Default: 3'),
      })
      .optional(),
  })
  .check(({ value, issues }) => {
    const add = (path: PropertyKey[], message: string): number =>
      issues.push({ code: 'custom', continue: true, input: value, path, message });
    const { timeouts } = value;
    if (Object.keys(value).every((field) => field === 'targetRefs'))
      add([], 'says nothing beside targetRefs; give timeouts, retries, limits or the like');
    const route = value.targetRefs.find(({ kind }) => kind !== 'Service');
    if (route !== undefined) {
      const message = `is for Services only, and a target is a route (${route.kind} ${route.name}); put it into a policy of its own`;
      for (const field of serviceOnly) if (value[field] !== undefined) add([field], message);
      for (const field of serviceOnlyTimeouts) if (timeouts?.[field] !== undefined) add(['timeouts', field], message);
      if (value.retries?.budget !== undefined) add(['retries', 'budget'], message);
    }
    const perTryMs = durationMs(timeouts?.perTry ?? '');
    const requestMs = durationMs(timeouts?.request ?? '');
    if (perTryMs > 0 && requestMs > 0 && perTryMs > requestMs)
      add(
        ['timeouts', 'perTry'],
        `${JSON.stringify(timeouts!.perTry)} is longer than timeouts.request (${timeouts!.request})`,
      );
    if (value.hedging?.onPerTryTimeout === true) {
      if (perTryMs === 0) add(['hedging', 'onPerTryTimeout'], 'needs timeouts.perTry, which says when');
      if (value.retries?.attempts === 0)
        add(['hedging', 'onPerTryTimeout'], 'needs at least one retry, and retries.attempts is 0');
    }
    const delayMs = durationMs(value.hedging?.delay ?? '');
    if (delayMs > 0 && requestMs > 0 && delayMs >= requestMs)
      add(['hedging', 'delay'], `is not shorter than timeouts.request (${timeouts!.request})`);
  });

export const trafficPolicy = z.strictObject({
  apiVersion: z.literal('outrigger.dev/v1'),
  kind: z.literal('TrafficPolicy'),
  metadata: routeMetadata,
  spec,
  status: z.unknown().optional().describe('Ignored'),
});

type Spec = z.output<typeof spec>;

/** The validated document as our own type. */
export function trafficPolicyResource(document: z.output<typeof trafficPolicy>, place: Place): TrafficPolicyResource {
  const { metadata, spec: written } = document;
  const namespace = metadata.namespace ?? 'default';
  const policyName = `TrafficPolicy ${namespace}/${metadata.name}`;
  const breaker = breakerSettings(written.circuitBreaker, `${namespace}/${metadata.name}`);
  return {
    kind: 'TrafficPolicy',
    namespace,
    name: metadata.name,
    place,
    referencePlaces: new Map(),
    createdAt: metadata.creationTimestamp ?? '',
    trafficTargets: written.targetRefs.map(({ kind, name, sectionName, port }, at) => ({
      kind,
      name,
      section: sectionName ?? '',
      port: port ?? null,
      path: `spec.targetRefs[${at}]`,
    })),
    route: { ...routeTraffic(written, policyName, namespace), circuitBreaker: breaker },
    cluster: { ...clusterTraffic(written), circuitBreaker: breaker },
    inbound: {
      limits: inboundLimitSettings(written.inboundLimits, `${namespace}/${metadata.name}`),
      adaptiveConcurrency: adaptiveConcurrencySettings(written.adaptiveConcurrency),
      priorities: priorityRules(written.priorities),
    },
  };
}

function routeTraffic(
  { timeouts, retries, hedging, fallback }: Spec,
  policy: string,
  namespace: string,
): Omit<RouteTraffic, 'circuitBreaker'> {
  const limit = (written: string | undefined) => timeLimit(optionalMs(written), policy);
  return {
    requestTimeout: limit(timeouts?.request),
    perTryTimeout: limit(timeouts?.perTry),
    streamIdleTimeout: limit(timeouts?.streamIdle),
    maxDuration: limit(timeouts?.maxDuration),
    // A budget alone says nothing of the routes.
    retries:
      retries !== undefined && Object.keys(retries).every((field) => field === 'budget')
        ? null
        : retrySettings(retries),
    hedging: hedgeSettings(hedging, policy),
    fallback: fallbackSettings(fallback, policy, namespace),
  };
}

function clusterTraffic(written: Spec): Omit<ClusterTraffic, 'circuitBreaker'> {
  const { timeouts, limits } = written;
  return {
    connectTimeoutMs: optionalMs(timeouts?.connect),
    connectionIdleTimeoutMs: optionalMs(timeouts?.connectionIdle),
    limits: limitSettings(limits),
    highPriorityLimits: limitSettings(limits?.highPriority),
    retryBudget: retryBudget(written.retries),
    outlierDetection: outlierSettings(written.outlierDetection),
    panicThresholdPercent: written.outlierDetection?.panicThreshold ?? null,
    healthChecks: healthCheckSettings(written.healthChecks),
    loadBalancing: loadBalancingSettings(written.loadBalancing),
    tcpKeepAlive: keepAlive(written.tcpKeepAlive),
  };
}

function limitSettings(written: NonNullable<Spec['limits']>['highPriority']): LimitSettings | null {
  if (written === undefined) return null;
  const { maxConnections, maxPendingRequests, maxRequests, maxRetries } = written;
  return {
    maxConnections: maxConnections ?? null,
    maxPendingRequests: maxPendingRequests ?? null,
    maxRequests: maxRequests ?? null,
    maxRetries: maxRetries ?? null,
  };
}

function keepAlive(written: Spec['tcpKeepAlive']): KeepAliveSettings | null {
  if (written === undefined) return null;
  const { time, interval, probes } = written;
  return {
    timeMs: time === undefined ? 300_000 : durationMs(time),
    intervalMs: interval === undefined ? 15_000 : durationMs(interval),
    probes: probes ?? 3,
  };
}
