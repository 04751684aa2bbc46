/** Requests through a stream and its router, past the circuit breakers of their route and cluster. The state machine's own tests are in ../circuit-breaker. */
import { describe, expect, it } from 'vitest';
import { RunningBreaker } from '../circuit-breaker/running-breaker.ts';
import { breakerConfig } from '../circuit-breaker/test/breaker-rig.ts';
import { HeaderFields } from '../codec/header-fields.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { CircuitBreakerConfig } from '../config/circuit-breaker-config.ts';
import type { ForwardActionConfig } from '../config/route-config.ts';
import { Log } from '../runtime/log.ts';
import { ActiveStream } from './active-stream.ts';
import { anyPath, fallbackTo, forward, hedgeAfter, retryPolicy, route } from './test/configs.ts';
import { FakeCluster, FakeServerStream } from './test/fake-peers.ts';
import { answer, bytes, get, grpcCall, post, StreamRig } from './test/stream-rig.ts';

const cluster = 'outbound|80||orders.shop';
const strict = { minCalls: 1, failurePercent: 100, jitterPercent: 0 } as const;

interface Caller {
  readonly stream: ActiveStream;
  readonly downstream: FakeServerStream;
}

class BreakerRig extends StreamRig {
  constructor(action: Partial<ForwardActionConfig> = {}, ofRoute: Partial<CircuitBreakerConfig> | null = null) {
    const circuitBreaker = ofRoute === null ? null : breakerConfig({ ...strict, ...ofRoute });
    super({ routes: [route('shop/orders#rule-0', anyPath, forward(cluster, action), { circuitBreaker })] });
  }

  /** With a breaker at the cluster. */
  static ofCluster(
    overrides: Partial<CircuitBreakerConfig> = {},
    action: Partial<ForwardActionConfig> = {},
  ): BreakerRig {
    const rig = new BreakerRig(action);
    const log = new Log(rig.time, 'info', false, (line) => rig.logLines.push(line));
    const context = { stats: rig.stats, clock: rig.time, random: () => 0, log };
    rig.cluster.breaker = new RunningBreaker('cluster', cluster, breakerConfig({ ...strict, ...overrides }), context);
    return rig;
  }

  get state(): string {
    return this.cluster.breaker?.machine.state ?? this.breakers.dump()[0]!.state;
  }

  get window(): { readonly calls: number; readonly failures: number; readonly slow: number } {
    const { window } = this.cluster.breaker?.machine ?? this.breakers.dump()[0]!;
    return { calls: window.calls, failures: window.failures, slow: window.slow };
  }

  call(head = get('/'), endStream = true): Caller {
    const downstream = new FakeServerStream();
    const stream = new ActiveStream(this, downstream);
    stream.onHead(head, endStream);
    return { stream, downstream };
  }

  answered(status: number, head = get('/')): Caller {
    const caller = this.call(head);
    this.cluster.last.receiver.onHead(answer(status), true);
    return caller;
  }
}

const reset = new ProxyError({ flag: 'UR', source: 'upstream', details: 'reset', message: 'Reset.' });
const gone = new ProxyError({ flag: 'DC', source: 'downstream', details: 'gone', message: 'Gone.' });

const kinds: ReadonlyArray<readonly [string, (overrides?: Partial<CircuitBreakerConfig>) => BreakerRig]> = [
  ['of a cluster', (overrides) => BreakerRig.ofCluster(overrides)],
  ['of a route', (overrides) => new BreakerRig({}, overrides ?? {})],
];

