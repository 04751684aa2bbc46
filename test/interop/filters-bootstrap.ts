/** One bootstrap for Envoy and our sidecar: faults, local and global rate limits by route, and adaptive concurrency on a listener of its own. */
import { type Json, listener, staticBootstrap, staticCluster } from './envoy-resources.ts';

export interface FilterPorts {
  readonly admin: number;
  readonly main: number;
  /** Its rate limit filter refuses requests when the service fails. */
  readonly strict: number;
  readonly adaptive: number;
  /** Refuses nothing: what is compared is what counts as a success. */
  readonly admission: number;
  readonly app: number;
  readonly rls: number;
}

export const logFormat = '%REQ(X-QUESTION)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n';

const type = (name: string): string => `type.googleapis.com/envoy.extensions.filters.http.${name}`;
const percent = (numerator: number): Json => ({ percentage: { numerator, denominator: 'HUNDRED' } });
const always = percent(100);
const allOf: Json = { default_value: { numerator: 100, denominator: 'HUNDRED' } };
const bucket = (tokens: number): Json => ({ max_tokens: tokens, tokens_per_fill: 1, fill_interval: '3600s' });

const faults: Readonly<Record<string, Json>> = {
  delay: { delay: { fixed_delay: '0.05s', ...always } },
  abort: { abort: { http_status: 418, ...always } },
  both: { delay: { fixed_delay: '0.05s', ...always }, abort: { http_status: 503, ...always } },
  grpc: { abort: { grpc_status: 5, ...always } },
  never: { abort: { http_status: 503, ...percent(0) } },
  'by-header': { delay: { header_delay: {}, ...always }, abort: { header_abort: {}, ...always } },
  'by-header-half': { abort: { header_abort: {}, ...percent(0) } },
  'some-requests': { abort: { http_status: 503, ...always }, headers: [{ name: 'x-hit', present_match: true }] },
  'another-cluster': { abort: { http_status: 503, ...always }, upstream_cluster: 'other' },
  'this-cluster': { abort: { http_status: 503, ...always }, upstream_cluster: 'app' },
  'some-nodes': { abort: { http_status: 503, ...always }, downstream_nodes: ['n1'] },
  overflow: { abort: { http_status: 503, ...always }, max_active_faults: 0 },
  throttled: { response_rate_limit: { fixed_limit: { limit_kbps: 16 }, ...always } },
};

const local = (name: string, fields: Json): Json => ({
  '@type': type('local_ratelimit.v3.LocalRateLimit'),
  stat_prefix: `local_${name}`,
  filter_enabled: allOf,
  filter_enforced: allOf,
  token_bucket: bucket(1),
  ...fields,
});

const byUser: Json = { actions: [{ request_headers: { header_name: 'x-user', descriptor_key: 'user' } }] };

const locals: Readonly<Record<string, { readonly limit: Json; readonly described?: Json }>> = {
  plain: { limit: { token_bucket: bucket(2) } },
  told: { limit: { token_bucket: bucket(2), enable_x_ratelimit_headers: 'DRAFT_VERSION_03' } },
  status: { limit: { status: { code: 'ServiceUnavailable' } } },
  exhausted: { limit: { rate_limited_as_resource_exhausted: true } },
  'not-enforced': {
    limit: {
      filter_enforced: { default_value: { numerator: 0 } },
      request_headers_to_add_when_not_enforced: [{ header: { key: 'x-over', value: 'over' } }],
    },
  },
  'not-enabled': { limit: { filter_enabled: { default_value: { numerator: 0 } } } },
  headers: { limit: { response_headers_to_add: [{ header: { key: 'x-why', value: 'limit' } }] } },
  'per-connection': { limit: { local_rate_limit_per_downstream_connection: true } },
  descriptor: {
    limit: {
      token_bucket: bucket(3),
      descriptors: [{ entries: [{ key: 'user', value: 'alice' }], token_bucket: bucket(1) }],
    },
    described: byUser,
  },
  'descriptor-only': {
    limit: {
      token_bucket: bucket(1),
      always_consume_default_token_bucket: false,
      descriptors: [{ entries: [{ key: 'user', value: 'alice' }], token_bucket: bucket(2) }],
    },
    described: byUser,
  },
  wildcard: {
    limit: {
      token_bucket: bucket(100),
      descriptors: [{ entries: [{ key: 'user' }], token_bucket: bucket(1) }],
    },
    described: byUser,
  },
};

/** What the test's service says to each is in global-limit-service.ts. */
export const globals = ['ok', 'over', 'told', 'error', 'late', 'unknown'] as const;

