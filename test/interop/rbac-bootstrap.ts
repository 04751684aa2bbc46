/** One bootstrap with every kind of RBAC rule that both Envoy and we take. Each case is a route of its own with rules of its own, once as ALLOW and once as DENY. */
import { parse } from '@bufbuild/cel';
import { type Expr, ExprSchema } from '@bufbuild/cel-spec/cel/expr/syntax_pb.js';
import { toJson } from '@bufbuild/protobuf';
import * as certificates from '../../sidecar/transport/test/certificates.ts';
import { type Json, listener, staticBootstrap } from './envoy-resources.ts';

export interface RbacPorts {
  readonly admin: number;
  readonly plain: number;
  /** Client certificates are verified, and not required. */
  readonly tls: number;
  /** `use_remote_address`. */
  readonly edge: number;
}

const filterName = 'envoy.filters.http.rbac';
const type = (name: string): string => `type.googleapis.com/envoy.extensions.filters.http.rbac.v3.${name}`;

export const accessLogFormat = '%REQ(X-QUESTION)% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS%\n';

function header(name: string, test: Json = {}): Json {
  return { header: { name, ...test } };
}
const exact = (value: string): Json => ({ string_match: { exact: value } });
const text = (match: Json): Json => ({ path: match });
const not = (rule: Json): Json => ({ not_rule: rule });
const principal = (match: Json): Json => ({ authenticated: { principal_name: match } });
const cidr = (address: string, bits: number): Json => ({ address_prefix: address, prefix_len: bits });

/** Rules by name; `permission` or, when the name says so, `principal`. */
const permissions: Readonly<Record<string, Json>> = {
  any: { any: true },
  'and-rules': { and_rules: { rules: [header('x-a', exact('1')), header('x-b', exact('1'))] } },
  'or-rules': { or_rules: { rules: [header('x-a', exact('1')), header('x-b', exact('1'))] } },
  'not-rule': not(header('x-a', exact('1'))),
  'not-not-rule': not(not(header('x-a', exact('1')))),
  exact: header('x-a', exact('1')),
  'exact-empty': header('x-a', exact('')),
  'exact-inverted': header('x-a', { ...exact('1'), invert_match: true }),
  'exact-inverted-missing-is-empty': header('x-a', {
    ...exact('1'),
    invert_match: true,
    treat_missing_header_as_empty: true,
  }),
  'exact-any-case': header('x-a', { string_match: { exact: 'Ab', ignore_case: true } }),
  'exact-any-case-beyond-ascii': header('x-a', { string_match: { exact: 'À', ignore_case: true } }),
  'exact-beyond-ascii': header('x-a', exact('é')),
  'exact-old-field': header('x-a', { exact_match: '1' }),
  prefix: header('x-a', { string_match: { prefix: 'a' } }),
  suffix: header('x-a', { string_match: { suffix: '1' } }),
  contains: header('x-a', { string_match: { contains: 'b' } }),
  regex: header('x-a', { string_match: { safe_regex: { regex: '[a1].*' } } }),
  present: header('x-a', { present_match: true }),
  'present-inverted': header('x-a', { present_match: true, invert_match: true }),
  absent: header('x-a', { present_match: false }),
  'absent-inverted': header('x-a', { present_match: false, invert_match: true }),
  'present-missing-is-empty': header('x-a', { present_match: true, treat_missing_header_as_empty: true }),
  'no-specifier': header('x-a'),
  range: header('x-a', { range_match: { start: 1, end: 3 } }),
  'range-inverted': header('x-a', { range_match: { start: 1, end: 3 }, invert_match: true }),
  'name-in-upper-case': header('X-A', exact('1')),
  'proto-as-name': header('__proto__', exact('1')),
  'constructor-as-name': header('constructor', { present_match: true }),
  method: header(':method', exact('POST')),
  authority: header(':authority', exact('b.test')),
  host: header('host', exact('b.test')),
  scheme: header(':scheme', exact('http')),
  'path-header': header(':path', { string_match: { suffix: '?q=1' } }),
  'path-suffix': { url_path: text({ suffix: '/one' }) },
  'path-contains': { url_path: text({ contains: 'q' }) },
  'path-exact': { url_path: text({ exact: '/path-exact/allow/one' }) },
  'path-prefix': { url_path: text({ prefix: '/path-prefix/allow/on' }) },
  'path-regex': { url_path: text({ safe_regex: { regex: '.*/(one|two)' } }) },
  'path-any-case': { url_path: text({ suffix: '/ONE', ignore_case: true }) },
  'destination-ip': { destination_ip: cidr('127.0.0.0', 8) },
  'destination-ip-other': { destination_ip: cidr('10.0.0.0', 8) },
  'destination-ip-v6': { destination_ip: cidr('::', 0) },
  'destination-port-other': { destination_port: 1 },
  'destination-port-range': { destination_port_range: { start: 1024, end: 65536 } },
  'server-name': { requested_server_name: { exact: 'orders.shop' } },
  'server-name-empty': { requested_server_name: { exact: '' } },
  'metadata-absent': { metadata: { filter: 'nobody', path: [{ key: 'a' }], value: { string_match: { exact: 'x' } } } },
  'metadata-absent-inverted': {
    metadata: { filter: 'nobody', path: [{ key: 'a' }], value: { string_match: { exact: 'x' } }, invert: true },
  },
  'metadata-not-present': { metadata: { filter: 'nobody', path: [{ key: 'a' }], value: { present_match: false } } },
};

