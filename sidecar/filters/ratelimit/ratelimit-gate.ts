/** Envoy's ratelimit filter as a gate: an outside service (RLS v3) says whether a request is over a limit. When it does not answer in time, requests pass, or are refused where the configuration says so. */
import { HeaderFields } from '../../codec/header-fields.ts';
import { headerName } from '../../codec/header-name.ts';
import { ProxyError } from '../../codec/proxy-error.ts';
import type { RateLimitConfig } from '../../config/rate-limit-config.ts';
import type { HttpContext } from '../../connection-manager/http-context.ts';
import { HeaderMutation } from '../../router/header-mutation.ts';
import type { Counter, StatStore } from '../../stats/stat-store.ts';
import type { ForwardedForRules } from '../rbac/request-view.ts';
import type { GateAnswer, GateRequest, GateVerdict, RequestGate } from '../request-gate.ts';
import { ServiceQuestion } from '../service-question.ts';
import { policiesOfDescriptors } from './descriptor-policy.ts';
import { callLimitService } from './limit-call.ts';
import { type Descriptor, RequestDescriptors } from './request-descriptors.ts';
import type { LimitAnswer, LimitVerdict, NearestLimit } from './rls-message.ts';

/** Where what the service says of a request is found. */
const metadataNamespace = 'envoy.filters.http.ratelimit';
const names = {
  limit: headerName('x-ratelimit-limit'),
  remaining: headerName('x-ratelimit-remaining'),
  reset: headerName('x-ratelimit-reset'),
};
const unavailable = 14;
const resourceExhausted = 8;

export class RateLimitGate implements RequestGate {
  readonly name: string;
  readonly #config: RateLimitConfig;
  readonly #context: HttpContext;
  readonly #descriptors: RequestDescriptors;
  readonly #responseHeaders: HeaderMutation | null;
  /** By the cluster that requests go to. */
  readonly #counts = new Map<string, LimitCounts>();

  constructor(config: RateLimitConfig, forwardedFor: ForwardedForRules, context: HttpContext) {
    const { localService } = context;
    this.name = config.filterName;
    this.#config = config;
    this.#context = context;
    this.#descriptors = new RequestDescriptors(config.stage, { localService, forwardedFor });
    this.#responseHeaders = HeaderMutation.compile(config.responseHeaders);
  }

  check(request: GateRequest, decide: (verdict: GateVerdict) => void): GateAnswer {
    const config = this.#config;
    const { requestType } = config;
    if (requestType !== 'both' && (request.connection.peer !== null) !== (requestType === 'internal')) return null;
    const said = request.route?.config.gates?.get(config.filterName);
    const ofRoute = said?.kind === 'ratelimit' ? said : null;
    const descriptors = this.#descriptors.of(request, ofRoute?.virtualHostRateLimits ?? 'override');
    if (descriptors.length === 0) return null;
    const domain = ofRoute === null || ofRoute.domain === '' ? config.domain : ofRoute.domain;
    const question = new ServiceQuestion<LimitVerdict>({
      wheel: this.#context.wheel,
      verdict: (answer) => this.#verdict(request, descriptors, answer),
      decide,
      timeoutMs: config.timeoutMs,
      late: { kind: 'error', why: `it did not answer within ${config.timeoutMs} ms` },
    });
    return question.ask((answered) => callLimitService(config, domain, descriptors, this.#context, answered));
  }

  #verdict(request: GateRequest, descriptors: readonly Descriptor[], answer: LimitVerdict): GateVerdict {
    const counts = this.#countsOf(request.targetCluster ?? '');
    if (answer.kind === 'error') {
      counts.error.value++;
      return this.#failed(counts, descriptors, answer.why);
    }
    const { nearest, metadata, responseFields } = answer;
    if (metadata !== null) (request.metadata ??= new Map()).set(metadataNamespace, metadata);
    const told = this.#config.tellsLimits ? nearest : null;
    if (told !== null || responseFields.length > 0)
      request.changeResponse((fields) => {
        for (const [name, value] of responseFields) fields.append(name, value);
        if (told !== null) tellLimit(fields, told);
      });
    if (answer.kind === 'over-limit') {
      counts.overLimit.value++;
      return this.#refusal(answer, policiesOfDescriptors(answer.over.map((at) => descriptors[at])));
    }
    counts.ok.value++;
    for (const [name, value] of answer.requestFields) request.head.fields.append(name, value);
    return null;
  }

  /** Beside what Envoy says: when to come again and the limit by the names of the IETF's draft, where the service tells. */
  #refusal({ nearest, body, responseFields }: LimitAnswer, rule: string): ProxyError {
    const { hidesRateLimited, status, resourceExhausted: exhausted } = this.#config;
    const fields = new HeaderFields();
    if (!hidesRateLimited) fields.append(headerName('x-envoy-ratelimited'), 'true');
    if (nearest !== null) {
      const { perUnit, remaining, resetSeconds } = nearest;
      // The service may say so itself; twice, and rounded differently, would be none.
      if (resetSeconds > 0 && !responseFields.some(([name]) => name.lower === 'retry-after'))
        fields.append(headerName('retry-after'), String(resetSeconds));
      fields.append(headerName('ratelimit-limit'), String(perUnit));
      fields.append(headerName('ratelimit-remaining'), String(remaining));
      fields.append(headerName('ratelimit-reset'), String(resetSeconds));
    }
    this.#responseHeaders?.apply(fields);
    return new ProxyError({
      flag: 'RL',
      source: 'local',
      details: 'request_rate_limited',
      message: 'More requests than the limit allows.',
      rule,
      status,
      reply: {
        fields,
        grpcStatus: exhausted ? resourceExhausted : unavailable,
        ...(body.length > 0 ? { body } : {}),
      },
    });
  }

  #failed(counts: LimitCounts, descriptors: readonly Descriptor[], why: string): GateVerdict {
    const { failureModeDeny, service, statusOnError } = this.#config;
    if (!failureModeDeny) {
      counts.failureModeAllowed.value++;
      return null;
    }
    return new ProxyError({
      flag: 'RLSE',
      source: 'local',
      details: 'rate_limiter_error',
      message: `The rate limit service ${service.cluster} could not be asked: ${why.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 300)}.`,
      rule: policiesOfDescriptors(descriptors),
      status: statusOnError,
    });
  }

  #countsOf(cluster: string): LimitCounts {
    let counts = this.#counts.get(cluster);
    if (counts === undefined) {
      counts = limitCounts(this.#context.stats, cluster, this.#config.statPrefix);
      this.#counts.set(cluster, counts);
    }
    return counts;
  }
}

interface LimitCounts {
  readonly ok: Counter;
  readonly error: Counter;
  readonly overLimit: Counter;
  readonly failureModeAllowed: Counter;
}

function limitCounts(stats: StatStore, cluster: string, ownPrefix: string): LimitCounts {
  const counter = (name: string): Counter =>
    stats.counter(`cluster.${cluster}.ratelimit.${ownPrefix === '' ? '' : `${ownPrefix}.`}${name}`);
  return {
    ok: counter('ok'),
    error: counter('error'),
    overLimit: counter('over_limit'),
    failureModeAllowed: counter('failure_mode_allowed'),
  };
}

function tellLimit(fields: HeaderFields, { limit, remaining, resetSeconds }: NearestLimit): void {
  fields.append(names.limit, limit);
  fields.append(names.remaining, String(remaining));
  fields.append(names.reset, String(resetSeconds));
}
