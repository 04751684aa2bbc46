/** Every policy of resilience for one route and its clusters, with limits that a benchmark does not reach: what they cost when nothing goes wrong. */

type Json = Readonly<Record<string, unknown>>;

const filter = (name: string, message: string, config: Json): Json => ({
  name: `envoy.filters.http.${name}`,
  typed_config: { '@type': `type.googleapis.com/envoy.extensions.filters.http.${name}.v3.${message}`, ...config },
});
const never: Json = { percentage: { numerator: 0, denominator: 'HUNDRED' } };
const always: Json = { default_value: { numerator: 100, denominator: 'HUNDRED' } };

const ours = (name: string, fields: Json): Json => ({
  '@type': `type.googleapis.com/outrigger.resilience.v1.${name}`,
  ...fields,
});

/** Ours: Envoy has none. */
export const inboundLimitsFilter: Json = {
  name: 'outrigger.filters.http.inbound_limits',
  typed_config: ours('InboundLimits', {
    rule: 'TrafficPolicy bench/bench',
    max_requests: 10_000,
    callers: { max_requests: 5_000 },
    routes: [{ name: 'all', match: { methods: ['GET', 'POST'] }, max_requests: 5_000 }],
    queue: {},
  }),
};

export const resilienceFilters: readonly Json[] = [
  filter('fault', 'HTTPFault', { abort: { http_status: 503, ...never }, delay: { fixed_delay: '1s', ...never } }),
  filter('local_ratelimit', 'LocalRateLimit', {
    stat_prefix: 'bench',
    filter_enabled: always,
    filter_enforced: always,
    token_bucket: { max_tokens: 1_000_000_000, tokens_per_fill: 1_000_000_000, fill_interval: '1s' },
  }),
  filter('adaptive_concurrency', 'AdaptiveConcurrency', {
    gradient_controller_config: {
      concurrency_limit_params: { concurrency_update_interval: '0.1s' },
      // Never fewer than the benchmark's connections.
      min_rtt_calc_params: { interval: '60s', request_count: 50, min_concurrency: 500 },
    },
  }),
];

const breaker = ours('CircuitBreaker', { rule: 'TrafficPolicy bench/bench', slow_calls: { longer_than: '10s' } });

export function resilientRoute(action: Json, withOurs: boolean): Json {
  return {
    name: 'bench',
    match: { prefix: '/' },
    route: {
      ...action,
      max_stream_duration: { max_stream_duration: '60s' },
      retry_policy: {
        retry_on: '5xx,gateway-error,reset,connect-failure,refused-stream',
        num_retries: 2,
        per_try_timeout: '5s',
        retry_back_off: { base_interval: '0.025s', max_interval: '0.25s' },
      },
    },
    ...(withOurs
      ? {
          typed_per_filter_config: {
            'outrigger.circuit_breaker': breaker,
            'outrigger.hedging': ours('Hedging', {
              policy: 'TrafficPolicy bench/bench',
              percentile: { percentile: 99.9, min_delay: '5s' },
            }),
            'outrigger.fallback': ours('Fallback', {
              policy: 'TrafficPolicy bench/bench',
              stale: { max_age: '60s' },
              answer: { status: 503, body: 'later' },
            }),
          },
        }
      : {}),
  };
}

export function resilientCluster(withOurs: boolean): Json {
  return {
    circuit_breakers: {
      thresholds: [
        {
          max_connections: 1024,
          max_pending_requests: 1024,
          max_requests: 10_000,
          retry_budget: { budget_percent: { value: 20 }, min_retry_concurrency: 3 },
        },
      ],
    },
    outlier_detection: {
      consecutive_5xx: 5,
      consecutive_gateway_failure: 5,
      enforcing_consecutive_gateway_failure: 100,
      split_external_local_origin_errors: true,
    },
    ...(withOurs ? { typed_extension_protocol_options: { 'outrigger.circuit_breaker': breaker } } : {}),
  };
}