const uri = (name: string): string => `spiffe://cluster.local/ns/shop/sa/${name}`;

export const principals: Readonly<Record<string, Json>> = {
  'and-ids': { and_ids: { ids: [header('x-a', exact('1')), { any: true }] } },
  'or-ids': { or_ids: { ids: [header('x-a', exact('1')), principal({ exact: uri('orders') })] } },
  'not-id': { not_id: principal({ exact: uri('orders') }) },
  'uri-exact': principal({ exact: uri('orders') }),
  'uri-other-case': principal({ exact: uri('ORDERS') }),
  'uri-prefix': principal({ prefix: 'spiffe://cluster.local/ns/shop/' }),
  'uri-regex': principal({ safe_regex: { regex: '.+/sa/(orders|admin)' } }),
  'dns-exact': principal({ exact: 'orders.shop' }),
  subject: principal({ exact: 'CN=storefront' }),
  authenticated: { authenticated: {} },
  'some-principal': principal({ safe_regex: { regex: '.+' } }),
  'source-ip': { source_ip: cidr('127.0.0.1', 32) },
  'direct-remote-ip': { direct_remote_ip: cidr('127.0.0.0', 8) },
  'direct-remote-ip-other': { direct_remote_ip: cidr('10.0.0.0', 8) },
  'remote-ip': { remote_ip: cidr('10.1.0.0', 16) },
  'remote-ip-loopback': { remote_ip: cidr('127.0.0.1', 32) },
  'remote-ip-everywhere': { remote_ip: cidr('0.0.0.0', 0) },
  'url-path': { url_path: text({ suffix: '/one' }) },
};

const cel = (text: string): Json => toJson(ExprSchema, parse(text).expr as Expr) as Json;

export const conditions: Readonly<Record<string, Json>> = {
  'condition-path': cel("request.path.endsWith('one?q=1')"),
  'condition-url-path': cel("request.url_path.endsWith('/one')"),
  'condition-method': cel("request.method == 'POST'"),
  'condition-host': cel("request.host == 'b.test'"),
  'condition-scheme': cel("request.scheme == 'http'"),
  'condition-header': cel("request.headers['x-a'] == '1'"),
  'condition-header-in': cel("'x-a' in request.headers && request.headers['x-a'] in ['1', '2', '']"),
  'condition-header-or': cel("request.headers['x-a'] == '1' || request.method == 'POST'"),
  'condition-header-not': cel("!(request.headers['x-a'] == '1')"),
  'condition-header-regex': cel("request.headers['x-a'].matches('^[a1]')"),
  'condition-header-size': cel("size(request.headers['x-a']) == 2"),
  'condition-proto': cel("request.headers['__proto__'] == '1'"),
  'condition-choice': cel("request.method == 'GET' ? request.headers['x-a'] == '2' : true"),
  'condition-source-port': cel('source.port > 0 && destination.port > 0'),
  'condition-source-address': cel("source.address.startsWith('127.0.0.1:')"),
  'condition-source-address-forwarded': cel("source.address in ['10.1.2.3:0', '[2001:db8::1]:0']"),
  'condition-not-a-boolean': cel('request.method'),
  'condition-of-unlike-types': cel("request.method + 1 == 'a'"),
  'condition-division-by-zero': cel('1 / (source.port - source.port) == 1'),
  'condition-mtls': cel('connection.mtls'),
  'condition-uri': cel(`connection.uri_san_peer_certificate == '${uri('orders')}'`),
  'condition-subject': cel("connection.subject_peer_certificate == 'CN=storefront'"),
  'condition-server-name': cel("connection.requested_server_name == 'orders.shop'"),
  'condition-metadata-missing': cel("metadata.filter_metadata['nobody']['a'] == 'x'"),
  'condition-metadata-has': cel('has(metadata.filter_metadata.nobody)'),
};

