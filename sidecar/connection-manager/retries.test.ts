/** What caller, services and cluster see of retries, tries that take too long, and hedges. The decisions by themselves: ../router/retry-state.test.ts. */
import { expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { ForwardActionConfig, RetryPolicyConfig } from '../config/route-config.ts';
import { anyPath, forward, retryPolicy, route } from './test/configs.ts';
import { answer, bytes, get, grpcCall, post, StreamRig } from './test/stream-rig.ts';

const cut = new ProxyError({
  flag: 'UC',
  source: 'upstream',
  details: 'upstream_reset_before_response_started{connection_termination}',
  message: 'Gone.',
  retry: 'idempotent',
});

function rigWith(
  retry: RetryPolicyConfig | null,
  action: Partial<ForwardActionConfig> = {},
  bufferLimitBytes = 1_048_576,
): StreamRig {
  const rig = new StreamRig({
    routes: [route('r', anyPath, forward('orders', { retry, ...action }))],
    bufferLimitBytes,
  });
  rig.random = 0.5;
  return rig;
}

const fiveHundreds = retryPolicy(['5xx'], 2);

function ended(rig: StreamRig): void {
  expect(rig.ends).toBe(1);
  expect(rig.time.wheel.armedCount).toBe(0);
  expect(rig.cluster.retryPlaces).toBe(3);
  for (const stream of rig.cluster.streams) expect(stream.pauses).toBe(0);
}

test('an answer that is retried is not seen by the caller, and is counted apart', () => {
  const rig = rigWith(fiveHundreds).request();
  rig.cluster.last.receiver.onHead(answer(503, ['x-first', '1'], ['content-length', '3']), false);
  expect(rig.cluster.last.resetBy?.details).toBe('attempt_not_wanted');
  expect(rig.downstream.log).toEqual([]);
  expect(rig.cluster.streams.length).toBe(1);
  rig.time.advance(32);
  expect(rig.cluster.streams.length).toBe(2);
  expect(rig.cluster.contexts[1]!.triedHosts!.map((host) => host.address)).toEqual(['10.0.0.1:80']);
  expect(rig.cluster.last.sentFields).toContainEqual(['x-envoy-attempt-count', '2']);
  rig.cluster.last.receiver.onHead(answer(200), true);
  expect(rig.downstream.head!.status).toBe(200);
  expect(rig.downstream.head!.fields.has('x-first')).toBe(false);
  expect(rig.cluster.outcomes).toEqual([503, 200]);
  expect(rig.cluster.counted).toEqual(['retry', 'answer']);
  expect(rig.cluster.retryEvents).toEqual(['backoff', 'success']);
  ended(rig);
  expect(rig.logged).toMatchObject({ flags: null, attempts: 2, status: 200, upstream_host: '10.0.0.2:80' });
});

test('an answer that came whole leaves its connection alone', () => {
  const rig = rigWith(fiveHundreds).request();
  const first = rig.cluster.last;
  first.receiver.onHead(answer(503, ['content-length', '0']), true);
  expect(first.resetBy).toBeNull();
  rig.time.advance(32);
  rig.cluster.last.receiver.onHead(answer(204), true);
  ended(rig);
});

test('used up: the last answer goes to the caller as it is, with the flag URX (Envoy)', () => {
  const rig = rigWith(retryPolicy(['gateway-error'], 1)).request();
  rig.cluster.last.receiver.onHead(answer(502), true);
  rig.time.advance(32);
  rig.cluster.last.receiver.onHead(answer(503, ['x-why', 'full']), true);
  expect(rig.downstream.head!.status).toBe(503);
  expect(rig.downstream.head!.fields.get('x-why')).toBe('full');
  expect(rig.cluster.retryEvents).toEqual(['backoff', 'limit']);
  ended(rig);
  expect(rig.logged).toMatchObject({ flags: 'URX', details: 'via_upstream', attempts: 2, status: 503 });
});

test('no place for a retry: the answer goes to the caller, with the flag UO (Envoy)', () => {
  const rig = rigWith(fiveHundreds);
  rig.cluster.retryPlaces = 0;
  rig.request();
  rig.cluster.last.receiver.onHead(answer(500), true);
  expect(rig.downstream.head!.status).toBe(500);
  expect(rig.logged).toMatchObject({ flags: 'UO', details: 'via_upstream', attempts: 1 });
});

test('a reset is retried where the policy says so, whatever the method', () => {
  const rig = rigWith(retryPolicy(['reset'], 1)).request(post('/'), false);
  rig.stream.onData(bytes('two shirts'), true);
  rig.cluster.last.receiver.onReset(cut);
  rig.time.advance(32);
  expect(rig.cluster.last.body).toBe('two shirts');
  rig.cluster.last.receiver.onReset(cut);
  expect(rig.downstream.head!.status).toBe(503);
  expect(rig.cluster.ownAnswers).toEqual([503]);
  ended(rig);
  expect(rig.logged).toMatchObject({ flags: 'URX,UC', attempts: 2 });
});

test('a body beyond the limit is not kept: no retry, and the answer says so', () => {
  const rig = rigWith(retryPolicy(['reset'], 1), { replayLimitBytes: 10 }).request(post('/'), false);
  rig.stream.onData(bytes(11), true);
  expect(rig.cluster.retryEvents).toEqual(['abandoned']);
  rig.cluster.last.receiver.onReset(cut);
  expect(rig.downstream.head!.status).toBe(503);
  expect(rig.downstream.body).toContain('longer than the 10 bytes that are kept');
  ended(rig);
  expect(rig.logged).toMatchObject({ flags: 'UC', not_retried: 'body_too_long', attempts: 1 });
});

test('a body beyond the limit is not kept: an answer that would be retried goes to the caller, and the log says why', () => {
  const rig = rigWith(fiveHundreds, { replayLimitBytes: 10 }).request(post('/'), false);
  rig.stream.onData(bytes(11), true);
  rig.cluster.last.receiver.onHead(answer(503), true);
  expect(rig.downstream.head!.status).toBe(503);
  ended(rig);
  expect(rig.logged).toMatchObject({ flags: null, details: 'via_upstream', not_retried: 'body_too_long' });
});

test('the length of a body is no reason where nothing would have been retried', () => {
  const onlyGets = retryPolicy(['5xx'], 2, {
    retriableRequestHeaders: [
      {
        name: ':method',
        test: { kind: 'string', match: { kind: 'exact', value: 'GET', ignoreCase: false } },
        invert: false,
        treatMissingAsEmpty: false,
      },
    ],
  });
  for (const [retry, status] of [
    [fiveHundreds, 200],
    [fiveHundreds, 404],
    [onlyGets, 503],
    [null, 503],
  ] as const) {
    const rig = rigWith(retry, { replayLimitBytes: 10 }).request(post('/'), false);
    rig.stream.onData(bytes(11), true);
    rig.cluster.last.receiver.onHead(answer(status), true);
    expect(rig.logged).toMatchObject({ status, not_retried: null });
  }
  const rig = rigWith(onlyGets, { replayLimitBytes: 10 }).request(post('/'), false);
  rig.stream.onData(bytes(11), true);
  rig.cluster.last.receiver.onReset(cut);
  expect(rig.downstream.body).not.toContain('bytes that are kept');
  expect(rig.logged).toMatchObject({ not_retried: null });
});

test('where retries are configured, bodies up to the buffer limit of the listener are kept (Envoy)', () => {
  const rig = rigWith(retryPolicy(['reset'], 1)).request(post('/'), false);
  rig.stream.onData(bytes(200_000), true);
  rig.cluster.last.receiver.onReset(cut);
  rig.time.advance(32);
  expect(rig.cluster.last.body.length).toBe(200_000);
  rig.cluster.last.receiver.onHead(answer(200), true);
  ended(rig);
});

test('a request that is not whole yet is retried too, and goes on', () => {
  const rig = rigWith(fiveHundreds).request(post('/'), false);
  rig.stream.onData(bytes('one '), false);
  rig.cluster.last.receiver.onHead(answer(503), true);
  rig.stream.onData(bytes('two '), false);
  rig.time.advance(32);
  rig.stream.onData(bytes('three'), true);
  expect(rig.cluster.last.body).toBe('one two three');
  rig.cluster.last.receiver.onHead(answer(200), true);
  ended(rig);
});

test('after an interim response there is no retry: the caller would see it twice (Envoy)', () => {
  const rig = rigWith(fiveHundreds).request();
  rig.cluster.last.receiver.onInformational(answer(103));
  rig.cluster.last.receiver.onHead(answer(503), true);
  expect(rig.downstream.head!.status).toBe(503);
  expect(rig.cluster.streams.length).toBe(1);
});

test('a caller that leaves during the pause ends it, and gives the place back', () => {
  const rig = rigWith(fiveHundreds).request();
  rig.cluster.last.receiver.onHead(answer(503), true);
  expect(rig.cluster.retryPlaces).toBe(2);
  rig.stream.onReset(cut);
  ended(rig);
  rig.time.advance(500);
  expect(rig.cluster.streams.length).toBe(1);
});

test('the whole time is over during the pause: 504 UT', () => {
  const slow = retryPolicy(['5xx'], 2, { baseBackoffMs: 1_000, maxBackoffMs: 1_000 });
  const rig = rigWith(slow, { timeoutMs: 100 }).request();
  rig.cluster.last.receiver.onHead(answer(503), true);
  rig.time.advance(150);
  expect(rig.downstream.head!.status).toBe(504);
  ended(rig);
});

// -- gRPC --

test('a gRPC status without a message is retried; one behind a message is the answer', () => {
  const rig = rigWith(retryPolicy(['unavailable'], 2)).request(grpcCall(), true);
  rig.cluster.last.receiver.onHead(answer(200, ['content-type', 'application/grpc'], ['grpc-status', '14']), true);
  rig.time.advance(32);
  const second = rig.cluster.last;
  second.receiver.onHead(answer(200, ['content-type', 'application/grpc']), false);
  second.receiver.onData(bytes('message'), false);
  second.receiver.onTrailers(HeaderFields.of(['grpc-status', '14']));
  expect(rig.cluster.streams.length).toBe(2);
  expect(rig.downstream.trailers!.get('grpc-status')).toBe('14');
  ended(rig);
});

const refused = (pushback: string) =>
  answer(200, ['content-type', 'application/grpc'], ['grpc-status', '14'], ['grpc-retry-pushback-ms', pushback]);

test("the service's pushback is when the next attempt goes (gRFC A6)", () => {
  const rig = rigWith(retryPolicy(['unavailable'], 2)).request(grpcCall(), true);
  rig.cluster.last.receiver.onHead(refused('500'), true);
  rig.time.advance(490);
  expect(rig.cluster.streams.length).toBe(1);
  rig.time.advance(20);
  expect(rig.cluster.streams.length).toBe(2);
  expect(rig.cluster.retryEvents).toEqual(['backoff-told']);
});

test.each(['-1', 'soon', '', '20000'])(
  'pushback %j means no retry (gRFC A6; or nobody would wait so long)',
  (pushback) => {
    const rig = rigWith(retryPolicy(['unavailable'], 2)).request(grpcCall(), true);
    rig.cluster.last.receiver.onHead(refused(pushback), true);
    expect(rig.downstream.head!.fields.get('grpc-status')).toBe('14');
    expect(rig.cluster.streams.length).toBe(1);
    ended(rig);
    expect(rig.logged).toMatchObject({ not_retried: pushback === '20000' ? 'wait_too_long' : 'asked_not_to' });
  },
);

test('Retry-After decides the pause where the policy names it (rate_limited_retry_back_off)', () => {
  const policy = retryPolicy(['retriable-status-codes'], 1, {
    retriableStatusCodes: [429],
    resetHeaders: [{ name: 'retry-after', format: 'seconds' }],
  });
  const rig = rigWith(policy).request();
  rig.cluster.last.receiver.onHead(answer(429, ['Retry-After', '2']), true);
  // With half of half as much on top: random is 0.5.
  rig.time.advance(2_490);
  expect(rig.cluster.streams.length).toBe(1);
  rig.time.advance(20);
  expect(rig.cluster.streams.length).toBe(2);
});

test('a pause beyond the time that the request has left is not waited for: the answer at hand goes to the caller at once', () => {
  const policy = retryPolicy(['gateway-error'], 2, { resetHeaders: [{ name: 'retry-after', format: 'seconds' }] });
  const rig = rigWith(policy, { timeoutMs: 5_000 }).request();
  // 2 s and a quarter of jitter; then 2 s of 2.5 s that are left, which the jitter makes too long.
  rig.cluster.last.receiver.onHead(answer(503, ['Retry-After', '2']), true);
  rig.time.advance(2_510);
  expect(rig.cluster.streams.length).toBe(2);
  rig.cluster.last.receiver.onHead(answer(503, ['Retry-After', '2']), true);
  expect(rig.downstream.head!.status).toBe(503);
  expect(rig.downstream.head!.fields.get('retry-after')).toBe('2');
  ended(rig);
  expect(rig.logged).toMatchObject({ flags: null, not_retried: 'wait_too_long', attempts: 2 });
});

test.each<[string, Partial<RetryPolicyConfig>]>([
  ['5xx', {}],
  ['gateway-error', {}],
  ['retriable-status-codes', { retriableStatusCodes: [503] }],
  ['envoy-ratelimited', {}],
])(
  'who says by x-envoy-overloaded that it sheds load is not asked again (%s), not after Retry-After either',
  (condition, more) => {
    const policy = retryPolicy([condition], 2, { ...more, resetHeaders: [{ name: 'retry-after', format: 'seconds' }] });
    const rig = rigWith(policy).request();
    rig.cluster.last.receiver.onHead(answer(503, ['x-envoy-overloaded', 'true'], ['Retry-After', '1']), true);
    expect(rig.downstream.head!.status).toBe(503);
    expect(rig.downstream.head!.fields.get('retry-after')).toBe('1');
    rig.time.advance(5_000);
    expect(rig.cluster.streams.length).toBe(1);
    ended(rig);
  },
);

const present = (name: string) =>
  ({ name, test: { kind: 'present', present: true }, invert: false, treatMissingAsEmpty: false }) as const;

test.each<[string, Partial<RetryPolicyConfig>, ReadonlyArray<readonly [string, string]>, boolean]>([
  ['the policy', { retriableHeaders: [present('x-envoy-overloaded')] }, [], true],
  ['its caller', {}, [['x-envoy-retriable-header-names', 'x-envoy-overloaded']], true],
  ['neither, but for another header', { retriableHeaders: [present('x-again')] }, [], false],
])(
  'who sheds load is asked again where %s names x-envoy-overloaded among retriable headers',
  (_, more, asked, again) => {
    const rig = rigWith(retryPolicy(['gateway-error', 'retriable-headers'], 2, more)).request(asking(...asked));
    rig.cluster.last.receiver.onHead(answer(503, ['x-envoy-overloaded', 'true'], ['x-again', '1']), true);
    rig.time.advance(5_000);
    expect(rig.cluster.streams.length).toBe(again ? 2 : 1);
  },
);

test.each([
  ['200', answer(200, ['x-envoy-overloaded', 'true'])],
  ['404', answer(404, ['x-envoy-overloaded', 'true'])],
  ['gRPC status 0', answer(200, ['grpc-status', '0'], ['x-envoy-overloaded', 'true'])],
])('a request that was served is not sent again because its answer (%s) has x-envoy-overloaded', (_, served) => {
  const policy = retryPolicy(['retriable-headers'], 2, { retriableHeaders: [present('x-envoy-overloaded')] });
  const rig = rigWith(policy).request();
  rig.cluster.last.receiver.onHead(served, true);
  expect(rig.downstream.head!.status).toBe(served.status);
  expect(rig.cluster.streams.length).toBe(1);
  expect(rig.stream.notRetried).toBe('');
});

test('that an answer is not retried because of x-envoy-overloaded is said, where it would have been without', () => {
  for (const [condition, said] of [
    ['gateway-error', 'overloaded'],
    ['connect-failure', ''],
  ] as const) {
    const rig = rigWith(retryPolicy([condition], 2)).request();
    rig.cluster.last.receiver.onHead(answer(503, ['x-envoy-overloaded', 'true']), true);
    expect(rig.stream.notRetried).toBe(said);
  }
});

test('a pause beyond the request is not the reason where the retries are used up', () => {
  const more = { resetHeaders: [{ name: 'retry-after', format: 'seconds' as const }] };
  const rig = rigWith(retryPolicy(['gateway-error'], 1, more)).request();
  rig.cluster.last.receiver.onHead(answer(503), true);
  rig.time.advance(1_000);
  rig.cluster.last.receiver.onHead(answer(503, ['Retry-After', '60']), true);
  expect([rig.stream.notRetried, rig.stream.retryFlag]).toEqual(['', 'URX']);
});

test('a gRPC service that sheds load is not asked again', () => {
  const rig = rigWith(retryPolicy(['unavailable'], 2)).request(grpcCall(), true);
  rig.cluster.last.receiver.onHead(answer(200, ['grpc-status', '14'], ['x-envoy-overloaded', 'true']), true);
  expect(rig.downstream.head!.fields.get('grpc-status')).toBe('14');
  expect(rig.cluster.streams.length).toBe(1);
});

test('Retry-After of a 503 decides the pause where the policy names it, and not where it does not', () => {
  const named = { resetHeaders: [{ name: 'retry-after', format: 'seconds' as const }] };
  for (const [more, sentAgain] of [
    [named, false],
    [{}, true],
  ] as const) {
    const rig = rigWith(retryPolicy(['gateway-error'], 1, more)).request();
    rig.cluster.last.receiver.onHead(answer(503, ['Retry-After', '2']), true);
    rig.time.advance(1_990);
    expect(rig.cluster.streams.length === 2).toBe(sentAgain);
    rig.time.advance(520);
    expect(rig.cluster.streams.length).toBe(2);
  }
});

// -- tries that take too long --

test('a try that takes too long is given up and retried; the last one is 504 URX,UT', () => {
  const policy = retryPolicy(['5xx'], 1, { perTryTimeoutMs: 200 });
  const rig = rigWith(policy).request();
  expect(rig.cluster.last.sentFields).toContainEqual(['x-envoy-expected-rq-timeout-ms', '200']);
  rig.time.advance(210);
  expect(rig.cluster.streams[0]!.resetBy?.details).toBe('upstream_per_try_timeout');
  rig.time.advance(32);
  expect(rig.cluster.streams.length).toBe(2);
  rig.time.advance(210);
  expect(rig.downstream.head!.status).toBe(504);
  expect(rig.cluster.tryTimeouts).toBe(2);
  expect(rig.cluster.timeouts).toBe(0);
  expect(rig.cluster.outcomes).toEqual([504, 504]);
  expect(rig.cluster.counted).toEqual(['nothing', 'answer']);
  ended(rig);
  expect(rig.logged).toMatchObject({ flags: 'URX,UT', details: 'upstream_per_try_timeout' });
});

test("a try's time begins when it has a connection and the whole request (Envoy)", () => {
  const rig = rigWith(retryPolicy(['5xx'], 0, { perTryTimeoutMs: 200 }));
  rig.cluster.connectsAtOnce = false;
  rig.request(post('/'), false);
  rig.time.advance(300);
  rig.cluster.connect();
  rig.time.advance(300);
  rig.stream.onData(bytes('x'), true);
  rig.time.advance(150);
  expect(rig.ends).toBe(0);
  rig.time.advance(60);
  expect(rig.downstream.head!.status).toBe(504);
  ended(rig);
});

test('an answer that has begun may take longer than a try may', () => {
  const rig = rigWith(retryPolicy(['5xx'], 1, { perTryTimeoutMs: 200 })).request();
  rig.cluster.last.receiver.onHead(answer(200), false);
  rig.time.advance(400);
  rig.cluster.last.receiver.onData(bytes('late'), true);
  expect(rig.downstream.body).toBe('late');
  ended(rig);
});

test('a silent try is given up, also behind the head of its answer (per_try_idle_timeout)', () => {
  const rig = rigWith(retryPolicy(['5xx'], 1, { perTryIdleTimeoutMs: 200 })).request();
  rig.time.advance(210);
  rig.time.advance(32);
  expect(rig.cluster.streams.length).toBe(2);
  rig.cluster.last.receiver.onHead(answer(200), false);
  for (let i = 0; i < 4; i++) {
    rig.time.advance(150);
    rig.cluster.last.receiver.onData(bytes('.'), false);
  }
  expect(rig.ends).toBe(0);
  rig.time.advance(210);
  expect(rig.downstream.resetBy?.details).toBe('upstream_per_try_idle_timeout');
  expect(rig.cluster.tryTimeouts).toBe(2);
  ended(rig);
});

test('a stream of a cluster with max_stream_duration is cut, and retried where a reset is (Envoy)', () => {
  const rig = rigWith(retryPolicy(['reset'], 1));
  rig.cluster.config = { maxStreamDurationMs: 200 } as typeof rig.cluster.config;
  rig.request();
  rig.time.advance(210);
  expect(rig.cluster.last.resetBy?.details).toBe('upstream_max_stream_duration_reached');
  rig.time.advance(32);
  rig.cluster.last.receiver.onHead(answer(200), false);
  rig.time.advance(210);
  // Also behind the head of an answer.
  expect(rig.downstream.resetBy?.flag).toBe('UMSDR');
  expect(rig.cluster.tryTimeouts).toBe(2);
  ended(rig);
});

test('a request that is not whole in time is 408, unless it is answered already (Envoy: request_timeout)', () => {
  const rig = new StreamRig({ config: { requestTimeoutMs: 200 } }).request(post('/'), false);
  rig.time.advance(210);
  expect(rig.downstream.head!.status).toBe(408);
  expect(rig.logged).toMatchObject({ details: 'request_overall_timeout' });
  const answered = new StreamRig({ config: { requestTimeoutMs: 200 } }).request(post('/'), false);
  answered.cluster.last.receiver.onHead(answer(200), false);
  answered.time.advance(300);
  expect(answered.ends).toBe(0);
});

test('each attempt is told what is left of the time', () => {
  const rig = rigWith(fiveHundreds, { timeoutMs: 1_000 }).request();
  expect(rig.cluster.last.sentFields).toContainEqual(['x-envoy-expected-rq-timeout-ms', '1000']);
  rig.time.advance(400);
  rig.cluster.last.receiver.onHead(answer(503), true);
  rig.time.advance(32);
  const left = Number(rig.cluster.last.sentFields.find(([name]) => name === 'x-envoy-expected-rq-timeout-ms')![1]);
  expect(left).toBeGreaterThan(500);
  expect(left).toBeLessThanOrEqual(600);
});

// -- hedging --

const hedged = retryPolicy(['5xx'], 2, { perTryTimeoutMs: 200 });

test('hedging: a slow try goes on beside another; the first answer counts and the other is cancelled at once', () => {
  const rig = rigWith(hedged, { hedgeOnPerTryTimeout: true }).request();
  // The whole time: the try is not cut off (Envoy).
  expect(rig.cluster.last.sentFields).toContainEqual(['x-envoy-expected-rq-timeout-ms', '15000']);
  rig.time.advance(240);
  const [slow, fast] = rig.cluster.streams;
  expect(slow!.resetBy).toBeNull();
  fast!.receiver.onHead(answer(200), false);
  expect(slow!.resetBy?.details).toBe('attempt_not_wanted');
  fast!.receiver.onData(bytes('fast'), true);
  expect(rig.downstream.body).toBe('fast');
  // The slow host is told on, but nobody's answer was counted twice.
  expect(rig.cluster.outcomes).toEqual([504, 200]);
  expect(rig.cluster.counted).toEqual(['nothing', 'answer']);
  ended(rig);
  expect(rig.logged).toMatchObject({ attempts: 2, upstream_host: '10.0.0.2:80', flags: null });
});

test('hedging: the slow one may be first all the same, also during the pause before the other', () => {
  for (const pauseMs of [210, 240]) {
    const rig = rigWith(hedged, { hedgeOnPerTryTimeout: true }).request();
    rig.time.advance(pauseMs);
    rig.cluster.streams[0]!.receiver.onHead(answer(200), true);
    expect(rig.downstream.head!.status).toBe(200);
    expect(rig.cluster.streams.slice(1).every((stream) => stream.resetBy !== null)).toBe(true);
    ended(rig);
    expect(rig.logged).toMatchObject({ upstream_host: '10.0.0.1:80' });
    rig.time.advance(500);
    expect(rig.cluster.streams.length).toBeLessThanOrEqual(2);
  }
});

test('hedging: a bad answer of the slow one is not the answer while another may come (Envoy)', () => {
  const rig = rigWith(hedged, { hedgeOnPerTryTimeout: true }).request();
  rig.time.advance(240);
  rig.cluster.streams[0]!.receiver.onHead(answer(503), true);
  expect(rig.downstream.log).toEqual([]);
  rig.cluster.streams[1]!.receiver.onHead(answer(200), true);
  expect(rig.downstream.head!.status).toBe(200);
  ended(rig);
});

test('hedging: the last that is left decides', () => {
  const rig = rigWith(retryPolicy(['5xx'], 1, { perTryTimeoutMs: 200 }), { hedgeOnPerTryTimeout: true }).request();
  rig.time.advance(240);
  rig.cluster.streams[1]!.receiver.onHead(answer(500), true);
  expect(rig.downstream.log).toEqual([]);
  rig.cluster.streams[0]!.receiver.onHead(answer(503), true);
  expect(rig.downstream.head!.status).toBe(503);
  ended(rig);
  expect(rig.logged).toMatchObject({ flags: 'URX', attempts: 2 });
});

test('hedging: no place in the budget, no hedge', () => {
  const rig = rigWith(hedged, { hedgeOnPerTryTimeout: true });
  rig.cluster.retryPlaces = 0;
  rig.request();
  rig.time.advance(400);
  expect(rig.cluster.streams.length).toBe(1);
  rig.cluster.last.receiver.onHead(answer(200), true);
  expect(rig.downstream.head!.status).toBe(200);
});

test('hedging: the whole time is over: all are cancelled, 504', () => {
  const rig = rigWith(hedged, { hedgeOnPerTryTimeout: true, timeoutMs: 500 }).request();
  rig.time.advance(520);
  expect(rig.downstream.head!.status).toBe(504);
  expect(rig.cluster.streams.length).toBe(3);
  expect(rig.cluster.streams.every((stream) => stream.resetBy !== null)).toBe(true);
  expect(rig.cluster.timeouts).toBe(3);
  ended(rig);
});

// -- what callers ask for --

const asking = (...pairs: ReadonlyArray<readonly [string, string]>) => get('/', HeaderFields.of(...pairs));

test('a caller may ask for retries by header, also where the route has none; the next hop is not told', () => {
  const rig = rigWith(null).request(asking(['x-envoy-retry-on', 'retriable-4xx'], ['x-envoy-max-retries', '3']));
  for (let i = 0; i < 3; i++) {
    expect(rig.cluster.last.sentFields.map(([name]) => name)).not.toContain('x-envoy-retry-on');
    rig.cluster.last.receiver.onHead(answer(409), true);
    rig.time.advance(300);
  }
  rig.cluster.last.receiver.onHead(answer(409), true);
  expect(rig.downstream.head!.status).toBe(409);
  expect(rig.logged).toMatchObject({ attempts: 4, flags: 'URX' });
});

test('x-envoy-retriable-status-codes and -header-names add to the route', () => {
  const policy = retryPolicy(['retriable-status-codes', 'retriable-headers'], 9, { retriableStatusCodes: [418] });
  const rig = rigWith(policy).request(
    asking(['x-envoy-retriable-status-codes', '404, 405'], ['x-envoy-retriable-header-names', 'X-Again']),
  );
  for (const head of [answer(418), answer(404), answer(405), answer(200, ['x-again', '']), answer(406)]) {
    rig.cluster.last.receiver.onHead(head, true);
    rig.time.advance(300);
  }
  expect(rig.downstream.head!.status).toBe(406);
  expect(rig.logged).toMatchObject({ attempts: 5 });
});

test('x-envoy-upstream-rq-per-try-timeout-ms, and 204 for who asked for it on a timeout', () => {
  const rig = rigWith(null).request(
    asking(['x-envoy-upstream-rq-per-try-timeout-ms', '100'], ['x-envoy-upstream-rq-timeout-alt-response', '1']),
  );
  rig.time.advance(120);
  expect(rig.downstream.head!.status).toBe(204);
  ended(rig);
  expect(rig.logged).toMatchObject({ flags: 'UT', details: 'upstream_per_try_timeout' });
});

test('x-envoy-hedge-on-per-try-timeout comes before the route', () => {
  const rig = rigWith(hedged).request(asking(['x-envoy-hedge-on-per-try-timeout', 'true']));
  rig.time.advance(240);
  expect(rig.cluster.streams.map((stream) => stream.resetBy)).toEqual([null, null]);
});

test('the wishes of who is not trusted are not heard', () => {
  const rig = new StreamRig({ config: { useRemoteAddress: true } });
  rig.request(asking(['x-envoy-retry-on', '5xx'], ['x-envoy-upstream-rq-per-try-timeout-ms', '10']));
  expect(rig.cluster.last.sentFields.map(([name]) => name)).not.toContain('x-envoy-retry-on');
  rig.time.advance(40);
  rig.cluster.last.receiver.onHead(answer(503), true);
  expect(rig.downstream.head!.status).toBe(503);
});

test('include_request_attempt_count and include_attempt_count_in_response', () => {
  const rig = rigWith(fiveHundreds, { attemptCountInRequest: true, attemptCountInResponse: true }).request();
  expect(rig.cluster.last.sentFields).toContainEqual(['x-envoy-attempt-count', '1']);
  rig.cluster.last.receiver.onHead(answer(503), true);
  rig.time.advance(32);
  rig.cluster.last.receiver.onHead(answer(200), true);
  expect(rig.downstream.head!.fields.get('x-envoy-attempt-count')).toBe('2');
});
