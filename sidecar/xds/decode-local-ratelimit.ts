/** Envoy's local rate limit filter, and what a route says instead (the same message) → LocalRateLimitConfig. */
import type { Message } from '@bufbuild/protobuf';
import type {
  LocalDescriptorConfig,
  LocalRateLimitConfig,
  TokenBucketConfig,
  VirtualHostRateLimits,
} from '../config/rate-limit-config.ts';
import type { HeaderMutations } from '../config/route-config.ts';
import { noHeaderMutations } from '../config/route-config.ts';
import type { HeaderValueOption } from './api/envoy/config/core/v3/base_pb.js';
import {
  type LocalRateLimitDescriptor,
  VhRateLimitsOptions,
  XRateLimitHeadersRFCVersion,
} from './api/envoy/extensions/common/ratelimit/v3/ratelimit_pb.js';
import type { LocalRateLimit } from './api/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js';
import type { HttpStatus } from './api/envoy/type/v3/http_status_pb.js';
import type { TokenBucket } from './api/envoy/type/v3/token_bucket_pb.js';
import { runtimeFraction } from './decode-fraction.ts';
import { mostStage } from './decode-rate-limits.ts';
import { bounded, durationMs, headerAdd } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

/** Envoy's own bound: below it, filling would be all that it does. */
const leastFillMs = 50;
const mostHeaders = 10;
const mostDescriptors = 1024;
const mostEntries = 32;

export function localRateLimit(
  message: Message,
  filterName: string,
  path: string,
  faults: Faults,
): LocalRateLimitConfig {
  const filter = message as LocalRateLimit;
  if (filter.statPrefix === '') faults.add(at(path, 'stat_prefix'), 'must not be empty');
  const { descriptors } = filter;
  if (descriptors.length > mostDescriptors)
    faults.add(at(path, 'descriptors'), `has ${descriptors.length} entries; ${mostDescriptors} is the limit`);
  return Object.freeze({
    kind: 'local-ratelimit',
    filterName,
    statPrefix: filter.statPrefix,
    status: limitedStatus(filter.status, at(path, 'status'), faults),
    bucket: filter.tokenBucket === undefined ? null : tokenBucket(filter.tokenBucket, at(path, 'token_bucket'), faults),
    enabled: runtimeFraction(filter.filterEnabled),
    enforced: runtimeFraction(filter.filterEnforced),
    requestHeaders: added(
      filter.requestHeadersToAddWhenNotEnforced,
      at(path, 'request_headers_to_add_when_not_enforced'),
      faults,
    ),
    responseHeaders: added(filter.responseHeadersToAdd, at(path, 'response_headers_to_add'), faults),
    descriptors: descriptors.map((each, i) => descriptor(each, at(at(path, 'descriptors'), i), faults)),
    stage: bounded(filter.stage, 0, 0, mostStage, at(path, 'stage'), faults),
    perConnection: filter.localRateLimitPerDownstreamConnection,
    tellsLimits: filter.enableXRatelimitHeaders === XRateLimitHeadersRFCVersion.DRAFT_VERSION_03,
    virtualHostRateLimits: virtualHostRateLimits(filter.vhRateLimits),
    alwaysConsumesDefault: filter.alwaysConsumeDefaultTokenBucket ?? true,
    resourceExhausted: filter.rateLimitedAsResourceExhausted,
  });
}

export function localRateLimitPerRoute(
  message: Message,
  _outer: unknown,
  path: string,
  faults: Faults,
): LocalRateLimitConfig {
  const config = localRateLimit(message, '', path, faults);
  if (config.bucket === null) faults.add(at(path, 'token_bucket'), 'is missing; for a route it must be there');
  return config;
}

/** Below 400, 429 is used (Envoy). */
export function limitedStatus(message: HttpStatus | undefined, path: string, faults: Faults): number {
  const code = message?.code ?? 429;
  return code < 400 ? 429 : bounded(code, 429, 400, 599, at(path, 'code'), faults);
}

/** The numbers of both filters' enums are the same. */
export function virtualHostRateLimits(option: number): VirtualHostRateLimits {
  if (option === VhRateLimitsOptions.INCLUDE) return 'include';
  return option === VhRateLimitsOptions.IGNORE ? 'ignore' : 'override';
}

export function added(options: readonly HeaderValueOption[], path: string, faults: Faults): HeaderMutations {
  if (options.length === 0) return noHeaderMutations;
  if (options.length > mostHeaders) faults.add(path, `has ${options.length} entries; ${mostHeaders} is the limit`);
  return Object.freeze({ add: options.map((option, i) => headerAdd(option, at(path, i), faults)), remove: [] });
}

function tokenBucket(message: TokenBucket, path: string, faults: Faults): TokenBucketConfig {
  const fillPath = at(path, 'fill_interval');
  const fillIntervalMs = durationMs(message.fillInterval, 1000, fillPath, faults);
  if (message.fillInterval === undefined) faults.add(fillPath, 'is missing');
  else if (fillIntervalMs < leastFillMs) faults.add(fillPath, `${fillIntervalMs} ms is below ${leastFillMs} ms`);
  return Object.freeze({
    maxTokens: bounded(message.maxTokens, 1, 1, 0xffff_ffff, at(path, 'max_tokens'), faults),
    tokensPerFill: bounded(message.tokensPerFill, 1, 1, 0xffff_ffff, at(path, 'tokens_per_fill'), faults),
    fillIntervalMs,
  });
}

function descriptor(message: LocalRateLimitDescriptor, path: string, faults: Faults): LocalDescriptorConfig {
  const { entries } = message;
  if (entries.length === 0 || entries.length > mostEntries)
    faults.add(at(path, 'entries'), `has ${entries.length} entries; 1 to ${mostEntries} are taken`);
  for (const [i, { key }] of entries.entries())
    if (key === '') faults.add(at(at(at(path, 'entries'), i), 'key'), 'must not be empty');
  const bucketPath = at(path, 'token_bucket');
  if (message.tokenBucket === undefined) faults.add(bucketPath, 'is missing');
  return Object.freeze({
    entries: entries.map(({ key, value }) => [key, value] as const),
    bucket:
      message.tokenBucket === undefined
        ? { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 1000 }
        : tokenBucket(message.tokenBucket, bucketPath, faults),
  });
}
