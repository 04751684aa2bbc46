import { expect, it } from 'vitest';
import { compileCondition } from './condition.ts';
import { cel } from './test/policies.ts';
import { peer, requestView } from './test/requests.ts';

const view = requestView(
  {
    method: 'POST',
    path: '/pay?amount=3',
    headers: [
      ['x-tenant', 'gold'],
      ['x-twice', 'a'],
      ['x-twice', 'b'],
      ['user-agent', 'curl'],
    ],
    metadata: new Map([['envoy.filters.http.jwt_authn', { corp: { sub: 'ann', roles: ['ops', 'dev'], level: 3 } }]]),
  },
  { peer: peer('spiffe://m/ns/shop/sa/front'), serverName: 'pay.shop' },
);

const jwt = "metadata.filter_metadata['envoy.filters.http.jwt_authn'].corp";

it.each([
  "request.path == '/pay?amount=3'",
  "request.url_path == '/pay' && request.query == 'amount=3'",
  "request.method in ['POST', 'PUT']",
  "request.headers['x-tenant'] == 'gold'",
  "request.headers['x-twice'] == 'a,b'",
  "request.useragent == 'curl' && request.protocol == 'HTTP/1.1' && request.id == 'id-1'",
  "request.headers[':method'] == 'POST'",
  "!('x-absent' in request.headers)",
  "source.address == '10.1.2.3:4567' && source.port == 4567 && destination.port == 8080",
  "connection.mtls && connection.uri_san_peer_certificate.startsWith('spiffe://m/ns/shop/')",
  "connection.requested_server_name == 'pay.shop'",
  `${jwt}.sub == 'ann'`,
  `'ops' in ${jwt}.roles`,
  `${jwt}.level >= 3.0`,
  "request.path.matches('^/p.y') || request.nothing == 1".replace('request.nothing', "request.headers['nothing']"),
])('holds: %s', (text) => {
  expect(compileCondition(cel(text))(view)).toBe(true);
});

it.each([
  "request.headers['absent'] == ''",
  "request.headers['__proto__'] != ''",
  `${jwt}.absent == 'x'`,
  `${jwt}.__proto__ != 'x'`,
  `${jwt}.constructor != 'x'`,
  'source.port / (source.port - source.port) == 1',
  'request.method',
  "connection.dns_san_peer_certificate != 'x'",
])('is an error or no boolean, and so no match: %s', (text) => {
  expect(compileCondition(cel(text))(view)).toBe(false);
});

it.each([
  ["request.time < timestamp('2026-01-01T00:00:00Z')", 'request.time is not an attribute that is supported'],
  ['response.code == 200', 'response.code is not an attribute'],
  ["request['time'] == 1", 'request["time"] is not supported'],
  ['__proto__ == 1', '__proto__ is not an attribute'],
  ['nothing(request.path)', 'the function nothing is not supported'],
  ["request.path.matches('^/export(?!/public)')", 'error parsing regexp'],
  ["request.path.matches('(?:[a-z]{100}){101}')", 'above 10000'],
  ["['a'].exists(x, x == request.path)", 'macros'],
  ['google.protobuf.Duration{seconds: 1} == request.path', 'message'],
])('refuses what it cannot find out: %s', (text, reason) => {
  expect(() => compileCondition(cel(text))).toThrow(reason);
});

it('refuses what is no expression', () => {
  expect(() => compileCondition({ expression: new Uint8Array() })).toThrow('no kind');
});
