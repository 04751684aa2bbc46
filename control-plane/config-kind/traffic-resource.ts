/**
 * What a TrafficPolicy says, after validation: own plain types. Null means that the policy does not say, and that a less specific one or the default holds (translate/default-resilience.ts has the defaults). Split by
 * where it takes effect: at the routes of callers, at the cluster that they lead to, or at the workloads themselves.
 */
import type { CallerName, RequestMatch } from './policy-resource.ts';
import type { ResourceBase } from './resource.ts';
import type { TimeLimit } from './time-limit.ts';

export interface TrafficPolicyResource extends ResourceBase {
  readonly kind: 'TrafficPolicy';
  /** RFC 3339, or '' : not known, taken as older than any. */
  readonly createdAt: string;
  /** At least one. */
  readonly trafficTargets: readonly TrafficTarget[];
  readonly route: RouteTraffic;
  /** Says nothing when a target is a route. */
  readonly cluster: ClusterTraffic;
  /** Says nothing when a target is a route. */
  readonly inbound: InboundTraffic;
}

/** Of the policy's own namespace. */
export interface TrafficTarget {
  readonly kind: 'Service' | 'HTTPRoute' | 'GRPCRoute';
  readonly name: string;
  /** Name of a port or of a rule; '' : all of them. */
  readonly section: string;
  /** Of a Service; null: every port, or the one that `section` names. */
  readonly port: number | null;
  readonly path: string;
}

export interface RouteTraffic {
  /** From the whole request to the whole answer. */
  readonly requestTimeout: TimeLimit | null;
  /** One attempt. */
  readonly perTryTimeout: TimeLimit | null;
  /** Without a byte in either direction. */
  readonly streamIdleTimeout: TimeLimit | null;
  /** Of a stream. */
  readonly maxDuration: TimeLimit | null;
  readonly retries: RetrySettings | null;
  /** When a second request is sent beside the first. */
  readonly hedging: HedgeSettings | null;
  readonly fallback: FallbackSettings | 'off' | null;
  /** Of policies of a route or rule; 'off': there is none, whatever a less specific policy says. */
  readonly circuitBreaker: BreakerSettings | 'off' | null;
}

export type HedgeSettings =
  | { readonly kind: 'off' }
  /** An attempt took longer than perTryTimeout. */
  | { readonly kind: 'per-try-timeout' }
  | (HedgeLimits & { readonly kind: 'delay'; readonly delayMs: number })
  | (HedgeLimits & {
      readonly kind: 'percentile';
      readonly percentile: number;
      readonly minSamples: number;
      readonly minDelayMs: number;
    });

interface HedgeLimits {
  /** `TrafficPolicy shop/payments`. */
  readonly policy: string;
  /** Beside the first. */
  readonly maxAttempts: number;
  /** Empty: those that only read. */
  readonly methods: readonly string[];
}

/** At least one of the ways is there; they are tried in this order. */
export interface FallbackSettings {
  /** `TrafficPolicy shop/payments`. */
  readonly policy: string;
  readonly service: FallbackService | null;
  readonly lastGoodAnswer: {
    readonly maxAgeMs: number;
    readonly maxEntryBytes: number;
    /** Lower case. */
    readonly varyBy: readonly string[];
  } | null;
  readonly answer: {
    /** 0: none for HTTP. */
    readonly status: number;
    readonly headers: ReadonlyArray<{ readonly name: string; readonly value: string }>;
    readonly body: string;
    /** Null: what the status stands for. */
    readonly grpcStatus: number | null;
    readonly grpcMessage: string;
  } | null;
  /** Empty: those that are idempotent. */
  readonly methods: readonly string[];
  /** Empty: 502, 503, 504. */
  readonly statusCodes: readonly number[];
}

export interface FallbackService {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  /** 0: none; null: that of the route. */
  readonly timeoutMs: number | null;
}

export type RetryCondition = (typeof retryConditions)[number];

