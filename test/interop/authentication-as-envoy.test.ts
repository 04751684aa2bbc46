/**
 * The same bootstrap file with jwt_authn and ext_authz, run by Envoy and then by our sidecar: the same requests pass, the application is sent the same headers, authorization services are asked the
 * same, and refusals have the same status, challenge and response_code_details. What is deliberately different is listed apart.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { toJson } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CheckRequest, CheckRequestSchema } from '../../proto/generated/envoy/service/auth/v3/external_auth_pb.js';
import { base64url, type Claims, type TokenIssuer } from '../../sidecar/filters/jwt-authn/test/token-issuer.ts';
import { freePorts } from '../peers/free-port.ts';
import { type AuthenticationPorts, authenticationBootstrap, issuers } from './authentication-bootstrap.ts';
import { type CheckAnswer, GrpcAuthorizationServer, HttpAuthorizationServer } from './authorization-servers.ts';
import { ask, type Exchange, type Question } from './exchange.ts';
import { Stage } from './programs.ts';

type Door = 'jwt' | 'grpc' | 'grpcOpen' | 'http' | 'httpListed';

interface Asked extends Question {
  readonly door: Door;
}

const now = Math.floor(Date.now() / 1000);
const good: Claims = { iss: 'https://shop.example', sub: 'alice', aud: 'orders', exp: now + 1800 };
const partnerClaims: Claims = { iss: 'partner', sub: 'svc-p', exp: now + 1800 };
const shop = (claims: Claims = {}, header: Claims = {}, by: TokenIssuer = issuers.shop): string =>
  by.token({ ...good, ...claims }, header);
const partner = (claims: Claims = {}, header: Claims = {}): string =>
  issuers.partner.token({ ...partnerClaims, ...claims }, header);

const jwt = (path: string, token: string | null = null, rest: Question = {}): Asked => ({
  door: 'jwt',
  path,
  ...rest,
  headers: { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...rest.headers },
});
const grpcCall = { method: 'POST', headers: { 'content-type': 'application/grpc' } };
const authz = (door: Door, name: string, rest: Question = {}): Asked => ({
  door,
  path: '/pay?a=b',
  ...rest,
  headers: { 'x-case': name, ...rest.headers },
});

const parts = shop().split('.') as [string, string, string];

const questions: Readonly<Record<string, Asked>> = {
  'jwt: no token': jwt('/shop?x=1'),
  'jwt: no token, gRPC': jwt('/shop', null, grpcCall),
  'jwt: good, RS256': jwt('/shop', shop()),
  'jwt: good, PS384': jwt('/shop', shop({}, {}, issuers.shopPss)),
  'jwt: good, ES256': jwt('/shop', shop({}, {}, issuers.shopEc)),
  'jwt: good, ES384': jwt('/shop', shop({}, {}, issuers.shopEc384)),
  'jwt: good, EdDSA': jwt('/shop', shop({}, {}, issuers.shopEd)),
  'jwt: good, ES512, a key without a name': jwt('/partner', partner()),
  'jwt: a key without a name is tried for a token that names one': jwt('/partner', partner({}, { kid: 'other' })),
  'jwt: claims to headers': jwt(
    '/shop',
    shop({
      age: 42,
      negative: -5,
      fraction: 1.5,
      admin: true,
      address: { city: 'Łódź' },
      roles: ['a', 'b'],
      none: null,
    }),
  ),
  'jwt: headers of claims are not the caller’s to fill': jwt('/shop', shop({ sub: undefined }), {
    headers: { 'x-sub': 'mallory', 'x-admin': 'true', 'x-payload': 'e30' },
  }),
  'jwt: by query parameter': jwt(`/shop?a=1&access_token=${shop()}&b=2`),
  'jwt: by header without a prefix, forwarded': jwt('/partner', null, { headers: { 'x-partner': partner() } }),
  'jwt: by configured parameter': jwt(`/partner?token=${partner()}`),
  'jwt: not by a parameter that is not configured': jwt(`/partner?access_token=${partner()}`),
  'jwt: not by a cookie that is not configured': jwt('/cookie', null, { headers: { cookie: `other=${partner()}` } }),
  'jwt: prefix somewhere in the value': jwt('/shop', null, { headers: { authorization: `x Bearer ${shop()}` } }),
  'jwt: another scheme': jwt('/shop', null, { headers: { authorization: 'Basic YTpi' } }),
  'jwt: two tokens, one bad': jwt(`/shop?access_token=${shop({}, {}, issuers.stranger)}`, shop()),
  'jwt: signed by a stranger': jwt('/shop', shop({}, {}, issuers.stranger)),
  'jwt: payload of another': jwt('/shop', `${parts[0]}.${shop({ sub: 'bob' }).split('.')[1]}.${parts[2]}`),
  'jwt: key that is not there': jwt('/shop', shop({}, { kid: 'gone' })),
  'jwt: no key named, all are tried': jwt('/shop', shop({}, { kid: undefined })),
  'jwt: alg none': jwt('/shop', `${base64url('{"alg":"none"}')}.${parts[1]}.`),
  'jwt: alg none with a signature': jwt('/shop', `${base64url('{"alg":"none"}')}.${parts[1]}.${parts[2]}`),
  'jwt: alg unknown': jwt('/shop', issuers.shop.sign(base64url('{"alg":"XX256"}'), parts[1])),
  'jwt: alg missing': jwt('/shop', issuers.shop.sign(base64url('{}'), parts[1])),
  'jwt: alg of another key': jwt('/shop', shop({}, { alg: 'RS512' })),
  'jwt: kid that is no text': jwt('/shop', shop({}, { kid: 7 })),
  'jwt: two parts': jwt('/shop', `${parts[0]}.${parts[1]}`),
  'jwt: four parts': jwt('/shop', `${shop()}.x`),
  'jwt: empty part': jwt('/shop', `${parts[0]}..${parts[2]}`),
  'jwt: header no base64': jwt('/shop', `!!.${parts[1]}.${parts[2]}`),
  'jwt: header no base64 within': jwt('/shop', `a!.${parts[1]}.${parts[2]}`),
  'jwt: header no JSON': jwt('/shop', `${base64url('{')}.${parts[1]}.${parts[2]}`),
  'jwt: a name that stands twice in the payload': jwt(
    '/shop',
    issuers.shop.sign(parts[0], base64url(`{"sub":"eve",${JSON.stringify(good).slice(1)}`)),
  ),
  'jwt: headers of claims, where no rule asks for a token': jwt('/elsewhere', null, {
    headers: { 'x-sub': 'mallory' },
  }),
  'jwt: headers of claims, where the filter is off': jwt('/route/off', null, { headers: { 'x-sub': 'mallory' } }),
  'jwt: only allow_missing, one of two bad': jwt(`/missing?access_token=${shop()}`, shop({}, {}, issuers.stranger)),
  'jwt: payload no base64': jwt('/shop', `${parts[0]}.@.${parts[2]}`),
  'jwt: payload no JSON': jwt('/shop', issuers.shop.sign(parts[0], base64url('nothing'))),
  'jwt: signature no base64': jwt('/shop', `${parts[0]}.${parts[1]}.@`),
  'jwt: iss no text': jwt('/shop', shop({ iss: 1 })),
  'jwt: sub no text': jwt('/shop', shop({ sub: 1 })),
  'jwt: exp no number': jwt('/shop', shop({ exp: 'soon' })),
  'jwt: exp negative': jwt('/shop', shop({ exp: -1 })),
  'jwt: nbf no number': jwt('/shop', shop({ nbf: 'soon' })),
  'jwt: iat no number': jwt('/shop', shop({ iat: 'soon' })),
  'jwt: aud no text': jwt('/shop', shop({ aud: 1 })),
  'jwt: jti no text': jwt('/shop', shop({ jti: 1 })),
  'jwt: expired': jwt('/shop', shop({ exp: now - 600 })),
  'jwt: expired within the skew': jwt('/shop', shop({ exp: now - 20 })),
  'jwt: not yet valid': jwt('/shop', shop({ nbf: now + 600 })),
  'jwt: not yet valid within the skew': jwt('/shop', shop({ nbf: now + 20 })),
  'jwt: no expiration': jwt('/shop', shop({ exp: undefined })),
  'jwt: expired and signed by a stranger': jwt('/shop', shop({ exp: now - 600 }, {}, issuers.stranger)),
  'jwt: another issuer': jwt('/shop', shop({ iss: 'https://other.example' })),
  'jwt: no issuer': jwt('/shop', shop({ iss: undefined })),
  'jwt: another audience': jwt('/shop', shop({ aud: 'others' })),
  'jwt: no audience': jwt('/shop', shop({ aud: undefined })),
  'jwt: one audience of several': jwt('/shop', shop({ aud: ['others', 'orders'] })),
  'jwt: audience as URL without scheme and slash': jwt('/shop', shop({ aud: 'payments.example' })),
  'jwt: audience with a scheme and slash': jwt('/shop', shop({ aud: 'http://orders/' })),
  'jwt: audience of the rule': jwt('/audience', shop({ aud: 'special' })),
  'jwt: audience of the provider, not of the rule': jwt('/audience', shop()),
  'jwt: expiration required and there': jwt('/strict', partner()),
  'jwt: expiration required and missing': jwt('/strict', partner({ exp: undefined })),
  'jwt: subject that is not wanted': jwt('/strict', partner({ sub: 'alice' })),
  'jwt: no subject where one is wanted': jwt('/strict', partner({ sub: undefined })),
  'jwt: lifetime short enough': jwt('/brief', partner()),
  'jwt: lifetime too long': jwt('/brief', partner({ exp: now + 7200 })),
  'jwt: lifetime without end': jwt('/brief', partner({ exp: undefined })),
  'jwt: any, the first': jwt('/any', shop()),
  'jwt: any, the second': jwt('/any', partner()),
  'jwt: any, none': jwt('/any'),
  'jwt: any, the first expired': jwt('/any', shop({ exp: now - 600 })),
  'jwt: any, the second expired': jwt('/any', partner({ exp: now - 600 })),
  'jwt: any, each for a reason of its own': jwt('/two', partner({ exp: undefined })),
  'jwt: any, each for a reason of its own, the other way round': jwt('/turned', partner({ exp: undefined })),
  'jwt: subject and audience that are not wanted': jwt('/narrow', partner({ sub: 'alice' })),
  'jwt: subject that is not wanted, and expired': jwt('/strict', partner({ sub: 'alice', exp: now - 600 })),
  'jwt: lifetime without end, and not yet valid': jwt('/brief', partner({ exp: undefined, nbf: now + 600 })),
  'jwt: no expiration, and a subject that is not wanted': jwt('/strict', partner({ sub: 'alice', exp: undefined })),
  'jwt: signed by nobody, and no expiration': jwt('/strict', `${partner({ exp: undefined }).slice(0, -8)}AAAAAAAA`),
  'jwt: any, of a stranger': jwt('/any', shop({ iss: 'https://other.example' })),
  'jwt: all, both': jwt('/all', shop(), { headers: { 'x-partner': partner() } }),
  'jwt: all, one': jwt('/all', shop()),
  'jwt: all, none': jwt('/all'),
  'jwt: optional, there': jwt('/optional', shop()),
  'jwt: optional, missing': jwt('/optional'),
  'jwt: optional, expired': jwt('/optional', shop({ exp: now - 600 })),
  'jwt: optional, of another provider': jwt('/optional', partner()),
  'jwt: lenient, there': jwt('/lenient', shop()),
  'jwt: lenient, missing': jwt('/lenient'),
  'jwt: lenient, expired': jwt('/lenient', shop({ exp: now - 600 })),
  'jwt: only allow_missing, there': jwt('/missing', shop()),
  'jwt: only allow_missing, missing': jwt('/missing'),
  'jwt: only allow_missing, bad': jwt('/missing', shop({ exp: now - 600 })),
  'jwt: only allow_missing_or_failed, there': jwt('/failed', shop()),
  'jwt: only allow_missing_or_failed, bad': jwt('/failed', shop({ exp: now - 600 })),
  'jwt: a rule by expression and header': jwt('/items/7', null, { headers: { 'x-guard': '1' } }),
  'jwt: a rule by expression and header, without the header': jwt('/items/7'),
  'jwt: nested, satisfied': jwt('/nested', shop(), { headers: { 'x-partner': partner() } }),
  'jwt: nested, not satisfied': jwt('/nested', null, { headers: { 'x-partner': partner() } }),
  'jwt: a requirement by name': jwt('/named'),
  'jwt: a requirement by name, satisfied': jwt('/named', shop()),
  'jwt: the first rule counts': jwt('/free/exempt'),
  'jwt: no rule': jwt('/elsewhere'),
  'jwt: off on a route': jwt('/route/off'),
  'jwt: another requirement on a route': jwt('/route/named'),
  'jwt: another requirement on a route, satisfied': jwt('/route/named', shop()),
  'jwt: a requirement on a route that is not there': jwt('/route/wrong', shop()),
  'jwt: a preflight': jwt('/shop', null, {
    method: 'OPTIONS',
    headers: { origin: 'http://a', 'access-control-request-method': 'GET' },
  }),
  'jwt: OPTIONS that is no preflight': jwt('/shop', null, { method: 'OPTIONS', headers: { origin: 'http://a' } }),
  'jwt: no route': jwt('/shop', null, { host: 'nobody.test' }),
  'grpc: ok': authz('grpc', 'ok'),
  'grpc: ok without anything': authz('grpc', 'bare'),
  'grpc: ok with a query parameter that is not encoded': authz('grpc', 'odd-query'),
  'grpc: ok changes headers': authz('grpc', 'changes', {
    headers: {
      'x-default': 'caller',
      'x-set': 'caller',
      'x-joined': 'caller',
      'x-added': 'caller',
      'x-removed': 'caller',
    },
  }),
  'grpc: ok changes headers that are not there': authz('grpc', 'changes'),
  'grpc: ok changes the answer': authz('grpc', 'answer'),
  'grpc: ok changes an answer that is made up': authz('grpc', 'answer', { path: '/direct' }),
  'grpc: ok changes the query': authz('grpc', 'query', { path: '/pay?drop=1&keep=2&set=3' }),
  'grpc: ok removes what cannot be removed': authz('grpc', 'removes'),
  'grpc: denied': authz('grpc', 'denied'),
  'grpc: denied without anything': authz('grpc', 'bare-denied'),
  'grpc: denied, asked by gRPC': authz('grpc', 'denied-plain', {
    ...grpcCall,
    headers: { ...grpcCall.headers, 'x-case': 'denied-plain' },
  }),
  'grpc: denied with a challenge': authz('grpc', 'challenge'),
  'grpc: denied by 204': authz('grpc', 'denied-204'),
  'grpc: header with a line break': authz('grpc', 'line-break'),
  'grpc: header whose name is none': authz('grpc', 'bad-name'),
  'grpc: denied with a line break in a header': authz('grpc', 'denied-line-break'),
  'grpc: no answer in time': authz('grpc', 'silent'),
  'grpc: a call that fails': authz('grpc', 'fails'),
  'grpc: off on a route': authz('grpc', 'denied', { path: '/unchecked' }),
  'grpc: context of route and host': authz('grpc', 'ok', { path: '/context' }),
  'grpc: what a token said': authz('grpc', 'ok', {
    path: '/optional',
    headers: { authorization: `Bearer ${shop({ roles: ['a'] })}`, 'x-case': 'ok' },
  }),
  'grpc: several values of a header': authz('grpc', 'ok', {
    headers: { 'x-case': 'ok', 'x-many': ['a', 'b'] as unknown as string, cookie: 'a=1; b=2', 'x-bytes': 'caf\u00e9' },
  }),
  'grpc: no route': authz('grpc', 'denied', { host: 'nobody.test' }),
  'grpc: POST with a body': authz('grpc', 'ok', { method: 'POST', body: 'hello' }),
  'open: denied all the same': authz('grpcOpen', 'denied'),
  'open: only some headers are told': authz('grpcOpen', 'ok', {
    headers: { 'x-case': 'ok', 'x-told-yes': '1', 'x-told-not': '1', 'x-untold': '1' },
  }),
  'open: no answer in time': authz('grpcOpen', 'silent'),
  'http: 200': authz('http', 'ok', { path: '/ok?a=b', headers: { authorization: 'Basic x', 'x-untold': '1' } }),
  'http: 403': authz('http', '', { path: '/denied' }),
  'http: 401 with a challenge': authz('http', '', { path: '/challenge' }),
  'http: redirect': authz('http', '', { path: '/redirect' }),
  'http: 500': authz('http', '', { path: '/status/500' }),
  'http: 204 is no consent': authz('http', '', { path: '/status/204' }),
  'http: no answer in time': authz('http', '', { path: '/silent' }),
  'http: cut off': authz('http', '', { path: '/cut' }),
  'http: HEAD': authz('http', '', { path: '/ok', method: 'HEAD' }),
  'http: POST with a body': authz('http', '', { path: '/ok', method: 'POST', body: 'hello' }),
  'http: denied, asked by gRPC': authz('http', '', { path: '/denied', ...grpcCall }),
  'listed: headers for the application': authz('httpListed', '', {
    path: '/headers?q=1',
    headers: { 'x-user': 'caller', 'x-tag': 'caller', 'x-gone': 'caller', 'x-told': '1', cookie: 'a=1' },
  }),
  'listed: 403': authz('httpListed', '', { path: '/denied' }),
};

/** Where we differ on purpose: what we answer, beside what Envoy does: status, details, and what of the token or the service reached the application. */
const deliberate: Readonly<
  Record<string, { readonly question: Asked; readonly envoy: string; readonly ours: string }>
