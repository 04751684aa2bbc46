/**
 * The same bootstrap file, run by Envoy and then by our sidecar, gives the same answers: which backend, what it was sent, status and headers. What is deliberately
 * different is listed where it is left out of the comparison.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../peers/free-port.ts';
import { differentialBootstrap } from './differential-bootstrap.ts';
import { ask, type Exchange, instanceOf, type Question } from './exchange.ts';
import { Stage } from './programs.ts';
import { type RawAnswer, sendRaw } from './raw-exchange.ts';

const match = (path: string, rest: Question = {}): Question => ({ host: 'matches.test', path, ...rest });
const act = (path: string, rest: Question = {}): Question => ({ host: 'actions.test', path, ...rest });
const mode = (value: string): Question => match('/by-header', { headers: { 'x-mode': value } });

const questions: Readonly<Record<string, Question>> = {
  'domain: exact': { host: 'www.example.com' },
  'domain: exact in another case': { host: 'WWW.Example.COM' },
  'domain: exact with its port': { host: 'www.example.com:8080' },
  'domain: exact with a port that is not listed': { host: 'www.example.com:9999' },
  'domain: longest suffix wildcard': { host: 'api.example.com' },
  'domain: suffix wildcard over two labels': { host: 'a.b.example.com' },
  'domain: shorter suffix wildcard': { host: 'example.com' },
  'domain: suffix wildcard before prefix wildcard': { host: 'www.other.com' },
  'domain: longest prefix wildcard': { host: 'www.example.org' },
  'domain: shorter prefix wildcard': { host: 'www.other.org' },
  'domain: none matches': { host: 'nobody.test' },
  'path: exact': match('/exact'),
  'path: exact with a query': match('/exact?a=b'),
  'path: exact with more behind it': match('/exact/more'),
  'path: exact in another case': match('/Exact'),
  'path: exact whatever the case': match('/exact-ANY-case'),
  'path: separated prefix itself': match('/api/v1'),
  'path: separated prefix with a segment': match('/api/v1/orders'),
  'path: separated prefix with a query': match('/api/v1?x=1'),
  'path: separated prefix within a word': match('/api/v10'),
  'path: prefix within a word': match('/prefixed'),
  'path: regular expression': match('/items/42'),
  'path: regular expression matches whole paths only': match('/items/42/more'),
  'path: regular expression ignores the query': match('/items/42?x=1'),
  'path: dot segments are resolved first': match('/api/x/../v1/y'),
  'header: exact': mode('exact'),
  'header: exact in another case': mode('EXACT'),
  'header: prefix': mode('pre-fix'),
  'header: suffix whatever the case': mode('some-suf'),
  'header: contains': mode('the-middle-of'),
  'header: regular expression': mode('r77'),
  'header: regular expression matches whole values only': mode('xr77'),
  'header: range, first value': match('/by-header', { headers: { 'x-number': '10' } }),
  'header: range, end is outside': match('/by-header', { headers: { 'x-number': '20' } }),
  'header: range, not a number': match('/by-header', { headers: { 'x-number': '1x' } }),
  'header: present': match('/by-header', { headers: { 'x-present': '' } }),
  'header: none of them': match('/by-header'),
  'header: absent': match('/by-absence'),
  'header: absent, but there': match('/by-absence', { headers: { 'x-absent': 'here' } }),
  'method: PUT': match('/by-method', { method: 'PUT', body: 'x' }),
  'method: GET': match('/by-method'),
  'query: exact': match('/by-query?q=one'),
  'query: exact among others': match('/by-query?a=b&q=one&c=d'),
  'query: another value': match('/by-query?q=two'),
  'query: present without a value': match('/by-query?flag'),
  'query: none': match('/by-query'),
  'gRPC match: gRPC': match('/by-grpc', {
    method: 'POST',
    headers: { 'content-type': 'application/grpc', te: 'trailers' },
  }),
  'gRPC match: gRPC with a suffix': match('/by-grpc', {
    method: 'POST',
    headers: { 'content-type': 'application/grpc+proto' },
  }),
  'gRPC match: JSON': match('/by-grpc', { method: 'POST', headers: { 'content-type': 'application/json' } }),
  'weights: 0 and 100': act('/weights/all'),
  'rewrite: prefix': act('/rewrite/prefix/more?x=1'),
  'rewrite: host': act('/rewrite/host'),
  'redirect: path': act('/redirect/path?x=1'),
  'redirect: host and scheme, 302': act('/redirect/host/more?x=1'),
  'redirect: prefix without the query, 308': act('/redirect/prefix/more?x=1'),
  'redirect: port, 307': act('/redirect/port'),
  'redirect: port, the caller names another': act('/redirect/port', { host: 'actions.test:8080' }),
  'redirect: scheme': act('/redirect/scheme?x=1'),
  'redirect: scheme, the caller names the default port': act('/redirect/scheme', { host: 'actions.test:80' }),
  'redirect: scheme, the caller names a port that is no default': act('/redirect/scheme', {
    host: 'actions.test:8080',
  }),
  'redirect: scheme, the caller names the default port of the other': act('/redirect/scheme', {
    host: 'actions.test:443',
  }),
  'redirect: scheme and its default port': act('/redirect/scheme-and-port', { host: 'actions.test:8080' }),
  'redirect: to the scheme that it is, the port stays': act('/redirect/plain', { host: 'actions.test:80' }),
  'redirect: path, the port stays': act('/redirect/path', { host: 'actions.test:80' }),
  'redirect: scheme, forwarded from https': act('/redirect/plain', {
    host: 'actions.test:443',
    headers: { 'x-forwarded-proto': 'https' },
  }),
  'redirect: scheme, forwarded from the same': act('/redirect/scheme', {
    host: 'actions.test:443',
    headers: { 'x-forwarded-proto': 'https' },
  }),
  'redirect: path, forwarded from https': act('/redirect/path', { headers: { 'x-forwarded-proto': 'https' } }),
  'direct response': act('/direct'),
  'direct response to HEAD': act('/direct', { method: 'HEAD' }),
  'no route in the virtual host (NR)': act('/nothing-here'),
  'cluster without hosts (UH)': act('/empty'),
  'connection refused (UF)': act('/refused'),
  'unknown cluster (NC)': act('/unknown'),
  'unknown cluster answered by 404': act('/unknown-404'),
  'route timeout (UT)': act('/delay/1000'),
  'a quick answer before the route timeout': act('/delay/1'),
  'a slow answer within the route timeout': act('/patient/delay/300'),
  'gRPC: no route': act('/nothing-here', { method: 'POST', headers: { 'content-type': 'application/grpc' } }),
  'gRPC: cluster without hosts': act('/empty', { method: 'POST', headers: { 'content-type': 'application/grpc' } }),
  'gRPC: connection refused': act('/refused', { method: 'POST', headers: { 'content-type': 'application/grpc' } }),
  'headers: added, appended, overwritten, removed': act('/headers', {
    headers: { 'x-appended': 'caller', 'x-overwritten': 'caller', 'x-if-absent': 'caller', 'x-removed': 'caller' },
  }),
  'headers: added where absent': act('/headers'),
  'headers: hop-by-hop fields go no further': act('/headers', {
    headers: { connection: 'close, x-hop', 'x-hop': '1', 'keep-alive': 'timeout=3', te: 'gzip' },
  }),
  'headers: forwarded by a caller': act('/headers', {
    headers: { 'x-forwarded-for': '10.1.2.3', 'x-forwarded-proto': 'https' },
  }),
  'POST with a body': { host: 'www.example.com', method: 'POST', path: '/anything', body: 'hello' },
  'HEAD of a backend': { host: 'www.example.com', method: 'HEAD' },
  'DELETE without a body': { host: 'www.example.com', method: 'DELETE', path: '/one' },
  'a status of the backend': { host: 'www.example.com', path: '/status/418' },
  'a 204 of the backend': { host: 'www.example.com', path: '/status/204' },
  'a 500 of the backend': { host: 'www.example.com', path: '/status/500' },
};

/** Where we differ on purpose: what we answer, beside what Envoy does. */
const deliberate: Readonly<
  Record<string, { readonly question: Question; readonly envoy: string; readonly ours: string }>