const otherDescriptions: Readonly<Record<string, readonly Json[]>> = {
  described: [
    { source_cluster: {} },
    { destination_cluster: {} },
    { remote_address: {} },
    { masked_remote_address: { v4_prefix_mask_len: 8 } },
    { generic_key: { descriptor_value: 'g', descriptor_key: 'own' } },
    { request_headers: { header_name: 'x-user', descriptor_key: 'user', skip_if_absent: true } },
    {
      header_value_match: {
        descriptor_value: 'h',
        headers: [{ name: 'x-hit', present_match: true }],
        expect_match: false,
      },
    },
    {
      query_parameter_value_match: {
        descriptor_value: 'q',
        query_parameters: [{ name: 'q', string_match: { exact: 'one' } }],
      },
    },
  ],
};

function routes(): readonly Json[] {
  const found: Json[] = [];
  for (const [name, fault] of Object.entries(faults))
    found.push({
      match: { prefix: `/fault/${name}/` },
      route: { cluster: 'app' },
      typed_per_filter_config: { 'envoy.filters.http.fault': { '@type': type('fault.v3.HTTPFault'), ...fault } },
    });
  for (const [name, { limit, described }] of Object.entries(locals))
    found.push({
      match: { prefix: `/local/${name}/` },
      route: { cluster: 'app', ...(described === undefined ? {} : { rate_limits: [described] }) },
      typed_per_filter_config: { 'envoy.filters.http.local_ratelimit': local(name, limit) },
    });
  const global = (name: string, actions: readonly Json[]): void => {
    found.push({ match: { prefix: `/global/${name}/` }, route: { cluster: 'app', rate_limits: [{ actions }] } });
  };
  for (const name of globals) global(name, [{ generic_key: { descriptor_value: name } }]);
  for (const [name, actions] of Object.entries(otherDescriptions)) global(name, actions);
  found.push({ match: { prefix: '/' }, route: { cluster: 'app' } });
  return found;
}

const router = { name: 'envoy.filters.http.router', typed_config: { '@type': type('router.v3.Router') } };

function rateLimit(fields: Json): Json {
  return {
    name: 'envoy.filters.http.ratelimit',
    typed_config: {
      '@type': type('ratelimit.v3.RateLimit'),
      domain: 'test',
      timeout: '0.3s',
      enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
      rate_limit_service: { grpc_service: { envoy_grpc: { cluster_name: 'rls' } }, transport_api_version: 'V3' },
      ...fields,
    },
  };
}

export function filtersBootstrap(ports: FilterPorts, logFile: string): Json {
  const log = {
    access_log: [
      {
        name: 'file',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
          path: logFile,
          log_format: { text_format_source: { inline_string: logFormat } },
        },
      },
    ],
  };
  const table = { name: 'cases', virtual_hosts: [{ name: 'all', domains: ['*'], routes: routes() }] };
  const on = (name: 'main' | 'strict' | 'adaptive' | 'admission', filters: readonly Json[]): Json =>
    listener({ name, port: ports[name], manager: { ...log, http_filters: [...filters, router] } }, table);
  const adaptive = {
    name: 'envoy.filters.http.adaptive_concurrency',
    typed_config: {
      '@type': type('adaptive_concurrency.v3.AdaptiveConcurrency'),
      gradient_controller_config: {
        concurrency_limit_params: { concurrency_update_interval: '0.1s' },
        min_rtt_calc_params: { interval: '3600s', request_count: 10_000, min_concurrency: 2 },
      },
    },
  };
  const admission = {
    name: 'envoy.filters.http.admission_control',
    typed_config: {
      '@type': type('admission_control.v3.AdmissionControl'),
      success_criteria: {},
      rps_threshold: { default_value: 1000, runtime_key: 'nothing' },
    },
  };
  const noFault = { name: 'envoy.filters.http.fault', typed_config: { '@type': type('fault.v3.HTTPFault') } };
  const noLocal = {
    name: 'envoy.filters.http.local_ratelimit',
    typed_config: { '@type': type('local_ratelimit.v3.LocalRateLimit'), stat_prefix: 'none' },
  };
  return {
    ...staticBootstrap({
      adminPort: ports.admin,
      listeners: [
        on('main', [noFault, noLocal, rateLimit({})]),
        on('strict', [rateLimit({ failure_mode_deny: true, disable_x_envoy_ratelimited_header: true })]),
        on('adaptive', [adaptive]),
        on('admission', [admission]),
      ],
      clusters: [staticCluster({ name: 'app' }, [ports.app]), staticCluster({ name: 'rls', http2: true }, [ports.rls])],
    }),
    node: { id: 'one', cluster: 'shop/storefront' },
  };
}
