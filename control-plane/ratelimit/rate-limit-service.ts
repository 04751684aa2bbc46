/**
 * Envoy's rate limit service (`envoy.service.ratelimit.v3`) for the global limits of RateLimitPolicies, on both doors. Who comes by the TLS door counts only for policies of a namespace in which it is somebody, and for those of the
 * root namespace: nobody uses up another's limits.
 */
import { hash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import {
  type RateLimitRequest,
  type RateLimitResponse,
  RateLimitResponse_Code,
  type RateLimitResponse_DescriptorStatus,
  RateLimitResponse_DescriptorStatusSchema,
  RateLimitResponse_RateLimit_Unit,
  RateLimitResponseSchema,
} from '../../proto/generated/envoy/service/ratelimit/v3/rls_pb.js';
import type { LimitUnit } from '../config-kind/policy-resource.ts';
import { rootNamespace } from '../config-kind/policy-target.ts';
import { type Caller, callerOf } from '../door/caller.ts';
import type { Model } from '../model/model.ts';
import { durationOf } from '../translate/api-values.ts';
import type { CounterStore } from './counter-store.ts';
import { type CountedLimit, type DescriptorEntry, LimitTable, unitMs } from './limit-table.ts';

/** Of one request. */
const maxDescriptors = 64;
const maxEntries = 32;
/** Of all keys and values of a descriptor together. */
const maxDescriptorLength = 8_192;

const units: Readonly<Record<LimitUnit, RateLimitResponse_RateLimit_Unit>> = {
  second: RateLimitResponse_RateLimit_Unit.SECOND,
  minute: RateLimitResponse_RateLimit_Unit.MINUTE,
  hour: RateLimitResponse_RateLimit_Unit.HOUR,
  day: RateLimitResponse_RateLimit_Unit.DAY,
};

export interface RateLimitServiceOptions {
  /** Null: nothing is known yet, so nothing is limited. */
  readonly model: () => Pick<Model, 'policies'> | null;
  readonly counters: CounterStore;
  readonly wallMs: () => number;
  /** Whether a caller is somebody in a namespace. */
  readonly isOf: (caller: Caller, namespace: string) => boolean;
}

type Refused = { readonly name: string; readonly message: string; readonly code: status; readonly details: string };

export class RateLimitService {
  readonly #options: RateLimitServiceOptions;
  readonly #table = new LimitTable();
  /** Requests by what came of them, for metrics. */
  readonly answered = { ok: 0, overLimit: 0, refused: 0 };

  constructor(options: RateLimitServiceOptions) {
    this.#options = options;
  }

  readonly implementation = {
    shouldRateLimit: (
      call: ServerUnaryCall<RateLimitRequest, RateLimitResponse>,
      answer: sendUnaryData<RateLimitResponse>,
    ): void => {
      this.shouldRateLimit(call.request, callerOf(call)).then(
        (found) => {
          if ('overallCode' in found) answer(null, found);
          else answer(found);
        },
        (error: unknown) => answer(refused(status.UNAVAILABLE, `counts cannot be had: ${(error as Error).message}`)),
      );
    },
  };

  async shouldRateLimit(request: RateLimitRequest, caller: Caller | null): Promise<RateLimitResponse | Refused> {
    const fault = this.#faultOf(request, caller);
    if (fault !== null) {
      this.answered.refused++;
      return fault;
    }
    // What is not said is 1; that is how Envoy asks.
    const hits = request.hitsAddend === 0 ? 1 : request.hitsAddend;
    const wallMs = this.#options.wallMs();
    const statuses = await Promise.all(
      request.descriptors.map(({ entries }) => this.#count(request.domain, entries, hits, wallMs)),
    );
    const over = statuses.filter(({ code }) => code === RateLimitResponse_Code.OVER_LIMIT);
    if (over.length > 0) this.answered.overLimit++;
    else this.answered.ok++;
    const waitMs = Math.max(
      0,
      ...over.map(({ durationUntilReset: wait }) => Number(wait?.seconds ?? 0n) * 1_000 + (wait?.nanos ?? 0) / 1e6),
    );
    return create(RateLimitResponseSchema, {
      overallCode: over.length > 0 ? RateLimitResponse_Code.OVER_LIMIT : RateLimitResponse_Code.OK,
      statuses,
      responseHeadersToAdd: over.length > 0 ? [{ key: 'retry-after', value: String(Math.ceil(waitMs / 1_000)) }] : [],
    });
  }

  #limitOf(entries: readonly DescriptorEntry[]): CountedLimit | null {
    const model = this.#options.model();
    return model === null ? null : this.#table.limitOf(model.policies, entries);
  }

  #faultOf({ domain, descriptors }: RateLimitRequest, caller: Caller | null): Refused | null {
    if (domain === '') return refused(status.INVALID_ARGUMENT, 'domain: is missing');
    if (descriptors.length === 0) return refused(status.INVALID_ARGUMENT, 'descriptors: is empty');
    if (descriptors.length > maxDescriptors)
      return refused(status.INVALID_ARGUMENT, `descriptors: has more than ${maxDescriptors} entries`);
    for (const [at, { entries }] of descriptors.entries()) {
      const length = entries.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
      if (entries.length > maxEntries || length > maxDescriptorLength)
        return refused(
          status.INVALID_ARGUMENT,
          `descriptors[${at}].entries: more than ${maxEntries} entries, or than ${maxDescriptorLength} characters`,
        );
      const limit = this.#limitOf(entries);
      if (caller === null || limit === null || limit.namespace === rootNamespace) continue;
      if (!this.#options.isOf(caller, limit.namespace))
        return refused(
          status.PERMISSION_DENIED,
          `descriptors[${at}]: ${caller.words} is nobody in namespace ${limit.namespace}, whose limit ${limit.name} is`,
        );
    }
    return null;
  }

  async #count(
    domain: string,
    entries: readonly DescriptorEntry[],
    hits: number,
    wallMs: number,
  ): Promise<RateLimitResponse_DescriptorStatus> {
    const limit = this.#limitOf(entries);
    if (limit === null) return create(RateLimitResponse_DescriptorStatusSchema, { code: RateLimitResponse_Code.OK });
    const { name, requests, unit } = limit;
    const { count, resetMs } = await this.#options.counters.add(
      counterKey(domain, entries),
      hits,
      unitMs[unit],
      wallMs,
    );
    return create(RateLimitResponse_DescriptorStatusSchema, {
      code: count > requests ? RateLimitResponse_Code.OVER_LIMIT : RateLimitResponse_Code.OK,
      currentLimit: { name, requestsPerUnit: requests, unit: units[unit] },
      limitRemaining: Math.max(0, requests - count),
      durationUntilReset: durationOf(resetMs),
    });
  }
}

/** A digest: what callers send can be long, and is nobody's business where counts are kept. */
function counterKey(domain: string, entries: readonly DescriptorEntry[]): string {
  const text = JSON.stringify([domain, ...entries.map(({ key, value }) => [key, value])]);
  // 132 bits.
  return hash('sha256', text, 'base64url').slice(0, 22);
}

function refused(code: status, details: string): Refused {
  return { name: 'RateLimitServiceError', message: details, code, details };
}
