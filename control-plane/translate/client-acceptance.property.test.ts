/** Whatever value of a route or Service is accepted, our sidecar takes what comes of it: one refused resource would keep the whole table as it was (a NACK). */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  clusterType,
  endpointsType,
  listenerType,
  type ResourceType,
  routesType,
} from '../../sidecar/xds/ads/resource-type.ts';
import { parseDocument } from '../config-kind/kind.ts';
import type { Resource } from '../config-kind/resource.ts';
import { ModelBuilder } from '../model/model-builder.ts';
import { instance, proxy } from './sample-mesh.test-data.ts';
import { type ProxyResources, translate } from './translate.ts';

/** What people write by mistake, and what others write on purpose. */
const text = fc.oneof(
  fc.constantFrom(
    '',
    'x',
    '5 €',
    'é',
    '50%',
    '%41',
    '%zz',
    'a b',
    'a\r\nb: c',
    '\t',
    '\u0000',
    '\u007f',
    '\u0085',
    '(',
    '.*',
  ),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
);
const name = fc.oneof(
  fc.constantFrom('Connection', 'Content-Length', 'transfer-encoding', 'HOST', ':path', ':method', 'x-a', 'TE', 'Date'),
  text,
);
const entries = fc.array(fc.record({ name, value: text }), { minLength: 1, maxLength: 2 });
const modifier = fc.record(
  { set: entries, add: entries, remove: fc.array(name, { minLength: 1, maxLength: 2 }) },
  { requiredKeys: [] },
);
const requestHeaders = modifier.map((each) => ({ type: 'RequestHeaderModifier', requestHeaderModifier: each }));
const responseHeaders = modifier.map((each) => ({ type: 'ResponseHeaderModifier', responseHeaderModifier: each }));
const path = fc.oneof(
  text.map((rest) => `/${rest}`),
  fc.constantFrom('/a', '/a/', '/a?b', '/a#b', '/a//b', '/a%20b', '/é', '/a\u0001', '/"', '/[x]', '/{x}', '/a|b', ''),
);
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
const pattern = fc.oneof(
  text,
  fc.constantFrom('(?i)a', '[[:alpha:]]', '\\pL', 'a{1,1000}', '(a|b)*?', '\\Q', 'a**', '(?P<n>x)'),
);
const values = fc.array(
  fc.record({ type: fc.constantFrom('Exact', 'RegularExpression'), name, value: fc.oneof(text, pattern) }),
  { minLength: 1, maxLength: 2 },
);
const match = fc.oneof(
  fc.record({ path: fc.record({ type: fc.constantFrom('Exact', 'PathPrefix'), value: path }) }),
  fc.record({ path: fc.record({ type: fc.constant('RegularExpression'), value: pattern }) }),
  fc.record({ headers: values }),
  fc.record({ queryParams: values }),
);
const duration = fc.constantFrom('0s', '1ms', '99999h', '99999h99999h', '99999h99999h99999h99999h', '1h2m3s4ms');
const weight = fc.constantFrom(0, 1, 1_000_000);
const backend = fc.record({
  name: fc.constantFrom('orders', 'gone'),
  port: fc.constantFrom(80, 81),
  weight,
  filters: fc.oneof(fc.constant([]), fc.tuple(requestHeaders), fc.tuple(responseHeaders)),
});
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
  fc.record({ backendRefs: fc.array(backend, { minLength: 20, maxLength: 64 }) }),
);
const grpcName = fc.oneof(fc.constantFrom('shop.Orders', 'Pay'), pattern);
const grpcRule = fc.record({
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
});

const metadata = { name: 'orders', namespace: 'shop' };
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

function parsed(document: object): Resource | null {
  const result = parseDocument(document, { file: 'random.yaml', line: 1, column: 1 });
  return 'resource' in result ? result.resource : null;
}

const service = parsed({ apiVersion: 'outrigger.dev/v1', kind: 'Service', metadata, spec: { ports: [{ port: 80 }] } })!;
const types: Readonly<Record<keyof ProxyResources, ResourceType>> = {
  listeners: listenerType,
  routes: routesType,
  clusters: clusterType,
  endpoints: endpointsType,
};

function refusals(resources: readonly Resource[]): string[] {
  const model = new ModelBuilder().build({ resources, instances: [instance('orders', '10.0.0.9')] });
  const translated = translate(model, proxy('outrigger'));
  return (Object.keys(types) as Array<keyof ProxyResources>).flatMap((type) =>
    [...translated[type].values()].flatMap(({ bytes }) => {
      const decoded = types[type].decode(bytes);
      return decoded.ok ? [] : decoded.faults;
    }),
  );
}

/** Values that are refused in words tell nothing here; there must be enough of the others. */
function everyAccepted<T>(
  numRuns: number,
  arbitrary: fc.Arbitrary<T>,
  read: (value: T) => ReadonlyArray<Resource | null>,
): void {
  let accepted = 0;
  fc.assert(
    fc.property(arbitrary, (value) => {
      const resources = read(value);
      if (resources.includes(null)) return;
      accepted++;
      expect(refusals(resources as readonly Resource[])).toEqual([]);
    }),
    { numRuns },
  );
  expect(accepted).toBeGreaterThan(numRuns / 10);
}

test('our sidecar takes every route that is accepted', () => {
  everyAccepted(1_000, routes, ({ kind, rule }) => [
    service,
    parsed({ apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata, spec: { parentRefs, rules: [rule] } }),
  ]);
});

test('our sidecar takes every Service that is accepted', () => {
  everyAccepted(300, services, (document) => [parsed(document)]);
});