export const caseNames: readonly string[] = [permissions, principals, conditions].flatMap((cases) =>
  Object.keys(cases),
);

function rulesOf(name: string, action: 'ALLOW' | 'DENY'): Json {
  const policy = {
    permissions: [permissions[name] ?? { any: true }],
    principals: [principals[name] ?? { any: true }],
    ...(conditions[name] === undefined ? {} : { condition: conditions[name] }),
  };
  // Two that match alike: the first by name is told. Blanks in it do not reach the log.
  return { action, policies: { 'b second': policy, 'a first#rule-0': policy } };
}

function routes(): readonly Json[] {
  const found: Json[] = [];
  const add = (prefix: string, perRoute: Json | null): void => {
    found.push({
      match: { prefix },
      direct_response: { status: 200, body: { inline_string: 'passed' } },
      ...(perRoute === null
        ? {}
        : { typed_per_filter_config: { [filterName]: { '@type': type('RBACPerRoute'), ...perRoute } } }),
    });
  };
  for (const name of caseNames) {
    add(`/${name}/allow/`, { rbac: { rules: rulesOf(name, 'ALLOW') } });
    add(`/${name}/deny/`, { rbac: { rules: rulesOf(name, 'DENY') } });
  }
  add('/no-policies/allow/', { rbac: { rules: { action: 'ALLOW' } } });
  add('/no-policies/deny/', { rbac: { rules: { action: 'DENY' } } });
  add('/log/', { rbac: { rules: rulesOf('exact', 'DENY'), shadow_rules: rulesOf('exact', 'ALLOW') } });
  add('/only-tried/', { rbac: { shadow_rules: rulesOf('exact', 'DENY') } });
  add('/off/', {});
  add('/own/', null);
  return found;
}

function filters(): readonly Json[] {
  const own = {
    rules: rulesOf('exact', 'DENY'),
    shadow_rules: rulesOf('exact', 'ALLOW'),
    shadow_rules_stat_prefix: 'dry_run_',
  };
  return [
    { name: filterName, typed_config: { '@type': type('RBAC'), ...own } },
    {
      name: 'envoy.filters.http.router',
      typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
    },
  ];
}

export function rbacBootstrap(ports: RbacPorts, logFile: string): Json {
  const manager = {
    http_filters: filters(),
    normalize_path: true,
    access_log: [
      {
        name: 'file',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
          path: logFile,
          log_format: { text_format_source: { inline_string: accessLogFormat } },
        },
      },
    ],
  };
  const table = { name: 'cases', virtual_hosts: [{ name: 'all', domains: ['*'], routes: routes() }] };
  const on = (name: string, port: number, extra: Json, transportSocket?: Json): Json =>
    listener(
      { name, port, manager: { ...manager, ...extra }, ...(transportSocket === undefined ? {} : { transportSocket }) },
      table,
    );
  return staticBootstrap({
    adminPort: ports.admin,
    listeners: [
      on('plain', ports.plain, {}),
      on('edge', ports.edge, { use_remote_address: true, xff_num_trusted_hops: 1 }),
      { ...on('tls', ports.tls, {}, tlsSocket), listener_filters: [tlsInspector] },
    ],
    clusters: [],
  });
}

const tlsInspector = {
  name: 'envoy.filters.listener.tls_inspector',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector' },
};

const tlsSocket = {
  name: 'envoy.transport_sockets.tls',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
    common_tls_context: {
      tls_certificates: [
        {
          certificate_chain: { inline_string: certificates.orders.chainPem },
          private_key: { inline_string: certificates.orders.keyPem },
        },
      ],
      validation_context: { trusted_ca: { inline_string: certificates.caPem } },
    },
  },
};