> = {
  'what stands behind a token is not taken for a part of it': {
    question: jwt('/shop', null, { headers: { authorization: `Bearer ${shop()} x` } }),
    envoy: '401 jwt_authn_access_denied{Jwt_verification_fails}',
    ours: '401 jwt_authn_access_denied{Jwt_signature_is_an_invalid_Base64url_encoded}',
  },
  // RFC 9110 11.1: the application may read it so, and must not get a token that nobody judged.
  'the scheme of a token has no case': {
    question: jwt('/shop', null, { headers: { authorization: `bearer ${shop()}` } }),
    envoy: '401 jwt_authn_access_denied{Jwt_is_missing}',
    ours: '200 via_upstream /shop shop.test alice',
  },
  // RFC 7515 4.1.11: who does not understand it must refuse.
  'a critical header field is refused': {
    question: jwt('/shop', shop({}, { crit: ['exp'], exp: 1 })),
    envoy: '200 via_upstream /shop shop.test alice',
    ours: '401 jwt_authn_access_denied{Jwt_header_[crit]_is_not_supported}',
  },
  'an expiration at 0 is one': {
    question: jwt('/shop', shop({ exp: 0 })),
    envoy: '200 via_upstream /shop shop.test alice',
    ours: '401 jwt_authn_access_denied{Jwt_is_expired}',
  },
  'a claim with a line break does not reach a header': {
    question: jwt('/shop', shop({ sub: 'a\r\nx-evil: 1' })),
    envoy: '503 filter_removed_required_request_headers{invalid_header_value_for:_x-sub}',
    ours: '401 jwt_authn_access_denied{Jwt_has_a_claim_that_cannot_stand_in_a_header}',
  },
  'a cookie that is not to be forwarded is not': {
    question: jwt('/cookie', null, { headers: { cookie: `a=1; session=${partner()}` } }),
    envoy: '200 via_upstream /cookie shop.test a=1; session=…',
    ours: '200 via_upstream /cookie shop.test a=1',
  },
  // Envoy lets the last that it looks at decide.
  'a bad token is refused beside a good one where none is needed too': {
    question: jwt(`/missing?access_token=${shop({}, {}, issuers.stranger)}`, shop()),
    envoy: '200 via_upstream /missing?access_token=… shop.test alice',
    ours: '401 jwt_authn_access_denied{Jwt_verification_fails}',
  },
  'a service cannot set the path': {
    question: authz('grpc', 'sets-path'),
    envoy: '200 via_upstream /other shop.test',
    ours: '500 ext_authz_invalid',
  },
  'a service cannot set the host': {
    question: authz('grpc', 'sets-host'),
    envoy: '200 via_upstream /pay?a=b other',
    ours: '500 ext_authz_invalid',
  },
  'add if absent means that': {
    question: authz('grpc', 'if-absent', { headers: { 'x-case': 'if-absent', 'x-kept': 'caller' } }),
    envoy: '200 via_upstream /pay?a=b shop.test service',
    ours: '200 via_upstream /pay?a=b shop.test caller',
  },
  'overwrite if it exists means that': {
    question: authz('grpc', 'if-exists'),
    envoy: '200 via_upstream /pay?a=b shop.test service',
    ours: '200 via_upstream /pay?a=b shop.test',
  },
};