describe.each(kinds)('a breaker %s', (_, make) => {
  it('that is open answers 503 CB at once, with the policy, why, and when to come again', () => {
    const rig = make();
    rig.answered(503);
    expect(rig.state).toBe('open');
    rig.time.advance(1_600);
    const asked = rig.cluster.streams.length;
    const { downstream, stream } = rig.call();
    expect(rig.cluster.streams).toHaveLength(asked);
    expect(downstream.head!.status).toBe(503);
    expect(downstream.head!.fields.get('retry-after')).toBe('4');
    expect(JSON.parse(downstream.body)).toEqual({
      error:
        'The circuit breaker is open since 1.6 s: 100 % of 1 calls failed in 10 s (limit 100 %); the next probe is in 3.4 s.',
      flag: 'CB',
      details: 'circuit_breaker_open',
      service: 'orders.shop',
      rule: 'TrafficPolicy shop/orders',
      since: '1.6 s',
      next_probe: 'in 3.4 s',
      request_id: stream.requestId,
    });
    expect(JSON.parse(rig.lines.at(-1)!)).toMatchObject({ flags: 'CB', status: 503 });
    expect(rig.window.calls).toBe(0);
  });

  it('says UNAVAILABLE to gRPC callers', () => {
    const rig = make();
    rig.answered(503);
    const { downstream } = rig.call(grpcCall());
    expect(downstream.head!.status).toBe(200);
    expect(downstream.head!.fields.get('grpc-status')).toBe('14');
    expect(downstream.head!.fields.get('grpc-message')).toContain('flag CB');
  });

  it('judges gRPC by its status, also in trailers', () => {
    const rig = make({ minCalls: 3 });
    rig.call(grpcCall());
    rig.cluster.last.receiver.onHead(answer(200, ['grpc-status', '13']), true);
    rig.call(grpcCall());
    rig.cluster.last.receiver.onHead(answer(200), false);
    rig.cluster.last.receiver.onTrailers(HeaderFields.of(['grpc-status', '0']));
    expect(rig.window).toEqual({ calls: 2, failures: 0, slow: 0 });
    rig.call(grpcCall());
    rig.cluster.last.receiver.onHead(answer(200), false);
    expect(rig.window.calls).toBe(2);
    rig.cluster.last.receiver.onTrailers(HeaderFields.of(['grpc-status', '14']));
    expect(rig.window).toEqual({ calls: 3, failures: 1, slow: 0 });
  });

  it('counts answers by status, a reset in the middle of one too', () => {
    const rig = make({ minCalls: 10 });
    for (const status of [200, 404, 500, 502, 503, 504]) rig.answered(status);
    rig.call();
    const { receiver } = rig.cluster.last;
    receiver.onHead(answer(200), false);
    receiver.onData(bytes('half'), false);
    receiver.onReset(reset);
    expect(rig.window).toEqual({ calls: 7, failures: 4, slow: 0 });
  });

  it('does not count an answer by which the destination sheds load (x-envoy-overloaded), neither as a failure nor as a success', () => {
    const rig = make();
    rig.call();
    rig.cluster.last.receiver.onHead(answer(503, ['x-envoy-overloaded', 'true']), true);
    rig.call();
    rig.cluster.last.receiver.onHead(answer(503, ['x-envoy-overloaded', 'true']), false);
    rig.cluster.last.receiver.onData(bytes('busy'), true);
    rig.call(grpcCall());
    rig.cluster.last.receiver.onHead(answer(200, ['grpc-status', '14'], ['x-envoy-overloaded', 'true']), true);
    expect(rig.window).toEqual({ calls: 0, failures: 0, slow: 0 });
    expect(rig.state).toBe('closed');
    rig.answered(503);
    expect(rig.state).toBe('open');
  });

  it('gives the place of a probe that met overload to the next, and stays half open', () => {
    const rig = make({ probes: 1, successesToClose: 1 });
    rig.answered(503);
    rig.time.advance(5_100);
    rig.call();
    rig.cluster.last.receiver.onHead(answer(503, ['x-envoy-overloaded', 'true']), true);
    expect(rig.state).toBe('half-open');
    rig.answered(200);
    expect(rig.state).toBe('closed');
  });

  it('counts a body that ends in order as a success', () => {
    const rig = make({ minCalls: 10 });
    rig.call();
    rig.cluster.last.receiver.onHead(answer(200), false);
    expect(rig.window.calls).toBe(0);
    rig.cluster.last.receiver.onData(bytes('whole'), true);
    expect(rig.window).toEqual({ calls: 1, failures: 0, slow: 0 });
  });

  it('counts a switch of protocols as a success; how the tunnel ends says nothing', () => {
    const rig = make();
    rig.call(get('/', HeaderFields.of(['connection', 'upgrade'], ['upgrade', 'websocket'])));
    const { receiver } = rig.cluster.last;
    receiver.onHead(answer(101, ['connection', 'upgrade'], ['upgrade', 'websocket']), false);
    expect(rig.window).toEqual({ calls: 1, failures: 0, slow: 0 });
    receiver.onReset(reset);
    expect(rig.state).toBe('closed');
  });

  it('does not count a caller that leaves, before the answer or in it', () => {
    const rig = make();
    rig.call().stream.onReset(gone);
    const { stream } = rig.call();
    rig.cluster.last.receiver.onHead(answer(200), false);
    stream.onReset(gone);
    expect(rig.window.calls).toBe(0);
    expect(rig.state).toBe('closed');
  });

  it('counts a timeout', () => {
    const rig = make();
    rig.call();
    rig.time.advance(15_100);
    expect(rig.state).toBe('open');
  });

  it('knows a slow call before it is answered: the next request is refused', () => {
    const rig = make({ slowCallMs: 200, windowMs: 1_000, slowPercent: 100 });
    rig.call();
    rig.time.advance(230);
    const { downstream } = rig.call();
    expect(JSON.parse(downstream.body)).toMatchObject({
      flag: 'CB',
      error: expect.stringContaining('100 % of 1 calls took longer than 200 ms in 1 s (limit 100 %)') as string,
    });
  });

  it('does not count the time of a slow upload', () => {
    const rig = make({ slowCallMs: 200, minCalls: 10 });
    const { stream } = rig.call(post('/'), false);
    rig.time.advance(3_000);
    stream.onData(bytes('x'), true);
    rig.time.advance(8);
    rig.cluster.last.receiver.onHead(answer(200), true);
    expect(rig.window).toEqual({ calls: 1, failures: 0, slow: 0 });
  });

  it('half open lets its probes through, refuses the rest, and closes when they go well', () => {
    const rig = make({ probes: 1, successesToClose: 2 });
    rig.answered(503);
    rig.time.advance(5_000);
    const probe = rig.call();
    const { receiver } = rig.cluster.last;
    const { downstream } = rig.call();
    expect(JSON.parse(downstream.body)).toMatchObject({ flag: 'CB', details: 'circuit_breaker_half_open' });
    expect(downstream.head!.fields.get('retry-after')).toBe('1');
    receiver.onHead(answer(200), true);
    expect(probe.downstream.head!.status).toBe(200);
    rig.answered(200);
    expect(rig.state).toBe('closed');
    expect(rig.logLines.map((line) => line.slice(13))).toEqual([
      expect.stringMatching(
        /^warn {2}circuit breaker of \w+ \S+ \(TrafficPolicy shop\/orders\): open for 5 s: 100 % of 1 calls failed in 10 s \(limit 100 %\)\n$/,
      ),
      expect.stringMatching(/^info .*: half-open: it was open for 5 s\n$/),
      expect.stringMatching(/^info .*: closed: 2 probes succeeded \(2 wanted\)\n$/),
    ]);
  });
});

