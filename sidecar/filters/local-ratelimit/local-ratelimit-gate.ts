/** Envoy's local rate limit filter as a gate: a request takes tokens of the buckets that it falls under, at once, or is refused with 429 and the time when to come again. */
import { HeaderFields } from '../../codec/header-fields.ts';
import { headerName } from '../../codec/header-name.ts';
import { ProxyError } from '../../codec/proxy-error.ts';
import type { LocalRateLimitConfig } from '../../config/rate-limit-config.ts';
import type { DownstreamConnectionInfo, HttpContext } from '../../connection-manager/http-context.ts';
import { HeaderMutation } from '../../router/header-mutation.ts';
import type { RouteEntry } from '../../router/route-entry.ts';
import type { Counter, StatStore } from '../../stats/stat-store.ts';
import { type Descriptor, RequestDescriptors } from '../ratelimit/request-descriptors.ts';
import type { ForwardedForRules } from '../rbac/request-view.ts';
import type { GateRequest, GateVerdict, RequestGate } from '../request-gate.ts';
import { hits } from '../share.ts';
import { LocalLimiter } from './local-limiter.ts';
import type { TokenBucket } from './token-bucket.ts';

const names = {
  limit: headerName('x-ratelimit-limit'),
  remaining: headerName('x-ratelimit-remaining'),
  reset: headerName('x-ratelimit-reset'),
};
const unavailable = 14;
const resourceExhausted = 8;
const noDescriptors: readonly Descriptor[] = [];

export class LocalRateLimitGate implements RequestGate {
  readonly name: string;
  readonly answersAtOnce = true;
  /** What limits of routes put in is the same for all, and says nothing of a caller: only its own is looked at. */
  readonly keepsRequests: boolean;
  readonly #context: HttpContext;
  readonly #forwardedFor: ForwardedForRules;
  readonly #own: Limit;
  readonly #ofRoutes = new WeakMap<LocalRateLimitConfig, Limit>();

  constructor(config: LocalRateLimitConfig, forwardedFor: ForwardedForRules, context: HttpContext) {
    this.name = config.filterName;
    this.#context = context;
    this.#forwardedFor = forwardedFor;
    this.#own = new Limit(config, forwardedFor, context);
    this.keepsRequests = this.#own.requestHeaders === null;
  }

  check(request: GateRequest): GateVerdict {
    const limit = this.#limitFor(request.route);
    const { config, counts } = limit;
    const { clock, random } = this.#context;
    if (!hits(config.enabled, random)) return null;
    counts.enabled.value++;
    const nowMs = request.nowMs < 0 ? clock.nowMs() : request.nowMs;
    const limiter = limit.limiter(request.connection, nowMs);
    const descriptors =
      config.descriptors.length === 0 ? noDescriptors : limit.descriptors.of(request, config.virtualHostRateLimits);
    const allowed = limiter.take(descriptors, nowMs);
    const bucket = limiter.decidedBy;
    if (config.tellsLimits && bucket !== null) tellLimit(request, bucket, nowMs);
    if (allowed) {
      counts.ok.value++;
      return null;
    }
    counts.limited.value++;
    if (!hits(config.enforced, random)) {
      limit.requestHeaders?.apply(request.head.fields);
      return null;
    }
    counts.enforced.value++;
    return limit.refusal(bucket!, nowMs);
  }

  #limitFor(route: RouteEntry | null): Limit {
    const config = route?.config.gates?.get(this.name);
    if (config?.kind !== 'local-ratelimit') return this.#own;
    let limit = this.#ofRoutes.get(config);
    if (limit === undefined) {
      limit = new Limit(config, this.#forwardedFor, this.#context);
      this.#ofRoutes.set(config, limit);
    }
    return limit;
  }
}

/** What one configuration, of the filter or of a route, has in force. */
class Limit {
  readonly config: LocalRateLimitConfig;
  readonly counts: LimitCounts;
  readonly descriptors: RequestDescriptors;
  readonly requestHeaders: HeaderMutation | null;
  readonly #responseHeaders: HeaderMutation | null;
  readonly #shared: LocalLimiter;
  readonly #ofConnections = new WeakMap<DownstreamConnectionInfo, LocalLimiter>();

  constructor(config: LocalRateLimitConfig, forwardedFor: ForwardedForRules, context: HttpContext) {
    const { localService, stats, clock } = context;
    this.config = config;
    this.counts = limitCounts(stats, config.statPrefix);
    this.descriptors = new RequestDescriptors(config.stage, { localService, forwardedFor });
    this.requestHeaders = HeaderMutation.compile(config.requestHeaders);
    this.#responseHeaders = HeaderMutation.compile(config.responseHeaders);
    this.#shared = new LocalLimiter(config, clock.nowMs());
  }

  limiter(connection: DownstreamConnectionInfo, nowMs: number): LocalLimiter {
    if (!this.config.perConnection) return this.#shared;
    let limiter = this.#ofConnections.get(connection);
    if (limiter === undefined) this.#ofConnections.set(connection, (limiter = new LocalLimiter(this.config, nowMs)));
    return limiter;
  }

  /** Beside what Envoy says: when to come again (RFC 9110 10.2.3), and the limit by the names of the IETF's draft. */
  refusal(bucket: TokenBucket, nowMs: number): ProxyError {
    const seconds = String(resetSeconds(bucket, nowMs));
    const fields = HeaderFields.of(
      ['retry-after', seconds],
      ['ratelimit-limit', String(bucket.maxTokens)],
      ['ratelimit-remaining', String(bucket.remaining(nowMs))],
      ['ratelimit-reset', seconds],
    );
    this.#responseHeaders?.apply(fields);
    const { status, resourceExhausted: exhausted } = this.config;
    return new ProxyError({
      flag: 'RL',
      source: 'local',
      details: 'local_rate_limited',
      message: `More requests than the limit allows; there is room again in ${seconds} s.`,
      rule: bucket.policy,
      status,
      reply: { fields, grpcStatus: exhausted ? resourceExhausted : unavailable },
    });
  }
}

interface LimitCounts {
  readonly enabled: Counter;
  readonly ok: Counter;
  readonly limited: Counter;
  readonly enforced: Counter;
}

function limitCounts(stats: StatStore, prefix: string): LimitCounts {
  const counter = (name: string): Counter => stats.counter(`${prefix}.http_local_rate_limit.${name}`);
  return {
    enabled: counter('enabled'),
    ok: counter('ok'),
    limited: counter('rate_limited'),
    enforced: counter('enforced'),
  };
}

/** Whole seconds until there is a token again; at least 1. */
function resetSeconds(bucket: TokenBucket, nowMs: number): number {
  return Math.max(1, Math.ceil(bucket.msUntilToken(nowMs) / 1000));
}

function tellLimit(request: GateRequest, bucket: TokenBucket, nowMs: number): void {
  const remaining = String(bucket.remaining(nowMs));
  const reset = String(Math.ceil(bucket.msUntilToken(nowMs) / 1000));
  request.changeResponse((fields) => {
    fields.set(names.limit, String(bucket.maxTokens));
    fields.set(names.remaining, remaining);
    fields.set(names.reset, reset);
  });
}
