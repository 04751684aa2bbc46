/** Configurations for tests: Envoy's defaults, with what a test wants otherwise. */
import type { HttpConnectionManagerConfig } from '../../config/listener-config.ts';
import {
  type ForwardActionConfig,
  noHeaderMutations,
  type RetryPolicyConfig,
  type RouteActionConfig,
  type RouteConfig,
  type RouteMatchConfig,
  type RouteTableConfig,
  type VirtualHostConfig,
} from '../../config/route-config.ts';
import type { FallbackConfig, HedgingConfig } from '../../config/route-resilience-config.ts';

export function forward(cluster: string, overrides: Partial<ForwardActionConfig> = {}): ForwardActionConfig {
  return {
    kind: 'forward',
    clusters: [{ name: cluster, weight: 1, requestHeaders: noHeaderMutations, responseHeaders: noHeaderMutations }],
    timeoutMs: 15_000,
    idleTimeoutMs: null,
    maxStreamDurationMs: null,
    grpcTimeoutHeaderMaxMs: null,
    grpcTimeoutHeaderOffsetMs: 0,
    prefixRewrite: '',
    hostRewrite: '',
    retry: null,
    highPriority: false,
    hedgeOnPerTryTimeout: false,
    hedging: null,
    fallback: null,
    replayLimitBytes: null,
    attemptCountInRequest: false,
    attemptCountInResponse: false,
    clusterNotFoundStatus: 503,
    ...overrides,
  };
}

export function retryPolicy(
  retryOn: readonly string[],
  maxRetries: number,
  overrides: Partial<RetryPolicyConfig> = {},
): RetryPolicyConfig {
  return {
    retryOn,
    maxRetries,
    perTryTimeoutMs: 0,
    perTryIdleTimeoutMs: 0,
    retriableStatusCodes: [],
    retriableHeaders: [],
    retriableRequestHeaders: [],
    baseBackoffMs: 25,
    maxBackoffMs: 250,
    resetHeaders: [],
    maxResetMs: 300_000,
    omitCanaryHosts: false,
    ...overrides,
  };
}

export function hedgeAfter(delayMs: number, overrides: Partial<HedgingConfig> = {}): HedgingConfig {
  return {
    policy: 'TrafficPolicy shop/orders',
    when: { kind: 'delay', delayMs },
    maxHedges: 1,
    methods: ['GET', 'HEAD', 'OPTIONS', 'TRACE'],
    ...overrides,
  };
}

export function fallbackTo(overrides: Partial<FallbackConfig>): FallbackConfig {
  return {
    policy: 'TrafficPolicy shop/orders',
    service: null,
    stale: null,
    answer: null,
    methods: ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'],
    statusCodes: [502, 503, 504],
    ...overrides,
  };
}

export function pathMatch(path: RouteMatchConfig['path'], overrides: Partial<RouteMatchConfig> = {}): RouteMatchConfig {
  return { path, caseSensitive: true, headers: [], queryParameters: [], grpcOnly: false, ...overrides };
}

export const anyPath = pathMatch({ kind: 'prefix', value: '/' });

export function route(
  name: string,
  match: RouteMatchConfig,
  action: RouteActionConfig,
  overrides: Partial<RouteConfig> = {},
): RouteConfig {
  return {
    name,
    match,
    action,
    gates: null,
    rateLimits: null,
    requestHeaders: noHeaderMutations,
    responseHeaders: noHeaderMutations,
    ...overrides,
  };
}

export function virtualHost(
  name: string,
  domains: readonly string[],
  routes: readonly RouteConfig[],
): VirtualHostConfig {
  return { name, domains, routes, requestHeaders: noHeaderMutations, responseHeaders: noHeaderMutations };
}

export function routeTable(
  routes: readonly RouteConfig[],
  overrides: Partial<RouteTableConfig> = {},
): RouteTableConfig {
  return {
    name: 'test',
    virtualHosts: [virtualHost('all', ['*'], routes)],
    requestHeaders: noHeaderMutations,
    responseHeaders: noHeaderMutations,
    ignorePortInHost: false,
    validateClusters: true,
    ...overrides,
  };
}

export function managerConfig(
  table: RouteTableConfig,
  overrides: Partial<HttpConnectionManagerConfig> = {},
): HttpConnectionManagerConfig {
  return {
    statPrefix: 'test',
    codec: 'auto',
    routes: { kind: 'inline', table },
    gates: [],
    accessLogs: [],
    requestMetrics: null,
    tracing: null,
    connectionIdleTimeoutMs: 3_600_000,
    maxRequestsPerConnection: 0,
    maxConnectionDurationMs: 0,
    maxStreamDurationMs: 0,
    streamIdleTimeoutMs: 300_000,
    requestTimeoutMs: 0,
    requestHeadersTimeoutMs: 10_000,
    drainTimeoutMs: 5_000,
    maxHeadBytes: 65_536,
    maxFields: 200,
    http2: {
      maxConcurrentStreams: 100,
      initialStreamWindowBytes: 262_144,
      initialConnectionWindowBytes: 1_048_576,
      headerTableBytes: 4_096,
      allowConnect: true,
      keepAliveIntervalMs: 0,
      keepAliveTimeoutMs: 0,
    },
    acceptHttp10: true,
    serverName: 'outrigger',
    serverHeaderTransformation: 'pass_through',
    useRemoteAddress: false,
    xffTrustedHops: 0,
    skipXffAppend: false,
    via: '',
    generateRequestId: true,
    preserveExternalRequestId: false,
    alwaysSetRequestIdInResponse: false,
    normalizePath: false,
    mergeSlashes: false,
    escapedSlashes: 'keep',
    stripHostPort: 'none',
    upgrades: { allowAll: true, allowed: [], denied: [] },
    ...overrides,
  };
}