> = {
  // gRPC clients tell a deadline from an outage; Envoy says UNAVAILABLE for both.
  'a gRPC route timeout is DEADLINE_EXCEEDED': {
    question: act('/delay/1000', { method: 'POST', headers: { 'content-type': 'application/grpc' } }),
    envoy: '200 grpc-status 14',
    ours: '200 grpc-status 4',
  },
  // The caller of a sidecar is its own application and may shorten its own timeout; Envoy wants to be told that it is internal.
  'a timeout that the caller asks for is honoured': {
    question: act('/patient/delay/1000', { headers: { 'x-envoy-upstream-rq-timeout-ms': '100' } }),
    envoy: '200',
    ours: '504',
  },
  // The same; Envoy takes this one with `respect_expected_rq_timeout` only.
  'a timeout that the caller expects is honoured': {
    question: act('/patient/delay/1000', { headers: { 'x-envoy-expected-rq-timeout-ms': '100' } }),
    envoy: '200',
    ours: '504',
  },
};

const host = 'Host: www.example.com\r\n';

/** Requests that no client library sends; compared by status and by whether the connection is closed. */
const rawRequests: Readonly<Record<string, string>> = {
  'HTTP/1.0 is answered and closed': 'GET / HTTP/1.0\r\nHost: www.example.com\r\n\r\n',
  'Connection: close is honoured': `GET / HTTP/1.1\r\n${host}Connection: close\r\n\r\n`,
  'keep-alive is the default': `GET / HTTP/1.1\r\n${host}\r\n`,
  'absolute form': `GET http://www.example.com/ HTTP/1.1\r\n${host}Connection: close\r\n\r\n`,
  'no Host': 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n',
  'Content-Length with Transfer-Encoding': `POST / HTTP/1.1\r\n${host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'two different Content-Lengths': `POST / HTTP/1.1\r\n${host}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd`,
  'a negative Content-Length': `POST / HTTP/1.1\r\n${host}Content-Length: -1\r\n\r\n`,
  'a broken chunk size': `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`,
  'an unknown transfer coding': `POST / HTTP/1.1\r\n${host}Transfer-Encoding: gzip\r\n\r\n`,
  'a space before the colon': `GET / HTTP/1.1\r\n${host}X-Bad : 1\r\n\r\n`,
  'a NUL in a value': `GET / HTTP/1.1\r\n${host}X-Bad: a\0b\r\n\r\n`,
  'a method that is no token': 'G(T / HTTP/1.1\r\nHost: www.example.com\r\n\r\n',
  garbage: 'hello, is anybody there?\r\n\r\n',
  'a header of 100 KiB': `GET / HTTP/1.1\r\n${host}X-Big: ${'a'.repeat(100 << 10)}\r\n\r\n`,
};

const many = Array.from({ length: 120 }, (_, i) => `X-${i}: 1\r\n`).join('');

/** Where we differ on purpose from what Envoy makes of odd bytes: statuses. */
const deliberateRaw: Readonly<
  Record<string, { readonly bytes: string; readonly envoy: number; readonly ours: number }>
> = {
  // Adding a sidecar must change nothing: 200 fields (Envoy: 100), HTTP/1.0 without being asked to, methods that nobody registered, OPTIONS for the server as a whole.
  'more than 100 fields': { bytes: `GET / HTTP/1.1\r\n${host}${many}\r\n`, envoy: 431, ours: 200 },
  'a method that Envoy does not know': { bytes: `BREW / HTTP/1.1\r\n${host}\r\n`, envoy: 400, ours: 200 },
  'OPTIONS *': { bytes: `OPTIONS * HTTP/1.1\r\n${host}\r\n`, envoy: 404, ours: 200 },
  // What another hop may read otherwise is refused (hardening.md).
  'an absolute form whose host is not Host': {
    bytes: `GET http://www.example.com/ HTTP/1.1\r\nHost: api.example.com\r\n\r\n`,
    envoy: 200,
    ours: 400,
  },
  'two empty lines before a request': { bytes: `\r\n\r\nGET / HTTP/1.1\r\n${host}\r\n`, envoy: 200, ours: 400 },
  'Content-Length as a trailer': {
    bytes: `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\n\r\n`,
    envoy: 200,
    ours: 400,
  },
  // Host is not the connection's own whatever Connection says: it stays, and nothing is ambiguous.
  'Connection: Host': { bytes: `GET / HTTP/1.1\r\n${host}Connection: Host\r\n\r\n`, envoy: 400, ours: 200 },
  // CONNECT is not forwarded to hosts yet: said as an upgrade that is not allowed, not as a route that is not there.
  CONNECT: {
    bytes: `CONNECT www.example.com:443 HTTP/1.1\r\nHost: www.example.com:443\r\n\r\n`,
    envoy: 404,
    ours: 403,
  },
};

