/** Whatever value of a route, Service or policy is accepted, our sidecar takes what comes of it: one refused resource would keep the whole table as it was (a NACK), and a new DENY would never deny. */
import fc from 'fast-check';
import { test } from 'vitest';
import { clusterType, endpointsType, listenerType, routesType } from '../../sidecar/xds/ads/resource-type.ts';
import {
  duration,
  everyAccepted,
  metadata,
  name,
  parsed,
  path,
  pattern,
  service,
  target,
  text,
  values,
} from './accepted-values.test-data.ts';

const decoders = { listeners: listenerType, routes: routesType, clusters: clusterType, endpoints: endpointsType };

const entries = fc.array(fc.record({ name, value: text }), { minLength: 1, maxLength: 2 });
const modifier = fc.record(
  { set: entries, add: entries, remove: fc.array(name, { minLength: 1, maxLength: 2 }) },
  { requiredKeys: [] },
);
const requestHeaders = modifier.map((each) => ({ type: 'RequestHeaderModifier', requestHeaderModifier: each }));
const responseHeaders = modifier.map((each) => ({ type: 'ResponseHeaderModifier', responseHeaderModifier: each }));
const pathModifier = fc.oneof(
  path.map((value) => ({ type: 'ReplaceFullPath', replaceFullPath: value })),
  path.map((value) => ({ type: 'ReplacePrefixMatch', replacePrefixMatch: value })),
);
const hostname = fc.oneof(text, fc.constantFrom('a.example', 'a.example:80', '*.a', '10.0.0.1', '-a'));
const rewrite = fc
  .record({ hostname, path: pathModifier }, { requiredKeys: [] })
  .map((each) => ({ type: 'URLRewrite', urlRewrite: each }));
const redirect = fc
  .record(
    {
      scheme: fc.constantFrom('http', 'https'),
      hostname,
      path: pathModifier,
      port: fc.constantFrom(0, 1, 443, 65_535, 65_536),
      statusCode: fc.constantFrom(301, 302, 303, 307, 308),
    },
    { requiredKeys: [] },
  )
  .map((each) => ({ type: 'RequestRedirect', requestRedirect: each }));
const match = fc.oneof(
  fc.record({ path: fc.record({ type: fc.constantFrom('Exact', 'PathPrefix'), value: path }) }),
  fc.record({ path: fc.record({ type: fc.constant('RegularExpression'), value: pattern }) }),
  fc.record({ headers: values }),
  fc.record({ queryParams: values }),
);
const weight = fc.constantFrom(0, 1, 1_000_000);
const backend = fc.record({
  name: fc.constantFrom('orders', 'gone'),
  port: fc.constantFrom(80, 81),
  weight,
  filters: fc.oneof(fc.constant([]), fc.tuple(requestHeaders), fc.tuple(responseHeaders)),
});
const retryOf = (codes: fc.Arbitrary<number | string>): fc.Arbitrary<object> =>
  fc.record(
    {
      codes: fc.array(codes, { maxLength: 3 }),
      attempts: fc.constantFrom(0, 1, 2, 10, 11),
      backoff: fc.constantFrom('0s', '1ms', '25ms', '1h'),
    },
    { requiredKeys: [] },
  );
const httpRule = fc.oneof(
  fc.record({
    matches: fc.array(match, { minLength: 1, maxLength: 2 }),
    backendRefs: fc.array(backend, { maxLength: 3 }),
  }),
  fc.record({ filters: fc.tuple(fc.oneof(requestHeaders, responseHeaders, rewrite, redirect)) }),
  fc.record({
    matches: fc.constantFrom(
      [{ path: { type: 'PathPrefix', value: '/p' } }],
      [{ path: { type: 'Exact', value: '/e' } }],
    ),
    filters: fc.tuple(fc.oneof(rewrite, redirect)),
  }),
  fc.record({ timeouts: fc.record({ request: duration, backendRequest: duration }, { requiredKeys: [] }) }),
  fc.record({ retry: retryOf(fc.constantFrom(400, 404, 503, 599)) }),
  fc.record({ backendRefs: fc.array(backend, { minLength: 20, maxLength: 64 }) }),
);
const grpcName = fc.oneof(fc.constantFrom('shop.Orders', 'Pay'), pattern);
const grpcRule = fc.record(
  {
    matches: fc.tuple(
      fc.record(
        {
          method: fc.record(
            { type: fc.constantFrom('Exact', 'RegularExpression'), service: grpcName, method: grpcName },
            { requiredKeys: ['type'] },
          ),
          headers: values,
        },
        { requiredKeys: [] },
      ),
    ),
    backendRefs: fc.array(backend, { maxLength: 2 }),
    retry: retryOf(fc.constantFrom('CANCELLED', 'DEADLINE_EXCEEDED', 'INTERNAL', 'RESOURCE_EXHAUSTED', 'UNAVAILABLE')),
  },
  { requiredKeys: ['matches', 'backendRefs'] },
);