const add = (key: string, value: string, rest: object = {}): object => ({ header: { key, value }, ...rest });

/** What the service over gRPC answers, by `x-case`; null: nothing. */
const grpcAnswers: Readonly<Record<string, unknown>> = {
  ok: { status: { code: 0 }, httpResponse: { case: 'okResponse', value: {} } },
  bare: {},
  changes: {
    httpResponse: {
      case: 'okResponse',
      value: {
        headers: [
          add('x-default', 'service'),
          add('x-set', 'service', { append: false }),
          add('x-joined', 'service', { append: true }),
          add('x-added', 'service', { appendAction: 0 }),
          add('x-overwritten', 'service', { appendAction: 2 }),
        ],
        headersToRemove: ['X-Removed'],
      },
    },
  },
  answer: {
    httpResponse: {
      case: 'okResponse',
      value: {
        responseHeadersToAdd: [
          add('x-for-client', 'one'),
          add('x-for-client', 'two'),
          add('content-type', 'text/odd', { append: false }),
          add('x-instance', 'other', { appendAction: 2 }),
        ],
      },
    },
  },
  query: {
    httpResponse: {
      case: 'okResponse',
      value: { queryParametersToSet: [{ key: 'set', value: 'xy' }], queryParametersToRemove: ['drop'] },
    },
  },
  removes: { httpResponse: { case: 'okResponse', value: { headersToRemove: [':path', 'host', ':method'] } } },
  denied: {
    status: { code: 7 },
    httpResponse: {
      case: 'deniedResponse',
      value: {
        status: { code: 418 },
        headers: [add('x-reason', 'tea'), add('set-cookie', 'a=1'), add('set-cookie', 'b=2')],
        body: 'no coffee',
      },
    },
  },
  'bare-denied': { status: { code: 7 } },
  'denied-plain': {
    status: { code: 7 },
    httpResponse: { case: 'deniedResponse', value: { headers: [add('x-reason', 'because')] } },
  },
  challenge: {
    status: { code: 16 },
    httpResponse: {
      case: 'deniedResponse',
      value: { status: { code: 401 }, headers: [add('www-authenticate', 'Basic realm="x"', { append: false })] },
    },
  },
  'denied-204': { status: { code: 7 }, httpResponse: { case: 'deniedResponse', value: { status: { code: 204 } } } },
  'line-break': { httpResponse: { case: 'okResponse', value: { headers: [add('x-a', 'b\r\nx-evil: 1')] } } },
  'bad-name': { httpResponse: { case: 'okResponse', value: { headers: [add('x a', 'b')] } } },
  'denied-line-break': {
    status: { code: 7 },
    httpResponse: { case: 'deniedResponse', value: { headers: [add('x-a', 'b\r\nx-evil: 1')] } },
  },
  'sets-path': {
    httpResponse: { case: 'okResponse', value: { headers: [add(':path', '/other', { append: false })] } },
  },
  'sets-host': { httpResponse: { case: 'okResponse', value: { headers: [add('host', 'other', { append: false })] } } },
  'if-absent': {
    httpResponse: { case: 'okResponse', value: { headers: [add('x-kept', 'service', { appendAction: 1 })] } },
  },
  'if-exists': {
    httpResponse: { case: 'okResponse', value: { headers: [add('x-kept', 'service', { appendAction: 3 })] } },
  },
  'odd-query': {
    httpResponse: { case: 'okResponse', value: { queryParametersToSet: [{ key: 'set', value: 'x y' }] } },
  },
  silent: null,
};

