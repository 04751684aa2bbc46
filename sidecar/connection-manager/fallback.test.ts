/** What a caller gets instead of a failure (`outrigger.resilience.v1.Fallback`): of another service, the last good answer, or a fixed one. */
import { describe, expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { RequestHead } from '../codec/message-head.ts';
import { ProxyError, type RetrySafety } from '../codec/proxy-error.ts';
import type { ResponseFlag } from '../codec/response-flag.ts';
import type { FallbackConfig, FixedAnswerConfig } from '../config/route-resilience-config.ts';
import { anyPath, fallbackTo, forward, hedgeAfter, retryPolicy, route } from './test/configs.ts';
import { FakeCluster } from './test/fake-peers.ts';
import { answer, bytes, get, grpcCall, post, StreamRig } from './test/stream-rig.ts';

function failure(
  flag: ResponseFlag,
  retry: RetrySafety = 'never',
  source: ProxyError['source'] = 'upstream',
): ProxyError {
  return new ProxyError({ flag, source, details: `it_was_${flag.toLowerCase()}`, message: 'Failed.', retry });
}
const nobody = failure('UH', 'unsent', 'local');
const cut = failure('UC', 'idempotent');

const sorry: FixedAnswerConfig = {
  status: 200,
  headers: [['Content-Type', 'application/json']],
  body: '{"items":[]}',
  grpcStatus: null,
  grpcMessage: '',
};
const archive = { cluster: 'archive', timeoutMs: null };
const stale = { maxAgeMs: 60_000, maxEntryBytes: 65_536, varyBy: [] };

class Rig extends StreamRig {
  readonly archive = new FakeCluster();

  constructor(config: Partial<FallbackConfig>, action: Parameters<typeof forward>[1] = {}) {
    super({ routes: [route('r', anyPath, forward('orders', { fallback: fallbackTo(config), ...action }))] });
    this.others.set('archive', this.archive);
  }

  /** A request that is answered, so that its answer may be kept. */
  served(head: RequestHead, fields: ReadonlyArray<readonly [string, string]> = [], body = 'good'): this {
    this.again().request(head);
    this.cluster.last.receiver.onHead(answer(200, ...fields), false);
    this.cluster.last.receiver.onData(bytes(body), true);
    return this;
  }

  failed(head: RequestHead = get('/'), error = nobody): this {
    this.again();
    this.cluster.failNext.push(error, error, error);
    return this.request(head);
  }
}

function ended(rig: Rig): void {
  expect(rig.ends).toBe(1);
  expect(rig.time.wheel.armedCount).toBe(0);
  expect(rig.cluster.retryPlaces).toBe(3);
  for (const stream of [...rig.cluster.streams, ...rig.archive.streams]) expect(stream.pauses).toBe(0);
}

describe('a fixed answer', () => {
  test('stands in the place of what the proxy would make up, is marked, counted and logged', () => {
    const rig = new Rig({ answer: sorry }).failed();
    const { head, body } = rig.downstream;
    expect([head!.status, body]).toEqual([200, '{"items":[]}']);
    expect(head!.fields.get('content-type')).toBe('application/json');
    expect(head!.fields.get('content-length')).toBe('12');
    expect(head!.fields.get('x-outrigger-fallback')).toBe('answer; policy="TrafficPolicy shop/orders"');
    expect(head!.fields.get('server')).toBe('outrigger');
    expect(head!.fields.has('x-request-id')).toBe(true);
    expect(rig.cluster.fallbacks).toEqual(['answer']);
    ended(rig);
    expect(rig.logged).toMatchObject({
      status: 200,
      flags: 'UH,FB',
      details: 'fallback_answer{it_was_uh}',
      policy: 'TrafficPolicy shop/orders',
    });
  });

  test.each<ResponseFlag>(['UF', 'UO', 'UC', 'UR', 'UPE', 'UH'])('for %s', (flag) => {
    const rig = new Rig({ answer: sorry }).failed(get('/'), failure(flag));
    expect(rig.downstream.head!.status).toBe(200);
    expect(rig.logged['flags']).toBe(`${flag},FB`);
  });

  test('for the time of the request, of a try, and of the whole stream', () => {
    const late = new Rig({ answer: sorry }, { timeoutMs: 100 }).request();
    late.time.advance(112);
    expect(late.downstream.head!.status).toBe(200);
    expect(late.cluster.last.resetBy?.flag).toBe('UT');
    expect(late.cluster.timeouts).toBe(1);
    ended(late);
    expect(late.logged).toMatchObject({ flags: 'UT,FB', details: 'fallback_answer{response_timeout}' });
    const tried = new Rig({ answer: sorry }, { retry: retryPolicy([], 0, { perTryTimeoutMs: 50 }) }).request();
    tried.time.advance(56);
    expect(tried.downstream.head!.status).toBe(200);
    ended(tried);
    const long = new Rig({ answer: sorry }, { maxStreamDurationMs: 50 }).request();
    long.time.advance(56);
    expect(long.downstream.head!.status).toBe(200);
    ended(long);
  });

  test('for a cluster that is not there', () => {
    const rig = new StreamRig({
      routes: [route('r', anyPath, forward('missing', { fallback: fallbackTo({ answer: sorry }) }))],
    }).request();
    expect(rig.downstream.head!.status).toBe(200);
    expect(rig.logged['flags']).toBe('NC,FB');
  });

  test.each([502, 503, 504])("for a gateway's failure (%d) once retries are used up", (status) => {
    const rig = new Rig({ answer: sorry }, { retry: retryPolicy(['gateway-error'], 1) }).request();
    rig.random = 0;
    rig.cluster.last.receiver.onHead(answer(status), true);
    rig.time.advance(32);
    rig.cluster.last.receiver.onHead(answer(status, ['content-length', '3']), false);
    expect(rig.cluster.last.resetBy?.details).toBe('attempt_not_wanted');
    expect([rig.downstream.head!.status, rig.downstream.body]).toEqual([200, '{"items":[]}']);
    expect(rig.cluster.outcomes).toEqual([status, status]);
    expect(rig.cluster.counted).toEqual(['retry', 'answer']);
    ended(rig);
    expect(rig.logged).toMatchObject({
      flags: 'URX,FB',
      details: `fallback_answer{via_upstream{${status}}}`,
      attempts: 2,
    });
  });

  test.each([200, 404, 500, 501])('not for %d, which is an answer', (status) => {
    const rig = new Rig({ answer: sorry }).request();
    rig.cluster.last.receiver.onHead(answer(status), true);
    expect(rig.downstream.head!.status).toBe(status);
    expect(rig.downstream.head!.fields.has('x-outrigger-fallback')).toBe(false);
    expect(rig.cluster.fallbacks).toEqual([]);
    ended(rig);
  });

  test('not when something has gone to the caller', () => {
    const rig = new Rig({ answer: sorry }).request();
    rig.cluster.last.receiver.onHead(answer(200), false);
    rig.cluster.last.receiver.onReset(cut);
    expect(rig.downstream.resetBy).not.toBeNull();
    ended(rig);
    const informed = new Rig({ answer: sorry }).request();
    informed.cluster.last.receiver.onInformational(answer(103));
    informed.cluster.last.receiver.onReset(cut);
    expect(informed.downstream.head!.status).toBe(503);
  });

  test('not for a caller that leaves, or does not send its request in time', () => {
    const left = new Rig({ answer: sorry }).request();
    left.stream.onReset(failure('DC', 'never', 'downstream'));
    expect(left.downstream.head).toBeNull();
    expect(left.logged['flags']).toBe('DC');
    const slow = new Rig({ answer: sorry }, { maxStreamDurationMs: 50 }).request(post('/'), false);
    slow.time.advance(56);
    expect(slow.downstream.head!.status).toBe(408);
  });

  test('HEAD gets it without the body', () => {
    const head = new RequestHead('HEAD', 'http', 'orders.shop', '/', '1.1', new HeaderFields());
    const rig = new Rig({ answer: sorry }).failed(head);
    expect([rig.downstream.body, rig.downstream.head!.fields.get('content-length')]).toEqual(['', '12']);
    expect(rig.downstream.ended).toBe(true);
  });

  test('a gRPC call gets the status and message that are said for it, or those of the HTTP status', () => {
    const said = new Rig({ answer: { ...sorry, status: 0, headers: [], grpcStatus: 0, grpcMessage: 'of no use' } });
    said.failed(grpcCall());
    expect(said.downstream.head!.status).toBe(200);
    expect(said.downstream.head!.fields.get('grpc-status')).toBe('0');
    expect(said.downstream.head!.fields.get('grpc-message')).toBe('of no use');
    ended(said);
    expect(said.logged['grpc_status']).toBe(0);
    // Nothing is said for HTTP callers.
    said.cluster.failNext.length = 0;
    expect(said.failed().downstream.head!.status).toBe(503);
    const mapped = new Rig({ answer: { ...sorry, status: 429, headers: [], body: 'later\n' } }).failed(grpcCall());
    expect(mapped.downstream.head!.fields.get('grpc-status')).toBe('14');
    expect(mapped.downstream.head!.fields.get('grpc-message')).toBe('later');
  });

  test('a gRPC call that the service ends UNAVAILABLE at once met a failure; one with messages did not', () => {
    const rig = new Rig({ answer: { ...sorry, grpcStatus: 8, headers: [] } }).request(grpcCall());
    rig.cluster.last.receiver.onHead(answer(200, ['grpc-status', '14']), true);
    expect(rig.downstream.head!.fields.get('grpc-status')).toBe('8');
    ended(rig);
    const begun = new Rig({ answer: { ...sorry, grpcStatus: 8 } }).request(grpcCall());
    begun.cluster.last.receiver.onHead(answer(200), false);
    begun.cluster.last.receiver.onTrailers(HeaderFields.of(['grpc-status', '14']));
    expect(begun.downstream.trailers!.get('grpc-status')).toBe('14');
  });
});

describe('another service', () => {
  test('is asked once, and its answer streams to the caller', () => {
    const rig = new Rig({ service: archive }).failed();
    const { last } = rig.archive;
    expect(last.sentFields).toContainEqual(['x-envoy-attempt-count', '2']);
    last.receiver.onHead(answer(200, ['x-from', 'archive']), false);
    last.receiver.onData(bytes('old'), false);
    last.receiver.onTrailers(HeaderFields.of(['x-sum', '1']));
    expect(rig.downstream.head!.fields.get('x-outrigger-fallback')).toBe('service; policy="TrafficPolicy shop/orders"');
    expect([rig.downstream.body, rig.downstream.trailers!.get('x-sum')]).toEqual(['old', '1']);
    expect(rig.cluster.fallbacks).toEqual(['service']);
    expect(rig.archive.outcomes).toEqual([200]);
    ended(rig);
    expect(rig.logged).toMatchObject({ flags: 'UH,FB', details: 'via_upstream', cluster: 'archive', attempts: 2 });
  });

  test('gets the body, and what of it comes later', () => {
    const rig = new Rig({ service: archive }).again();
    rig.request(new RequestHead('PUT', 'http', 'orders.shop', '/', '1.1', new HeaderFields()), false);
    rig.stream.onData(bytes('one '), false);
    rig.cluster.last.receiver.onHead(answer(503), true);
    rig.stream.onData(bytes('two'), true);
    expect(rig.archive.last.body).toBe('one two');
    rig.archive.last.receiver.onHead(answer(201), true);
    expect(rig.downstream.head!.status).toBe(201);
    ended(rig);
    expect(rig.logged['flags']).toBe('FB');
  });

  test('is not asked when the body is longer than is kept', () => {
    const rig = new Rig({ service: archive }, { replayLimitBytes: 2 });
    rig.request(new RequestHead('PUT', 'http', 'orders.shop', '/', '1.1', new HeaderFields()), false);
    rig.stream.onData(bytes('long'), true);
    rig.cluster.last.receiver.onReset(cut);
    expect(rig.archive.streams.length).toBe(0);
    expect(rig.downstream.head!.status).toBe(503);
  });

  test('is not asked for a POST that the first may have acted on, unless the policy names POST', () => {
    const rig = new Rig({ service: archive }).request(post('/'));
    rig.cluster.last.receiver.onReset(cut);
    expect(rig.archive.streams.length).toBe(0);
    expect(rig.downstream.head!.status).toBe(503);
    // One that reached nobody may go there.
    expect(new Rig({ service: archive }).failed(post('/')).archive.streams.length).toBe(1);
    const refused = new Rig({ service: archive }).request(post('/'));
    for (let i = 0; i < 3; i++) refused.cluster.last.receiver.onReset(failure('UR', 'unsent'));
    expect(refused.archive.streams.length).toBe(1);
    const named = new Rig({ service: archive, methods: ['POST'] }).request(post('/'));
    named.cluster.last.receiver.onReset(cut);
    expect(named.archive.streams.length).toBe(1);
  });

  test('a service that was acted on first and is gone then has been acted on', () => {
    const rig = new Rig({ service: archive }, { retry: retryPolicy(['reset'], 1) }).request(post('/'));
    rig.random = 0;
    rig.cluster.last.receiver.onReset(cut);
    rig.cluster.failNext.push(nobody);
    rig.time.advance(32);
    expect(rig.archive.streams.length).toBe(0);
    expect(rig.logged['flags']).toBe('UH');
  });

  test('has a time of its own after the first was too slow, which is given up at once', () => {
    const rig = new Rig({ service: { cluster: 'archive', timeoutMs: 500 } }, { timeoutMs: 100 }).request();
    rig.time.advance(112);
    expect(rig.cluster.last.resetBy?.flag).toBe('UT');
    expect(rig.archive.last.sentFields).toContainEqual(['x-envoy-expected-rq-timeout-ms', '500']);
    rig.time.advance(480);
    expect(rig.downstream.head).toBeNull();
    rig.time.advance(40);
    expect(rig.downstream.head!.status).toBe(504);
    expect(rig.downstream.body).toContain('Its fallback archive failed too');
    ended(rig);
    expect(rig.logged).toMatchObject({ flags: 'UT,FB', status: 504 });
  });

  test('is not asked when the caller itself waits no longer', () => {
    const rig = new Rig({ service: archive }, { timeoutMs: 100 });
    rig.request(get('/', HeaderFields.of(['x-envoy-upstream-rq-timeout-ms', '50'])));
    rig.time.advance(64);
    expect(rig.archive.streams.length).toBe(0);
    expect(rig.downstream.head!.status).toBe(504);
  });

  test('when it fails too, the next thing is taken; without one, the caller hears of both, and there is no loop', () => {
    const rig = new Rig({ service: archive, answer: sorry }).failed();
    rig.archive.last.receiver.onHead(answer(503), true);
    expect(rig.downstream.body).toBe('{"items":[]}');
    expect(rig.cluster.fallbacks).toEqual(['service', 'answer']);
    ended(rig);
    const alone = new Rig({ service: archive });
    alone.archive.failNext.push(nobody);
    alone.failed();
    expect(alone.downstream.head!.status).toBe(503);
    expect(JSON.parse(alone.downstream.body)).toMatchObject({
      error: 'Failed. Its fallback archive failed too: Failed.',
      flag: 'UH',
    });
    expect(alone.archive.contexts.length).toBe(1);
    expect(alone.cluster.contexts.length).toBe(1);
    ended(alone);
  });

  test('its own failing answer goes to the caller when there is nothing else', () => {
    const rig = new Rig({ service: archive }).failed();
    rig.archive.last.receiver.onHead(answer(503, ['x-from', 'archive']), true);
    expect(rig.downstream.head!.fields.get('x-from')).toBe('archive');
    ended(rig);
  });

  test('attempts that run beside each other are all given up for it', () => {
    const rig = new Rig({ service: archive }, { hedging: hedgeAfter(50), timeoutMs: 200 }).request();
    rig.time.advance(208);
    expect(rig.cluster.streams.map(({ resetBy }) => resetBy?.flag)).toEqual(['UT', 'UT']);
    expect(rig.cluster.retryPlaces).toBe(3);
    rig.archive.last.receiver.onHead(answer(200), true);
    ended(rig);
  });
});

describe('the last good answer', () => {
  test('to the same GET is given with its age, also to HEAD; never while the service answers', () => {
    const rig = new Rig({ stale }).served(get('/a'), [
      ['etag', '"1"'],
      ['date', 'Sat, 28 Nov 2026 12:00:00 GMT'],
    ]);
    rig.time.advance(5_000);
    rig.failed(get('/a'));
    const { head, body } = rig.downstream;
    expect([head!.status, body]).toEqual([200, 'good']);
    expect(head!.fields.getAll('date')).toEqual(['Sat, 28 Nov 2026 12:00:00 GMT']);
    expect(head!.fields.get('age')).toBe('5');
    expect(head!.fields.get('etag')).toBe('"1"');
    expect(head!.fields.get('content-length')).toBe('4');
    expect(head!.fields.get('x-outrigger-fallback')).toBe('stale; policy="TrafficPolicy shop/orders"');
    ended(rig);
    expect(rig.logged).toMatchObject({ status: 200, flags: 'UH,FB', details: 'fallback_stale{it_was_uh}' });
    rig.cluster.failNext.length = 0;
    rig.failed(new RequestHead('HEAD', 'http', 'orders.shop', '/a', '2', new HeaderFields()));
    expect([rig.downstream.head!.fields.get('content-length'), rig.downstream.body]).toEqual(['4', '']);
    rig.cluster.failNext.length = 0;
    rig.served(get('/a'), [], 'newer');
    expect(rig.downstream.body).toBe('newer');
  });

  test('is none of another path, of a request with credentials, or to one', () => {
    const authorized = (): RequestHead => get('/a', HeaderFields.of(['authorization', 'Bearer x']));
    const rig = new Rig({ stale, answer: sorry }).served(authorized());
    expect(rig.failed(get('/a')).downstream.body).toBe('{"items":[]}');
    rig.cluster.failNext.length = 0;
    rig.served(get('/a'));
    expect(rig.failed(authorized()).downstream.body).toBe('{"items":[]}');
    rig.cluster.failNext.length = 0;
    expect(rig.failed(get('/b')).downstream.body).toBe('{"items":[]}');
  });

  test('is none with trailers, of a POST, that was cut, or that the service wants nobody to keep', () => {
    const rig = new Rig({ stale, answer: sorry });
    rig.again().request(get('/a'));
    rig.cluster.last.receiver.onHead(answer(200), false);
    rig.cluster.last.receiver.onData(bytes('x'), false);
    rig.cluster.last.receiver.onTrailers(HeaderFields.of(['x', '1']));
    rig.served(post('/b'));
    rig.served(get('/c'), [['cache-control', 'no-store']]);
    rig.served(get('/d'), [['set-cookie', 'a=b']]);
    rig.again().request(get('/e'));
    rig.cluster.last.receiver.onHead(answer(200), false);
    rig.cluster.last.receiver.onReset(cut);
    for (const path of ['/a', '/b', '/c', '/d', '/e']) {
      rig.cluster.failNext.length = 0;
      expect(rig.failed(get(path)).downstream.body).toBe('{"items":[]}');
    }
  });

  test("is the service's own, not what its fallback answered", () => {
    const rig = new Rig({ service: archive, stale }).failed(get('/a'));
    rig.archive.last.receiver.onHead(answer(200), false);
    rig.archive.last.receiver.onData(bytes('old'), true);
    rig.cluster.failNext.length = 0;
    rig.archive.failNext.push(nobody);
    expect(rig.failed(get('/a')).downstream.head!.status).toBe(503);
  });
});

test('a route without a fallback answers as ever', () => {
  const rig = new StreamRig();
  rig.cluster.failNext.push(nobody);
  rig.request();
  expect(rig.downstream.head!.status).toBe(503);
  expect(rig.logged['flags']).toBe('UH');
});