const parentRefs = [{ group: '', kind: 'Service', name: 'orders' }];
const routes = fc.oneof(
  fc.record({ kind: fc.constant('HTTPRoute'), rule: httpRule }),
  fc.record({ kind: fc.constant('GRPCRoute'), rule: grpcRule }),
);
const zone = fc.oneof(text, fc.constant('z'.repeat(253)));
const services = fc.record({
  apiVersion: fc.constant('outrigger.dev/v1'),
  kind: fc.constant('Service'),
  metadata: fc.constant(metadata),
  spec: fc.record({
    ports: fc.tuple(fc.record({ port: fc.constant(80), appProtocol: fc.constantFrom('http', 'http2', 'grpc', 'tcp') })),
    endpoints: fc.array(
      fc.record({
        address: fc.constantFrom('10.0.0.1', 'fd00::7', '::ffff:10.0.0.1', '::1%lo', '0.0.0.0', 'a.example'),
        port: fc.constantFrom(1, 65_535),
        weight: fc.constantFrom(1, 128),
        zone,
      }),
      { maxLength: 3 },
    ),
  }),
});

test('our sidecar takes every route that is accepted', () => {
  everyAccepted(decoders, 1_000, routes, ({ kind, rule }) => [
    service,
    parsed({ apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata, spec: { parentRefs, rules: [rule] } }),
  ]);
});

test('our sidecar takes every Service that is accepted', () => {
  everyAccepted(decoders, 300, services, (document) => [parsed(document)]);
});

const issuers = fc.constantFrom('i', 'https://login.example', 'a b', 'é');
const ecKey = {
  kty: 'EC',
  crv: 'P-256',
  x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
  y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
};
const keySet = fc.constantFrom<object>(
  { jwks: JSON.stringify({ keys: [ecKey] }) },
  { jwks: JSON.stringify({ keys: [{ kty: 'x' }, ecKey] }) },
  { jwksUri: 'https://a.example/' },
);
const handed = fc.oneof(
  name,
  fc.constantFrom('x-user', 'authorization', 'keep-alive', 'x-forwarded-client-cert', 'cookie'),
);
const jwtRule = fc
  .tuple(
    fc.record({ issuer: issuers }),
    keySet,
    fc.record(
      {
        audiences: fc.array(text, { minLength: 1, maxLength: 2 }),
        fromHeaders: fc.tuple(fc.record({ name: handed, prefix: fc.constantFrom('', 'Bearer ', 'é') })),
        fromParams: fc.tuple(text),
        outputClaimToHeaders: fc.tuple(
          fc.record({ header: handed, claim: fc.oneof(text, fc.constantFrom('sub', 'a.b', '.')) }),
        ),
        forwardOriginalToken: fc.boolean(),
      },
      { requiredKeys: [] },
    ),
  )
  .map((parts) => Object.assign({}, ...parts) as object);

const anyPattern = fc.oneof(
  fc.constantFrom(
    '*',
    'a*',
    '*a',
    'a',
    '/a',
    '/a*',
    '*/a',
    'shop',
    'shop/orders',
    'i/*',
    '*/x',
    'GET',
    '10.0.0.0/8',
    '80',
    '::1',
  ),
  fc.constantFrom('a.example', 'a.example:80', '*.example', '*:80', 'é', 'a b', '[', '\\', '(?i)'),
  text,
);
const someValues = fc.array(anyPattern, { minLength: 1, maxLength: 3 });
/** One or two fields, of which each may stand with `not` before it. */
const fieldsOf = (names: readonly string[]): fc.Arbitrary<object> =>
  fc
    .array(
      fc.tuple(
        fc.constantFrom(...names, ...names.map((each) => `not${each[0]!.toUpperCase()}${each.slice(1)}`)),
        someValues,
      ),
      { minLength: 1, maxLength: 2 },
    )
    .map((entries) => Object.fromEntries(entries));