function httpAnswer(request: IncomingMessage, response: ServerResponse): void {
  const [path = ''] = (request.url ?? '').replace(/^\/check/, '').split('?');
  response.setHeader('x-reason', 'because');
  response.setHeader('x-other', 'other');
  const status = /^\/status\/(\d+)/.exec(path)?.[1];
  if (status !== undefined) response.writeHead(Number(status)).end();
  else if (path === '/denied') response.writeHead(403, { 'content-type': 'text/odd' }).end('go away');
  else if (path === '/challenge') response.writeHead(401, { 'www-authenticate': 'Basic realm="y"' }).end();
  else if (path === '/redirect') response.writeHead(302, { location: 'http://login.example/' }).end();
  else if (path === '/cut') response.socket?.destroy();
  else if (path === '/headers')
    response
      .writeHead(200, {
        'x-user': 'service',
        'x-user-id': '7',
        'x-tag': 'service',
        'x-new-tag': 'service',
        'x-for-client': 'hello',
        'x-envoy-auth-headers-to-remove': 'x-gone, x-told',
      })
      .end();
  else if (path !== '/silent') response.end('fine');
}

/** Response headers that say who answered, or when, or what a made-up body is. */
const ownHeaders = [
  'server',
  'date',
  'x-envoy-upstream-service-time',
  'x-request-id',
  'content-length',
  'transfer-encoding',
  'keep-alive',
  'connection',
  'grpc-message',
];

