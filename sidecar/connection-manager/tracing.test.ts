/** Traces through a stream: what passes when nothing is traced, what attempts carry, and the spans that come of it. */
import { describe, expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { TracingConfig } from '../config/tracing-config.ts';
import type { Span } from '../tracing/span.ts';
import { anyPath, forward, hedgeAfter, retryPolicy, route } from './test/configs.ts';
import { answer, bytes, connectionInfo, get, grpcCall, StreamRig } from './test/stream-rig.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';
const sampled = `00-${traceId}-${spanId}-01`;
const unsampled = `00-${traceId}-${spanId}-00`;

function tracing(overrides: Partial<TracingConfig> = {}): TracingConfig {
  return {
    // Only that there is one counts here.
    provider: { kind: 'several', providers: [] },
    propagation: ['w3c'],
    clientSampling: 10_000,
    randomSampling: 10_000,
    overallSampling: 10_000,
    ratePerSecond: 0,
    spawnUpstreamSpan: true,
    customTags: [],
    verbose: false,
    maxPathTagLength: 256,
    tailKeep: { errors: false, slowerThanMs: Infinity },
    ...overrides,
  };
}

type RigOptions = NonNullable<ConstructorParameters<typeof StreamRig>[0]>;

function traced(overrides: Partial<TracingConfig> = {}, options: RigOptions = {}): StreamRig {
  return new StreamRig({ ...options, config: { ...options.config, tracing: tracing(overrides) } });
}

function attributes(span: Span): Record<string, unknown> {
  return Object.fromEntries(span.attributes);
}

const answered = (rig: StreamRig, status = 200): StreamRig => {
  rig.cluster.last.receiver.onHead(answer(status), true);
  return rig;
};

describe('without tracing', () => {
  test('every trace header passes as it came, byte for byte, valid or not', () => {
    const pairs: Array<[string, string]> = [
      ['TraceParent', `${sampled} `],
      ['traceparent', 'nonsense'],
      ['tracestate', 'a=1,,b = 2'],
      ['Tracestate', 'A=\u00ff'],
      ['B3', `${traceId}-${spanId}-d-${spanId}`],
      ['X-B3-TraceId', 'ABC'],
      ['x-b3-spanid', ''],
      ['X-B3-ParentSpanId', spanId],
      ['X-B3-Sampled', 'true'],
      ['x-b3-flags', '1'],
      ['x-client-trace-id', 'me'],
    ];
    const rig = new StreamRig().request(get('/', HeaderFields.of(...pairs)));
    expect(rig.cluster.last.sentFields.slice(0, pairs.length)).toEqual(pairs);
    answered(rig);
    expect(rig.spans).toEqual([]);
  });

  test('nothing is added where there is none', () => {
    const rig = new StreamRig().request();
    expect(rig.cluster.last.sentFields.map(([name]) => name)).toEqual([
      'x-request-id',
      'x-forwarded-proto',
      'x-envoy-expected-rq-timeout-ms',
    ]);
  });

  test('the record and the log line of a request know the trace that it carries', () => {
    const rig = answered(new StreamRig().request(get('/', HeaderFields.of(['traceparent', sampled]))));
    expect(rig.recorder.find(traceId)).toMatchObject([{ traceId, spanId: '' }]);
    expect(rig.logged['trace_id']).toBe(traceId);
  });
});

describe('a request', () => {
  test('continues the trace of its caller, and its attempt carries the span that stands for it', () => {
    const fields = HeaderFields.of(['traceparent', sampled], ['tracestate', 'a=1'], ['user-agent', 'curl/8']);
    const rig = traced().request(get('/cart?token=x&y=1', fields));
    rig.time.advance(8);
    answered(rig);
    const [own, attempt] = rig.spans as [Span, Span];
    expect(rig.spans.length).toBe(2);
    expect(own).toMatchObject({ traceId, parentSpanId: spanId, traceState: 'a=1', kind: 'server', failed: false });
    expect(attempt).toMatchObject({ traceId, parentSpanId: own.spanId, traceState: 'a=1', kind: 'client' });
    expect(new Map(rig.cluster.last.sentFields).get('traceparent')).toBe(`00-${traceId}-${attempt.spanId}-01`);
    expect([own.startWallMs, own.endWallMs]).toEqual([1_790_000_001_000, 1_790_000_001_008]);
    expect(own.name).toBe('GET shop/orders#rule-0');
    expect(attributes(own)).toEqual({
      'http.request.method': 'GET',
      'server.address': 'orders.shop',
      'network.protocol.name': 'http',
      'network.protocol.version': '1.1',
      'url.scheme': 'http',
      'url.path': '/cart',
      'url.query': 'token=(hidden)&y=1',
      'client.address': '10.1.2.3',
      'client.port': 4567,
      'user_agent.original': 'curl/8',
      'http.response.status_code': 200,
      'guid:x-request-id': rig.stream.requestId,
      'outrigger.direction': 'outbound',
      'outrigger.source': 'shop/storefront',
      'outrigger.destination': 'shop/orders',
      'outrigger.route': 'shop/orders#rule-0',
      'outrigger.details': 'via_upstream',
      'outrigger.node': 'storefront-1',
      'outrigger.request.bytes': 0,
      'outrigger.response.bytes': 0,
    });
    expect(attributes(attempt)).toMatchObject({
      'url.full': 'http://orders.shop/cart?token=(hidden)&y=1',
      'network.peer.address': '10.0.0.1',
      'network.peer.port': 80,
      'http.response.status_code': 200,
      upstream_cluster: 'fake',
      'outrigger.attempt.why': 'first',
    });
    expect(rig.logged['trace_id']).toBe(traceId);
    expect(rig.recorder.find(traceId)).toMatchObject([{ traceId, spanId: own.spanId, parentSpanId: spanId }]);
  });

  test('begins one where it brings none that is valid', () => {
    const rig = answered(traced().request(get('/', HeaderFields.of(['traceparent', 'x'], ['tracestate', 'a=1']))));
    const [own, attempt] = rig.spans as [Span, Span];
    expect(own).toMatchObject({ parentSpanId: '', traceState: '' });
    const sent = new Map(rig.cluster.last.sentFields);
    expect(sent.get('traceparent')).toBe(`00-${own.traceId}-${attempt.spanId}-01`);
    expect(sent.has('tracestate')).toBe(false);
  });

  test('that was not chosen makes no spans, and tells the next one so', () => {
    const rig = answered(traced({ randomSampling: 0 }).request());
    expect(rig.spans).toEqual([]);
    expect(new Map(rig.cluster.last.sentFields).get('traceparent')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  });

  test('is in one trace over hops when its application hands the header on', () => {
    const first = answered(traced().request());
    const header = new Map(first.cluster.last.sentFields).get('traceparent')!;
    const inbound = answered(traced().request(get('/', HeaderFields.of(['traceparent', header]))));
    const handedOn = new Map(inbound.cluster.last.sentFields).get('traceparent')!;
    const outbound = answered(traced().request(get('/', HeaderFields.of(['traceparent', handedOn]))));
    const spans = [...first.spans, ...inbound.spans, ...outbound.spans];
    expect(new Set(spans.map((span) => span.traceId)).size).toBe(1);
    // Each the child of the one before it.
    expect(spans.map((span) => span.parentSpanId)).toEqual(['', ...spans.slice(0, -1).map((span) => span.spanId)]);
  });
});

describe('attempts', () => {
  test('a retry is a span of its own, with an id of its own', () => {
    const rig = traced({}, { routes: [route('r', anyPath, forward('orders', { retry: retryPolicy(['5xx'], 2) }))] });
    answered(rig.request(), 503);
    rig.time.advance(40);
    answered(rig);
    const [own, first, second] = rig.spans as [Span, Span, Span];
    expect(own.failed).toBe(false);
    expect(first).toMatchObject({ failed: true, parentSpanId: own.spanId });
    expect(attributes(first)).toMatchObject({ 'error.type': '503', 'http.response.status_code': 503 });
    expect(attributes(second)).toMatchObject({ 'http.request.resend_count': 1, 'outrigger.attempt.why': 'policy' });
    const sent = rig.cluster.streams.map(({ sentFields }) => new Map(sentFields).get('traceparent'));
    expect(sent).toEqual([first, second].map((span) => `00-${own.traceId}-${span.spanId}-01`));
  });

  test('a hedge too; that the other was given up for it is no error', () => {
    const rig = traced({}, { routes: [route('r', anyPath, forward('orders', { hedging: hedgeAfter(100) }))] });
    rig.request();
    rig.time.advance(112);
    answered(rig);
    const [, slow, hedge] = rig.spans as [Span, Span, Span];
    expect(slow.failed).toBe(false);
    expect(attributes(hedge)).toMatchObject({ 'outrigger.attempt.why': 'hedge', 'http.request.resend_count': 1 });
    expect(slow.spanId).not.toBe(hedge.spanId);
  });

  test('one that had no connection has a span as well, with an id that is nobody’s parent', () => {
    const rig = traced();
    rig.cluster.failNext.push(
      new ProxyError({ flag: 'UF', source: 'upstream', details: 'refused', message: 'Refused.' }),
    );
    rig.request();
    const [own, attempt] = rig.spans as [Span, Span];
    expect(attempt.spanId).toMatch(/^[0-9a-f]{16}$/);
    expect(attempt).toMatchObject({ failed: true, statusMessage: 'refused' });
    expect(attributes(own)).toMatchObject({ 'outrigger.flags': 'UF', 'error.type': 'UF' });
    expect(own.failed).toBe(true);
  });

  test('without spans of their own (spawn_upstream_span) they carry the request’s, which calls', () => {
    const rig = traced(
      { spawnUpstreamSpan: false },
      { routes: [route('r', anyPath, forward('orders', { retry: retryPolicy(['5xx'], 2) }))] },
    );
    answered(rig.request(), 503);
    rig.time.advance(40);
    answered(rig);
    expect(rig.spans.length).toBe(1);
    const [own] = rig.spans as [Span];
    expect(own.kind).toBe('client');
    expect(own.events.map(({ name }) => name)).toEqual(['attempt', 'attempt']);
    for (const { sentFields } of rig.cluster.streams)
      expect(new Map(sentFields).get('traceparent')).toBe(`00-${own.traceId}-${own.spanId}-01`);
    expect(attributes(own)).toMatchObject({ upstream_cluster: 'fake', 'network.peer.port': 80 });
  });
});

describe('tail keep', () => {
  const tailKeep = { errors: true, slowerThanMs: 500 };

  test('failed and slow requests have their spans although nothing chose them', () => {
    const failed = answered(traced({ randomSampling: 0, tailKeep }).request(), 500);
    expect(failed.spans.length).toBe(2);
    const slow = traced({ tailKeep }).request(get('/', HeaderFields.of(['traceparent', unsampled])));
    slow.time.advance(500);
    answered(slow);
    expect(slow.spans[0]).toMatchObject({ traceId, parentSpanId: spanId });
    expect(new Map(slow.cluster.last.sentFields).get('traceparent')).toMatch(/-00$/);
    expect(answered(traced({ randomSampling: 0, tailKeep }).request()).spans).toEqual([]);
  });

  test('also those that no route took; a refusal that is the caller’s fault is no failure', () => {
    const rig = traced({ randomSampling: 0, tailKeep }).request(get('/a#b'));
    expect(rig.downstream.head!.status).toBe(400);
    expect(rig.spans).toEqual([]);
    const unrouted = traced({ randomSampling: 0, tailKeep }, { routes: [] }).request();
    expect(unrouted.spans[0]).toMatchObject({ name: 'GET', failed: true });
  });
});

describe('who may ask', () => {
  test('x-envoy-force-trace and x-client-trace-id count from trusted callers only', () => {
    for (const name of ['x-envoy-force-trace', 'x-client-trace-id'])
      for (const useRemoteAddress of [false, true]) {
        const rig = traced({ randomSampling: 0 }, { config: { useRemoteAddress } });
        answered(rig.request(get('/', HeaderFields.of([name, '1']))));
        expect(rig.spans.length).toBe(useRemoteAddress ? 0 : 2);
      }
  });

  test('a route has shares and tags of its own', () => {
    const own = {
      ...{ clientSampling: 0, randomSampling: 10_000, overallSampling: 10_000 },
      customTags: [{ kind: 'header', tag: 'tenant', name: 'x-tenant', defaultValue: 'nobody' }] as const,
    };
    const customTags = [
      { kind: 'literal', tag: 'env', value: 'test' },
      { kind: 'literal', tag: 'tenant', value: 'all' },
    ] as const;
    const rig = traced(
      { randomSampling: 0, customTags },
      { routes: [route('r', anyPath, forward('orders'), { tracing: own })] },
    );
    answered(rig.request(get('/', HeaderFields.of(['x-tenant', 'acme']))));
    expect(attributes(rig.spans[0]!)).toMatchObject({ env: 'test', tenant: 'acme' });
  });
});

test('a gRPC call by its conventions; a status that is the caller’s fault is no error of the server’s', () => {
  const rig = traced().request(grpcCall());
  rig.cluster.last.receiver.onHead(answer(200), false);
  rig.cluster.last.receiver.onTrailers(HeaderFields.of(['grpc-status', '5']));
  const [own, attempt] = rig.spans as [Span, Span];
  expect(own.name).toBe('shop.Orders/Get');
  expect(attributes(own)).toMatchObject({
    ...{ 'rpc.system': 'grpc', 'rpc.service': 'shop.Orders', 'rpc.method': 'Get', 'rpc.grpc.status_code': 5 },
    'network.protocol.version': '2',
  });
  expect([own.failed, attempt.failed]).toEqual([false, true]);
  expect(attributes(attempt)).toMatchObject({ 'rpc.grpc.status_code': 5, 'error.type': '5' });
});

test('the query of a gRPC call is neither in the name of its span nor in its method', () => {
  const call = grpcCall();
  call.path = '/shop.Orders/Get?token=secret&x=/a/b';
  const rig = traced().request(call);
  rig.cluster.last.receiver.onHead(answer(200), false);
  rig.cluster.last.receiver.onTrailers(HeaderFields.of(['grpc-status', '0']));
  expect(rig.spans.map(({ name }) => name)).toEqual(['shop.Orders/Get', 'shop.Orders/Get']);
  expect(attributes(rig.spans[0]!)).toMatchObject({ 'rpc.service': 'shop.Orders', 'rpc.method': 'Get' });
});

test('methods that nobody knows are _OTHER, and no name of a span', () => {
  const head = get('/');
  head.method = 'BREW';
  const rig = answered(traced().request(head));
  expect(rig.spans[0]!.name).toBe('HTTP shop/orders#rule-0');
  expect(attributes(rig.spans[0]!)).toMatchObject({
    'http.request.method': '_OTHER',
    'http.request.method_original': 'BREW',
  });
});

test('verbose: phases are events', () => {
  const rig = traced({ verbose: true }).request(get('/'), false);
  rig.time.advance(8);
  rig.stream.onData(bytes('x'), true);
  answered(rig);
  expect(rig.spans[0]!.events.map(({ name, atWallMs }) => [name, atWallMs - 1_790_000_001_000])).toEqual([
    ['admitted', 0],
    ['request_whole', 8],
    ['first_byte', 8],
  ]);
});

test('an inbound hop says who called', () => {
  const rig = traced();
  rig.info = {
    ...connectionInfo,
    sourceLabel: 'shop/storefront',
    peer: { uris: ['spiffe://cluster.local/ns/shop/sa/storefront'] } as never,
  };
  answered(rig.request());
  expect(attributes(rig.spans[0]!)['outrigger.peer.identity']).toBe('spiffe://cluster.local/ns/shop/sa/storefront');
});

test('the duration of a request whose spans are wanted carries its trace in metrics; that of others carries none (OpenMetrics exemplars)', () => {
  const exemplars = (rig: StreamRig): unknown[] => {
    const durations = [...rig.stats.histograms.values()].find(
      ({ family }) => family === 'outrigger_request_duration_seconds',
    );
    return durations!.exemplars?.filter((each) => each !== null) ?? [];
  };
  const kept = traced();
  answered(kept.request(get('/', HeaderFields.of(['traceparent', sampled]))));
  expect(exemplars(kept)).toMatchObject([{ traceId, spanId: kept.stream.spanId, value: 0 }]);
  expect(exemplars(answered(traced().request(get('/', HeaderFields.of(['traceparent', unsampled])))))).toEqual([]);
  expect(exemplars(answered(new StreamRig().request(get('/', HeaderFields.of(['traceparent', sampled])))))).toEqual([]);
});
