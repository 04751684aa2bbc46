/** Our frozen form of Envoy's RouteConfiguration. Compiled into matchers by sidecar/router/route-table.ts. */
import type { CircuitBreakerConfig } from './circuit-breaker-config.ts';
import type { RouteGateConfigs } from './gate-config.ts';
import type { RouteRateLimitsConfig } from './rate-limit-config.ts';
import type { FallbackConfig, HedgingConfig } from './route-resilience-config.ts';
import type { RouteTracingConfig } from './tracing-config.ts';

export interface RouteTableConfig {
  readonly name: string;
  readonly virtualHosts: readonly VirtualHostConfig[];
  readonly requestHeaders: HeaderMutations;
  readonly responseHeaders: HeaderMutations;
  /** `ignore_port_in_host_matching`. */
  readonly ignorePortInHost: boolean;
  /** `validate_clusters`: clusters that it names must be there; default true. Looked at for tables of the bootstrap only. */
  readonly validateClusters: boolean;
}

export interface VirtualHostConfig {
  readonly name: string;
  /** Exact, `*.suffix`, `prefix.*`, `*`; lower case. Unique over the table. */
  readonly domains: readonly string[];
  readonly routes: readonly RouteConfig[];
  readonly requestHeaders: HeaderMutations;
  readonly responseHeaders: HeaderMutations;
}

export interface RouteConfig {
  /** `name`, or '' ; shown in logs, metrics and refusals. The control plane sets `<namespace>/<route>#rule-<n>`. */
  readonly name: string;
  readonly match: RouteMatchConfig;
  readonly action: RouteActionConfig;
  /** `typed_per_filter_config` of the route, its virtual host and the table, the most specific for each filter; null: none. */
  readonly gates: RouteGateConfigs | null;
  /** Our own extension in `typed_per_filter_config`; absent or null: there is none. */
  readonly circuitBreaker?: CircuitBreakerConfig | null;
  /** For answers, logs and records; absent or null: nobody says. */
  readonly setBy?: RouteSettersConfig | null;
  /** `tracing`: what it says instead of its connection manager; absent or null: nothing. */
  readonly tracing?: RouteTracingConfig | null;
  /** How its requests are described to limits; null: not at all. */
  readonly rateLimits: RouteRateLimitsConfig | null;
  readonly requestHeaders: HeaderMutations;
  readonly responseHeaders: HeaderMutations;
}

/** Who set what a route says, as `TrafficPolicy shop/payments` or `HTTPRoute shop/payments`; '': not known. */
export interface RouteSettersConfig {
  readonly timeout: string;
  readonly perTryTimeout: string;
  readonly idleTimeout: string;
  readonly maxStreamDuration: string;
  /** Of a backend that is not there. */
  readonly backend: string;
  /** What is not there: `there is no Service shop/payments-v3`. */
  readonly missing: string;
  /** That stands for it among those of the route. */
  readonly missingCluster: string;
}

export interface RouteMatchConfig {
  readonly path:
    | { readonly kind: 'prefix'; readonly value: string }
    | { readonly kind: 'exact'; readonly value: string }
    /** `path_separated_prefix`: the prefix, or the prefix followed by `/`. */
    | { readonly kind: 'separated-prefix'; readonly value: string }
    | { readonly kind: 'regex'; readonly value: string };
  /** Default true. */
  readonly caseSensitive: boolean;
  readonly headers: readonly HeaderMatchConfig[];
  readonly queryParameters: readonly QueryMatchConfig[];
  /** `grpc: {}`: only requests whose content-type is application/grpc…. */
  readonly grpcOnly: boolean;
}

export type StringMatchConfig =
  | { readonly kind: 'exact'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'prefix'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'suffix'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'contains'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'regex'; readonly value: string };

export interface HeaderMatchConfig {
  /** Lower case; `:method`, `:path`, `:authority`, `:scheme` reach the request line. */
  readonly name: string;
  readonly test:
    | { readonly kind: 'string'; readonly match: StringMatchConfig }
    | { readonly kind: 'present'; readonly present: boolean }
    | { readonly kind: 'range'; readonly start: number; readonly end: number };
  readonly invert: boolean;
  readonly treatMissingAsEmpty: boolean;
}

export interface QueryMatchConfig {
  readonly name: string;
  readonly test: { readonly kind: 'string'; readonly match: StringMatchConfig } | { readonly kind: 'present' };
}

export type RouteActionConfig = ForwardActionConfig | RedirectActionConfig | DirectResponseActionConfig;

