import { expect, it } from 'vitest';
import type { LocalRateLimitConfig } from '../config/rate-limit-config.ts';
import { RouteConfigurationSchema } from './api/envoy/config/route/v3/route_pb.js';
import { LocalRateLimitSchema } from './api/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js';
import { localRateLimit, localRateLimitPerRoute } from './decode-local-ratelimit.ts';
import { decodeRouteTable } from './decode-route.ts';
import { type Decoded, decodeJson } from './test/decode-json.ts';

function decode(
  json: unknown,
  decoder = localRateLimit as typeof localRateLimitPerRoute,
): Decoded<LocalRateLimitConfig> {
  return decodeJson(LocalRateLimitSchema, json, (message, path, faults) =>
    decoder(message, 'limit' as never, path, faults),
  );
}

it('a local rate limit has its buckets, shares and answers', () => {
  const { value, faults } = decode({
    stat_prefix: 'lim',
    status: { code: 200 },
    token_bucket: { max_tokens: 10, tokens_per_fill: 5, fill_interval: '1s' },
    filter_enabled: { default_value: { numerator: 50 }, runtime_key: 'x' },
    filter_enforced: { default_value: { numerator: 1, denominator: 'MILLION' } },
    response_headers_to_add: [{ header: { key: 'x-a', value: '1' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
    descriptors: [{ entries: [{ key: 'caller' }], token_bucket: { max_tokens: 1, fill_interval: '0.05s' } }],
    stage: 3,
    local_rate_limit_per_downstream_connection: true,
    enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
    vh_rate_limits: 'INCLUDE',
    always_consume_default_token_bucket: false,
    rate_limited_as_resource_exhausted: true,
  });
  expect(faults).toEqual([]);
  expect(value).toEqual({
    kind: 'local-ratelimit',
    filterName: 'limit',
    statPrefix: 'lim',
    status: 429,
    bucket: { maxTokens: 10, tokensPerFill: 5, fillIntervalMs: 1000 },
    enabled: { numerator: 50, denominator: 100 },
    enforced: { numerator: 1, denominator: 1_000_000 },
    requestHeaders: { add: [], remove: [] },
    responseHeaders: { add: [{ name: 'x-a', value: '1', action: 'overwrite', keepEmpty: false }], remove: [] },
    descriptors: [{ entries: [['caller', '']], bucket: { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 50 } }],
    stage: 3,
    perConnection: true,
    tellsLimits: true,
    virtualHostRateLimits: 'include',
    alwaysConsumesDefault: false,
    resourceExhausted: true,
  });
  expect(decode({ stat_prefix: 'lim' }).value).toMatchObject({
    bucket: null,
    status: 429,
    enabled: { numerator: 0 },
    enforced: { numerator: 0 },
    alwaysConsumesDefault: true,
  });
});

it('is refused by field', () => {
  expect(
    decode({
      token_bucket: { max_tokens: 0, tokens_per_fill: 0, fill_interval: '0.01s' },
      descriptors: [{ entries: [] }],
      stage: 11,
    }).faults,
  ).toEqual([
    'stat_prefix: must not be empty',
    'token_bucket.fill_interval: 10 ms is below 50 ms',
    'token_bucket.max_tokens: 0 is not between 1 and 4294967295',
    'token_bucket.tokens_per_fill: 0 is not between 1 and 4294967295',
    'descriptors[0].entries: has 0 entries; 1 to 32 are taken',
    'descriptors[0].token_bucket: is missing',
    'stage: 11 is not between 0 and 10',
  ]);
  expect(decode({ stat_prefix: 'lim' }, localRateLimitPerRoute).faults).toEqual([
    'token_bucket: is missing; for a route it must be there',
  ]);
  expect(decode({ stat_prefix: 'lim', local_cluster_rate_limit: {} }).faults).toEqual([
    'local_cluster_rate_limit: is not supported; see docs/xds-support.md',
  ]);
});

function routesWith(hostLimits: unknown, routeLimits: unknown) {
  return decodeJson(
    RouteConfigurationSchema,
    {
      name: 't',
      virtual_hosts: [
        {
          name: 'h',
          domains: ['*'],
          rate_limits: hostLimits,
          routes: [{ match: { prefix: '/' }, route: { cluster: 'c', rate_limits: routeLimits } }],
        },
      ],
    },
    decodeRouteTable,
  );
}

it('routes and virtual hosts say how requests are described', () => {
  const uri = { '@type': 'type.googleapis.com/envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput' };
  const { value, faults } = routesWith(
    [{ stage: 1, actions: [{ remote_address: {} }, { extension: { name: 'caller', typed_config: uri } }] }],
    [
      {
        actions: [
          { generic_key: { descriptor_value: 'v' } },
          { request_headers: { header_name: 'X-A', descriptor_key: 'a' } },
          { header_value_match: { descriptor_value: 'm', headers: [{ name: 'x' }] } },
          {
            query_parameter_value_match: {
              descriptor_value: 'q',
              query_parameters: [{ name: 'q', present_match: true }],
            },
          },
          { metadata: { descriptor_key: 'sub', metadata_key: { key: 'jwt', path: [{ key: 'sub' }] } } },
          { masked_remote_address: { v4_prefix_mask_len: 24 } },
        ],
      },
    ],
  );
  expect(faults).toEqual([]);
  const { rateLimits } = value!.virtualHosts[0]!.routes[0]!;
  expect(rateLimits!.virtualHost).toEqual([
    { stage: 1, actions: [{ kind: 'remote-address' }, { kind: 'caller', key: 'caller' }] },
  ]);
  expect(rateLimits!.route[0]!.actions).toMatchObject([
    { kind: 'generic-key', key: 'generic_key', value: 'v' },
    { kind: 'request-header', header: 'x-a', key: 'a', skipIfAbsent: false },
    { kind: 'header-match', key: 'header_match', expectMatch: true },
    { kind: 'query-match', key: 'query_match', expectMatch: true },
    { kind: 'metadata', key: 'sub', namespace: 'jwt', path: ['sub'] },
    { kind: 'masked-remote-address', v4Bits: 24, v6Bits: 128 },
  ]);
});

it('descriptions that cannot be made are refused by field', () => {
  const raw = { '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer' };
  const { faults } = routesWith(
    [],
    [
      { actions: [] },
      { actions: [{ extension: { name: 'x', typed_config: raw } }, { generic_key: {} }] },
      {
        actions: [
          {
            metadata: { descriptor_key: 's', source: 'ROUTE_ENTRY', metadata_key: { key: 'a', path: [{ key: 'b' }] } },
          },
        ],
      },
    ],
  );
  const at = 'virtual_hosts[0].routes[0].route.rate_limits';
  expect(faults).toEqual([
    `${at}[0].actions: has 0 entries; 1 to 32 are taken`,
    `${at}[1].actions[0].extension.typed_config: only envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput is supported`,
    `${at}[1].actions[1].generic_key.descriptor_value: must not be empty`,
    `${at}[2].actions[0].metadata.source: only DYNAMIC is supported`,
  ]);
});
