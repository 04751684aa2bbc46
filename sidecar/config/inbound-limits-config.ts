/** Our frozen form of `outrigger.resilience.v1.InboundLimits`: limits on the requests that a workload takes at a time, and the queue for those beyond, with defaults filled in. */
import type { SheddingPriorityConfig } from './adaptive-concurrency-config.ts';
import type { HeaderMatchConfig, StringMatchConfig } from './route-config.ts';

export interface InboundLimitsConfig {
  readonly kind: 'inbound-limits';
  readonly filterName: string;
  /** Who asked for it, as refused callers are told: `TrafficPolicy shop/payments`; '': nobody said. */
  readonly rule: string;
  /** Of all callers together; null: no limit. */
  readonly maxRequests: number | null;
  /** Null: callers are not told apart. */
  readonly perCaller: CallerLimitConfig | null;
  /** The first that matches counts. */
  readonly routes: readonly RouteLimitConfig[];
  /** Null: what is beyond a limit is refused at once. */
  readonly queue: InboundQueueConfig | null;
  /** The first that matches counts. */
  readonly priorities: readonly PriorityRuleConfig[];
}

export interface CallerLimitConfig {
  readonly maxRequests: number;
  /** The first that matches counts. */
  readonly exceptions: ReadonlyArray<{ readonly callers: readonly StringMatchConfig[]; readonly maxRequests: number }>;
}

export interface RouteLimitConfig {
  readonly name: string;
  readonly match: RequestMatchConfig;
  readonly maxRequests: number;
}

/** All that is given has to hold; an empty list: it does not matter. */
export interface RequestMatchConfig {
  /** One of them, for the path without its query. */
  readonly paths: readonly StringMatchConfig[];
  readonly methods: readonly string[];
  /** Each of them. */
  readonly headers: readonly HeaderMatchConfig[];
  /** One of them, for the caller's SPIFFE ID. */
  readonly callers: readonly StringMatchConfig[];
}

export interface InboundQueueConfig {
  /** Of all callers together. */
  readonly maxRequests: number;
  readonly maxRequestsPerCaller: number;
  /** Then a request is refused. */
  readonly maxWaitMs: number;
  /** When the one that waits longest has waited more than `targetMs` for all of `intervalMs`, the newest is served first. */
  readonly targetMs: number;
  readonly intervalMs: number;
}

export interface PriorityRuleConfig {
  readonly match: RequestMatchConfig;
  readonly priority: SheddingPriorityConfig['priority'];
}