/** Response headers that say who answered, or when: not compared. */
const ownResponseHeaders = [
  'server',
  'date',
  'x-envoy-upstream-service-time',
  'x-request-id',
  'content-length',
  'transfer-encoding',
  'keep-alive',
];
/** What the backend is sent that differs from one request to the next. */
const ownRequestHeaders = ['X-Request-Id'];

describe('the same bootstrap file on Envoy and on the sidecar', () => {
  const stage = new Stage();
  const answers = { envoy: new Map<string, unknown>(), sidecar: new Map<string, unknown>() };
  const raw = { envoy: new Map<string, RawAnswer>(), sidecar: new Map<string, RawAnswer>() };
  const differing = { envoy: new Map<string, string>(), sidecar: new Map<string, string>() };
  const differingRaw = { envoy: new Map<string, number>(), sidecar: new Map<string, number>() };
  const shares = { envoy: 0, sidecar: 0 };
  const weighed = 400;

  beforeAll(async () => {
    const [admin, main, closed] = (await freePorts(3)) as [number, number, number];
    const [a, b] = await Promise.all(['a', 'b'].map(async (name) => (await stage.backend(name)).httpPort));
    const bootstrap = differentialBootstrap({ admin, main, a: a!, b: b!, closed });
    // One after the other: it is one file, ports and all.
    for (const program of ['envoy', 'sidecar'] as const) {
      const proxy = await stage[program](bootstrap);
      for (const [name, question] of Object.entries(questions))
        answers[program].set(name, essence(await ask(main, question)));
      for (const [name, { question }] of Object.entries(deliberate))
        differing[program].set(name, statusText(await ask(main, question)));
      for (const [name, bytes] of Object.entries(rawRequests)) raw[program].set(name, await sendRaw(main, bytes));
      for (const [name, { bytes }] of Object.entries(deliberateRaw))
        differingRaw[program].set(name, (await sendRaw(main, bytes)).status);
      for (let i = 0; i < weighed; i++)
        if (instanceOf(await ask(main, act('/weights/share'))) === 'b') shares[program]++;
      await proxy.program.stop();
    }
  }, 120_000);
  afterAll(() => stage.stop());

  it.each(Object.keys(questions))('%s', (name) => {
    expect(answers.sidecar.get(name)).toEqual(answers.envoy.get(name));
  });

  it.each(Object.keys(rawRequests))('raw: %s', (name) => {
    expect(raw.sidecar.get(name)).toEqual(raw.envoy.get(name));
  });

  it.each(Object.keys(deliberate))('different on purpose: %s', (name) => {
    const { envoy, ours } = deliberate[name]!;
    expect({ envoy: differing.envoy.get(name), ours: differing.sidecar.get(name) }).toEqual({ envoy, ours });
  });

  it.each(Object.keys(deliberateRaw))('different on purpose, raw: %s', (name) => {
    const { envoy, ours } = deliberateRaw[name]!;
    expect({ envoy: differingRaw.envoy.get(name), ours: differingRaw.sidecar.get(name) }).toEqual({ envoy, ours });
  });

  it('weights: 75 and 25 share requests alike', () => {
    // 400 requests at 25 %: a standard deviation is 2.2 points, so 10 points are beyond chance.
    for (const program of ['envoy', 'sidecar'] as const)
      expect(Math.abs(shares[program] / weighed - 0.25), program).toBeLessThan(0.1);
  });
});

