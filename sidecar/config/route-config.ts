/** Our frozen form of Envoy's RouteConfiguration. Compiled into matchers by sidecar/router/route-table.ts. */
import type { RouteGateConfigs } from './gate-config.ts';
import type { RouteRateLimitsConfig } from './rate-limit-config.ts';

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
  /** How its requests are described to limits; null: not at all. */
  readonly rateLimits: RouteRateLimitsConfig | null;
  readonly requestHeaders: HeaderMutations;
  readonly responseHeaders: HeaderMutations;
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
  /** `timeout`: default 15 s; 0: none. */
  readonly timeoutMs: number;
  /** `idle_timeout` of the stream; null: the connection manager's; 0: none. */
  readonly idleTimeoutMs: number | null;
  /** `max_stream_duration`: duration, and the cap on `grpc-timeout` (`grpc_timeout_header_max`); null: not set. 0 as cap: honour the caller's as it is. */
  readonly maxStreamDurationMs: number | null;
  readonly grpcTimeoutHeaderMaxMs: number | null;
  readonly prefixRewrite: string;
  /** '' : authority kept. */
  readonly hostRewrite: string;
  readonly retry: RetryPolicyConfig | null;
  readonly clusterNotFoundStatus: number;
}

/** What is honoured so far; the rest of RetryPolicy comes with the resilience work and is refused until then. */
export interface RetryPolicyConfig {
  readonly retryOn: readonly string[];
  readonly maxRetries: number;
  readonly perTryTimeoutMs: number;
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