describe('a breaker of a cluster', () => {
  it('counts each attempt; one that it refuses is not retried, nor counted by the route', () => {
    const rig = BreakerRig.ofCluster({ minCalls: 2 }, { retry: retryPolicy(['5xx', 'gateway-error'], 5) });
    const { downstream } = rig.call();
    for (let attempt = 1; attempt <= 2; attempt++) {
      rig.cluster.last.receiver.onHead(answer(503), true);
      rig.time.advance(300);
    }
    expect(rig.cluster.streams).toHaveLength(2);
    expect(rig.state).toBe('open');
    expect(JSON.parse(downstream.body)).toMatchObject({ flag: 'CB' });
    expect(rig.cluster.retryPlaces).toBe(3);
  });

  it('counts no connection, and not our own limits or that there is nobody', () => {
    const rig = BreakerRig.ofCluster({ minCalls: 10 });
    const failure = (flag: 'UF' | 'UO' | 'UH', source: 'upstream' | 'local'): ProxyError =>
      new ProxyError({ flag, source, details: 'x', message: 'x' });
    for (const error of [failure('UF', 'upstream'), failure('UO', 'local'), failure('UH', 'local')]) {
      rig.cluster.failNext.push(error);
      rig.call();
    }
    expect(rig.window).toEqual({ calls: 1, failures: 1, slow: 0 });
  });

  it('does not count a stale connection, only what comes of the repeat', () => {
    const rig = BreakerRig.ofCluster({ minCalls: 10 });
    rig.cluster.reused = true;
    rig.call();
    rig.cluster.last.receiver.onReset(
      new ProxyError({ flag: 'UC', source: 'upstream', details: 'x', message: 'x', retry: 'idempotent' }),
    );
    rig.cluster.last.receiver.onHead(answer(200), true);
    expect(rig.cluster.streams).toHaveLength(2);
    expect(rig.window).toEqual({ calls: 1, failures: 0, slow: 0 });
  });

  it('gives the place of a probe that met our own limit to the next', () => {
    const rig = BreakerRig.ofCluster({ probes: 1, successesToClose: 1 });
    rig.answered(503);
    rig.time.advance(5_000);
    rig.cluster.failNext.push(new ProxyError({ flag: 'UO', source: 'local', details: 'x', message: 'x' }));
    rig.call();
    rig.answered(200);
    expect(rig.state).toBe('closed');
  });

  it('counts a try that took too long, and the answer of its retry', () => {
    const rig = BreakerRig.ofCluster({ minCalls: 10 }, { retry: retryPolicy(['5xx'], 1, { perTryTimeoutMs: 100 }) });
    rig.call();
    rig.time.advance(130);
    rig.cluster.last.receiver.onHead(answer(200), true);
    expect(rig.window).toEqual({ calls: 2, failures: 1, slow: 0 });
  });
});

