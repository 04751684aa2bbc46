/** The configuration of the differential suite for jwt_authn and ext_authz: one bootstrap that Envoy and our sidecar both take. */
import { jwks, TokenIssuer } from '../../sidecar/filters/jwt-authn/test/token-issuer.ts';
import { type Json, listener, staticBootstrap, staticCluster } from './envoy-resources.ts';

const typeUrl = (name: string): string => `type.googleapis.com/envoy.extensions.filters.http.${name}`;

export const issuers = {
  shop: new TokenIssuer('RS256', 'shop-1'),
  shopPss: new TokenIssuer('PS384', 'shop-2'),
  shopEc: new TokenIssuer('ES256', 'shop-3'),
  shopEc384: new TokenIssuer('ES384', 'shop-4'),
  shopEd: new TokenIssuer('EdDSA', 'shop-5'),
  /** Its key has no name in the set. */
  partner: new TokenIssuer('ES512', ''),
  stranger: new TokenIssuer('RS256', 'shop-1'),
};

const providers: Json = {
  shop: {
    issuer: 'https://shop.example',
    audiences: ['orders', 'https://payments.example/'],
    local_jwks: {
      inline_string: jwks(issuers.shop, issuers.shopPss, issuers.shopEc, issuers.shopEc384, issuers.shopEd),
    },
    forward_payload_header: 'x-payload',
    payload_in_metadata: 'shop',
    claim_to_headers: [
      { header_name: 'x-sub', claim_name: 'sub' },
      { header_name: 'x-age', claim_name: 'age' },
      { header_name: 'x-negative', claim_name: 'negative' },
      { header_name: 'x-fraction', claim_name: 'fraction' },
      { header_name: 'x-admin', claim_name: 'admin' },
      { header_name: 'x-city', claim_name: 'address.city' },
      { header_name: 'x-roles', claim_name: 'roles' },
      { header_name: 'x-address', claim_name: 'address' },
      { header_name: 'x-none', claim_name: 'none' },
    ],
  },
  partner: {
    issuer: 'partner',
    local_jwks: { inline_string: jwks(issuers.partner) },
    from_headers: [{ name: 'x-partner' }, { name: 'authorization', value_prefix: 'Bearer ' }],
    from_params: ['token'],
    forward: true,
    pad_forward_payload_header: true,
    forward_payload_header: 'x-partner-payload',
  },
  cookie: { issuer: 'partner', local_jwks: { inline_string: jwks(issuers.partner) }, from_cookies: ['session'] },
  strict: {
    local_jwks: { inline_string: jwks(issuers.partner) },
    require_expiration: true,
    subjects: { prefix: 'svc-' },
    clock_skew_seconds: 1,
  },
  narrow: { local_jwks: { inline_string: jwks(issuers.partner) }, audiences: ['nobody'], subjects: { prefix: 'svc-' } },
  brief: { local_jwks: { inline_string: jwks(issuers.partner) }, max_lifetime: '3600s' },
};

const of = (name: string): Json => ({ provider_name: name });
const any = (...requirements: readonly Json[]): Json => ({ requires_any: { requirements } });
const all = (...requirements: readonly Json[]): Json => ({ requires_all: { requirements } });

const rules: readonly Json[] = [
  { match: { prefix: '/shop' }, requires: of('shop') },
  {
    match: { path: '/audience' },
    requires: { provider_and_audiences: { provider_name: 'shop', audiences: ['special'] } },
  },
  { match: { prefix: '/partner' }, requires: of('partner') },
  { match: { prefix: '/cookie' }, requires: of('cookie') },
  { match: { prefix: '/strict' }, requires: of('strict') },
  { match: { prefix: '/narrow' }, requires: of('narrow') },
  { match: { prefix: '/brief' }, requires: of('brief') },
  { match: { prefix: '/any' }, requires: any(of('shop'), of('partner')) },
  { match: { prefix: '/two' }, requires: any(of('strict'), of('narrow')) },
  { match: { prefix: '/turned' }, requires: any(of('narrow'), of('strict')) },
  { match: { prefix: '/all' }, requires: all(of('shop'), of('partner')) },
  { match: { prefix: '/optional' }, requires: any(of('shop'), { allow_missing: {} }) },
  { match: { prefix: '/lenient' }, requires: any(of('shop'), { allow_missing_or_failed: {} }) },
  { match: { prefix: '/missing' }, requires: { allow_missing: {} } },
  { match: { prefix: '/failed' }, requires: { allow_missing_or_failed: {} } },
  {
    match: { safe_regex: { regex: '/items/[0-9]+' }, headers: [{ name: 'x-guard', present_match: true }] },
    requires: of('shop'),
  },
  { match: { prefix: '/nested' }, requires: all(of('partner'), any(of('shop'), of('cookie'))) },
  { match: { prefix: '/named' }, requirement_name: 'shop only' },
  { match: { prefix: '/free/exempt' } },
  { match: { prefix: '/free' }, requires: of('shop') },
];