interface Echo {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly protocol: string;
  readonly bytes: number;
  readonly headers: Record<string, string[]>;
}

function statusText(exchange: Exchange): string {
  const grpcStatus = exchange.headers['grpc-status'];
  return grpcStatus === undefined ? String(exchange.status) : `${exchange.status} grpc-status ${String(grpcStatus)}`;
}

/** What must be equal of an answer. The text of answers that a proxy makes up is its own. `without`: headers left out, of either direction. */
function essence(exchange: Exchange): unknown {
  const headers = Object.fromEntries(
    Object.entries(exchange.headers).filter(([name]) => !ownResponseHeaders.includes(name)),
  );
  const fromBackend = instanceOf(exchange) !== '';
  if (!fromBackend) {
    // A made-up answer's body, and so its type and gRPC message, are the proxy's own; a direct response's body is configured.
    const { 'content-type': _type, 'grpc-message': _message, ...rest } = headers;
    return { status: exchange.status, headers: rest, body: exchange.status === 418 ? exchange.body : '' };
  }
  let echo: Echo | null = null;
  if (exchange.body !== '') {
    const whole = JSON.parse(exchange.body) as Echo;
    echo = {
      ...whole,
      headers: Object.fromEntries(Object.entries(whole.headers).filter(([name]) => !ownRequestHeaders.includes(name))),
    };
  }
  return { status: exchange.status, headers, echo };
}
