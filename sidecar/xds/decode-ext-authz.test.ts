import { describe, expect, it } from 'vitest';
import type { ExtAuthzRouteConfig } from '../config/ext-authz-config.ts';
import { RouteConfigurationSchema } from './api/envoy/config/route/v3/route_pb.js';
import { ExtAuthzSchema } from './api/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.js';
import { extAuthz } from './decode-ext-authz.ts';
import { decodeRouteTable } from './decode-route.ts';
import { type Decoded, decodeJson } from './test/decode-json.ts';

const decode = (json: unknown) =>
  decodeJson(ExtAuthzSchema, json, (message, path, faults) => extAuthz(message, 'authz', path, faults));
const grpc = (fields: object = {}) =>
  decode({ grpc_service: { envoy_grpc: { cluster_name: 'a' } }, transport_api_version: 'V3', ...fields });
const http = (fields: object = {}, rest: object = {}) =>
  decode({ http_service: { server_uri: { uri: 'http://x', cluster: 'a', timeout: '1s' }, ...fields }, ...rest });

describe('ExtAuthz', () => {
  it('asks over gRPC, with Envoy’s defaults', () => {
    expect(grpc().value).toEqual({
      kind: 'ext-authz',
      filterName: 'authz',
      statPrefix: '',
      service: { kind: 'grpc', cluster: 'a', authority: 'a', timeoutMs: 200, initialMetadata: [] },
      failureModeAllow: false,
      failureModeAllowHeaderAdd: false,
      statusOnError: 403,
      allowedHeaders: null,
      disallowedHeaders: [],
      metadataNamespaces: [],
      includeTlsSession: false,
      takesDynamicMetadata: true,
    });
  });

  it('takes what it is given, over gRPC', () => {
    const { value } = grpc({
      grpc_service: {
        envoy_grpc: { cluster_name: 'a', authority: 'authz.shop' },
        timeout: '0.5s',
        initial_metadata: [{ key: 'X-Mesh', value: 'shop' }],
      },
      failure_mode_allow: true,
      status_on_error: { code: 'ServiceUnavailable' },
      allowed_headers: { patterns: [{ exact: 'x-a' }] },
      disallowed_headers: { patterns: [{ prefix: 'x-b', ignore_case: true }] },
      metadata_context_namespaces: ['envoy.filters.http.jwt_authn'],
      enable_dynamic_metadata_ingestion: false,
      stat_prefix: 'waf',
    });
    expect(value).toMatchObject({
      service: { authority: 'authz.shop', timeoutMs: 500, initialMetadata: [['x-mesh', 'shop']] },
      failureModeAllow: true,
      statusOnError: 503,
      allowedHeaders: [{ kind: 'exact', value: 'x-a' }],
      disallowedHeaders: [{ kind: 'prefix', value: 'x-b', ignoreCase: true }],
      metadataNamespaces: ['envoy.filters.http.jwt_authn'],
      takesDynamicMetadata: false,
      statPrefix: 'waf',
    });
  });

  it('asks over HTTP; headers that it is told may stand in their older place', () => {
    const patterns = { patterns: [{ exact: 'x-a' }] };
    const { value } = http({
      path_prefix: '/check',
      authorization_request: { allowed_headers: patterns, headers_to_add: [{ key: 'X-B', value: 'b' }] },
      authorization_response: { allowed_upstream_headers: patterns, allowed_client_headers: { patterns: [] } },
    });
    expect(value).toMatchObject({
      allowedHeaders: [{ value: 'x-a' }],
      service: {
        kind: 'http',
        cluster: 'a',
        timeoutMs: 1000,
        pathPrefix: '/check',
        headersToAdd: [['x-b', 'b']],
        upstreamHeaders: [{ value: 'x-a' }],
        upstreamHeadersToAppend: [],
        clientHeaders: null,
        clientHeadersOnSuccess: [],
      },
    });
    const newer = http(
      { authorization_request: { allowed_headers: patterns } },
      { allowed_headers: { patterns: [{ exact: 'x-c' }] } },
    );
    expect(newer.value!.allowedHeaders).toMatchObject([{ value: 'x-c' }]);
  });

  it.each<[string, Decoded<unknown>, string]>([
    ['nobody to ask', decode({}), 'needs grpc_service or http_service'],
    ['another protocol version', grpc({ transport_api_version: 'V2' }), 'transport_api_version: only V3 is supported'],
    [
      'a gRPC library of its own',
      grpc({ grpc_service: { google_grpc: { target_uri: 'a', stat_prefix: 'b' } } }),
      'grpc_service.google_grpc: is not supported; see docs/xds-support.md',
    ],
    [
      'a cluster without a name',
      grpc({ grpc_service: { envoy_grpc: { cluster_name: '' } } }),
      'grpc_service.envoy_grpc.cluster_name: must not be empty',
    ],
    [
      'bodies for the service',
      grpc({ with_request_body: { max_request_bytes: 1024 } }),
      'with_request_body: is not supported; see docs/xds-support.md',
    ],
    [
      'certificates for the service',
      grpc({ include_peer_certificate: true }),
      'include_peer_certificate: is not supported; see docs/xds-support.md',
    ],
    [
      'another route after the answer',
      grpc({ clear_route_cache: true }),
      'clear_route_cache: is not supported; see docs/xds-support.md',
    ],
    [
      'a status that ends nothing',
      grpc({ status_on_error: { code: 'Continue' } }),
      'status_on_error.code: 100 is not between 200 and 599',
    ],
    [
      'a negative time limit',
      grpc({ grpc_service: { envoy_grpc: { cluster_name: 'a' }, timeout: '-1s' } }),
      'grpc_service.timeout: -1000 ms is not a usable duration',
    ],
    ['no address', decode({ http_service: { path_prefix: '/' } }), 'http_service.server_uri: is missing'],
    [
      'a prefix that is no path',
      http({ path_prefix: 'check?' }),
      'http_service.path_prefix: "check?" is not a path that begins with /',
    ],
    [
      'a header that frames',
      http({ authorization_request: { headers_to_add: [{ key: 'content-length', value: '5' }] } }),
      'http_service.authorization_request.headers_to_add[0].key: "content-length" is not a header that can be added',
    ],
    [
      'a header with a line break',
      http({ authorization_request: { headers_to_add: [{ key: 'x-a', value: 'a\nb' }] } }),
      'http_service.authorization_request.headers_to_add[0].value: has a character that may not stand in a header value',
    ],
  ])('refuses %s by its path', (_what, { faults }, fault) => {
    expect(faults).toEqual([fault]);
  });
});

