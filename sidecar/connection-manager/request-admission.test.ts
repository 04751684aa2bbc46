import { expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { ResponseHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { HttpConnectionManagerConfig } from '../config/listener-config.ts';
import { providerConfig } from '../filters/jwt-authn/test/jwt-configs.ts';
import { normalizePath } from './path-normalization.ts';
import { RequestAdmission } from './request-admission.ts';
import { managerConfig, routeTable } from './test/configs.ts';
import { connectionInfo, get } from './test/stream-rig.ts';

function admission(overrides: Partial<HttpConnectionManagerConfig> = {}): RequestAdmission {
  return new RequestAdmission(managerConfig(routeTable([]), overrides));
}

function admitted(
  pairs: ReadonlyArray<readonly [string, string]>,
  overrides: Partial<HttpConnectionManagerConfig> = {},
): Array<[string, string]> {
  const head = get('/', HeaderFields.of(...pairs));
  expect(admission({ generateRequestId: false, ...overrides }).admit(head, connectionInfo)).toBe(null);
  return head.fields.pairs().filter(([name]) => name !== 'x-forwarded-proto');
}

test('removes the fields of this hop, and those that connection lists (RFC 9110 7.6.1)', () => {
  expect(
    admitted([
      ['Host', 'a'],
      ['Connection', 'keep-alive, X-Mine, TE'],
      ['Keep-Alive', 'timeout=5'],
      ['Proxy-Connection', 'close'],
      ['X-Mine', '1'],
      ['TE', 'trailers, deflate'],
      ['Upgrade', 'h2c'],
      ['Transfer-Encoding', 'chunked'],
      ['Accept', '*/*'],
    ]),
  ).toEqual([
    ['Host', 'a'],
    ['TE', 'trailers'],
    ['Transfer-Encoding', 'chunked'],
    ['Accept', '*/*'],
  ]);
});

test('connection cannot remove what frames, routes or authorizes a message', () => {
  const kept = [
    ['Host', 'a'],
    ['Content-Length', '1'],
    ['Authorization', 'x'],
    ['Cookie', 'y'],
    ['X-Forwarded-For', '1.1.1.1'],
  ] as const;
  expect(admitted([...kept, ['Connection', 'host, content-length, authorization, cookie, x-forwarded-for']])).toEqual(
    kept,
  );
});

test('x-forwarded-proto and x-request-id stand once', () => {
  const head = get(
    '/',
    HeaderFields.of(
      ['x-forwarded-proto', 'https'],
      ['X-Request-Id', 'a'],
      ['x-forwarded-proto', 'http'],
      ['x-request-id', 'b'],
    ),
  );
  admission().admit(head, connectionInfo);
  expect(head.fields.pairs()).toEqual([
    ['x-forwarded-proto', 'https'],
    ['X-Request-Id', 'a'],
  ]);
});

test('te without trailers goes', () => {
  expect(
    admitted([
      ['TE', 'deflate'],
      ['a', 'b'],
    ]),
  ).toEqual([['a', 'b']]);
});

test('x-request-id: made when absent, kept when trusted, replaced when it cannot be printed or comes from outside', () => {
  const id = (given: string | null, overrides: Partial<HttpConnectionManagerConfig> = {}): string => {
    const head = get('/', given === null ? new HeaderFields() : HeaderFields.of(['X-Request-Id', given]));
    const admit = admission(overrides);
    admit.admit(head, connectionInfo);
    expect(head.fields.getAll('x-request-id')).toEqual(admit.requestId === '' ? [] : [admit.requestId]);
    return admit.requestId;
  };
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  expect(id(null)).toMatch(uuid);
  expect(id(null, { generateRequestId: false })).toBe('');
  expect(id('abc')).toBe('abc');
  expect(id('a\u001b[2Jb')).toMatch(uuid);
  expect(id('x'.repeat(129))).toMatch(uuid);
  expect(id('abc', { useRemoteAddress: true })).toMatch(uuid);
  expect(id('abc', { useRemoteAddress: true, preserveExternalRequestId: true })).toBe('abc');
  const ids = new Set(Array.from({ length: 2000 }, () => id(null)));
  expect(ids.size).toBe(2000);
});

test('at the edge: control headers go, x-forwarded-for gets the peer, x-forwarded-proto is ours', () => {
  const head = get(
    '/',
    HeaderFields.of(
      ['x-envoy-expected-rq-timeout-ms', '1'],
      ['x-envoy-upstream-rq-timeout-ms', '1'],
      ['x-envoy-attempt-count', '9'],
      ['x-envoy-retry-on', '5xx'],
      ['x-outrigger-anything', '1'],
      ['x-forwarded-client-cert', 'By=x'],
      ['x-forwarded-for', '9.9.9.9'],
      ['x-forwarded-proto', 'https'],
      ['accept', '*/*'],
    ),
  );
  const admit = admission({ useRemoteAddress: true, generateRequestId: false, via: '1.1 edge' });
  admit.admit(head, connectionInfo);
  expect(head.fields.pairs()).toEqual([
    ['x-forwarded-for', '9.9.9.9, 10.1.2.3'],
    ['accept', '*/*'],
    ['x-envoy-external-address', '10.1.2.3'],
    ['x-forwarded-proto', 'http'],
    ['via', '1.1 edge'],
  ]);
  expect(admit.callerTimeoutMs).toBe(-1);
});

test('trusted hops before the edge say who the client is (xff_num_trusted_hops)', () => {
  const client = (forwardedFor: string, xffTrustedHops: number): string | undefined => {
    const head = get(
      '/',
      forwardedFor === '' ? new HeaderFields() : HeaderFields.of(['X-Forwarded-For', forwardedFor]),
    );
    admission({ useRemoteAddress: true, xffTrustedHops }).admit(head, connectionInfo);
    return head.fields.get('x-envoy-external-address');
  };
  expect(client('6.6.6.6, 1.1.1.1, 2.2.2.2', 0)).toBe('10.1.2.3');
  expect(client('6.6.6.6, 1.1.1.1, 2.2.2.2', 1)).toBe('2.2.2.2');
  expect(client('6.6.6.6, 1.1.1.1, 2.2.2.2', 2)).toBe('1.1.1.1');
  expect(client('1.1.1.1', 2)).toBe('10.1.2.3');
  expect(client('nobody', 1)).toBe('10.1.2.3');
  expect(client('', 1)).toBe('10.1.2.3');
});

test('inside the mesh: x-envoy-internal and x-forwarded-client-cert are never taken over; the timeout header is read', () => {
  const head = get(
    '/',
    HeaderFields.of(
      ['x-envoy-internal', 'true'],
      ['x-forwarded-client-cert', 'x'],
      ['x-envoy-upstream-rq-timeout-ms', '70'],
      ['x-forwarded-proto', 'https'],
    ),
  );
  const admit = admission({ generateRequestId: false });
  admit.admit(head, connectionInfo);
  expect(head.fields.pairs()).toEqual([['x-forwarded-proto', 'https']]);
  expect(admit.callerTimeoutMs).toBe(70);
});

test('a fragment in the path is 400', () => {
  const refusal = admission().admit(get('/a#b'), connectionInfo);
  expect(refusal).toBeInstanceOf(ProxyError);
  expect((refusal as ProxyError).status).toBe(400);
});

test('strips the port of the host as configured', () => {
  const stripped = (authority: string, stripHostPort: 'matching' | 'any'): string => {
    const head = get('/');
    head.authority = authority;
    admission({ stripHostPort }).admit(head, connectionInfo);
    return head.authority;
  };
  expect([
    stripped('a:15001', 'matching'),
    stripped('a:80', 'matching'),
    stripped('a:80', 'any'),
    stripped('[::1]:80', 'any'),
    stripped('[::1]', 'any'),
  ]).toEqual(['a', 'a:80', 'a', '[::1]', '[::1]']);
});

test('escaped slashes: kept, refused, told, or unescaped', () => {
  const admit = (escapedSlashes: HttpConnectionManagerConfig['escapedSlashes']): unknown => {
    const head = get('/a%2fb%5Cc?x=%2f');
    const answer = admission({ escapedSlashes }).admit(head, connectionInfo);
    return answer instanceof ProxyError
      ? answer.status
      : answer instanceof ResponseHead
        ? [answer.status, answer.fields.get('location')]
        : head.path;
  };
  expect(admit('keep')).toBe('/a%2fb%5Cc?x=%2f');
  expect(admit('reject')).toBe(400);
  expect(admit('unescape_and_forward')).toBe('/a/b\\c?x=%2f');
  expect(admit('unescape_and_redirect')).toEqual([307, '/a/b\\c?x=%2f']);
});

const everything = { normalizePath: true, mergeSlashes: true, escapedSlashes: 'unescape_and_forward' } as const;

test.each([
  ['/a/../b', '/b'],
  ['/a/./b/', '/a/b/'],
  ['/../../a', '/a'],
  ['/a/..', '/'],
  ['/a/%2e%2E/b', '/b'],
  ['/a//b///c', '/a/b/c'],
  ['/a\\..\\b', '/b'],
  ['/a%2F..%2fb', '/b'],
  ['/a%5c..%5cb', '/b'],
  // Unescaped once at most.
  ['/%252e%252e/a', '/%252e%252e/a'],
  ['/%7euser/%c0%af', '/~user/%C0%AF'],
  ['/a;x/../b', '/b'],
  ['/.a/..b', '/.a/..b'],
  ['/a?b=/../c//d', '/a?b=/../c//d'],
])('normalizes %s to %s (RFC 3986 6.2.2, 5.2.4)', (from, to) => {
  expect(normalizePath(from, everything)).toEqual({ kind: 'ok', path: to });
  // One canonical form: normalizing it again changes nothing.
  expect(normalizePath(to, everything)).toEqual({ kind: 'ok', path: to });
});

test('a redirect never points at another host', () => {
  expect(
    normalizePath('/%2fevil.example/', {
      normalizePath: false,
      mergeSlashes: false,
      escapedSlashes: 'unescape_and_redirect',
    }),
  ).toEqual({ kind: 'redirect', path: '/evil.example/' });
});

test('an inbound caller without a certificate tells the proxies of a mesh nothing; one with it does, and without a mesh all do (Envoy)', () => {
  const told = [
    ['x-envoy-attempt-count', '7'],
    ['x-envoy-downstream-service-cluster', 'admin'],
    ['x-outrigger-source', 'admin'],
    ['x-envoy-expected-rq-timeout-ms', '250'],
    ['x-forwarded-proto', 'https'],
    ['x-other', '1'],
  ] as const;
  const peer = { uris: ['spiffe://td/ns/a/sa/b'], dnsNames: [], subject: '', sha256: '' };
  const config = managerConfig(routeTable([]), { generateRequestId: false });
  const after = (meshInbound: boolean, verified: boolean) => {
    const admits = new RequestAdmission(config, meshInbound);
    const head = get('/', HeaderFields.of(...told));
    expect(admits.admit(head, { ...connectionInfo, peer: verified ? peer : null })).toBe(null);
    return [head.fields.pairs(), admits.callerTimeoutMs];
  };
  const stripped = [
    ['x-other', '1'],
    ['x-forwarded-proto', 'http'],
  ];
  expect(after(true, false)).toEqual([stripped, -1]);
  expect(after(true, true)).toEqual([told, 250]);
  expect(after(false, false)).toEqual([told, 250]);
});

test('a request id with odd characters is replaced, whoever sent it', () => {
  for (const id of ['a\u0001b', 'a b', 'caf\xe9', '', 'x'.repeat(10_000)]) {
    const head = get('/', HeaderFields.of(['x-request-id', id]));
    admission().admit(head, connectionInfo);
    expect(head.fields.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  }
});

test('fields that only a token may fill do not come as trailers either', () => {
  const shop = providerConfig('shop', [], {
    forwardPayloadHeader: 'X-Payload',
    claimToHeaders: [{ header: 'x-sub', claim: 'sub' }],
  });
  const gate = {
    kind: 'jwt-authn',
    filterName: 'envoy.filters.http.jwt_authn',
    providers: new Map([['shop', shop]]),
    rules: [],
    requirements: new Map(),
    bypassCorsPreflight: false,
    stripFailureResponse: false,
  } as const;
  const trailers = HeaderFields.of(['X-Sub', 'admin'], ['x-payload', 'e30'], ['x-sum', '1']);
  admission({ gates: [gate] }).cleanTrailers(trailers);
  expect(trailers.pairs()).toEqual([['x-sum', '1']]);
});
