/** The configuration of the differential suite: every kind of match, action and header change that both Envoy and we take, in one bootstrap. */
import { type Json, listener, staticBootstrap, staticCluster } from './envoy-resources.ts';

export interface DifferentialPorts {
  readonly admin: number;
  readonly main: number;
  /** Backends that name themselves `a` and `b`. */
  readonly a: number;
  readonly b: number;
  /** Nobody listens here. */
  readonly closed: number;
}

const exact = (name: string, value: string): Json => ({ name, string_match: { exact: value } });
const to = (cluster: string): Json => ({ cluster });
const add = (key: string, value: string, action = 'APPEND_IF_EXISTS_OR_ADD'): Json => ({
  header: { key, value },
  append_action: action,
});

const matches: readonly Json[] = [
  { match: { path: '/exact' }, route: to('b') },
  { match: { path: '/EXACT-ANY-CASE', case_sensitive: false }, route: to('b') },
  { match: { path_separated_prefix: '/api/v1' }, route: to('b') },
  { match: { prefix: '/prefix' }, route: to('b') },
  { match: { safe_regex: { regex: '/items/[0-9]+' } }, route: to('b') },
  { match: { prefix: '/by-header', headers: [exact('x-mode', 'exact')] }, route: to('b') },
  { match: { prefix: '/by-header', headers: [{ name: 'x-mode', string_match: { prefix: 'pre-' } }] }, route: to('b') },
  {
    match: { prefix: '/by-header', headers: [{ name: 'x-mode', string_match: { suffix: '-SUF', ignore_case: true } }] },
    route: to('b'),
  },
  {
    match: { prefix: '/by-header', headers: [{ name: 'x-mode', string_match: { contains: 'middle' } }] },
    route: to('b'),
  },
  {
    match: { prefix: '/by-header', headers: [{ name: 'x-mode', string_match: { safe_regex: { regex: 'r[0-9]+' } } }] },
    route: to('b'),
  },
  {
    match: { prefix: '/by-header', headers: [{ name: 'x-number', range_match: { start: 10, end: 20 } }] },
    route: to('b'),
  },
  { match: { prefix: '/by-header', headers: [{ name: 'x-present', present_match: true }] }, route: to('b') },
  {
    match: { prefix: '/by-absence', headers: [{ name: 'x-absent', present_match: true, invert_match: true }] },
    route: to('b'),
  },
  { match: { prefix: '/by-method', headers: [exact(':method', 'PUT')] }, route: to('b') },
  { match: { prefix: '/by-query', query_parameters: [{ name: 'q', string_match: { exact: 'one' } }] }, route: to('b') },
  { match: { prefix: '/by-query', query_parameters: [{ name: 'flag', present_match: true }] }, route: to('b') },
  { match: { prefix: '/by-grpc', grpc: {} }, route: to('b') },
];

const actions: readonly Json[] = [
  {
    match: { prefix: '/weights/all' },
    route: {
      weighted_clusters: {
        clusters: [
          { name: 'a', weight: 0 },
          { name: 'b', weight: 100 },
        ],
      },
    },
  },
  {
    match: { prefix: '/weights/share' },
    route: {
      weighted_clusters: {
        clusters: [
          { name: 'a', weight: 75 },
          { name: 'b', weight: 25 },
        ],
      },
    },
  },
  { match: { prefix: '/rewrite/prefix' }, route: { cluster: 'a', prefix_rewrite: '/rewritten' } },
  { match: { prefix: '/rewrite/host' }, route: { cluster: 'a', host_rewrite_literal: 'other.example' } },
  { match: { prefix: '/redirect/path' }, redirect: { path_redirect: '/there' } },
  {
    match: { prefix: '/redirect/host' },
    redirect: { host_redirect: 'elsewhere.example', https_redirect: true, response_code: 'FOUND' },
  },
  {
    match: { prefix: '/redirect/prefix' },
    redirect: { prefix_rewrite: '/moved', response_code: 'PERMANENT_REDIRECT', strip_query: true },
  },
  { match: { prefix: '/redirect/scheme-and-port' }, redirect: { scheme_redirect: 'https', port_redirect: 443 } },
  { match: { prefix: '/redirect/scheme' }, redirect: { scheme_redirect: 'https' } },
  { match: { prefix: '/redirect/plain' }, redirect: { scheme_redirect: 'http' } },
  { match: { prefix: '/redirect/port' }, redirect: { port_redirect: 8443, response_code: 'TEMPORARY_REDIRECT' } },
  { match: { prefix: '/direct' }, direct_response: { status: 418, body: { inline_string: 'short and stout' } } },
  { match: { prefix: '/empty' }, route: to('empty') },
  { match: { prefix: '/refused' }, route: to('refused') },
  { match: { prefix: '/unknown' }, route: to('nowhere') },
  { match: { prefix: '/unknown-404' }, route: { cluster: 'nowhere', cluster_not_found_response_code: 'NOT_FOUND' } },
  { match: { prefix: '/delay' }, route: { cluster: 'a', timeout: '0.15s' } },
  { match: { prefix: '/patient/delay' }, route: { cluster: 'a', prefix_rewrite: '/delay', timeout: '5s' } },
  {
    match: { prefix: '/headers' },
    route: to('a'),
    request_headers_to_add: [
      add('x-appended', 'route'),
      add('x-overwritten', 'route', 'OVERWRITE_IF_EXISTS_OR_ADD'),
      add('x-if-absent', 'route', 'ADD_IF_ABSENT'),
    ],
    request_headers_to_remove: ['x-removed'],
    response_headers_to_add: [
      add('x-answer', 'route'),
      add('content-type', 'text/plain', 'OVERWRITE_IF_EXISTS_OR_ADD'),
    ],
    response_headers_to_remove: ['x-powered-by'],
  },
];

/** Which virtual host took a request is seen by a response header of its own. */
function virtualHost(name: string, domains: readonly string[], routes: readonly Json[]): Json {
  return { name, domains, routes, response_headers_to_add: [add('x-virtual-host', name)] };
}

const everything: readonly Json[] = [{ match: { prefix: '/' }, route: to('a') }];

export function differentialBootstrap(ports: DifferentialPorts): Json {
  const routeConfiguration = {
    name: 'differential',
    validate_clusters: false,
    virtual_hosts: [
      virtualHost('matches', ['matches.test'], matches),
      virtualHost('actions', ['actions.test', 'actions.test:80', 'actions.test:443', 'actions.test:8080'], actions),
      virtualHost('exact', ['www.example.com'], everything),
      virtualHost('exact-with-port', ['www.example.com:8080'], everything),
      virtualHost('suffix-short', ['*.com'], everything),
      virtualHost('suffix-long', ['*.example.com'], everything),
      virtualHost('prefix', ['www.example.*'], everything),
      virtualHost('prefix-short', ['www.*'], everything),
    ],
    request_headers_to_add: [add('x-appended', 'configuration')],
  };
  return staticBootstrap({
    adminPort: ports.admin,
    // Both proxies' own defaults differ here on purpose (ours: HTTP/1.0 is taken, 64 KiB of headers), so the file says what it wants.
    listeners: [
      listener(
        {
          name: 'main',
          port: ports.main,
          manager: {
            http_protocol_options: { accept_http_10: true },
            max_request_headers_kb: 60,
            normalize_path: true,
          },
        },
        routeConfiguration,
      ),
    ],
    clusters: [
      staticCluster({ name: 'a' }, [ports.a]),
      staticCluster({ name: 'b' }, [ports.b]),
      staticCluster({ name: 'empty' }, []),
      staticCluster({ name: 'refused' }, [ports.closed]),
    ],
  });
}