/** Envoy's, as `x-envoy-retry-on` and `x-envoy-retry-grpc-on` have them; and `overloaded`, an answer with `x-envoy-overloaded`, which on the wire is a header that is tried again. */
export const retryConditions = [
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'refused-stream',
  'retriable-4xx',
  'envoy-ratelimited',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
  'overloaded',
] as const;

/** The service saw nothing of the request. */
export const safeRetryConditions: readonly RetryCondition[] = [
  'connect-failure',
  'refused-stream',
  'reset-before-request',
];

/** What also proxyless gRPC clients take (A44). */
export const grpcRetryConditions: ReadonlySet<string> = new Set([
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]);

export interface RetrySettings {
  /** Beside the first; 0: none. */
  readonly attempts: number | null;
  readonly on: readonly RetryCondition[] | null;
  readonly statusCodes: readonly number[];
  readonly backoff: { readonly baseMs: number; readonly maxMs: number } | null;
  /** Headers of the answer that say how long to wait. */
  /** Of requests that are tried again; empty: all. */
  readonly methods: readonly string[];
  readonly waitHeaders: ReadonlyArray<{ readonly name: string; readonly format: 'seconds' | 'unixTimestamp' }>;
  /** A longer wait than this that an answer asks for counts as if it asked for none, where the request has the time for it. */
  readonly maxWaitMs: number;
  /** Whether a host that was tried is avoided. */
  readonly otherHost: boolean | null;
}

export interface ClusterTraffic {
  readonly connectTimeoutMs: number | null;
  /** Of connections without a request; 0: none. */
  readonly connectionIdleTimeoutMs: number | null;
  readonly limits: LimitSettings | null;
  /** Of requests of priority HIGH. */
  readonly highPriorityLimits: LimitSettings | null;
  readonly retryBudget: RetryBudget | null;
  /** 'off' : no host is ejected. */
  readonly outlierDetection: OutlierSettings | 'off' | null;
  /** Per cent of healthy hosts below which all are used; 0: never. */
  readonly panicThresholdPercent: number | null;
  readonly healthChecks: readonly HealthCheckSettings[];
  readonly loadBalancing: LoadBalancingSettings | null;
  readonly tcpKeepAlive: KeepAliveSettings | null;
  /** Of policies of a Service or port. */
  readonly circuitBreaker: BreakerSettings | 'off' | null;
}

/** At the sidecars of the workloads behind a Service. */
export interface InboundTraffic {
  readonly limits: InboundLimitSettings | 'off' | null;
  readonly adaptiveConcurrency: AdaptiveConcurrencySettings | 'off' | null;
  /** The first that matches counts. Empty: all requests are worth the same. */
  readonly priorities: readonly PriorityRule[];
}

export interface InboundLimitSettings {
  /** `TrafficPolicy shop/payments` */
  readonly rule: string;
  /** Of all callers, at a time; null: no limit. */
  readonly maxRequests: number | null;
  readonly perCaller: {
    readonly maxRequests: number;
    /** The first that names a caller counts. */
    readonly exceptions: ReadonlyArray<{ readonly callers: readonly CallerName[]; readonly maxRequests: number }>;
  } | null;
  /** The first that matches counts. */
  readonly perRoute: ReadonlyArray<{
    readonly name: string;
    readonly match: RequestMatch;
    readonly maxRequests: number;
  }>;
  /** Null: what is beyond a limit is refused at once. */
  readonly queue: InboundQueueSettings | null;
}

export interface InboundQueueSettings {
  readonly maxRequests: number;
  readonly maxRequestsPerCaller: number;
  readonly maxWaitMs: number;
  readonly targetMs: number;
  readonly intervalMs: number;
}

export interface AdaptiveConcurrencySettings {
  readonly minConcurrency: number;
  readonly maxConcurrency: number;
  readonly latencyPercentile: number;
  readonly updateIntervalMs: number;
  readonly leastLatencyIntervalMs: number;
  readonly leastLatencyRequests: number;
  readonly jitterPercent: number;
  readonly bufferPercent: number;
}

export interface PriorityRule {
  readonly match: RequestMatch;
  readonly priority: 'critical' | 'default' | 'sheddable';
}

