/** RetryPolicy, HedgePolicy and what goes with them, through the whole decoder of routes. */
import { describe, expect, it } from 'vitest';
import { RouteConfigurationSchema } from './api/envoy/config/route/v3/route_pb.js';
import { decodeRouteTable } from './decode-route.ts';
import { decodeJson } from './test/decode-json.ts';

const predicate = (kind: string, message: string) => ({
  name: kind,
  typed_config: { '@type': `type.googleapis.com/envoy.extensions.retry.host.${kind}.v3.${message}` },
});

function decoded(
  action: Record<string, unknown>,
  host: Record<string, unknown> = {},
  route: Record<string, unknown> = {},
) {
  const routes = [{ match: { prefix: '/' }, route: { cluster: 'orders', ...action }, ...route }];
  const virtualHosts = [{ name: 'all', domains: ['*'], routes, ...host }];
  const { value, faults } = decodeJson(
    RouteConfigurationSchema,
    { name: 'main', virtual_hosts: virtualHosts },
    decodeRouteTable,
  );
  return { action: value?.virtualHosts[0]!.routes[0]!.action, faults };
}

describe('a retry policy', () => {
  it("has Envoy's defaults", () => {
    expect(decoded({ retry_policy: { retry_on: '5xx' } }).action).toMatchObject({
      retry: {
        retryOn: ['5xx'],
        maxRetries: 1,
        perTryTimeoutMs: 0,
        perTryIdleTimeoutMs: 0,
        retriableStatusCodes: [],
        baseBackoffMs: 25,
        maxBackoffMs: 250,
        resetHeaders: [],
        maxResetMs: 300_000,
        omitCanaryHosts: false,
      },
      hedgeOnPerTryTimeout: false,
      replayLimitBytes: null,
      attemptCountInRequest: false,
      attemptCountInResponse: false,
    });
    expect(decoded({}).action).toMatchObject({ retry: null });
  });

  it('takes what is said', () => {
    const retryPolicy = {
      retry_on: 'gateway-error, reset,connect-failure,unavailable,retriable-status-codes,http3-post-connect-failure',
      num_retries: 4,
      per_try_timeout: '0.5s',
      per_try_idle_timeout: '2s',
      retriable_status_codes: [418, 503],
      retriable_headers: [{ name: 'X-Again', string_match: { exact: 'yes' } }],
      retriable_request_headers: [{ name: ':method', string_match: { exact: 'GET' } }],
      retry_back_off: { base_interval: '0.0001s', max_interval: '1s' },
      rate_limited_retry_back_off: {
        reset_headers: [{ name: 'Retry-After' }, { name: 'X-RateLimit-Reset', format: 'UNIX_TIMESTAMP' }],
        max_interval: '10s',
      },
      retry_host_predicate: [
        predicate('previous_hosts', 'PreviousHostsPredicate'),
        predicate('omit_canary_hosts', 'OmitCanaryHostsPredicate'),
      ],
      host_selection_retry_max_attempts: '5',
    };
    expect(
      decoded({ retry_policy: retryPolicy, hedge_policy: { initial_requests: 1, hedge_on_per_try_timeout: true } }),
    ).toMatchObject({
      faults: [],
      action: {
        retry: {
          retryOn: [
            'gateway-error',
            'reset',
            'connect-failure',
            'unavailable',
            'retriable-status-codes',
            'http3-post-connect-failure',
          ],
          maxRetries: 4,
          perTryTimeoutMs: 500,
          perTryIdleTimeoutMs: 2_000,
          retriableStatusCodes: [418, 503],
          retriableHeaders: [{ name: 'x-again' }],
          retriableRequestHeaders: [{ name: ':method' }],
          baseBackoffMs: 1,
          maxBackoffMs: 1_000,
          resetHeaders: [
            { name: 'retry-after', format: 'seconds' },
            { name: 'x-ratelimit-reset', format: 'unix-timestamp' },
          ],
          maxResetMs: 10_000,
          omitCanaryHosts: true,
        },
        hedgeOnPerTryTimeout: true,
      },
    });
  });

  it('of the virtual host counts where the route has none; the route has its own as a whole (Envoy)', () => {
    const host = {
      retry_policy: { retry_on: '5xx', num_retries: 7 },
      hedge_policy: { hedge_on_per_try_timeout: true },
      per_request_buffer_limit_bytes: 100,
      include_request_attempt_count: true,
      include_attempt_count_in_response: true,
    };
    expect(decoded({}, host).action).toMatchObject({
      retry: { retryOn: ['5xx'], maxRetries: 7 },
      hedgeOnPerTryTimeout: true,
      replayLimitBytes: 100,
      attemptCountInRequest: true,
      attemptCountInResponse: true,
    });
    expect(
      decoded({ retry_policy: { retry_on: 'reset' }, hedge_policy: {} }, host, { per_request_buffer_limit_bytes: 0 })
        .action,
    ).toMatchObject({ retry: { retryOn: ['reset'], maxRetries: 1 }, hedgeOnPerTryTimeout: false, replayLimitBytes: 0 });
  });

  it.each([
    [{ retry_on: '5xx,4xx' }, 'retry_policy.retry_on: "4xx" is no condition; those are 5xx, gateway-error,'],
    [{ num_retries: 1001 }, 'retry_policy.num_retries: 1001 is not between 0 and 1000'],
    [{ retriable_status_codes: [99] }, 'retry_policy.retriable_status_codes[0]: 99 is not between 100 and 599'],
    [{ per_try_timeout: '-1s' }, 'retry_policy.per_try_timeout: -1000 ms is not a usable duration'],
    [{ retry_back_off: {} }, 'retry_policy.retry_back_off.base_interval: is missing'],
    [{ retry_back_off: { base_interval: '0s' } }, 'retry_back_off.base_interval: must be above 0'],
    [
      { retry_back_off: { base_interval: '1s', max_interval: '0.5s' } },
      'retry_back_off.max_interval: 500 ms is below base_interval, which is 1000 ms',
    ],
    [{ retry_back_off: { base_interval: '1s', max_interval: '100000s' } }, 'max_interval: 100000 s is above 86400 s'],
    [{ rate_limited_retry_back_off: {} }, 'rate_limited_retry_back_off.reset_headers: needs at least one header'],
    [
      { rate_limited_retry_back_off: { reset_headers: [{ name: '' }] } },
      'rate_limited_retry_back_off.reset_headers[0].name: must not be empty',
    ],
    [{ retry_host_predicate: [{ name: 'previous_hosts' }] }, 'retry_host_predicate[0].typed_config: is missing'],
    [{ retry_host_predicate: [predicate('omit_host_metadata', 'OmitHostMetadataConfig')] }, 'OmitHostMetadataConfig'],
    [
      { retry_priority: { name: 'envoy.retry_priorities.previous_priorities' } },
      'retry_policy.retry_priority: is not supported',
    ],
  ])('is refused with %j', (policy, fault) => {
    expect(decoded({ retry_policy: policy }).faults.join('\n')).toContain(fault);
  });

  it('goes with the priority of its route, whose limits it has', () => {
    expect(decoded({ priority: 'HIGH' }).action).toMatchObject({ highPriority: true });
    expect(decoded({}).action).toMatchObject({ highPriority: false });
  });

  it('is refused with hedges from the beginning', () => {
    expect(decoded({ hedge_policy: { initial_requests: 2 } }).faults).toEqual([
      'virtual_hosts[0].routes[0].route.hedge_policy.initial_requests: only 1 is supported; see docs/xds-support.md',
    ]);
    expect(decoded({ hedge_policy: { additional_request_chance: { numerator: 5 } } }).faults.join()).toContain(
      'hedge_policy.additional_request_chance: is not supported',
    );
  });
});