export interface ForwardActionConfig {
  readonly kind: 'forward';
  /** One entry for `cluster`, several for `weighted_clusters`. */
  readonly clusters: readonly WeightedClusterConfig[];
  /** `timeout`: default 15 s; 0: none, which is also what a route with `max_stream_duration` has (Envoy). */
  readonly timeoutMs: number;
  /** `idle_timeout` of the stream; null: the connection manager's; 0: none. */
  readonly idleTimeoutMs: number | null;
  /** `max_stream_duration`: duration, and the cap on `grpc-timeout` (`grpc_timeout_header_max`); null: not set. 0 as cap: honour the caller's as it is. */
  readonly maxStreamDurationMs: number | null;
  readonly grpcTimeoutHeaderMaxMs: number | null;
  /** `grpc_timeout_header_offset`: taken off the caller's; 0: none. */
  readonly grpcTimeoutHeaderOffsetMs: number;
  readonly prefixRewrite: string;
  /** '' : authority kept. */
  readonly hostRewrite: string;
  /** The route's, or else its virtual host's. */
  readonly retry: RetryPolicyConfig | null;
  /** `priority` HIGH: limits and connections of their own. */
  readonly highPriority: boolean;
  /** `hedge_policy.hedge_on_per_try_timeout` of the route or its virtual host: a try that takes long is not given up, another is sent beside it. */
  readonly hedgeOnPerTryTimeout: boolean;
  /** Ours, of the route, its virtual host or its table: another attempt beside one that takes long; null: none. */
  readonly hedging: HedgingConfig | null;
  /** Ours: what is answered instead of a failure; null: the failure is. */
  readonly fallback: FallbackConfig | null;
  /** `per_request_buffer_limit_bytes` of the route or its virtual host: how much of a body is kept to be sent again; null: the listener's buffer limit where retries are configured, else 64 KiB. */
  readonly replayLimitBytes: number | null;
  /** `include_request_attempt_count` and `include_attempt_count_in_response` of the virtual host. A second attempt always says that it is one. */
  readonly attemptCountInRequest: boolean;
  readonly attemptCountInResponse: boolean;
  readonly clusterNotFoundStatus: number;
}

/** Envoy's RetryPolicy of a route, or of its virtual host where the route has none. */
export interface RetryPolicyConfig {
  /** `retry_on`: names of sidecar/router/retry-conditions.ts; empty: nothing is retried beyond the free repeats. */
  readonly retryOn: readonly string[];
  /** `num_retries`, default 1. */
  readonly maxRetries: number;
  /** `per_try_timeout` and `per_try_idle_timeout`; 0: none. */
  readonly perTryTimeoutMs: number;
  readonly perTryIdleTimeoutMs: number;
  readonly retriableStatusCodes: readonly number[];
  readonly retriableHeaders: readonly HeaderMatchConfig[];
  readonly retriableRequestHeaders: readonly HeaderMatchConfig[];
  /** `retry_back_off`: default 25 ms, and ten times the base. */
  readonly baseBackoffMs: number;
  readonly maxBackoffMs: number;
  /** `rate_limited_retry_back_off`; empty: none. */
  readonly resetHeaders: readonly ResetHeaderConfig[];
  /** Its `max_interval`, default 300 s. */
  readonly maxResetMs: number;
  /** `retry_host_predicate` has omit_canary_hosts. previous_hosts needs no mention: hosts that were tried are always avoided. */
  readonly omitCanaryHosts: boolean;
}

/** A response header that says when to ask again. */
export interface ResetHeaderConfig {
  /** Lower case. */
  readonly name: string;
  /** Seconds from now, or a moment in seconds since 1970. */
  readonly format: 'seconds' | 'unix-timestamp';
}

export interface WeightedClusterConfig {
  readonly name: string;
  readonly weight: number;
  readonly requestHeaders: HeaderMutations;
  readonly responseHeaders: HeaderMutations;
}

export interface RedirectActionConfig {
  readonly kind: 'redirect';
  readonly status: 301 | 302 | 303 | 307 | 308;
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly prefixRewrite: string;
  readonly stripQuery: boolean;
}

export interface DirectResponseActionConfig {
  readonly kind: 'direct-response';
  readonly status: number;
  readonly body: string;
}

export interface HeaderMutations {
  readonly add: readonly HeaderAdd[];
  /** Lower case. */
  readonly remove: readonly string[];
}

export interface HeaderAdd {
  /** As configured; HTTP/1 writes it so. */
  readonly name: string;
  /** Literal text; command operators (`%…%`) other than `%%` are refused for now. */
  readonly value: string;
  readonly action: 'append' | 'overwrite' | 'add-if-absent' | 'overwrite-if-exists';
  readonly keepEmpty: boolean;
}

export const noHeaderMutations: HeaderMutations = Object.freeze({ add: Object.freeze([]), remove: Object.freeze([]) });
