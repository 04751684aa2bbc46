/** What caller, services and cluster see of attempts that are sent beside one that takes long (`outrigger.resilience.v1.Hedging`). */
import { describe, expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { RequestHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { HedgingConfig } from '../config/route-resilience-config.ts';
import { anyPath, forward, hedgeAfter, retryPolicy, route, routeTable, virtualHost } from './test/configs.ts';
import { answer, bytes, get, grpcCall, post, StreamRig } from './test/stream-rig.ts';

const cut = new ProxyError({
  flag: 'UC',
  source: 'upstream',
  details: 'upstream_reset_before_response_started{connection_termination}',
  message: 'Gone.',
  retry: 'idempotent',
});

function rigWith(hedging: HedgingConfig, action: Parameters<typeof forward>[1] = {}): StreamRig {
  return new StreamRig({ routes: [route('r', anyPath, forward('orders', { hedging, ...action }))] });
}

function ended(rig: StreamRig): void {
  expect(rig.ends).toBe(1);
  expect(rig.time.wheel.armedCount).toBe(0);
  expect(rig.cluster.retryPlaces).toBe(3);
  for (const stream of rig.cluster.streams) expect(stream.pauses).toBe(0);
}

describe('after a delay', () => {
  test('a second attempt is sent to another host; the first good answer counts and the other is cancelled at once', () => {
    const rig = rigWith(hedgeAfter(100)).request();
    rig.time.advance(96);
    expect(rig.cluster.streams.length).toBe(1);
    rig.time.advance(16);
    expect(rig.cluster.streams.length).toBe(2);
    expect(rig.cluster.contexts[1]!.triedHosts!.map(({ address }) => address)).toEqual(['10.0.0.1:80']);
    expect(rig.cluster.last.sentFields).toContainEqual(['x-envoy-attempt-count', '2']);
    expect(rig.cluster.retryPlaces).toBe(2);
    const [slow, hedge] = rig.cluster.streams;
    hedge!.receiver.onHead(answer(200, ['x-from', 'hedge']), false);
    expect(slow!.resetBy?.details).toBe('attempt_not_wanted');
    hedge!.receiver.onData(bytes('ok'), true);
    expect(rig.downstream.head!.fields.get('x-from')).toBe('hedge');
    expect(rig.downstream.body).toBe('ok');
    expect(rig.cluster.retryEvents).toEqual(['hedge', 'hedge-won']);
    // That it was slower than the other says nothing bad of a host.
    expect(rig.cluster.outcomes).toEqual([-1, 200]);
    ended(rig);
    expect(rig.logged).toMatchObject({ status: 200, flags: null, attempts: 2, upstream_host: '10.0.0.2:80' });
    const retries = [...rig.stats.counters.values()].find(
      ({ family, labels }) => family === 'outrigger_retries_total' && labels['reason'] === 'hedge',
    );
    expect(retries?.value).toBe(1);
  });

  test('the first may be answered first after all', () => {
    const rig = rigWith(hedgeAfter(100)).request();
    rig.time.advance(112);
    rig.cluster.streams[0]!.receiver.onHead(answer(200), true);
    expect(rig.cluster.last.resetBy?.details).toBe('attempt_not_wanted');
    expect(rig.cluster.retryEvents).toEqual(['hedge']);
    ended(rig);
    expect(rig.logged).toMatchObject({ attempts: 2, upstream_host: '10.0.0.1:80' });
  });

  test('what is answered in time has no second attempt', () => {
    const rig = rigWith(hedgeAfter(100)).request();
    rig.cluster.last.receiver.onHead(answer(200), false);
    rig.time.advance(200);
    expect(rig.cluster.streams.length).toBe(1);
    rig.cluster.last.receiver.onData(bytes('x'), true);
    expect(rig.cluster.retryEvents).toEqual([]);
    ended(rig);
  });

  test('a first attempt that waits for a connection is hedged too, and may have its connection later', () => {
    const rig = rigWith(hedgeAfter(100));
    rig.cluster.connectsAtOnce = false;
    rig.request();
    rig.time.advance(112);
    expect(rig.cluster.waiting.length).toBe(2);
    rig.cluster.connect();
    expect(rig.cluster.streams.length).toBe(1);
    rig.cluster.connect();
    // The hedge is still the one whose end is waited for; the late first one may win as well.
    rig.cluster.streams[1]!.receiver.onReset(cut);
    rig.cluster.streams[0]!.receiver.onHead(answer(200), true);
    expect(rig.downstream.head!.status).toBe(200);
    ended(rig);
  });

  test('a first attempt that waits for a connection says of itself what it said before its hedge', () => {
    const rig = rigWith(hedgeAfter(100), { timeoutMs: 1_000, attemptCountInRequest: true });
    rig.cluster.connectsAtOnce = false;
    rig.request();
    rig.time.advance(112);
    rig.cluster.connect();
    rig.cluster.connect();
    const said = rig.cluster.streams.map(({ sentFields }) => new Map(sentFields));
    expect(said.map((fields) => fields.get('x-envoy-attempt-count'))).toEqual(['1', '2']);
    expect(said[0]!.get('x-envoy-expected-rq-timeout-ms')).toBe('1000');
    expect(Number(said[1]!.get('x-envoy-expected-rq-timeout-ms'))).toBeLessThanOrEqual(900);
  });

  test('there are no more attempts than maxHedges beside the first, one after the other', () => {
    const rig = rigWith(hedgeAfter(50, { maxHedges: 2 })).request();
    for (let i = 0; i < 10; i++) rig.time.advance(56);
    expect(rig.cluster.streams.length).toBe(3);
    expect(rig.cluster.retryPlaces).toBe(1);
    rig.cluster.streams[1]!.receiver.onHead(answer(200), true);
    expect(rig.cluster.streams.map(({ resetBy }) => resetBy !== null)).toEqual([true, false, true]);
    ended(rig);
  });

  test('no place in the budget: no hedge, counted, and not asked for again', () => {
    const rig = rigWith(hedgeAfter(50, { maxHedges: 3 }));
    rig.cluster.retryPlaces = 0;
    rig.request();
    rig.time.advance(500);
    expect(rig.cluster.streams.length).toBe(1);
    expect(rig.cluster.retryEvents).toEqual(['hedge-overflow']);
    rig.cluster.retryPlaces = 3;
    rig.cluster.last.receiver.onHead(answer(200), true);
    ended(rig);
  });

  test('without another host there is no hedge', () => {
    const rig = rigWith(hedgeAfter(50));
    rig.cluster.otherHosts = false;
    rig.request();
    rig.time.advance(500);
    expect(rig.cluster.streams.length).toBe(1);
    expect(rig.cluster.retryPlaces).toBe(3);
    rig.cluster.last.receiver.onHead(answer(200), true);
    ended(rig);
  });
});

describe('which requests', () => {
  test('a POST is not sent twice unless the policy says that it may be', () => {
    const rig = rigWith(hedgeAfter(50)).request(post('/'));
    rig.time.advance(500);
    expect(rig.cluster.streams.length).toBe(1);
    const named = rigWith(hedgeAfter(50, { methods: ['POST'] })).request(grpcCall());
    named.time.advance(56);
    expect(named.cluster.streams.length).toBe(2);
  });

  test('the time runs from when the request is whole, and its body is sent again', () => {
    const rig = rigWith(hedgeAfter(100, { methods: ['POST'] })).request(post('/'), false);
    rig.time.advance(500);
    rig.stream.onData(bytes('two shirts'), true);
    rig.time.advance(80);
    expect(rig.cluster.streams.length).toBe(1);
    rig.time.advance(32);
    expect(rig.cluster.last.body).toBe('two shirts');
    rig.cluster.last.receiver.onHead(answer(200), true);
    ended(rig);
  });

  test('one whose body is longer than is kept is not hedged', () => {
    const rig = rigWith(hedgeAfter(50, { methods: ['POST'] }), { replayLimitBytes: 10 }).request(post('/'), false);
    rig.stream.onData(bytes(11), true);
    rig.time.advance(500);
    expect(rig.cluster.streams.length).toBe(1);
  });

  test('one that asks for an upgrade is not hedged', () => {
    const head = get('/');
    head.upgrade = 'websocket';
    const rig = rigWith(hedgeAfter(50)).request(head);
    rig.time.advance(500);
    expect(rig.cluster.streams.length).toBe(1);
  });

  test('after an interim response there is none: the caller would see it twice', () => {
    const rig = rigWith(hedgeAfter(50)).request();
    rig.cluster.last.receiver.onInformational(answer(103));
    rig.time.advance(500);
    expect(rig.cluster.streams.length).toBe(1);
  });
});

test('an interim response wins nothing while another attempt runs, and is not passed on', () => {
  const rig = rigWith(hedgeAfter(50)).request();
  rig.time.advance(56);
  rig.cluster.streams[0]!.receiver.onInformational(answer(103));
  rig.cluster.last.receiver.onInformational(answer(103));
  expect(rig.cluster.streams.map(({ resetBy }) => resetBy?.details)).toEqual([undefined, undefined]);
  rig.cluster.last.receiver.onHead(answer(200), true);
  expect(rig.cluster.streams[0]!.resetBy?.details).toBe('attempt_not_wanted');
  expect(rig.cluster.retryEvents).toEqual(['hedge', 'hedge-won']);
  ended(rig);
});

describe('bad answers', () => {
  test.each([500, 503, 429])('%d of one attempt does not count while another is under way', (status) => {
    const rig = rigWith(hedgeAfter(50)).request();
    rig.time.advance(56);
    rig.cluster.last.receiver.onHead(answer(status), true);
    expect(rig.downstream.head).toBeNull();
    rig.cluster.streams[0]!.receiver.onHead(answer(200), true);
    expect(rig.downstream.head!.status).toBe(200);
    expect(rig.cluster.retryEvents).toEqual(['hedge']);
    ended(rig);
  });

  test('a gRPC call that ends UNAVAILABLE at once is none either', () => {
    const rig = rigWith(hedgeAfter(50, { methods: ['POST'] })).request(grpcCall());
    rig.time.advance(56);
    rig.cluster.last.receiver.onHead(answer(200, ['grpc-status', '14']), true);
    expect(rig.downstream.head).toBeNull();
    rig.cluster.streams[0]!.receiver.onHead(answer(200, ['grpc-status', '5']), true);
    expect(rig.downstream.head!.fields.get('grpc-status')).toBe('5');
    ended(rig);
  });

  test('the last one goes to the caller as it came', () => {
    const rig = rigWith(hedgeAfter(50)).request();
    rig.time.advance(56);
    rig.cluster.last.receiver.onReset(cut);
    rig.cluster.streams[0]!.receiver.onHead(answer(503, ['x-why', 'full']), true);
    expect(rig.downstream.head!.fields.get('x-why')).toBe('full');
    ended(rig);
  });

  test('when all fail, so does the request; the policy for retries holds for the newest', () => {
    const rig = rigWith(hedgeAfter(50), { retry: retryPolicy(['reset'], 1) }).request();
    rig.random = 0;
    rig.time.advance(56);
    rig.cluster.streams[0]!.receiver.onReset(cut);
    rig.cluster.streams[1]!.receiver.onReset(cut);
    rig.time.advance(8);
    expect(rig.cluster.streams.length).toBe(3);
    rig.cluster.last.receiver.onReset(cut);
    expect(rig.downstream.head!.status).toBe(503);
    ended(rig);
    expect(rig.logged).toMatchObject({ attempts: 3, flags: 'URX,UC' });
  });
});

test('a caller that leaves, and the time of the whole request, end all attempts', () => {
  const left = rigWith(hedgeAfter(50)).request();
  left.time.advance(56);
  left.stream.onReset(cut);
  expect(left.cluster.streams.every(({ resetBy }) => resetBy !== null)).toBe(true);
  ended(left);
  const late = rigWith(hedgeAfter(50), { timeoutMs: 1_000 }).request();
  late.time.advance(1_008);
  expect(late.cluster.streams.every(({ resetBy }) => resetBy !== null)).toBe(true);
  expect(late.downstream.head!.status).toBe(504);
  ended(late);
});

describe('by percentile', () => {
  const hedging = hedgeAfter(0, { when: { kind: 'percentile', percentile: 90, minSamples: 20, minDelayMs: 16 } });

  function served(rig: StreamRig, latencyMs: number): void {
    rig.again().request();
    rig.time.advance(latencyMs);
    rig.cluster.streams.find(({ resetBy, over }) => resetBy === null && over)!.receiver.onHead(answer(200), true);
    rig.cluster.streams.length = 0;
  }

  test('it acts once enough requests were measured, when one takes longer than so many', () => {
    const rig = rigWith(hedging);
    for (let i = 0; i < 19; i++) served(rig, 40);
    rig.again().request();
    rig.time.advance(400);
    expect(rig.cluster.streams.length).toBe(1);
    rig.cluster.last.receiver.onHead(answer(200), true);
    rig.cluster.streams.length = 0;
    for (let i = 0; i < 20; i++) served(rig, 40);
    rig.again().request();
    rig.time.advance(32);
    expect(rig.cluster.streams.length).toBe(1);
    rig.time.advance(32);
    expect(rig.cluster.streams.length).toBe(2);
  });

  test('never sooner than minDelay', () => {
    const rig = rigWith({ ...hedging, when: { ...hedging.when, minDelayMs: 200 } as HedgingConfig['when'] });
    for (let i = 0; i < 40; i++) served(rig, 40);
    rig.again().request();
    rig.time.advance(192);
    expect(rig.cluster.streams.length).toBe(1);
    rig.time.advance(24);
    expect(rig.cluster.streams.length).toBe(2);
  });

  test('routes of the same name in two virtual hosts learn each for itself', () => {
    const routes = [route('r', anyPath, forward('orders', { hedging }))];
    const virtualHosts = ['orders.shop', 'other.shop'].map((domain) => virtualHost(domain, [domain], routes));
    const rig = new StreamRig({ config: { routes: { kind: 'inline', table: routeTable([], { virtualHosts }) } } });
    for (let i = 0; i < 40; i++) served(rig, 40);
    rig.again().request(new RequestHead('GET', 'http', 'other.shop', '/', '1.1', new HeaderFields()));
    rig.time.advance(400);
    expect(rig.cluster.streams.length).toBe(1);
    rig.cluster.last.receiver.onHead(answer(200), true);
    rig.cluster.streams.length = 0;
    rig.again().request();
    rig.time.advance(400);
    expect(rig.cluster.streams.length).toBe(2);
  });

  test('hedges that win do not make it sink: who lost took longer than the percentile in any case', () => {
    const rig = rigWith(hedging);
    for (let i = 0; i < 100; i++) served(rig, i % 10 === 0 ? 400 : 40);
    let hedged = 0;
    for (let i = 0; i < 1_000; i++) {
      rig.again().request();
      // One of twelve hangs until its hedge is answered.
      if (i % 12 === 0) rig.time.advance(480);
      else rig.time.advance(40);
      const { streams } = rig.cluster;
      if (streams.length > 1) hedged++;
      streams.at(-1)!.receiver.onHead(answer(200), true);
      streams.length = 0;
    }
    expect(hedged).toBeGreaterThanOrEqual(80);
    expect(hedged).toBeLessThan(150);
  });
});

test.each([
  ['more of it than is kept', (rig: StreamRig) => rig.stream.onData(bytes(100_000), true), 1],
  ['one that is short', (rig: StreamRig) => rig.stream.onData(bytes(1_000), true), 2],
])('a body that waits for a connection, %s, is sent whole or not at all', (_, upload, attempts) => {
  const rig = rigWith(hedgeAfter(100, { methods: ['PUT'] }));
  rig.cluster.connectsAtOnce = false;
  const fields = HeaderFields.of(['transfer-encoding', 'chunked']);
  rig.request(new RequestHead('PUT', 'http', 'orders.shop', '/', '1.1', fields), false);
  upload(rig);
  rig.time.advance(120);
  expect(rig.cluster.waiting).toHaveLength(attempts);
  rig.cluster.waiting.reverse();
  while (rig.cluster.waiting.length > 0) rig.cluster.connect();
  const bodies = rig.cluster.streams.map(({ body }) => body.length);
  expect(new Set(bodies).size).toBe(1);
  expect(bodies).toHaveLength(attempts);
});