describe('typed_per_filter_config', () => {
  const type = 'type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute';
  const context = (entries: object): object => ({
    authz: { '@type': type, check_settings: { context_extensions: entries } },
  });
  const table = (ofTable: object, ofHost: object, ofRoute: object) =>
    decodeJson(
      RouteConfigurationSchema,
      {
        typed_per_filter_config: ofTable,
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            typed_per_filter_config: ofHost,
            routes: [
              { match: { prefix: '/' }, route: { cluster: 'a' }, typed_per_filter_config: ofRoute },
              { match: { prefix: '/' }, route: { cluster: 'a' } },
            ],
          },
        ],
      },
      decodeRouteTable,
    );
  const gates = (decoded: ReturnType<typeof table>): unknown[] =>
    decoded.value!.virtualHosts[0]!.routes.map((route) => {
      const gate = route.gates?.get('authz') as ExtAuthzRouteConfig | undefined;
      return gate === undefined ? null : [gate.disabled, Object.fromEntries(gate.contextExtensions)];
    });

  it('of a route comes before that of its virtual host and of the table; context is put together', () => {
    expect(gates(table({}, {}, {}))).toEqual([null, null]);
    expect(gates(table(context({ a: '1', b: '1' }), context({ b: '2', c: '2' }), context({ c: '3' })))).toEqual([
      [false, { a: '1', b: '2', c: '3' }],
      [false, { a: '1', b: '2', c: '2' }],
    ]);
    expect(gates(table({}, context({ a: '1' }), { authz: { '@type': type, disabled: true } }))).toEqual([
      [true, { a: '1' }],
      [false, { a: '1' }],
    ]);
  });

  it('that says nothing of a filter is refused by its path', () => {
    expect(table({}, {}, { authz: { '@type': type } }).faults).toEqual([
      'virtual_hosts[0].routes[0].typed_per_filter_config["authz"]: needs disabled or check_settings',
    ]);
    const router = { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' };
    expect(table({}, {}, { x: router }).faults).toEqual([
      'virtual_hosts[0].routes[0].typed_per_filter_config["x"]: type.googleapis.com/envoy.extensions.filters.http.router.v3.Router says nothing of a filter for routes',
    ]);
  });
});