describe('a breaker of a route', () => {
  it('counts what the caller gets: one call, however many attempts', () => {
    const rig = new BreakerRig({ retry: retryPolicy(['5xx'], 1) }, { minCalls: 10 });
    rig.call();
    rig.cluster.last.receiver.onHead(answer(503), true);
    rig.time.advance(300);
    rig.cluster.last.receiver.onHead(answer(200), true);
    expect(rig.window).toEqual({ calls: 1, failures: 0, slow: 0 });
  });

  it('does not count an answer of the cluster’s breaker', () => {
    const rig = new BreakerRig({}, {});
    const context = { stats: rig.stats, clock: rig.time, random: () => 0, log: null };
    rig.cluster.breaker = new RunningBreaker('cluster', cluster, breakerConfig(strict), context);
    rig.cluster.breaker.force('open');
    const { downstream } = rig.call();
    expect(JSON.parse(downstream.body)).toMatchObject({
      flag: 'CB',
      error: 'The circuit breaker is held open by an operator since 0 ms.',
    });
    expect(downstream.head!.fields.has('retry-after')).toBe(false);
    expect(rig.breakers.dump()[0]).toMatchObject({ state: 'closed', window: { calls: 0 } });
  });

  it('leaves other routes alone, and costs those without one nothing', () => {
    const rig = new StreamRig({
      routes: [
        route('slow', { ...anyPath, path: { kind: 'prefix', value: '/slow' } }, forward(cluster), {
          circuitBreaker: breakerConfig(strict),
        }),
        route('rest', anyPath, forward(cluster)),
      ],
    });
    rig.request(get('/slow'));
    rig.cluster.last.receiver.onHead(answer(503), true);
    const downstream = new FakeServerStream();
    new ActiveStream(rig, downstream).onHead(get('/fast'), true);
    rig.cluster.last.receiver.onHead(answer(200), true);
    expect(downstream.head!.status).toBe(200);
    expect(rig.breakers.dump().map(({ name, state }) => [name, state])).toEqual([['all/slow', 'open']]);
  });
});

describe('beside a fallback', () => {
  const sorry = { status: 200, headers: [], body: 'sorry', grpcStatus: null, grpcMessage: '' };
  const fixed = { fallback: fallbackTo({ answer: sorry }) };
  const other = { fallback: fallbackTo({ service: { cluster: 'archive', timeoutMs: null } }) };

  it.each<[string, (action: Partial<ForwardActionConfig>) => BreakerRig]>([
    ['of a cluster', (action) => BreakerRig.ofCluster({}, action)],
    ['of a route', (action) => new BreakerRig(action, {})],
  ])('a breaker %s counts the failure that is not told, and its own answer is one', (_, make) => {
    const rig = make(fixed);
    expect(rig.answered(503).downstream.body).toBe('sorry');
    expect(rig.state).toBe('open');
    expect(rig.call().downstream.body).toBe('sorry');
    expect(rig.cluster.streams.length).toBe(1);
    expect(JSON.parse(rig.lines[1]!)).toMatchObject({
      flags: 'CB,FB',
      details: 'fallback_answer{circuit_breaker_open}',
    });
  });

  it('a request that a breaker refuses goes to another service with all of it, whatever its method', () => {
    for (const make of [() => BreakerRig.ofCluster({}, other), () => new BreakerRig(other, {})]) {
      const rig = make();
      const archive = new FakeCluster();
      rig.others.set('archive', archive);
      rig.answered(503);
      archive.last.receiver.onHead(answer(200), true);
      // What the fallback answered is no success of the service.
      expect(rig.state).toBe('open');
      const caller = rig.call(post('/'), false);
      caller.stream.onData(bytes('two shirts'), true);
      expect(archive.last.body).toBe('two shirts');
      archive.last.receiver.onHead(answer(201), true);
      expect(caller.downstream.head!.status).toBe(201);
      expect(rig.call(get('/')).downstream.head).toBeNull();
      expect(archive.last.ended).toBe(true);
    }
  });

  it('a hedge that the breaker refuses leaves the attempt that is under way alone', () => {
    const rig = BreakerRig.ofCluster({}, { hedging: hedgeAfter(50) });
    const caller = rig.call();
    rig.cluster.breaker!.force('open');
    rig.time.advance(56);
    expect(rig.cluster.streams.length).toBe(1);
    rig.cluster.last.receiver.onHead(answer(200), true);
    expect(caller.downstream.head!.status).toBe(200);
    expect(rig.cluster.retryPlaces).toBe(3);
  });
});
