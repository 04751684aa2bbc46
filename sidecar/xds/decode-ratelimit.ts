/** Envoy's ratelimit filter (an outside service is asked), and what a route says of it → RateLimitConfig, RateLimitRouteConfig. */
import type { Message } from '@bufbuild/protobuf';
import type { RateLimitConfig, RateLimitRouteConfig } from '../config/rate-limit-config.ts';
import { ApiVersion } from './api/envoy/config/core/v3/config_source_pb.js';
import {
  type RateLimit,
  type RateLimitPerRoute,
  RateLimit_XRateLimitHeadersRFCVersion as RfcVersion,
} from './api/envoy/extensions/filters/http/ratelimit/v3/rate_limit_pb.js';
import { grpcService } from './decode-ext-authz.ts';
import { added, limitedStatus, virtualHostRateLimits } from './decode-local-ratelimit.ts';
import { mostStage } from './decode-rate-limits.ts';
import { bounded, waitMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

const defaultTimeoutMs = 20;
const requestTypes = ['internal', 'external', 'both'] as const;

export function rateLimit(message: Message, filterName: string, path: string, faults: Faults): RateLimitConfig {
  const filter = message as RateLimit;
  const servicePath = at(path, 'rate_limit_service');
  const timeoutMs = waitMs(filter.timeout, defaultTimeoutMs, at(path, 'timeout'), faults);
  if (filter.domain === '') faults.add(at(path, 'domain'), 'must not be empty');
  if (timeoutMs === 0) faults.add(at(path, 'timeout'), 'must be above 0');
  if (filter.rateLimitService?.grpcService === undefined) faults.add(servicePath, 'needs grpc_service');
  else if (filter.rateLimitService.transportApiVersion !== ApiVersion.V3)
    faults.add(at(servicePath, 'transport_api_version'), 'only V3 is supported');
  const requestType = requestTypes.find((type) => type === filter.requestType);
  if (requestType === undefined && filter.requestType !== '')
    faults.add(at(path, 'request_type'), `${JSON.stringify(filter.requestType)} is not internal, external or both`);
  const service = grpcService(filter.rateLimitService?.grpcService, at(servicePath, 'grpc_service'), faults);
  return Object.freeze({
    kind: 'ratelimit',
    filterName,
    statPrefix: filter.statPrefix,
    domain: filter.domain,
    stage: bounded(filter.stage, 0, 0, mostStage, at(path, 'stage'), faults),
    requestType: requestType ?? 'both',
    timeoutMs,
    failureModeDeny: filter.failureModeDeny,
    resourceExhausted: filter.rateLimitedAsResourceExhausted,
    service: { cluster: service.cluster, authority: service.authority, initialMetadata: service.initialMetadata },
    tellsLimits: filter.enableXRatelimitHeaders === RfcVersion.DRAFT_VERSION_03,
    hidesRateLimited: filter.disableXEnvoyRatelimitedHeader,
    status: limitedStatus(filter.rateLimitedStatus, at(path, 'rate_limited_status'), faults),
    responseHeaders: added(filter.responseHeadersToAdd, at(path, 'response_headers_to_add'), faults),
    statusOnError:
      filter.statusOnError === undefined
        ? 500
        : bounded(filter.statusOnError.code, 500, 200, 599, at(path, 'status_on_error.code'), faults),
  });
}

export function rateLimitPerRoute(message: Message): RateLimitRouteConfig {
  const { vhRateLimits, domain } = message as RateLimitPerRoute;
  return Object.freeze({ kind: 'ratelimit', virtualHostRateLimits: virtualHostRateLimits(vhRateLimits), domain });
}