describe('jwt_authn and ext_authz, on Envoy and on the sidecar', () => {
  const stage = new Stage();
  const answers = { envoy: new Map<string, unknown>(), sidecar: new Map<string, unknown>() };
  const differing = { envoy: new Map<string, string>(), sidecar: new Map<string, string>() };
  const details = { envoy: new Map<string, string>(), sidecar: new Map<string, string>() };
  const grpcServer = new GrpcAuthorizationServer((name) =>
    name === 'fails' ? 'fails' : ((grpcAnswers[name] ?? null) as CheckAnswer | null),
  );
  const httpServer = new HttpAuthorizationServer(httpAnswer);

  beforeAll(async () => {
    await grpcServer.start();
    await httpServer.start();
    const [admin, jwtPort, grpc, grpcOpen, http, httpListed] = await freePorts(6);
    const { httpPort } = await stage.backend('a');
    const ports = {
      admin: admin!,
      jwt: jwtPort!,
      grpc: grpc!,
      grpcOpen: grpcOpen!,
      http: http!,
      httpListed: httpListed!,
      backend: httpPort,
      grpcService: grpcServer.port,
      httpService: httpServer.port,
    } satisfies AuthenticationPorts;
    for (const program of ['envoy', 'sidecar'] as const) {
      const logFile = join(stage.folder, `${program}.log`);
      rmSync(logFile, { force: true });
      const proxy = await stage[program](authenticationBootstrap(ports, logFile));
      let count = 0;
      const all: Array<[string, Asked]> = [
        ...Object.entries(questions),
        ...Object.entries(deliberate).map(([name, { question }]): [string, Asked] => [name, question]),
      ];
      for (const [name, question] of all) {
        grpcServer.asked.length = 0;
        httpServer.asked.length = 0;
        const exchange = await ask(ports[question.door], {
          host: 'shop.test',
          ...question,
          headers: { 'x-question': String(count++), ...question.headers },
        });
        answers[program].set(name, {
          ...essence(exchange),
          told: [...grpcServer.asked.map(toldOverGrpc), ...httpServer.asked.map(toldOverHttp)],
        });
        differing[program].set(name, reached(exchange));
      }
      await proxy.program.stop();
      const lines = existsSync(logFile) ? readFileSync(logFile, 'utf8').trim().split('\n') : [];
      for (const line of lines) {
        const [at = '', ...rest] = line.split(' ');
        const asked = all[Number(at)];
        if (asked !== undefined) details[program].set(asked[0], rest.join(' '));
      }
    }
  }, 120_000);
  afterAll(async () => {
    await stage.stop();
    grpcServer.stop();
    httpServer.stop();
  });

  it.each(Object.keys(questions))('%s', (name) => {
    expect(answers.sidecar.get(name)).toEqual(answers.envoy.get(name));
    expect(details.sidecar.get(name)).toEqual(details.envoy.get(name));
  });

  it.each(Object.keys(deliberate))('different on purpose: %s', (name) => {
    const { envoy, ours } = deliberate[name]!;
    const of = (program: 'envoy' | 'sidecar'): string =>
      `${details[program].get(name) ?? ''} ${differing[program].get(name) ?? ''}`.trim();
    expect({ envoy: of('envoy'), ours: of('sidecar') }).toEqual({ envoy, ours });
  });
});

