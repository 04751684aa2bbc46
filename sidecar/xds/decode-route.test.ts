import { describe, expect, it } from 'vitest';
import { RouteConfigurationSchema } from './api/envoy/config/route/v3/route_pb.js';
import { decodeRouteTable } from './decode-route.ts';
import { decodeJson } from './test/decode-json.ts';

function table(virtualHosts: unknown, fields: Record<string, unknown> = {}) {
  return decodeJson(
    RouteConfigurationSchema,
    { name: 'main', virtual_hosts: virtualHosts, ...fields },
    decodeRouteTable,
  );
}

/** A table of one route. */
function route(fields: Record<string, unknown>) {
  // Through text, so that what is set to undefined is not there.
  const json: unknown = JSON.parse(JSON.stringify({ match: { prefix: '/' }, route: { cluster: 'orders' }, ...fields }));
  const decoded = table([{ name: 'all', domains: ['*'], routes: [json] }]);
  return { route: decoded.value?.virtualHosts[0]!.routes[0], faults: decoded.faults };
}

describe('a route configuration', () => {
  it.each([
    [{ prefix: '/a' }, { kind: 'prefix', value: '/a' }],
    [{ path: '/a' }, { kind: 'exact', value: '/a' }],
    [{ path_separated_prefix: '/a' }, { kind: 'separated-prefix', value: '/a' }],
    [{ safe_regex: { regex: '/a/\\d+' } }, { kind: 'regex', value: '/a/\\d+' }],
  ])('matches a path by %j', (match, path) => {
    expect(route({ match }).route!.match).toMatchObject({ path, caseSensitive: true, grpcOnly: false });
  });

  it('matches headers in every way that Envoy has', () => {
    const headers = [
      { name: 'X-A', exact_match: 'a' },
      { name: 'x-b', string_match: { prefix: 'b', ignore_case: true } },
      { name: 'x-c', range_match: { start: 1, end: 5 }, invert_match: true },
      { name: 'x-d', present_match: false },
      { name: 'x-e' },
      { name: ':method', string_match: { safe_regex: { regex: 'GET|HEAD' } }, treat_missing_header_as_empty: true },
    ];
    expect(
      route({ match: { prefix: '/', headers } }).route!.match.headers.map(({ name, test, invert }) => [
        name,
        test,
        invert,
      ]),
    ).toEqual([
      ['x-a', { kind: 'string', match: { kind: 'exact', value: 'a', ignoreCase: false } }, false],
      ['x-b', { kind: 'string', match: { kind: 'prefix', value: 'b', ignoreCase: true } }, false],
      ['x-c', { kind: 'range', start: 1, end: 5 }, true],
      ['x-d', { kind: 'present', present: false }, false],
      ['x-e', { kind: 'present', present: true }, false],
      [':method', { kind: 'string', match: { kind: 'regex', value: 'GET|HEAD' } }, false],
    ]);
  });

  it('splits requests over weighted clusters', () => {
    const clusters = [
      { name: 'v1', weight: 90 },
      { name: 'v2', weight: 10, request_headers_to_add: [{ header: { key: 'x-canary', value: '1' } }] },
    ];
    const { action } = route({ route: { weighted_clusters: { clusters } } }).route!;
    expect(action).toMatchObject({
      kind: 'forward',
      clusters: [
        { name: 'v1', weight: 90 },
        { name: 'v2', weight: 10, requestHeaders: { add: [{ name: 'x-canary', value: '1', action: 'append' }] } },
      ],
    });
  });

  it('has a timeout of 15 s unless it says another, 0 for none', () => {
    expect(route({}).route!.action).toMatchObject({
      timeoutMs: 15_000,
      maxStreamDurationMs: null,
      grpcTimeoutHeaderMaxMs: null,
      clusterNotFoundStatus: 503,
    });
    expect(
      route({ route: { cluster: 'a', timeout: '0s', max_stream_duration: { grpc_timeout_header_max: '0s' } } }).route!
        .action,
    ).toMatchObject({ timeoutMs: 0, grpcTimeoutHeaderMaxMs: 0 });
    expect(
      route({ route: { cluster: 'a', cluster_not_found_response_code: 'INTERNAL_SERVER_ERROR' } }).route!.action,
    ).toMatchObject({ clusterNotFoundStatus: 500 });
  });

  it('takes who set what from its metadata, and nothing that does not belong into a log', () => {
    const setBy = (fields: unknown) =>
      route({ metadata: { filter_metadata: { 'outrigger.set_by': fields, other: { timeout: 'x' } } } });
    const missing = { missing: 'there is none', missing_cluster: 'outbound|0||backend.invalid' };
    expect(setBy({ timeout: 'TrafficPolicy shop/p', backend: 'HTTPRoute shop/r', ...missing })).toEqual({
      faults: [],
      route: expect.objectContaining({
        setBy: {
          timeout: 'TrafficPolicy shop/p',
          perTryTimeout: '',
          idleTimeout: '',
          maxStreamDuration: '',
          backend: 'HTTPRoute shop/r',
          missing: 'there is none',
          missingCluster: 'outbound|0||backend.invalid',
        },
      }),
    });
    expect(setBy({ timeout: 7, per_try_timeout: 'a\nb', idle_timeout: 'x'.repeat(2_000) }).route!.setBy).toMatchObject({
      ...{ timeout: '', perTryTimeout: '', idleTimeout: '' },
    });
    expect(route({ metadata: { filter_metadata: { other: { timeout: 'x' } } } }).route!.setBy).toBeNull();
    expect(route({}).route!.setBy).toBeNull();
  });

  it('answers by itself: redirects and direct responses', () => {
    expect(
      route({
        route: undefined,
        redirect: { https_redirect: true, port_redirect: 8443, response_code: 'PERMANENT_REDIRECT' },
      }).route!.action,
    ).toMatchObject({
      kind: 'redirect',
      scheme: 'https',
      port: 8443,
      status: 308,
    });
    expect(
      route({ route: undefined, direct_response: { status: 418, body: { inline_string: 'short and stout' } } }).route!
        .action,
    ).toEqual({ kind: 'direct-response', status: 418, body: 'short and stout' });
  });

  it.each([
    ['OVERWRITE_IF_EXISTS_OR_ADD', 'overwrite'],
    ['ADD_IF_ABSENT', 'add-if-absent'],
    ['APPEND_IF_EXISTS_OR_ADD', 'append'],
    ['OVERWRITE_IF_EXISTS', 'overwrite-if-exists'],
  ])('adds headers by %s', (append_action, action) => {
    const { value } = table([], { response_headers_to_add: [{ header: { key: 'x-a', value: 'b' }, append_action }] });
    expect(value!.responseHeaders.add[0]).toMatchObject({ name: 'x-a', value: 'b', action });
  });

  it.each([
    ['no match', { match: undefined }, 'match: is missing'],
    ['no way to match a path', { match: {} }, 'needs prefix, path, path_separated_prefix or safe_regex'],
    [
      'a separated prefix that ends with /',
      { match: { path_separated_prefix: '/a/' } },
      'must begin with / and not end with it',
    ],
    [
      'a regular expression that RE2 has not',
      { match: { safe_regex: { regex: '(?=a)' } } },
      'is not a regular expression (RE2 syntax)',
    ],
    [
      'an empty prefix for a header',
      { match: { prefix: '/', headers: [{ name: 'a', prefix_match: '' }] } },
      'headers[0].prefix_match: must not be empty',
    ],
    [
      'a parameter that must be absent',
      { match: { prefix: '/', query_parameters: [{ name: 'a', present_match: false }] } },
      'present_match: only true is supported',
    ],
    [
      'a line break in prefix_rewrite',
      { route: { cluster: 'a', prefix_rewrite: '/a\r\nx-evil: 1' } },
      'prefix_rewrite: has a',
    ],
    ['a space in prefix_rewrite', { route: { cluster: 'a', prefix_rewrite: '/a b' } }, 'prefix_rewrite: has a'],
    [
      'what becomes a line break in Latin-1',
      { route: { cluster: 'a', prefix_rewrite: '/a\u010d\u010a' } },
      'prefix_rewrite: has a',
    ],
    [
      'a line break in host_rewrite_literal',
      { route: { cluster: 'a', host_rewrite_literal: 'a\r\nb' } },
      'is not a host',
    ],
    ['a line break in host_redirect', { route: undefined, redirect: { host_redirect: 'a\r\nb' } }, 'is not a host'],
    [
      'a line break in path_redirect',
      { route: undefined, redirect: { path_redirect: '/a\r\nx: 1' } },
      'path_redirect: has a',
    ],
    ['no scheme in scheme_redirect', { route: undefined, redirect: { scheme_redirect: 'a b' } }, 'is not a scheme'],
    ['no action', { route: undefined }, 'needs route, redirect or direct_response'],
    ['two actions', { direct_response: { status: 200 } }, 'direct_response: cannot stand beside route: one of them'],
    ['no cluster', { route: {} }, 'needs cluster or weighted_clusters'],
    ['an empty cluster', { route: { cluster: '' } }, 'route.cluster: must not be empty'],
    [
      'weights that sum to 0',
      { route: { weighted_clusters: { clusters: [{ name: 'a', weight: 0 }] } } },
      'the weights sum to 0',
    ],
    ['a cluster by header', { route: { cluster_header: 'x-to' } }, 'route.cluster_header: is not supported'],
    [
      'mirroring',
      { route: { cluster: 'a', request_mirror_policies: [{ cluster: 'b' }] } },
      'route.request_mirror_policies: is not supported',
    ],
    [
      'a hash policy',
      { route: { cluster: 'a', hash_policy: [{ header: { header_name: 'x' } }] } },
      'route.hash_policy: is not supported',
    ],
    ['a status that is none', { route: undefined, direct_response: { status: 99 } }, '99 is not an HTTP status'],
    ['a redirect to no port', { route: undefined, redirect: { port_redirect: 70_000 } }, '70000 is not a port'],
    [
      'a header that frames messages',
      { request_headers_to_add: [{ header: { key: 'Content-Length', value: '1' } }] },
      '"Content-Length" is not a header that can be added',
    ],
    [
      'a line break in a header',
      { request_headers_to_add: [{ header: { key: 'x-a', value: 'b\r\nevil: 1' } }] },
      'has a character that may not stand in a header value',
    ],
    [
      'a command operator in a header',
      { request_headers_to_add: [{ header: { key: 'x-a', value: '%DOWNSTREAM_REMOTE_ADDRESS%' } }] },
      'has a command operator',
    ],
    ['the host among removed headers', { request_headers_to_remove: ['Host'] }, '"Host" cannot be removed'],
  ])('is refused with %s', (_what, fields, fault) => {
    expect(route(fields).faults.join('\n')).toContain(fault);
  });

  it('is refused with a virtual host that lacks name or domains, or has a name twice', () => {
    expect(
      table([
        { name: '', domains: ['a'] },
        { name: 'b', domains: [] },
        { name: 'c', domains: ['c'] },
        { name: 'c', domains: ['d'] },
      ]).faults,
    ).toEqual([
      'virtual_hosts[0].name: must not be empty',
      'virtual_hosts[1].domains: needs at least one domain',
      'virtual_hosts[3].name: "c" is the name of another virtual host too',
    ]);
  });

  it('is refused with a domain that two virtual hosts claim', () => {
    expect(
      table([
        { name: 'a', domains: ['x.example'] },
        { name: 'b', domains: ['X.example'] },
      ]).faults,
    ).toEqual([
      'virtual_hosts[1].domains[0]: "X.example" belongs to virtual host "a" already; domains are unique in a route configuration',
    ]);
  });
});
