/**
 * How requests are protected where no TrafficPolicy says anything (needs-and-defaults.md): one object per capability. `enabled: false` keeps a default out of what proxies are sent, because a sidecar that does not know the
 * field would refuse the whole resource; what a policy asks for is translated in any case, with these values for what it leaves open. Proxyless gRPC clients are sent none of them: they take few of these fields.
 */
import { type RetryCondition, safeRetryConditions } from '../config-kind/traffic-resource.ts';

/** RouteAction.retry_policy: retry_on and num_retries. Only what the service saw nothing of. */
const retries = { enabled: true, attempts: 1, on: safeRetryConditions as readonly RetryCondition[] };

/** RetryPolicy.retry_back_off: full jitter, doubling. */
const retryBackoff = { enabled: true, baseMs: 25, maxMs: 250 };

/** RetryPolicy.retry_host_predicate (previous_hosts) and host_selection_retry_max_attempts: how often another host is picked. */
const otherHost = { enabled: true, maxSelections: 5 };

/** RetryPolicy.per_try_timeout for an HTTPRoute's timeouts.backendRequest; without it the shorter of both timeouts is the request's. */
const backendRequestIsPerTry = { enabled: true };

/** VirtualHost.include_request_attempt_count: the service is told by x-envoy-attempt-count. */
const attemptCount = { enabled: true };

/** Thresholds.retry_budget: a share of the requests that are under way, and so many in any case. */
const retryBudget = { enabled: true, percent: 20, minConcurrency: 3 };

/** Cluster.circuit_breakers, of each caller towards each port. */
const limits = { maxConnections: 1_024, maxPendingRequests: 1_024, maxRequests: 10_000 };

/** Cluster.outlier_detection. A success below 80 % is a failure percentage of 20. */
const outlierDetection = {
  enabled: true,
  consecutive5xx: 0,
  consecutiveGatewayFailures: 5,
  consecutiveLocalOriginFailures: 5,
  failurePercentage: 20,
  minHosts: 2,
  requestVolume: 20,
  intervalMs: 10_000,
  baseEjectionTimeMs: 10_000,
  maxEjectionTimeMs: 300_000,
  ejectionJitterMs: 1_000,
  maxEjectionPercent: 50,
};

/** Cluster.upstream_connection_options.tcp_keepalive. */
const tcpKeepAlive = { enabled: true, timeMs: 300_000, intervalMs: 15_000, probes: 3 };

export const defaultResilience = {
  /** 15 s; none for gRPC, whose callers set deadlines. */
  requestTimeoutMs: 15_000,
  connectTimeoutMs: 1_000,
  /** Between sidecars a connection may rest long; an application closes earlier than that, and a request must not meet its closing. */
  connectionIdleTimeoutMs: 3_600_000,
  retries,
  retryBackoff,
  otherHost,
  backendRequestIsPerTry,
  attemptCount,
  retryBudget,
  limits,
  outlierDetection,
  tcpKeepAlive,
};

export type DefaultResilience = typeof defaultResilience;
