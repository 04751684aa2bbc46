/** Whom the last good answer of a route is given to, through a stream with gates and a router. What is kept is in ../router/fallback. */
import { expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import type { RequestHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { GateRequest, RequestGate } from '../filters/request-gate.ts';
import { RouteMemory } from '../router/route-memory.ts';
import type { PeerCertificate } from '../transport/peer-certificate.ts';
import { anyPath, fallbackTo, forward, route, routeTable, virtualHost } from './test/configs.ts';
import { answer, bytes, connectionInfo, get, StreamRig } from './test/stream-rig.ts';

const nobody = new ProxyError({
  flag: 'UH',
  source: 'local',
  details: 'no_healthy_upstream',
  message: 'Nobody is there.',
  retry: 'unsent',
});
const fallback = fallbackTo({ stale: { maxAgeMs: 60_000, maxEntryBytes: 65_536, varyBy: [] } });
const bearer = (token: string): HeaderFields => HeaderFields.of(['authorization', `Bearer ${token}`]);

/** One asks and is answered; then the service is gone, and another asks, of `other` if that is given. What that one gets. */
function secondGets(rig: StreamRig, first: () => unknown, second: () => unknown, other = rig): string {
  rig.again();
  first();
  rig.cluster.last.receiver.onHead(answer(200), false);
  rig.cluster.last.receiver.onData(bytes('of the first'), true);
  other.again();
  other.cluster.failNext.push(nobody, nobody, nobody);
  second();
  other.cluster.failNext.length = 0;
  return other.downstream.body;
}

test('who asks for the same without a credential is given it', () => {
  const rig = new StreamRig({ routes: [route('r', anyPath, forward('orders', { fallback }))] });
  const ask = () => rig.request(get('/menu'));
  expect(secondGets(rig, ask, ask)).toBe('of the first');
});

test('a credential that a gate takes off keeps answers apart', () => {
  const takesOff: RequestGate = {
    name: 'takes off',
    answersAtOnce: true,
    check: (request: GateRequest) => {
      request.head.fields.delete('authorization');
      return null;
    },
  };
  const rig = new StreamRig({ routes: [route('r', anyPath, forward('orders', { fallback }))], gates: [takesOff] });
  const ask = (token: string) => () => rig.request(get('/me', bearer(token)));
  expect(secondGets(rig, ask('alice'), ask('bob'))).not.toContain('of the first');
});

test('a credential that the route removes keeps answers apart', () => {
  const plain = route('r', anyPath, forward('orders', { fallback }));
  const removes = { ...plain, requestHeaders: { ...plain.requestHeaders, remove: ['authorization'] } };
  const rig = new StreamRig({ routes: [removes] });
  const ask = (token: string) => () => rig.request(get('/me', bearer(token)));
  expect(secondGets(rig, ask('alice'), ask('bob'))).not.toContain('of the first');
});

const apiKey = (key: string): HeaderFields => HeaderFields.of(['x-api-key', key]);
const gate = (change: (head: RequestHead) => unknown): RequestGate => ({
  name: 'changes',
  answersAtOnce: true,
  check: ({ head }: GateRequest) => {
    change(head);
    return null;
  },
});

test.each([
  ['takes off, whatever its name', ({ fields }: RequestHead) => fields.delete('x-api-key'), false],
  ['takes out of the query', (head: RequestHead) => Object.assign(head, { path: '/me' }), false],
  ['changes', ({ fields }: RequestHead) => fields.set(headerName('x-api-key'), 'known'), false],
  ['adds', ({ fields }: RequestHead) => fields.append(headerName('x-user'), 'alice'), false],
  ['only looks at', ({ fields }: RequestHead) => fields.get('x-api-key'), true],
])('a gate keeps answers apart by what it %s', (_, change, shared) => {
  const rig = new StreamRig({ routes: [route('r', anyPath, forward('orders', { fallback }))], gates: [gate(change)] });
  const ask = () => rig.request(get('/me?token=a', apiKey('a')));
  expect(secondGets(rig, ask, ask) === 'of the first').toBe(shared);
});

test('gates that change nothing of any request say so, and are taken at their word', () => {
  const gates = [{ ...gate(() => undefined), keepsRequests: true }];
  const rig = new StreamRig({ routes: [route('r', anyPath, forward('orders', { fallback }))], gates });
  const ask = () => rig.request(get('/me', apiKey('a')));
  expect(secondGets(rig, ask, ask)).toBe('of the first');
});

test.each([
  ['removes', { remove: ['x-api-key'] }, false],
  ['overwrites', { add: [{ name: 'X-Api-Key', value: 'ours', action: 'overwrite', keepEmpty: false }] }, false],
  ['adds', { add: [{ name: 'x-mesh', value: 'ours', action: 'overwrite', keepEmpty: false }] }, true],
  ['appends to', { add: [{ name: 'x-api-key', value: 'ours', action: 'append', keepEmpty: false }] }, true],
] as const)(
  'a route keeps answers apart by the header that it %s, of requests that came with it',
  (_, change, shared) => {
    const plain = route('r', anyPath, forward('orders', { fallback, prefixRewrite: '/new', hostRewrite: 'new.shop' }));
    const rig = new StreamRig({ routes: [{ ...plain, requestHeaders: { ...plain.requestHeaders, ...change } }] });
    const withKey = () => rig.request(get('/me', apiKey('a')));
    expect(secondGets(rig, withKey, withKey) === 'of the first').toBe(shared);
    const without = () => rig.request(get('/me'));
    expect(secondGets(rig, without, without)).toBe('of the first');
  },
);

test('a GET with a body has no part in it', () => {
  const rig = new StreamRig({ routes: [route('r', anyPath, forward('orders', { fallback }))] });
  const ask = (body: string) => (): void => {
    rig.request(get('/_search', HeaderFields.of(['content-length', String(body.length)])), false);
    rig.stream.onData(bytes(body), true);
  };
  expect(secondGets(rig, ask('alice'), ask('bob'))).not.toContain('of the first');
});

test('routes whose paths become the same are kept apart', () => {
  const to = (cluster: string): ReturnType<typeof forward> => forward(cluster, { fallback, prefixRewrite: '/' });
  const rig = new StreamRig({
    routes: [
      route('r', { ...anyPath, path: { kind: 'prefix', value: '/a' } } as typeof anyPath, to('a')),
      route('r', anyPath, to('b')),
    ],
  });
  expect(
    secondGets(
      rig,
      () => rig.request(get('/a')),
      () => rig.request(get('/')),
    ),
  ).not.toContain('of the first');
});

test.each([
  ['the same', 'shop', true],
  ['another', 'other', false],
])('a route of the same name in %s virtual host', (_, name, shared) => {
  const routeMemory = new RouteMemory();
  const of = (host: string): StreamRig => {
    const virtualHosts = [virtualHost(host, ['*'], [route('r', anyPath, forward('orders', { fallback }))])];
    return new StreamRig({
      routeMemory,
      config: { routes: { kind: 'inline', table: routeTable([], { virtualHosts }) } },
    });
  };
  const [rig, other] = [of('shop'), of(name)];
  const ask = (of: StreamRig) => () => of.request(get('/menu'));
  expect(secondGets(rig, ask(rig), ask(other), other) === 'of the first').toBe(shared);
});

const certified = (...uris: readonly string[]) => ({ ...connectionInfo, peer: { uris } as unknown as PeerCertificate });

test.each([
  ['the same caller, by its certificate', ['spiffe://a/b'], ['spiffe://a/b'], true],
  ['another caller, by its certificate', ['spiffe://a/b'], ['spiffe://a/c'], false],
  ['callers whose certificates have no URI name', [], [], false],
  [
    'callers whose certificates have several',
    ['spiffe://a/b', 'spiffe://a/c'],
    ['spiffe://a/b', 'spiffe://a/d'],
    false,
  ],
])('%s', (_, first, second, shared) => {
  const rig = new StreamRig({ routes: [route('r', anyPath, forward('orders', { fallback }))] });
  const as = (uris: readonly string[]) => () => {
    Object.assign(rig, { info: certified(...uris) });
    rig.again().request(get('/menu'));
  };
  expect(secondGets(rig, as(first), as(second)) === 'of the first').toBe(shared);
});
