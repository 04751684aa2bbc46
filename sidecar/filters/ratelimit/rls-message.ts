/** RateLimitRequest and RateLimitResponse of Envoy's RLS v3: the only place of this filter that knows protobuf. Never throws for what a service answers. */
import { create, fromBinary, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { type HeaderName, headerName } from '../../codec/header-name.ts';
import type { HeaderValue } from '../../xds/api/envoy/config/core/v3/base_pb.js';
import {
  type RateLimitResponse_DescriptorStatus as DescriptorStatus,
  RateLimitRequestSchema,
  type RateLimitResponse,
  RateLimitResponse_Code,
  RateLimitResponseSchema,
  RateLimitResponse_RateLimit_Unit as Unit,
} from '../../xds/api/envoy/service/ratelimit/v3/rls_pb.js';
import { isFraming } from '../ext-authz/authorization.ts';
import type { Descriptor } from './request-descriptors.ts';

/** More fields than this are no answer. */
const mostFields = 200;

export type FieldList = ReadonlyArray<readonly [name: HeaderName, value: string]>;

export interface LimitAnswer {
  readonly kind: 'ok' | 'over-limit';
  readonly requestFields: FieldList;
  readonly responseFields: FieldList;
  /** Of a refusal; empty: it does not say. */
  readonly body: Buffer;
  readonly metadata: JsonObject | null;
  /** Of the limit that is nearest; null: it says none. */
  readonly nearest: NearestLimit | null;
  /** Which of the descriptions are over their limit, by their place in the question. */
  readonly over: readonly number[];
}

export interface NearestLimit {
  /** `X-RateLimit-Limit`: the limit, then all that apply (draft-polli-ratelimit-headers-03). */
  readonly limit: string;
  readonly perUnit: number;
  readonly remaining: number;
  readonly resetSeconds: number;
}

/** `error`: a piece of a sentence. */
export type LimitVerdict = LimitAnswer | { readonly kind: 'error'; readonly why: string };

export function encodeRequest(domain: string, descriptors: readonly Descriptor[]): Uint8Array {
  return toBinary(
    RateLimitRequestSchema,
    create(RateLimitRequestSchema, {
      domain,
      descriptors: descriptors.map((entries) => ({ entries: entries.map(([key, value]) => ({ key, value })) })),
    }),
  );
}

export function decodeResponse(bytes: Uint8Array): LimitVerdict {
  let message: RateLimitResponse;
  try {
    message = fromBinary(RateLimitResponseSchema, bytes);
  } catch {
    return { kind: 'error', why: 'its answer is not a RateLimitResponse' };
  }
  const { overallCode, responseHeadersToAdd, requestHeadersToAdd } = message;
  if (responseHeadersToAdd.length + requestHeadersToAdd.length > mostFields)
    return { kind: 'error', why: `it wants more than ${mostFields} fields added` };
  return {
    // Any other code lets it pass (Envoy).
    kind: overallCode === RateLimitResponse_Code.OVER_LIMIT ? 'over-limit' : 'ok',
    requestFields: usable(requestHeadersToAdd),
    responseFields: usable(responseHeadersToAdd),
    body: Buffer.from(message.rawBody),
    metadata: message.dynamicMetadata ?? null,
    nearest: nearestLimit(message.statuses),
    over: message.statuses.flatMap(({ code }, at) => (code === RateLimitResponse_Code.OVER_LIMIT ? [at] : [])),
  };
}

/** What may stand in a message, and does not frame it. */
function usable(fields: readonly HeaderValue[]): FieldList {
  return fields
    .filter(
      ({ key, value }) =>
        /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(key) &&
        !isFraming(key.toLowerCase()) &&
        /^[\t\x20-\x7e\x80-\xff]*$/.test(value),
    )
    .map(({ key, value }) => [headerName(key), value] as const);
}

function nearestLimit(statuses: readonly DescriptorStatus[]): NearestLimit | null {
  let nearest: DescriptorStatus | null = null;
  let policy = '';
  for (const status of statuses) {
    const limit = status.currentLimit;
    if (limit === undefined) continue;
    if (nearest === null || status.limitRemaining < nearest.limitRemaining) nearest = status;
    const seconds = secondsOf(limit.unit);
    if (seconds === 0) continue;
    policy += `, ${limit.requestsPerUnit};w=${seconds}`;
    if (/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/.test(limit.name)) policy += `;name="${limit.name}"`;
  }
  if (nearest === null) return null;
  const perUnit = nearest.currentLimit!.requestsPerUnit;
  return {
    limit: `${perUnit}${policy}`,
    perUnit,
    remaining: nearest.limitRemaining,
    resetSeconds: Math.max(0, Number(nearest.durationUntilReset?.seconds ?? 0n)),
  };
}

function secondsOf(unit: Unit): number {
  switch (unit) {
    case Unit.SECOND:
      return 1;
    case Unit.MINUTE:
      return 60;
    case Unit.HOUR:
      return 3600;
    case Unit.DAY:
      return 86_400;
    case Unit.MONTH:
      return 30 * 86_400;
    case Unit.YEAR:
      return 365 * 86_400;
    default:
      return 0;
  }
}
