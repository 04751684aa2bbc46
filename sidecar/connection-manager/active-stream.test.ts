import { expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import { RequestHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { anyPath, forward, pathMatch, retryPolicy, route } from './test/configs.ts';
import { answer, bytes, get, grpcCall, post, StreamRig } from './test/stream-rig.ts';

const unsent = new ProxyError({
  flag: 'UC',
  source: 'upstream',
  details: 'upstream_reset_before_response_started{connection_termination}',
  message: 'Gone.',
  retry: 'unsent',
});
const maybeSeen = new ProxyError({
  flag: 'UC',
  source: 'upstream',
  details: 'upstream_reset_before_response_started{connection_termination}',
  message: 'Gone.',
  retry: 'idempotent',
});
const noHost = new ProxyError({
  flag: 'UH',
  source: 'local',
  details: 'no_healthy_upstream',
  message: 'No healthy host.',
  retry: 'unsent',
});
const connectFailed = new ProxyError({
  flag: 'UF',
  source: 'upstream',
  details: 'upstream_reset_before_response_started{connection_failure}',
  message: 'Refused.',
  retry: 'unsent',
});
const callerGone = new ProxyError({
  flag: 'DC',
  source: 'downstream',
  details: 'downstream_remote_disconnect',
  message: 'Gone.',
  http2Code: 8,
});

function ended(rig: StreamRig): void {
  expect(rig.ends).toBe(1);
  expect(rig.lines.length).toBe(1);
  expect(rig.time.wheel.armedCount).toBe(0);
  expect(rig.downstream.pauses).toBe(0);
  for (const stream of rig.cluster.streams) expect(stream.pauses).toBe(0);
  expect(rig.stats.gauges.get('http.test.downstream_rq_active')!.value).toBe(0);
}

test('forwards a request and its answer, counts them and writes one line', () => {
  const rig = new StreamRig().request(get('/cart?x=1', HeaderFields.of(['Host', 'orders.shop'], ['Accept', '*/*'])));
  const up = rig.cluster.last;
  expect(up.log).toEqual(['head end']);
  expect(up.sentFields.slice(0, 2)).toEqual([
    ['Host', 'orders.shop'],
    ['Accept', '*/*'],
  ]);
  rig.time.advance(16);
  up.receiver.onHead(answer(200, ['Server', 'app'], ['Content-Length', '2']), false);
  up.receiver.onData(bytes('ok'), true);
  expect(rig.downstream.log).toEqual(['head', 'data 2 end']);
  expect(rig.downstream.head!.fields.pairs()).toEqual([
    ['Server', 'app'],
    ['Content-Length', '2'],
    ['x-envoy-upstream-service-time', '16'],
  ]);
  ended(rig);
  expect(rig.logged).toMatchObject({
    status: 200,
    method: 'GET',
    path: '/cart?x=1',
    upstream_host: '10.0.0.1:80',
    cluster: 'outbound|80||orders.shop',
    attempts: 1,
    bytes_sent: 2,
    flags: null,
    details: 'via_upstream',
  });
  expect(rig.counter('http.test.downstream_rq_2xx')).toBe(1);
  expect(rig.cluster.outcomes).toEqual([200]);
  const labels = [...rig.stats.counters.values()].filter((counter) => counter.family === 'outrigger_requests_total');
  expect(labels.map((counter) => counter.labels)).toEqual([
    {
      direction: 'outbound',
      source: 'shop/storefront',
      destination: 'shop/orders',
      route: 'shop/orders#rule-0',
      protocol: 'http1',
      code: '200',
      grpc_status: '',
      flags: '',
    },
  ]);
});

test('streams a request body as it comes, and its trailers', () => {
  const rig = new StreamRig().request(post('/'), false);
  rig.stream.onData(bytes('abc'), false);
  rig.stream.onData(bytes('de'), false);
  rig.stream.onTrailers(
    HeaderFields.of(
      ['x-sum', '5'],
      ['connection', 'x'],
      ['x-forwarded-client-cert', 'Hash=1'],
      ['X-Envoy-Internal', 'true'],
    ),
  );
  const up = rig.cluster.last;
  expect(up.log).toEqual(['head', 'data 3', 'data 2', 'trailers']);
  expect(up.trailers!.pairs()).toEqual([['x-sum', '5']]);
  up.receiver.onHead(answer(204), true);
  ended(rig);
  expect(rig.logged).toMatchObject({ bytes_received: 5, status: 204 });
});

test('keeps a body that waits for a connection within the buffer limit', () => {
  const rig = new StreamRig({ bufferLimitBytes: 1000 });
  rig.cluster.connectsAtOnce = false;
  rig.request(post('/'), false);
  rig.stream.onData(bytes(600), false);
  expect(rig.downstream.pauses).toBe(0);
  rig.stream.onData(bytes(600), false);
  expect(rig.downstream.pauses).toBe(1);
  rig.cluster.connect();
  expect(rig.downstream.pauses).toBe(0);
  expect(rig.cluster.last.body.length).toBe(1200);
  rig.stream.onData(bytes(''), true);
  rig.cluster.last.receiver.onHead(answer(200), true);
  ended(rig);
});

test('a slow upstream pauses the caller, a slow caller the upstream', () => {
  const rig = new StreamRig().request(post('/'), false);
  const up = rig.cluster.last;
  up.receiver.onWriteBlocked();
  expect(rig.downstream.pauses).toBe(1);
  up.receiver.onWriteReady();
  expect(rig.downstream.pauses).toBe(0);
  rig.stream.onData(bytes('x'), true);
  up.receiver.onHead(answer(200), false);
  rig.stream.onWriteBlocked();
  expect(up.pauses).toBe(1);
  up.receiver.onData(bytes(10), false);
  rig.stream.onWriteReady();
  expect(up.pauses).toBe(0);
  up.receiver.onData(bytes(1), true);
  ended(rig);
});

test('an answer that ends before its request gives the request up and reaches the caller whole', () => {
  const rig = new StreamRig().request(post('/'), false);
  const up = rig.cluster.last;
  up.receiver.onWriteBlocked();
  up.receiver.onHead(answer(413, ['content-length', '3']), false);
  up.receiver.onData(bytes('big'), true);
  expect(rig.downstream.log).toEqual(['head', 'data 3 end']);
  expect(up.resetBy!.details).toBe('request_cut_short');
  expect(rig.downstream.head!.fields.has('x-envoy-upstream-service-time')).toBe(false);
  ended(rig);
  expect(rig.cluster.outcomes).toEqual([413]);
});

test('passes a cancelled request on at once (DC)', () => {
  const rig = new StreamRig().request();
  rig.stream.onReset(callerGone);
  expect(rig.cluster.last.resetBy).toBe(callerGone);
  ended(rig);
  expect(rig.logged).toMatchObject({ status: 499, flags: 'DC', details: 'downstream_remote_disconnect' });
  expect(rig.cluster.outcomes).toEqual([-1]);
  expect(rig.counter('http.test.downstream_rq_rx_reset')).toBe(1);
  expect(rig.counter('http.test.downstream_rq_4xx')).toBe(0);
});

test('a caller that goes while the request waits for a connection frees its place', () => {
  const rig = new StreamRig();
  rig.cluster.connectsAtOnce = false;
  rig.request();
  rig.stream.onReset(callerGone);
  expect(rig.cluster.waiting.length).toBe(0);
  ended(rig);
});

test('an upstream reset in the middle of an answer resets the caller, told as after the start', () => {
  const rig = new StreamRig().request();
  const up = rig.cluster.last;
  up.receiver.onHead(answer(200), false);
  up.receiver.onReset(unsent);
  expect(rig.downstream.resetBy!.details).toBe('upstream_reset_after_response_started{connection_termination}');
  ended(rig);
  expect(rig.logged).toMatchObject({ status: 200, flags: 'UC' });
  expect(rig.counter('http.test.downstream_rq_tx_reset')).toBe(1);
});

test('sends a GET again that met a stale connection, once, on another host where there is one', () => {
  const rig = new StreamRig();
  rig.cluster.reused = true;
  rig.request();
  rig.cluster.last.receiver.onReset(maybeSeen);
  expect(rig.cluster.streams.length).toBe(2);
  expect(rig.cluster.contexts[1]!.triedHosts!.map((host) => host.address)).toEqual(['10.0.0.1:80']);
  expect(rig.cluster.last.sentFields).toContainEqual(['x-envoy-attempt-count', '2']);
  rig.cluster.last.receiver.onReset(maybeSeen);
  expect(rig.cluster.streams.length).toBe(2);
  expect(rig.downstream.head!.status).toBe(503);
  ended(rig);
  expect(rig.logged).toMatchObject({ attempts: 2, flags: 'UC', status: 503 });
});

test('repeats no more GETs than the cluster has places for: that many are no stale connections', () => {
  const rig = new StreamRig();
  rig.cluster.reused = true;
  rig.cluster.repeatPlaces = 0;
  rig.request(get('/'));
  rig.cluster.last.receiver.onReset(maybeSeen);
  expect(rig.downstream.head!.status).toBe(503);
  expect(rig.cluster.streams.length).toBe(1);
  ended(rig);
  const other = new StreamRig();
  other.cluster.reused = true;
  other.cluster.repeatPlaces = 1;
  other.request(get('/'));
  other.cluster.last.receiver.onReset(maybeSeen);
  expect(other.cluster.repeatPlaces).toBe(0);
  other.cluster.last.receiver.onHead(answer(204), true);
  expect(other.cluster.repeatPlaces).toBe(1);
  ended(other);
});

test('never sends a POST again that the service may have seen (RFC 9110 9.2.2)', () => {
  const rig = new StreamRig();
  rig.cluster.reused = true;
  rig.request(post('/pay'), false);
  rig.stream.onData(bytes('100'), true);
  rig.cluster.last.receiver.onReset(maybeSeen);
  expect(rig.cluster.streams.length).toBe(1);
  expect(rig.downstream.head!.status).toBe(503);
  ended(rig);
});

test('does not repeat a GET on a connection that was fresh: the service may have died of it', () => {
  const rig = new StreamRig().request();
  rig.cluster.last.receiver.onReset(maybeSeen);
  expect(rig.cluster.streams.length).toBe(1);
  ended(rig);
});

test('sends a POST again that was provably not seen, with the body as it was', () => {
  const rig = new StreamRig();
  rig.cluster.reused = true;
  rig.request(post('/pay'), false);
  rig.stream.onData(bytes('10'), false);
  rig.cluster.last.receiver.onReset(unsent);
  rig.stream.onData(bytes('0'), false);
  rig.stream.onTrailers(HeaderFields.of(['x-sum', '1']));
  const up = rig.cluster.last;
  expect(rig.cluster.streams.length).toBe(2);
  expect(up.log).toEqual(['head', 'data 2', 'data 1', 'trailers']);
  up.receiver.onHead(answer(200), true);
  ended(rig);
  const retries = [...rig.stats.counters.values()].filter((counter) => counter.family === 'outrigger_retries_total');
  expect(retries.map((counter) => [counter.labels['reason'], counter.value])).toEqual([['connection', 1]]);
});

test('does not send a request again whose body is not in hand any more', () => {
  const rig = new StreamRig().request(post('/'), false);
  rig.stream.onData(bytes(65_536), false);
  rig.stream.onData(bytes(1), false);
  rig.cluster.last.receiver.onReset(unsent);
  expect(rig.cluster.streams.length).toBe(1);
  expect(rig.downstream.head!.status).toBe(503);
  ended(rig);
});

test('tries another host when one cannot be reached, and answers 503 UF after three', () => {
  const rig = new StreamRig();
  rig.cluster.failNext.push(connectFailed, connectFailed, connectFailed);
  rig.request();
  expect(rig.cluster.contexts.length).toBe(3);
  expect(rig.downstream.head!.status).toBe(503);
  ended(rig);
  expect(rig.logged).toMatchObject({ flags: 'UF', attempts: 3 });
});

test('no healthy host is an answer, not an accident: 503 UH at once', () => {
  const rig = new StreamRig();
  rig.cluster.failNext.push(noHost);
  rig.request(get('/', HeaderFields.of(['x-request-id', 'abc-1'])));
  expect(rig.cluster.contexts.length).toBe(1);
  expect(rig.downstream.head!.status).toBe(503);
  expect(rig.downstream.head!.fields.get('server')).toBe('outrigger');
  expect(rig.downstream.head!.fields.get('x-request-id')).toBe('abc-1');
  expect(JSON.parse(rig.downstream.body)).toEqual({
    error: 'No healthy host.',
    flag: 'UH',
    details: 'no_healthy_upstream',
    service: 'orders.shop',
    rule: 'shop/orders#rule-0',
    request_id: 'abc-1',
  });
  ended(rig);
});

test('a retry policy allows further attempts after a pause, then says URX', () => {
  const retry = retryPolicy(['connect-failure'], 2);
  const rig = new StreamRig({ routes: [route('r', anyPath, forward('orders', { retry }))] });
  rig.random = 0.5;
  rig.cluster.failNext.push(connectFailed, connectFailed, connectFailed, connectFailed, connectFailed);
  rig.request();
  expect(rig.cluster.contexts.length).toBe(3);
  expect(rig.cluster.retryPlaces).toBe(2);
  rig.time.advance(40);
  expect(rig.cluster.contexts.length).toBe(4);
  rig.time.advance(80);
  expect(rig.cluster.contexts.length).toBe(5);
  expect(rig.downstream.head!.status).toBe(503);
  expect(rig.cluster.retryPlaces).toBe(3);
  ended(rig);
  expect(rig.logged).toMatchObject({ flags: 'URX,UF', attempts: 5 });
});

test('the route timeout runs from the end of the request and answers 504 UT', () => {
  const rig = new StreamRig({ routes: [route('r', anyPath, forward('orders', { timeoutMs: 1000 }))] });
  rig.request(post('/'), false);
  rig.time.advance(5000);
  expect(rig.ends).toBe(0);
  rig.stream.onData(bytes('x'), true);
  rig.time.advance(990);
  expect(rig.ends).toBe(0);
  rig.time.advance(30);
  expect(rig.downstream.head!.status).toBe(504);
  expect(rig.cluster.last.resetBy!.http2Code).toBe(8);
  ended(rig);
  expect(rig.logged).toMatchObject({ flags: 'UT', details: 'response_timeout' });
  expect(rig.cluster.outcomes).toEqual([504]);
  expect(rig.cluster.timeouts).toBe(1);
});

test('tells the next hop how long it has: x-envoy-expected-rq-timeout-ms, and what is left of it on a repeat', () => {
  const rig = new StreamRig({ routes: [route('r', anyPath, forward('orders', { timeoutMs: 1000 }))] });
  rig.cluster.reused = true;
  rig.request();
  expect(rig.cluster.last.sentFields).toContainEqual(['x-envoy-expected-rq-timeout-ms', '1000']);
  rig.time.advance(400);
  rig.cluster.last.receiver.onReset(maybeSeen);
  expect(rig.cluster.last.sentFields).toContainEqual(['x-envoy-expected-rq-timeout-ms', '600']);
  rig.cluster.last.receiver.onHead(answer(200), true);
  ended(rig);
});

test('a trusted caller shortens the timeout, never lengthens it', () => {
  for (const [asked, told] of [
    ['200', '200'],
    ['60000', '1000'],
    ['soon', '1000'],
  ] as const) {
    const rig = new StreamRig({ routes: [route('r', anyPath, forward('orders', { timeoutMs: 1000 }))] });
    rig.request(get('/', HeaderFields.of(['x-envoy-expected-rq-timeout-ms', asked])));
    expect(rig.cluster.last.sentFields).toContainEqual(['x-envoy-expected-rq-timeout-ms', told]);
    rig.stream.onReset(callerGone);
    ended(rig);
  }
});

test('grpc-timeout within its cap is the timeout, and what the next hop is told; the answer is DEADLINE_EXCEEDED in trailers only', () => {
  const rig = new StreamRig({
    routes: [route('r', anyPath, forward('orders', { timeoutMs: 0, grpcTimeoutHeaderMaxMs: 5000 }))],
  });
  rig.request(grpcCall(['grpc-timeout', '250m']));
  expect(rig.cluster.last.sentFields).toContainEqual(['grpc-timeout', '250m']);
  rig.time.advance(270);
  expect(rig.downstream.log).toEqual(['head end']);
  expect(rig.downstream.head!.status).toBe(200);
  expect(rig.downstream.head!.fields.get('grpc-status')).toBe('4');
  ended(rig);
  expect(rig.logged).toMatchObject({ grpc_status: 4, flags: 'UMSDR', details: 'max_duration_timeout' });
});

test('grpc-timeout runs from the start of the call, whether its stream of messages has ended or not', () => {
  const routes = [route('a', anyPath, forward('orders', { grpcTimeoutHeaderMaxMs: 0 }))];
  const rig = new StreamRig({ routes });
  const call = grpcCall();
  call.fields.append(headerName('grpc-timeout'), '1S');
  rig.request(call, false);
  rig.time.advance(900);
  expect(rig.downstream.head).toBe(null);
  rig.time.advance(200);
  expect(rig.downstream.head!.fields.get('grpc-status')).toBe('4');
  ended(rig);
});

test('keeps te: trailers and trailers-only of gRPC, and labels its status', () => {
  const rig = new StreamRig().request(grpcCall());
  expect(rig.cluster.last.sentFields).toContainEqual(['te', 'trailers']);
  rig.cluster.last.receiver.onHead(answer(200, ['content-type', 'application/grpc'], ['grpc-status', '5']), true);
  expect(rig.downstream.log).toEqual(['head end']);
  ended(rig);
  expect(rig.logged).toMatchObject({ grpc_status: 5 });
});

test('a stream on which nothing moves ends with 504 SI, or 408 when the request is not whole', () => {
  for (const [whole, status] of [
    [true, 504],
    [false, 408],
  ] as const) {
    const rig = new StreamRig({
      config: { streamIdleTimeoutMs: 1000 },
      routes: [route('r', anyPath, forward('orders', { timeoutMs: 0 }))],
    });
    rig.request(post('/'), whole);
    rig.time.advance(900);
    if (!whole) rig.stream.onData(bytes('x'), false);
    rig.time.advance(whole ? 120 : 900);
    expect(rig.ends).toBe(whole ? 1 : 0);
    rig.time.advance(whole ? 0 : 120);
    expect(rig.downstream.head!.status).toBe(status);
    ended(rig);
    expect(rig.logged).toMatchObject({ flags: 'SI', details: 'stream_idle_timeout' });
  }
});

test('the maximum duration ends a stream that is busy, by a reset when an answer has begun', () => {
  const rig = new StreamRig({ config: { maxStreamDurationMs: 1000 } });
  rig.request();
  rig.cluster.last.receiver.onHead(answer(200), false);
  for (let i = 0; i < 11 && rig.ends === 0; i++) {
    rig.cluster.last.receiver.onData(bytes('x'), false);
    rig.time.advance(100);
  }
  expect(rig.downstream.resetBy!.flag).toBe('UMSDR');
  ended(rig);
});

test('forwards 1xx before the answer', () => {
  const rig = new StreamRig().request(post('/', HeaderFields.of(['Expect', '100-continue'])), false);
  rig.cluster.last.receiver.onInformational(answer(100));
  rig.cluster.last.receiver.onInformational(answer(103));
  expect(rig.downstream.informational).toEqual([100, 103]);
  expect(rig.cluster.last.sentFields).toContainEqual(['Expect', '100-continue']);
  rig.stream.onData(bytes('x'), true);
  rig.cluster.last.receiver.onHead(answer(200), true);
  ended(rig);
});

test('a tunnel ends with the second of its directions, and has no request timeout', () => {
  const rig = new StreamRig();
  const head = get('/chat', HeaderFields.of(['Connection', 'Upgrade'], ['Upgrade', 'websocket']));
  head.upgrade = 'websocket';
  rig.request(head, false);
  const up = rig.cluster.last;
  expect(up.sentFields).toContainEqual(['Upgrade', 'websocket']);
  up.receiver.onHead(answer(101, ['Upgrade', 'websocket']), false);
  expect(rig.downstream.head!.fields.get('upgrade')).toBe('websocket');
  rig.stream.onData(bytes('bye'), true);
  expect(rig.ends).toBe(0);
  rig.time.advance(20_000);
  expect(rig.ends).toBe(0);
  up.receiver.onData(bytes('bye'), true);
  expect(up.body + rig.downstream.body).toBe('byebye');
  ended(rig);
  expect(rig.logged).toMatchObject({ status: 101 });
});

test('the answer of a refused upgrade is an ordinary one', () => {
  const rig = new StreamRig();
  const head = get('/chat', HeaderFields.of(['Upgrade', 'websocket']));
  head.upgrade = 'websocket';
  rig.request(head, false);
  rig.cluster.last.receiver.onHead(answer(400, ['content-length', '0']), true);
  ended(rig);
  expect(rig.logged).toMatchObject({ status: 400 });
});

test('a denied upgrade is answered 403 (Envoy: upgrade_failed)', () => {
  const rig = new StreamRig({ config: { upgrades: { allowAll: true, allowed: [], denied: ['websocket'] } } });
  const head = get('/', HeaderFields.of(['Upgrade', 'websocket']));
  head.upgrade = 'websocket';
  rig.request(head, false);
  expect(rig.downstream.head!.status).toBe(403);
  ended(rig);
});

test('CONNECT, which no route can take, is answered 403 unless it is allowed, then 404', () => {
  const connect = (): RequestHead =>
    new RequestHead('CONNECT', 'http', 'orders.shop:443', '', '1.1', new HeaderFields());
  const refused = new StreamRig().request(connect());
  expect(refused.downstream.head!.status).toBe(403);
  expect(refused.downstream.body).toContain('CONNECT is not allowed here.');
  ended(refused);
  const allowed = new StreamRig({
    config: { upgrades: { allowAll: false, allowed: ['connect'], denied: [] } },
  }).request(connect());
  expect(allowed.downstream.head!.status).toBe(404);
  ended(allowed);
});

test('no route is 404 NR, for gRPC UNIMPLEMENTED; a missing cluster 503 NC', () => {
  const routes = [route('a', pathMatch({ kind: 'exact', value: '/gone' }), forward('missing'))];
  const http = new StreamRig({ routes }).request(get('/else', HeaderFields.of(['accept', 'text/html'])));
  expect(http.downstream.head!.status).toBe(404);
  expect(http.downstream.body).toContain('No route matches host "orders.shop"');
  ended(http);
  const grpc = new StreamRig({ routes }).request(grpcCall());
  expect(grpc.downstream.head!.fields.get('grpc-status')).toBe('12');
  ended(grpc);
  const gone = new StreamRig({ routes }).request(get('/gone'));
  expect(gone.downstream.head!.status).toBe(503);
  ended(gone);
  expect(gone.logged).toMatchObject({ flags: 'NC', details: 'cluster_not_found', cluster: 'missing' });
});

test('a reply to HEAD has no body', () => {
  const rig = new StreamRig();
  rig.cluster.failNext.push(noHost);
  rig.request(new RequestHead('HEAD', 'http', 'orders.shop', '/', '1.1', new HeaderFields()));
  expect(rig.downstream.log).toEqual(['head end']);
  expect(Number(rig.downstream.head!.fields.get('content-length'))).toBeGreaterThan(0);
  ended(rig);
});

test('fixed answers and redirects come from the route', () => {
  const routes = [
    route('fixed', pathMatch({ kind: 'exact', value: '/fixed' }), {
      kind: 'direct-response',
      status: 418,
      body: 'short and stout',
    }),
    route('moved', anyPath, {
      kind: 'redirect',
      status: 302,
      scheme: 'https',
      host: '',
      port: 0,
      path: '',
      prefixRewrite: '',
      stripQuery: false,
    }),
  ];
  const fixed = new StreamRig({ routes }).request(get('/fixed'));
  expect([fixed.downstream.head!.status, fixed.downstream.body]).toEqual([418, 'short and stout']);
  ended(fixed);
  const moved = new StreamRig({ routes }).request(get('/a?b'));
  expect(moved.downstream.head!.fields.get('location')).toBe('https://orders.shop/a?b');
  ended(moved);
  expect(moved.logged).toMatchObject({ status: 302, route: 'moved', details: 'direct_response' });
});
