/** Our frozen form of `rate_limits` of routes and virtual hosts (how a request is described to a limit) and of the two filters that limit by it: local buckets, and an outside service (Envoy's RLS). */
import type { FractionConfig } from './fault-config.ts';
import type { HeaderMatchConfig, HeaderMutations, QueryMatchConfig } from './route-config.ts';

/** `rate_limits` of a route and of its virtual host. */
export interface RouteRateLimitsConfig {
  readonly route: readonly RateLimitPolicyConfig[];
  readonly virtualHost: readonly RateLimitPolicyConfig[];
  /** `include_vh_rate_limits` of the route. */
  readonly includeVirtualHost: boolean;
}

/** One description of a request: every action adds an entry, or leaves one out, or means that there is no description. */
export interface RateLimitPolicyConfig {
  /** Of the filter that it is for; 0 to 10. */
  readonly stage: number;
  readonly actions: readonly RateLimitActionConfig[];
}

export type RateLimitActionConfig =
  | { readonly kind: 'source-cluster' }
  | { readonly kind: 'destination-cluster' }
  | { readonly kind: 'remote-address' }
  | { readonly kind: 'masked-remote-address'; readonly v4Bits: number; readonly v6Bits: number }
  | { readonly kind: 'generic-key'; readonly key: string; readonly value: string }
  | { readonly kind: 'request-header'; readonly header: string; readonly key: string; readonly skipIfAbsent: boolean }
  | {
      readonly kind: 'header-match';
      readonly key: string;
      readonly value: string;
      readonly expectMatch: boolean;
      readonly headers: readonly HeaderMatchConfig[];
    }
  | {
      readonly kind: 'query-match';
      readonly key: string;
      readonly value: string;
      readonly expectMatch: boolean;
      readonly parameters: readonly QueryMatchConfig[];
    }
  /** What a gate before this one found out; only text counts. */
  | {
      readonly kind: 'metadata';
      readonly key: string;
      readonly namespace: string;
      readonly path: readonly string[];
      /** ''; none. */
      readonly defaultValue: string;
      readonly skipIfAbsent: boolean;
    }
  /** URI name of the caller's certificate: who it is in the mesh. */
  | { readonly kind: 'caller'; readonly key: string };

export interface TokenBucketConfig {
  readonly maxTokens: number;
  readonly tokensPerFill: number;
  readonly fillIntervalMs: number;
}

/** `OVERRIDE`: those of the virtual host where the route has none; `INCLUDE`: both; `IGNORE`: the route's. */
export type VirtualHostRateLimits = 'override' | 'include' | 'ignore';

export interface LocalRateLimitConfig {
  readonly kind: 'local-ratelimit';
  /** As configured in `http_filters`; '' where a route says it. */
  readonly filterName: string;
  readonly statPrefix: string;
  /** 400 to 599; default 429. */
  readonly status: number;
  /** null: no limit beside the descriptors. */
  readonly bucket: TokenBucketConfig | null;
  readonly enabled: FractionConfig;
  readonly enforced: FractionConfig;
  /** Of requests over the limit that pass because it is not enforced. */
  readonly requestHeaders: HeaderMutations;
  /** Of refusals. */
  readonly responseHeaders: HeaderMutations;
  readonly descriptors: readonly LocalDescriptorConfig[];
  readonly stage: number;
  readonly perConnection: boolean;
  /** `X-RateLimit-…` on every answer. */
  readonly tellsLimits: boolean;
  readonly virtualHostRateLimits: VirtualHostRateLimits;
  readonly alwaysConsumesDefault: boolean;
  /** gRPC callers get RESOURCE_EXHAUSTED instead of UNAVAILABLE. */
  readonly resourceExhausted: boolean;
}

export interface LocalDescriptorConfig {
  /** A value of '' stands for any: each value has a bucket of its own. */
  readonly entries: ReadonlyArray<readonly [key: string, value: string]>;
  readonly bucket: TokenBucketConfig;
}

/** Envoy's ratelimit filter: an outside service is asked (RLS v3). */
export interface RateLimitConfig {
  readonly kind: 'ratelimit';
  readonly filterName: string;
  /** Stands in the names of its statistics; '': nothing. */
  readonly statPrefix: string;
  readonly domain: string;
  readonly stage: number;
  readonly requestType: 'internal' | 'external' | 'both';
  /** Above 0: nothing waits longer for the service. */
  readonly timeoutMs: number;
  /** Requests are refused when the service fails; else they pass. */
  readonly failureModeDeny: boolean;
  readonly resourceExhausted: boolean;
  readonly service: RateLimitServiceConfig;
  readonly tellsLimits: boolean;
  /** Refusals have no `x-envoy-ratelimited`. */
  readonly hidesRateLimited: boolean;
  readonly status: number;
  readonly responseHeaders: HeaderMutations;
  readonly statusOnError: number;
}

export interface RateLimitServiceConfig {
  readonly cluster: string;
  readonly authority: string;
  readonly initialMetadata: ReadonlyArray<readonly [string, string]>;
}

/** `RateLimitPerRoute`. */
export interface RateLimitRouteConfig {
  readonly kind: 'ratelimit';
  readonly virtualHostRateLimits: VirtualHostRateLimits;
  /** '': the filter's. */
  readonly domain: string;
}
