/** What the record of a request says: times, attempts, hosts passed over, and who gets one. */
import { describe, expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { TappedExchange } from '../recorder/flight-recorder.ts';
import { anyRequest } from '../recorder/request-filter.ts';
import type { RequestRecord } from '../recorder/request-record.ts';
import { anyPath, fallbackTo, forward, hedgeAfter, retryPolicy, route } from './test/configs.ts';
import { answer, bytes, get, grpcCall, post, StreamRig } from './test/stream-rig.ts';

const refused = new ProxyError({
  flag: 'UF',
  source: 'upstream',
  details: 'upstream_reset_before_response_started{connection_failure}',
  message: 'Refused.',
});

function records(rig: StreamRig): readonly RequestRecord[] {
  return rig.recorder.list(anyRequest, 10);
}

function recordOf(rig: StreamRig): RequestRecord {
  const found = records(rig);
  expect(found.length).toBe(1);
  return found[0]!;
}

test('a request that is answered: phases, one attempt, and what it was', () => {
  const rig = new StreamRig();
  rig.request(post('/pay?access_token=abc&x=1&Signature=s', HeaderFields.of(['x-request-id', 'id-7'])), false);
  rig.time.advance(8);
  rig.stream.onData(bytes('abc'), true);
  rig.time.advance(16);
  rig.cluster.last.receiver.onHead(answer(200), false);
  rig.time.advance(8);
  rig.cluster.last.receiver.onData(bytes('ok'), true);
  const record = recordOf(rig);
  expect(record).toEqual({
    requestId: 'id-7',
    ...{ traceId: '', spanId: '', parentSpanId: '' },
    service: 'shop/storefront',
    nodeId: 'storefront-1',
    direction: 'outbound',
    listener: 'outbound',
    startedWallMs: 1_790_000_001_000,
    durationMs: 32,
    method: 'POST',
    authority: 'orders.shop',
    path: '/pay?access_token=(hidden)&x=1&Signature=(hidden)',
    protocol: 'HTTP/1.1',
    peerIdentity: '',
    remoteAddress: '10.1.2.3:4567',
    source: 'shop/storefront',
    destination: 'shop/orders',
    route: 'shop/orders#rule-0',
    cluster: 'outbound|80||orders.shop',
    ...{ status: 200, grpcStatus: '', flags: '', details: 'via_upstream', rule: '' },
    ...{ bytesReceived: 3, bytesSent: 2 },
    phases: { routedMs: 0, admittedMs: 0, requestWholeMs: 8, firstByteMs: 24, doneMs: 32 },
    attempts: [
      {
        ...{ cluster: 'fake', host: '10.0.0.1:80', zone: '', why: 'first', reused: false },
        ...{ startedMs: 0, sentMs: 0, firstByteMs: 24, endedMs: 32, status: 200, flag: '', details: '', spanId: '' },
      },
    ],
    passedOver: [],
    kept: 'sample',
    circumstances: [],
  });
  expect(Object.isFrozen(record)).toBe(true);
  expect(rig.recorder.find('id-7')).toEqual([record]);
});

test('waiting for a connection shows between the start of an attempt and its sending', () => {
  const rig = new StreamRig();
  rig.cluster.connectsAtOnce = false;
  rig.request();
  rig.time.advance(40);
  rig.cluster.connect();
  rig.time.advance(8);
  rig.cluster.last.receiver.onHead(answer(204), true);
  expect(recordOf(rig).attempts).toMatchObject([{ startedMs: 0, sentMs: 40, firstByteMs: 48, endedMs: 48 }]);
});

test('each attempt with why it was made, and how it ended; a host that was tried before is named', () => {
  const rig = new StreamRig({
    routes: [route('r', anyPath, forward('orders', { retry: retryPolicy(['5xx', 'connect-failure'], 2) }))],
  });
  rig.cluster.failNext.push(refused);
  rig.request();
  rig.time.advance(40);
  rig.cluster.last.receiver.onHead(answer(503), true);
  rig.time.advance(80);
  rig.cluster.last.receiver.onHead(answer(200), true);
  const { attempts, passedOver, kept } = recordOf(rig);
  expect(attempts).toMatchObject([
    { why: 'first', host: '10.0.0.1:80', status: 0, flag: 'UF', details: refused.details, sentMs: -1, endedMs: 0 },
    { why: 'policy', host: '10.0.0.1:80', status: 503, flag: '' },
    { why: 'policy', host: '10.0.0.2:80', status: 200, flag: '' },
  ]);
  expect(passedOver).toEqual([{ host: '10.0.0.1:80', why: 'tried before' }]);
  expect(kept).toBe('sample');
});

test('a free repeat is one of the connection', () => {
  const rig = new StreamRig();
  rig.cluster.failNext.push(
    new ProxyError({ flag: 'UF', source: 'upstream', details: 'gone', message: 'Gone.', retry: 'unsent' }),
  );
  rig.request();
  rig.cluster.last.receiver.onHead(answer(200), true);
  expect(recordOf(rig).attempts.map(({ why }) => why)).toEqual(['first', 'connection']);
});

test('a hedge is an attempt of its own, and the one that lost says so', () => {
  const rig = new StreamRig({ routes: [route('r', anyPath, forward('orders', { hedging: hedgeAfter(100) }))] });
  rig.request();
  rig.time.advance(112);
  rig.cluster.last.receiver.onHead(answer(200), true);
  expect(recordOf(rig).attempts).toMatchObject([
    { why: 'first', flag: 'LR', details: 'attempt_not_wanted' },
    { why: 'hedge', status: 200, flag: '' },
  ]);
});

test("the fallback's service is one of its attempts", () => {
  const service = { cluster: 'outbound|80||archive.shop', timeoutMs: null };
  const fallback = fallbackTo({ service });
  const rig = new StreamRig({ routes: [route('r', anyPath, forward('orders', { fallback }))] });
  rig.request();
  rig.cluster.last.receiver.onHead(answer(503), true);
  rig.cluster.last.receiver.onHead(answer(200), true);
  expect(recordOf(rig)).toMatchObject({ flags: 'FB', kept: 'error' });
  expect(recordOf(rig).attempts.map(({ why }) => why)).toEqual(['first', 'fallback']);
});

test('a failure without any attempt, and one that no route took', () => {
  const unrouted = new StreamRig({ routes: [] }).request();
  expect(recordOf(unrouted)).toMatchObject({
    ...{ status: 404, flags: 'NR', kept: 'error', route: '', cluster: '', destination: 'unknown', attempts: [] },
    phases: { routedMs: -1, admittedMs: 0, requestWholeMs: 0, firstByteMs: 0, doneMs: 0 },
  });
  const missing = new StreamRig({ routes: [route('r', anyPath, forward('missing'))] }).request();
  expect(recordOf(missing)).toMatchObject({ status: 503, flags: 'NC', attempts: [], cluster: 'missing' });
});

test('a caller that leaves: what did not come so far has no time', () => {
  const rig = new StreamRig().request(post('/'), false);
  rig.time.advance(24);
  rig.stream.onReset(
    new ProxyError({ flag: 'DC', source: 'downstream', details: 'downstream_remote_disconnect', message: 'Gone.' }),
  );
  expect(recordOf(rig)).toMatchObject({
    ...{ status: 499, flags: 'DC', kept: 'error' },
    phases: { requestWholeMs: -1, firstByteMs: -1, doneMs: 24 },
    attempts: [{ flag: 'DC', details: 'downstream_remote_disconnect', endedMs: 24, status: 0 }],
  });
});

test('a gRPC call is one, with the status of its trailers', () => {
  const rig = new StreamRig().request(grpcCall());
  rig.cluster.last.receiver.onHead(answer(200), false);
  rig.cluster.last.receiver.onTrailers(HeaderFields.of(['grpc-status', '5']));
  expect(recordOf(rig)).toMatchObject({ protocol: 'gRPC', status: 200, grpcStatus: '5', kept: 'error' });
});

test('a slow one is kept for that', () => {
  const rig = new StreamRig().request();
  rig.time.advance(1_000);
  rig.cluster.last.receiver.onHead(answer(200), true);
  expect(recordOf(rig).kept).toBe('slow');
});

test('how the cluster is, asked at the end; circumstances only of failures', () => {
  const situation = {
    passedOver: [{ host: '10.0.0.9:80', why: 'ejected for 12 s (5 gateway failures in a row)' }],
    circumstances: ['1 of 2 hosts of orders are passed over'],
  };
  let asked = 0;
  const rig = new StreamRig();
  Object.assign(rig.cluster, { situation: () => (asked++, situation) });
  rig.request();
  rig.cluster.last.receiver.onHead(answer(503), true);
  expect(recordOf(rig)).toMatchObject({ status: 503, ...situation });
  rig.again().request();
  rig.cluster.last.receiver.onHead(answer(200), true);
  const [sample] = rig.recorder.list({ ...anyRequest, status: '200' }, 1);
  expect(sample).toMatchObject({ kept: 'sample', passedOver: situation.passedOver, circumstances: [] });
  // The second of the same second is no sample (of the rig's recorder), and nobody asks.
  rig.again().request();
  rig.cluster.last.receiver.onHead(answer(200), true);
  expect([rig.recorder.size, asked]).toEqual([2, 2]);
});

test.each(['Token', 'PASSWORD', 'API_KEY', 'Access_Token', 'x-amz-signature', 'AWSAccessKeyId', 'idToken'])(
  'the value of %s is hidden, in whatever case it is written',
  (name) => {
    const rig = new StreamRig();
    rig.request(get(`/a?${name}=x&b=1`));
    rig.cluster.last.receiver.onHead(answer(200), true);
    expect(recordOf(rig).path).toBe(`/a?${name}=(hidden)&b=1`);
  },
);

test('text that peers send is cut, and holds nothing of the head that it came in', () => {
  const rig = new StreamRig();
  const head = get(`/${'p'.repeat(5_000)}`);
  head.authority = 'a'.repeat(5_000);
  head.method = 'M'.repeat(500);
  rig.request(head);
  rig.cluster.last.receiver.onHead(answer(200), true);
  const { path, authority, method } = recordOf(rig);
  expect([path.length, authority.length, method.length]).toEqual([1_024, 256, 32]);
});

test('a route of many retries shows the first attempts and the last', () => {
  const rig = new StreamRig({
    routes: [route('r', anyPath, forward('orders', { timeoutMs: 0, retry: retryPolicy(['5xx'], 60) }))],
  });
  rig.request();
  for (let i = 0; i < 61; i++) {
    rig.cluster.last.receiver.onHead(answer(500 + (i % 50)), true);
    rig.time.advance(400);
  }
  const { attempts } = recordOf(rig);
  expect(attempts.length).toBe(24);
  expect([attempts[0]!.status, attempts.at(-1)!.status]).toEqual([500, 510]);
});

describe('who set what ended a request is its rule, where the route says so', () => {
  const setBy = {
    timeout: 'TrafficPolicy shop/whole',
    perTryTimeout: 'TrafficPolicy shop/try',
    idleTimeout: 'TrafficPolicy shop/idle',
    maxStreamDuration: 'TrafficPolicy shop/longest',
    backend: 'HTTPRoute shop/reads',
    missing: 'there is no Service shop/nowhere',
    missingCluster: 'outbound|0||backend.invalid',
  };
  const rigOf = (action: Parameters<typeof route>[2]) =>
    new StreamRig({ routes: [route('shop/reads#rule-0', anyPath, action, { setBy })] });
  const ended = (rig: StreamRig): unknown[] => {
    rig.time.advance(16_000);
    const { flags, details, rule } = recordOf(rig);
    return [flags, details, rule];
  };

  test.each([
    ['the whole request', { timeoutMs: 500 }, ['UT', 'response_timeout', 'TrafficPolicy shop/whole']],
    [
      'one try',
      { retry: retryPolicy([], 0, { perTryTimeoutMs: 200 }) },
      ['UT', 'upstream_per_try_timeout', 'TrafficPolicy shop/try'],
    ],
    ['silence', { idleTimeoutMs: 300 }, ['SI', 'stream_idle_timeout', 'TrafficPolicy shop/idle']],
    ['a stream', { maxStreamDurationMs: 400 }, ['UMSDR', 'max_duration_timeout', 'TrafficPolicy shop/longest']],
  ])('the limit of %s', (_what, overrides, expected) => {
    expect(ended(rigOf(forward('orders', overrides)).request())).toEqual(expected);
  });

  test("a caller's own shorter time is nobody's rule", () => {
    const fields = HeaderFields.of(['x-envoy-upstream-rq-timeout-ms', '100']);
    expect(ended(rigOf(forward('orders', { timeoutMs: 500 })).request(get('/', fields)))).toEqual([
      'UT',
      'response_timeout',
      '',
    ]);
    const call = rigOf(forward('orders', { timeoutMs: 0, maxStreamDurationMs: 400, grpcTimeoutHeaderMaxMs: 400 }));
    expect(ended(call.request(grpcCall(['grpc-timeout', '100m'])))).toEqual(['UMSDR', 'max_duration_timeout', '']);
  });

  test("a caller's longer time that the route cuts is the route's", () => {
    const rig = rigOf(forward('orders', { timeoutMs: 0, maxStreamDurationMs: 300, grpcTimeoutHeaderMaxMs: 400 }));
    expect(ended(rig.request(grpcCall(['grpc-timeout', '9S'])))[2]).toBe('TrafficPolicy shop/whole');
  });

  describe('that an answer of another tells, who was told what time is left, a moment before our own timer', () => {
    test.each([
      [504, 503, 'TrafficPolicy shop/whole'],
      [504, 499, ''],
      [503, 503, ''],
    ])('%i after %i of 500 ms from the end of the request', (status, afterMs, expected) => {
      const rig = rigOf(forward('orders', { timeoutMs: 500 }));
      rig.request(post('/pay'), false);
      rig.time.advance(800);
      rig.stream.onData(bytes('abc'), true);
      rig.time.advance(afterMs);
      rig.cluster.last.receiver.onHead(answer(status), true);
      expect(recordOf(rig)).toMatchObject({ status, flags: '', details: 'via_upstream', rule: expected });
    });

    test.each([
      ['9S', 'TrafficPolicy shop/whole'],
      ['403m', ''],
    ])('gRPC status 4 of a call with grpc-timeout %s, which the route cuts to 404 ms', (asked, expected) => {
      const rig = rigOf(forward('orders', { timeoutMs: 0, grpcTimeoutHeaderMaxMs: 404 }));
      rig.request(grpcCall(['grpc-timeout', asked]));
      rig.time.advance(405);
      rig.cluster.last.receiver.onHead(answer(200, ['content-type', 'application/grpc'], ['grpc-status', '4']), true);
      expect(recordOf(rig)).toMatchObject({ status: 200, grpcStatus: '4', flags: '', rule: expected });
    });

    test("a caller's own shorter time is nobody's", () => {
      const fields = HeaderFields.of(['x-envoy-upstream-rq-timeout-ms', '100']);
      const rig = rigOf(forward('orders', { timeoutMs: 500 })).request(get('/', fields));
      rig.time.advance(101);
      rig.cluster.last.receiver.onHead(answer(504), true);
      expect(recordOf(rig)).toMatchObject({ status: 504, flags: '', rule: '' });
    });
  });

  test('the answer names it too', () => {
    const rig = rigOf(forward('orders', { timeoutMs: 500 })).request();
    rig.time.advance(16_000);
    expect(JSON.parse(rig.downstream.body)).toMatchObject({ flag: 'UT', rule: 'TrafficPolicy shop/whole' });
  });

  test('a backend that is missing: the route that names it, and what is missing', () => {
    const rig = rigOf(forward(setBy.missingCluster)).request();
    expect(recordOf(rig)).toMatchObject({
      ...{ flags: 'NC', details: 'cluster_not_found', rule: 'HTTPRoute shop/reads' },
      circumstances: ['there is no Service shop/nowhere'],
    });
    expect(JSON.parse(rig.downstream.body)).toMatchObject({
      error: 'A backend is missing: there is no Service shop/nowhere (cluster outbound|0||backend.invalid).',
    });
    const none = rigOf({ kind: 'direct-response', status: 500, body: 'no backend' }).request();
    expect(recordOf(none)).toMatchObject({
      ...{ flags: '', details: 'direct_response', rule: 'HTTPRoute shop/reads' },
      circumstances: ['there is no Service shop/nowhere'],
    });
  });

  test('another cluster that has not arrived is named, and no backend is said to be missing', () => {
    const rig = rigOf(forward('late')).request();
    expect(recordOf(rig)).toMatchObject({ flags: 'NC', details: 'cluster_not_found', rule: '', circumstances: [] });
    expect(JSON.parse(rig.downstream.body)).toMatchObject({ error: 'There is no cluster late.' });
  });

  test("a fallback's cluster that has not arrived is named, and no backend is said to be missing", () => {
    const fallback = fallbackTo({ service: { cluster: 'late', timeoutMs: null } });
    const rig = rigOf(forward('orders', { fallback })).request();
    rig.cluster.last.receiver.onReset(
      new ProxyError({ flag: 'UC', source: 'upstream', details: 'cut', message: 'Cut.' }),
    );
    expect(recordOf(rig)).toMatchObject({ flags: 'UC,FB', circumstances: [] });
    expect(rig.downstream.body).toContain('Its fallback late failed too: There is no cluster late.');
  });

  test('a backend that is missing is told beside a fallback whose cluster has not arrived', () => {
    const fallback = fallbackTo({ service: { cluster: 'late', timeoutMs: null } });
    const rig = rigOf(forward(setBy.missingCluster, { fallback })).request();
    expect(rig.downstream.body).toMatch(
      /A backend is missing: .* Its fallback late failed too: There is no cluster late/,
    );
  });

  test('time that its own route limits is not over because of the missing backend', () => {
    const own = { ...setBy, timeout: setBy.backend };
    const action = forward('orders', { timeoutMs: 500 });
    const rig = new StreamRig({ routes: [route('r', anyPath, action, { setBy: own })] }).request();
    expect(ended(rig)).toEqual(['UT', 'response_timeout', 'HTTPRoute shop/reads']);
    expect(recordOf(rig).circumstances).toEqual([]);
  });

  test('nothing is said of a missing backend where no route is', () => {
    const rig = new StreamRig({ routes: [route('r', anyPath, forward('late'), { setBy: { ...setBy, backend: '' } })] });
    expect(recordOf(rig.request())).toMatchObject({ flags: 'NC', rule: '', circumstances: [] });
  });

  test("what fails otherwise is not the missing backend's doing", () => {
    const rig = rigOf(forward('orders')).request();
    rig.cluster.last.receiver.onHead(answer(500), true);
    expect(recordOf(rig)).toMatchObject({ status: 500, rule: '', circumstances: [] });
  });
});

describe('taps', () => {
  test('hear of every request, with its head; of bodies so many bytes as are wanted', () => {
    const rig = new StreamRig();
    const heard: Array<[RequestRecord, TappedExchange]> = [];
    const end = rig.recorder.onRecord((record, exchange) => heard.push([record, exchange]), 4);
    for (let i = 0; i < 2; i++) {
      rig.again().request(post('/', HeaderFields.of(['x-one', '1'])), false);
      rig.stream.onData(bytes('abc'), false);
      rig.stream.onData(bytes('def'), true);
      rig.cluster.last.receiver.onHead(answer(200, ['x-two', '2']), false);
      rig.cluster.last.receiver.onData(bytes('0123456789'), true);
    }
    expect(heard.map(([{ kept }]) => kept)).toEqual(['sample', '']);
    const [, exchange] = heard[1]!;
    expect(exchange.requestFields.get('x-one')).toBe('1');
    expect(exchange.responseFields!.get('x-two')).toBe('2');
    expect([String(exchange.requestBody), String(exchange.responseBody)]).toEqual(['abcd', '0123']);
    expect([...exchange.hiddenParameters]).toEqual(expect.arrayContaining(['access_token', 'code']));
    end();
    rig.again().request();
    rig.cluster.last.receiver.onHead(answer(200), true);
    expect(heard.length).toBe(2);
  });

  test('bodies give back what they took when their request ends, also when it is cut off and nobody taps any more', () => {
    const rig = new StreamRig();
    const { left } = rig.recorder.bodyBudget;
    const end = rig.recorder.onRecord(() => {}, 4);
    rig.request(post('/'), false);
    rig.stream.onData(bytes('abc'), false);
    expect(rig.recorder.bodyBudget.left).toBe(left - 4);
    end();
    rig.stream.onReset(refused);
    expect(rig.recorder.bodyBudget.left).toBe(left);
  });
});