/** Everything is filled in, as it is one field of the policy. */
export interface BreakerSettings {
  /** `TrafficPolicy shop/payments` */
  readonly rule: string;
  readonly windowMs: number;
  readonly minCalls: number;
  /** 0: does not count. */
  readonly failurePercent: number;
  readonly consecutiveFailures: number;
  /** Null: no call is slow. */
  readonly slowCalls: { readonly longerThanMs: number; readonly percent: number } | null;
  readonly openMs: number;
  readonly maxOpenMs: number;
  readonly jitterPercent: number;
  /** At a time. */
  readonly probes: number;
  readonly successesToClose: number;
  /** Empty: 502, 503, 504. */
  readonly statusCodes: readonly number[];
  /** Empty: UNAVAILABLE, DEADLINE_EXCEEDED. */
  readonly grpcStatuses: readonly number[];
}

export interface LimitSettings {
  readonly maxConnections: number | null;
  readonly maxPendingRequests: number | null;
  readonly maxRequests: number | null;
  readonly maxRetries: number | null;
}

export interface RetryBudget {
  /** Of the requests that are under way. */
  readonly percent: number;
  /** Retries at a time that are allowed in any case. */
  readonly minConcurrency: number;
}

/** A number of failures in a row, or a percentage, that is 0 ejects nobody. */
export interface OutlierSettings {
  readonly consecutive5xx: number | null;
  readonly consecutiveGatewayFailures: number | null;
  readonly consecutiveLocalOriginFailures: number | null;
  readonly successRate: SuccessRateSettings | null;
  readonly failurePercentage: FailurePercentageSettings | null;
  readonly intervalMs: number | null;
  readonly baseEjectionTimeMs: number | null;
  readonly maxEjectionTimeMs: number | null;
  readonly ejectionJitterMs: number | null;
  readonly maxEjectionPercent: number | null;
}

interface SuccessRateSettings {
  readonly minHosts: number | null;
  readonly requestVolume: number | null;
  /** Standard deviations below the mean. */
  readonly deviations: number | null;
}

interface FailurePercentageSettings {
  readonly percent: number | null;
  readonly minHosts: number | null;
  readonly requestVolume: number | null;
}

export interface HealthCheckSettings {
  readonly probe:
    | { readonly type: 'http'; readonly path: string; readonly host: string; readonly statuses: readonly StatusRange[] }
    | { readonly type: 'grpc'; readonly service: string }
    | { readonly type: 'tcp'; readonly send: string; readonly receive: string }
    | { readonly type: 'tls' };
  readonly intervalMs: number;
  readonly jitterMs: number;
  readonly timeoutMs: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
  /** Of hosts that are not healthy; null: intervalMs. */
  readonly unhealthyIntervalMs: number | null;
}

interface StatusRange {
  readonly from: number;
  /** Included. */
  readonly to: number;
}

export interface LoadBalancingSettings {
  readonly algorithm: 'roundRobin' | 'leastRequest' | 'random' | null;
  readonly slowStart: SlowStartSettings | null;
}

export interface SlowStartSettings {
  readonly windowMs: number;
  readonly aggression: number;
  readonly minWeightPercent: number;
}

export interface KeepAliveSettings {
  /** Idle time before the first probe. */
  readonly timeMs: number;
  readonly intervalMs: number;
  readonly probes: number;
}

export const noRouteTraffic: RouteTraffic = {
  requestTimeout: null,
  perTryTimeout: null,
  streamIdleTimeout: null,
  maxDuration: null,
  retries: null,
  hedging: null,
  fallback: null,
  circuitBreaker: null,
};

export const noClusterTraffic: ClusterTraffic = {
  connectTimeoutMs: null,
  connectionIdleTimeoutMs: null,
  limits: null,
  highPriorityLimits: null,
  retryBudget: null,
  outlierDetection: null,
  panicThresholdPercent: null,
  healthChecks: [],
  loadBalancing: null,
  tcpKeepAlive: null,
  circuitBreaker: null,
};

export const noInboundTraffic: InboundTraffic = { limits: null, adaptiveConcurrency: null, priorities: [] };
