import { expect, it } from 'vitest';
import { RateLimitSchema } from './api/envoy/extensions/filters/http/ratelimit/v3/rate_limit_pb.js';
import { rateLimit } from './decode-ratelimit.ts';
import { decodeJson } from './test/decode-json.ts';

const decode = (json: unknown) =>
  decodeJson(RateLimitSchema, json, (message, path, faults) => rateLimit(message, 'limits', path, faults));
const service = { grpc_service: { envoy_grpc: { cluster_name: 'rls' } }, transport_api_version: 'V3' };

it("a rate limit by a service has its domain, its service and Envoy's defaults", () => {
  const { value, faults } = decode({ domain: 'shop', rate_limit_service: service });
  expect(faults).toEqual([]);
  expect(value).toEqual({
    kind: 'ratelimit',
    filterName: 'limits',
    statPrefix: '',
    domain: 'shop',
    stage: 0,
    requestType: 'both',
    timeoutMs: 20,
    failureModeDeny: false,
    resourceExhausted: false,
    service: { cluster: 'rls', authority: 'rls', initialMetadata: [] },
    tellsLimits: false,
    hidesRateLimited: false,
    status: 429,
    responseHeaders: { add: [], remove: [] },
    statusOnError: 500,
  });
});

it('is refused by field', () => {
  expect(decode({ timeout: '0s', request_type: 'all', stage: 11 }).faults).toEqual([
    'domain: must not be empty',
    'timeout: must be above 0',
    'rate_limit_service: needs grpc_service',
    'request_type: "all" is not internal, external or both',
    'stage: 11 is not between 0 and 10',
  ]);
  expect(
    decode({ domain: 'a', rate_limit_service: { grpc_service: { envoy_grpc: {} } }, timeout: '90000s' }).faults,
  ).toEqual([
    'timeout: 90000 s is above 86400 s',
    'rate_limit_service.transport_api_version: only V3 is supported',
    'rate_limit_service.grpc_service.envoy_grpc.cluster_name: must not be empty',
  ]);
});