const from = fieldsOf(['principals', 'namespaces', 'serviceAccounts', 'ipBlocks', 'requestPrincipals']).map(
  (source) => ({ from: [{ source }] }),
);
const operations = fc.oneof(
  fieldsOf(['hosts', 'methods', 'paths']),
  fc.record({ ports: fc.tuple(fc.constantFrom(1, 9000, 65_535)) }),
);
const to = operations.map((operation) => ({ to: [{ operation }] }));
const keys = fc.constantFrom(
  ...[
    'request.headers[x-a]',
    'request.headers[connection]',
    'request.headers[Cookie]',
    'request.auth.claims[a][b]',
    'request.auth.principal',
  ],
  ...[
    'request.auth.audiences',
    'source.ip',
    'source.namespace',
    'source.principal',
    'source.serviceAccount',
    'destination.port',
    'connection.sni',
  ],
);
const celText = fc.constantFrom(
  'request.path',
  'request.url_path',
  'request.host',
  "request.headers['x-a']",
  'request.headers.a',
  "'a'",
  'connection.requested_server_name',
  "metadata.filter_metadata['a']['b']",
);
const celPattern = fc.oneof(pattern, fc.constantFrom('^/export(?!/public)', '(', '^a+$', '(?i)a', '\\d+'));
const celTerm = fc.oneof(
  fc.tuple(celText, fc.constantFrom('==', '!=', '<', 'in', '&&'), celText).map((parts) => parts.join(' ')),
  fc.tuple(celText, celPattern).map(([of, regex]) => `${of}.matches(${JSON.stringify(regex)})`),
  fc
    .tuple(celText, fc.constantFrom('startsWith', 'endsWith', 'contains', 'matches'), celText)
    .map(([of, method, value]) => `${of}.${method}(${value})`),
  fc.constantFrom(
    "'a' in request.headers",
    'connection.mtls',
    'destination.port == 80',
    'size(request.path) > 3',
    "int(request.headers['n']) > 3",
    'has(request.headers.a)',
    "request.method in ['GET', 'PUT']",
    'true',
    '1',
    'request.path',
    'connection.mtls ? true : false',
    'request.headers',
    "request['path'] == 'a'",
    'has(request.path)',
    '!connection.mtls',
  ),
);
const cel = fc.oneof(
  celTerm,
  fc.tuple(celTerm, fc.constantFrom('&&', '||'), celTerm).map((parts) => parts.join(' ')),
);
const when = fc
  .oneof(
    fc.record({ key: keys, values: someValues }),
    fc.record({ key: keys, notValues: someValues }),
    fc.record({ cel }),
  )
  .map((condition) => ({ when: [condition] }));
const policyRule = fc.oneof(
  from,
  to,
  when,
  fc.tuple(from, to).map(([a, b]) => ({ ...a, ...b })),
);
const external = fc.record(
  {
    service: fc.constant({ name: 'orders', port: 80 }),
    protocol: fc.constantFrom('grpc', 'http'),
    failOpen: fc.boolean(),
    timeout: duration,
    pathPrefix: path,
    includeRequestHeaders: fc.tuple(handed),
    headersToUpstream: fc.tuple(handed),
  },
  { requiredKeys: ['service', 'protocol'] },
);
const mode = fc.record({ mode: fc.constantFrom('STRICT', 'PERMISSIVE', 'DISABLE') });
const policies = fc.oneof(
  fc.record({
    kind: fc.constant('RequestAuthentication'),
    target,
    spec: fc.record({ jwtRules: fc.array(jwtRule, { minLength: 1, maxLength: 2 }) }),
  }),
  fc.record({
    kind: fc.constant('AuthorizationPolicy'),
    target,
    spec: fc.record(
      { action: fc.constantFrom('ALLOW', 'DENY'), dryRun: fc.boolean(), rules: fc.array(policyRule, { maxLength: 2 }) },
      { requiredKeys: ['rules'] },
    ),
  }),
  fc.record({
    kind: fc.constant('AuthorizationPolicy'),
    target,
    spec: external.map((each) => ({ action: 'EXTERNAL', external: each })),
  }),
  fc.record({
    kind: fc.constant('PeerAuthentication'),
    target,
    spec: fc.record({ mtls: mode, portLevelMtls: mode.map((each) => ({ 9000: each })) }, { requiredKeys: [] }),
  }),
);
/** So that rules about tokens have a provider to speak of. */
const tokens = parsed({
  apiVersion: 'outrigger.dev/v1',
  kind: 'RequestAuthentication',
  metadata: { name: 'tokens', namespace: 'shop' },
  spec: { jwtRules: [{ issuer: 'i', jwks: JSON.stringify({ keys: [ecKey] }) }] },
});

test('our sidecar takes every policy that is accepted', () => {
  everyAccepted(decoders, 1_000, policies, ({ kind, target: to, spec }) => [
    service,
    tokens,
    parsed({
      apiVersion: 'outrigger.dev/v1',
      kind,
      metadata: { name: 'policy', namespace: 'shop' },
      spec: { ...to, ...spec },
    }),
  ]);
});