const perRoute = (config: Json): Json => ({
  typed_per_filter_config: { jwt: { '@type': typeUrl('jwt_authn.v3.PerRouteConfig'), ...config } },
});
const authzPerRoute = (config: Json): Json => ({
  authz: { '@type': typeUrl('ext_authz.v3.ExtAuthzPerRoute'), ...config },
});

export interface AuthenticationPorts {
  readonly admin: number;
  readonly jwt: number;
  readonly grpc: number;
  readonly grpcOpen: number;
  readonly http: number;
  readonly httpListed: number;
  readonly backend: number;
  readonly grpcService: number;
  readonly httpService: number;
}

const jwtFilter: Json = {
  name: 'jwt',
  typed_config: {
    '@type': typeUrl('jwt_authn.v3.JwtAuthentication'),
    providers,
    rules,
    requirement_map: { 'shop only': of('shop') },
    bypass_cors_preflight: true,
  },
};

function authz(config: Json): Json {
  return {
    name: 'authz',
    typed_config: { '@type': typeUrl('ext_authz.v3.ExtAuthz'), transport_api_version: 'V3', ...config },
  };
}

const grpcService = (timeout: string): Json => ({
  grpc_service: { envoy_grpc: { cluster_name: 'grpc_service' }, timeout },
});
const httpService = (rest: Json = {}): Json => ({
  http_service: { server_uri: { uri: 'http://authz.example', cluster: 'http_service', timeout: '0.5s' }, ...rest },
});

const router: Json = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': typeUrl('router.v3.Router') },
};

const to: Json = { cluster: 'backend' };
const routes: readonly Json[] = [
  { match: { prefix: '/route/off' }, route: to, ...perRoute({ disabled: true }) },
  { match: { prefix: '/route/named' }, route: to, ...perRoute({ requirement_name: 'shop only' }) },
  { match: { prefix: '/route/wrong' }, route: to, ...perRoute({ requirement_name: 'nobody' }) },
  { match: { prefix: '/unchecked' }, route: to, typed_per_filter_config: authzPerRoute({ disabled: true }) },
  {
    match: { prefix: '/context' },
    route: to,
    typed_per_filter_config: authzPerRoute({ check_settings: { context_extensions: { route: 'r', both: 'route' } } }),
  },
  { match: { prefix: '/direct' }, direct_response: { status: 418 } },
  { match: { prefix: '/' }, route: to },
];

export function authenticationBootstrap(ports: AuthenticationPorts, logFile: string): Json {
  const withFilters = (name: string, port: number, filters: readonly Json[]): Json =>
    listener(
      {
        name,
        port,
        manager: {
          http_filters: [...filters, router],
          access_log: [
            {
              name: 'file',
              typed_config: {
                '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
                path: logFile,
                log_format: { text_format: '%REQ(X-QUESTION)% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS%\n' },
              },
            },
          ],
        },
      },
      {
        name,
        virtual_hosts: [
          {
            name: 'all',
            domains: ['shop.test'],
            routes,
            typed_per_filter_config: authzPerRoute({
              check_settings: { context_extensions: { host: 'h', both: 'host' } },
            }),
          },
        ],
      },
    );
  return staticBootstrap({
    adminPort: ports.admin,
    listeners: [
      withFilters('jwt', ports.jwt, [jwtFilter]),
      withFilters('grpc', ports.grpc, [
        jwtFilter,
        authz({
          ...grpcService('0.5s'),
          metadata_context_namespaces: ['envoy.filters.http.jwt_authn'],
          status_on_error: { code: 'ServiceUnavailable' },
          validate_mutations: true,
        }),
      ]),
      withFilters('grpc-open', ports.grpcOpen, [
        authz({
          ...grpcService('0.1s'),
          failure_mode_allow: true,
          failure_mode_allow_header_add: true,
          allowed_headers: { patterns: [{ exact: 'x-case' }, { prefix: 'x-told-' }] },
          disallowed_headers: { patterns: [{ exact: 'x-told-not' }] },
        }),
      ]),
      withFilters('http', ports.http, [authz(httpService())]),
      withFilters('http-listed', ports.httpListed, [
        authz({
          ...httpService({
            path_prefix: '/check',
            authorization_request: { headers_to_add: [{ key: 'x-added', value: 'by us' }] },
            authorization_response: {
              allowed_upstream_headers: { patterns: [{ prefix: 'x-user' }] },
              allowed_upstream_headers_to_append: { patterns: [{ exact: 'x-tag' }, { exact: 'x-new-tag' }] },
              allowed_client_headers: { patterns: [{ exact: 'x-reason' }] },
              allowed_client_headers_on_success: { patterns: [{ prefix: 'x-for-client' }] },
            },
          }),
          allowed_headers: { patterns: [{ exact: 'x-case' }, { exact: 'x-told' }, { exact: 'cookie' }] },
        }),
      ]),
    ],
    clusters: [
      staticCluster({ name: 'backend' }, [ports.backend]),
      staticCluster({ name: 'grpc_service', http2: true }, [ports.grpcService]),
      staticCluster({ name: 'http_service' }, [ports.httpService]),
    ],
  });
}