interface Echo {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly headers: Record<string, string[]>;
}

/** What can be seen of a deliberate difference at the application. */
function reached(exchange: Exchange): string {
  if (!exchange.body.startsWith('{"instance"')) return '';
  const { path, host, headers } = JSON.parse(exchange.body) as Echo;
  return [
    path.replace(/=ey[^&]*/, '=…'),
    host,
    headers['X-Sub'],
    headers['X-Kept'],
    headers['Cookie']?.map((each) => each.replace(/=ey.*/, '=…')),
  ]
    .flat()
    .filter((each) => each !== undefined)
    .join(' ');
}

function essence(exchange: Exchange): object {
  const headers: Record<string, unknown> = Object.fromEntries(
    Object.entries(exchange.headers).filter(([name]) => !ownHeaders.includes(name)),
  );
  if (!exchange.body.startsWith('{"instance"')) {
    // Texts of refusals are ours; texts of services are theirs.
    const given = exchange.body === 'no coffee' || exchange.body === 'go away';
    if (!given) delete headers['content-type'];
    return { status: exchange.status, headers, body: given ? exchange.body : '' };
  }
  const echo = JSON.parse(exchange.body) as Echo;
  const sent = Object.fromEntries(
    Object.entries(echo.headers).filter(([name]) => !['X-Request-Id', 'X-Question', 'Content-Length'].includes(name)),
  );
  return { status: exchange.status, headers, echo: { ...echo, headers: sent } };
}

/** What the same request tells both times. */
function toldOverGrpc(request: CheckRequest): unknown {
  const { attributes } = toJson(CheckRequestSchema, request) as {
    attributes: {
      routeMetadataContext?: unknown;
      source?: { address?: { socketAddress?: { portValue?: number } } };
      request?: { time?: string; http?: { id?: string; size?: string; headers?: Record<string, string> } };
    };
  };
  const http = attributes.request?.http;
  delete attributes.source?.address?.socketAddress?.portValue;
  delete attributes.request?.time;
  delete http?.id;
  // Envoy says 0 before it has seen the body.
  delete http?.size;
  delete attributes.routeMetadataContext;
  delete http?.headers?.['x-request-id'];
  delete http?.headers?.['x-question'];
  return attributes;
}

function toldOverHttp({ method, url, headers }: IncomingMessage): unknown {
  const { 'x-request-id': _id, 'x-question': _question, 'x-envoy-internal': _internal, ...rest } = headers;
  return { method, url, headers: rest };
}
