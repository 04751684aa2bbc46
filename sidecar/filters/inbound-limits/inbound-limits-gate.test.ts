import { describe, expect, test } from 'vitest';
import { HeaderFields } from '../../codec/header-fields.ts';
import type { RequestHead } from '../../codec/message-head.ts';
import { ProxyError } from '../../codec/proxy-error.ts';
import type { AdaptiveConcurrencyConfig } from '../../config/adaptive-concurrency-config.ts';
import type {
  InboundLimitsConfig,
  InboundQueueConfig,
  RequestMatchConfig,
} from '../../config/inbound-limits-config.ts';
import { ActiveStream } from '../../connection-manager/active-stream.ts';
import { anyPath, forward, route } from '../../connection-manager/test/configs.ts';
import { FakeServerStream } from '../../connection-manager/test/fake-peers.ts';
import {
  answer,
  bytes,
  connectionInfo,
  get,
  grpcCall,
  post,
  StreamRig,
} from '../../connection-manager/test/stream-rig.ts';
import { AdaptiveConcurrencyGate } from '../adaptive-concurrency/adaptive-concurrency-gate.ts';
import { InboundLimitsGate } from './inbound-limits-gate.ts';

const everything: RequestMatchConfig = { paths: [], methods: [], headers: [], callers: [] };
const path = (value: string): RequestMatchConfig => ({
  ...everything,
  paths: [{ kind: 'exact', value, ignoreCase: false }],
});
const queue: InboundQueueConfig = {
  ...{ maxRequests: 4, maxRequestsPerCaller: 4, maxWaitMs: 500, targetMs: 20, intervalMs: 100 },
};
const gone = new ProxyError({ flag: 'DC', source: 'downstream', details: 'gone', message: 'Gone.' });

class Rig extends StreamRig {
  constructor(limits: Partial<InboundLimitsConfig>, adaptive: AdaptiveConcurrencyConfig | null = null) {
    const routes = [
      route('bulk', { ...anyPath, path: { kind: 'exact', value: '/bulk' } }, forward('orders'), {
        gates: new Map([['limits', { kind: 'shedding-priority', priority: 'sheddable' }]]),
      }),
      route('r', anyPath, forward('orders')),
    ];
    super({ routes });
    const config: InboundLimitsConfig = {
      ...{ kind: 'inbound-limits', filterName: 'limits', rule: 'TrafficPolicy shop/orders' },
      ...{ maxRequests: null, perCaller: null, routes: [], queue: null, priorities: [] },
      ...limits,
    };
    const behind = adaptive === null ? null : new AdaptiveConcurrencyGate(adaptive, 'test', this.context);
    const gate = new InboundLimitsGate(config, this.context, () => behind);
    Object.assign(this.manager, { gates: behind === null ? [gate] : [gate, behind] });
  }

  /** A request; `caller`: an account, '' : who has no certificate. */
  begin(head: RequestHead = get('/'), caller = '', endStream = true) {
    const downstream = new FakeServerStream();
    const peer = { uris: [`spiffe://cluster.local/ns/shop/sa/${caller}`], dnsNames: [], subject: '', sha256: '' };
    const info = caller === '' ? connectionInfo : { ...connectionInfo, peer, sourceLabel: `shop/${caller}` };
    const { manager, context } = this;
    const stream = new ActiveStream({ manager, context, info, streamEnded: () => this.ends++ }, downstream);
    stream.onHead(head, endStream);
    return { stream, downstream, status: () => downstream.head?.status ?? 0 };
  }

  /** Answers the oldest request that is with the service; those who wait get their turn after the call. */
  async answerOne(): Promise<void> {
    this.cluster.streams.find((stream) => !this.#answered.has(stream))!.receiver.onHead(answer(200), true);
    for (const stream of this.cluster.streams)
      if (!this.#answered.has(stream)) {
        this.#answered.add(stream);
        break;
      }
    await Promise.resolve();
  }

  readonly #answered = new Set<unknown>();

  shown(stat: string, labels = ''): number | undefined {
    for (const map of [this.stats.gauges, this.stats.counters])
      for (const each of map.values())
        if (each.family === `outrigger_bulkhead_${stat}` && Object.values(each.labels).join(' ') === labels)
          return each.value;
    return undefined;
  }

  lastLog(): Record<string, unknown> {
    return JSON.parse(this.lines.at(-1)!) as Record<string, unknown>;
  }
}

describe('limits without a queue', () => {
  test('refuse with 503 UO, the policy, which limit it is and when to come again; gRPC callers get UNAVAILABLE (as Envoy says of an overflow)', () => {
    const rig = new Rig({ maxRequests: 1 });
    rig.begin();
    const { downstream } = rig.begin(get('/', HeaderFields.of(['accept', 'application/json'])));
    expect(downstream.head!.status).toBe(503);
    expect(downstream.head!.fields.get('retry-after')).toBe('1');
    expect(downstream.head!.fields.get('x-envoy-overloaded')).toBe('true');
    expect(JSON.parse(downstream.body)).toMatchObject({
      error: 'As many requests are under way here as may be (1) for one of this priority.',
      ...{ flag: 'UO', details: 'inbound_limit{workload}', rule: 'TrafficPolicy shop/orders', limit: 'workload' },
    });
    expect(rig.lastLog()).toMatchObject({ flags: 'UO', details: 'inbound_limit{workload}' });
    expect(rig.begin(grpcCall()).downstream.head!.fields.get('grpc-status')).toBe('14');
    expect(rig.shown('refused_total', 'workload  limit')).toBe(2);
  });

  test('count callers by their identity, those without one together, and some otherwise', () => {
    const rig = new Rig({
      perCaller: {
        maxRequests: 1,
        exceptions: [
          {
            callers: [{ kind: 'exact', value: 'spiffe://cluster.local/ns/shop/sa/web', ignoreCase: false }],
            maxRequests: 2,
          },
        ],
      },
    });
    const passes = (caller: string): boolean => rig.begin(get('/'), caller).status() === 0;
    expect([passes('web'), passes('web'), passes('web')]).toEqual([true, true, false]);
    expect([passes('batch'), passes('batch')]).toEqual([true, false]);
    expect([passes(''), passes('')]).toEqual([true, false]);
    expect(rig.shown('requests', 'caller shop/web')).toBe(2);
    expect(rig.shown('refused_total', 'caller unknown limit')).toBe(1);
    expect(rig.lastLog()['details']).toBe('inbound_limit{caller}');
  });

  test('of a route: the first that matches counts; the place is free again however the request ended', async () => {
    const rig = new Rig({
      routes: [
        { name: 'reports', match: path('/reports'), maxRequests: 1 },
        { name: 'rest', match: everything, maxRequests: 1 },
      ],
    });
    const first = rig.begin(get('/reports?all'));
    expect(rig.begin(get('/reports')).status()).toBe(503);
    expect(rig.begin(get('/x')).status()).toBe(0);
    first.stream.onReset(gone);
    expect(rig.begin(get('/reports')).status()).toBe(0);
    rig.cluster.failNext.push(new ProxyError({ flag: 'UH', source: 'local', details: 'none', message: 'None.' }));
    await rig.answerOne();
    expect(rig.shown('requests', 'route reports')).toBe(1);
    expect(rig.shown('limit', 'route reports')).toBe(1);
  });

  test('leave nothing behind of requests that passed', async () => {
    const rig = new Rig({ maxRequests: 9, perCaller: { maxRequests: 9, exceptions: [] } });
    for (let i = 0; i < 5; i++) {
      rig.begin(get('/'), 'web');
      await rig.answerOne();
    }
    expect(rig.shown('requests', 'workload ')).toBe(0);
    expect(rig.time.wheel.armedCount).toBe(0);
  });
});

describe('the queue', () => {
  test('lets a request wait, unread, and on when there is room; its limits of time begin then', async () => {
    const rig = new Rig({ maxRequests: 1, queue });
    rig.begin();
    const waiting = rig.begin(post('/'), 'web', false);
    expect(waiting.downstream.pauses).toBe(1);
    expect(rig.cluster.streams.length).toBe(1);
    expect(rig.shown('waiting', 'workload ')).toBe(1);
    rig.time.advance(100);
    await rig.answerOne();
    expect(waiting.downstream.pauses).toBe(0);
    expect(rig.cluster.last.log).toEqual(['head']);
    waiting.stream.onData(bytes('abc'), true);
    expect(rig.cluster.last.body).toBe('abc');
    expect(rig.shown('waiting', 'workload ')).toBe(0);
    const wait = [...rig.stats.histograms.values()].find(
      ({ family }) => family === 'outrigger_bulkhead_queue_wait_seconds',
    )!;
    expect([wait.count, wait.sum]).toEqual([1, 100]);
    await rig.answerOne();
    expect(rig.time.wheel.armedCount).toBe(0);
  });

  test('refuses who waited too long, naming the limit', async () => {
    const rig = new Rig({ perCaller: { maxRequests: 1, exceptions: [] }, queue });
    rig.begin(get('/'), 'web');
    const { downstream, status } = rig.begin(get('/'), 'web');
    rig.time.advance(400);
    expect(status()).toBe(0);
    rig.time.advance(120);
    expect(status()).toBe(503);
    expect(JSON.parse(downstream.body)).toMatchObject({
      error: expect.stringMatching(
        /^shop\/web has as many requests under way here as may be \(1\), and after 5\d\d ms there was no room for this one\.$/,
      ) as string,
      details: 'inbound_queue_timeout{caller}',
    });
    expect(rig.shown('refused_total', 'caller shop/web queue_timeout')).toBe(1);
    await rig.answerOne();
    expect(rig.time.wheel.armedCount).toBe(0);
  });

  test('a caller that is gone leaves it at once, and takes no turn', async () => {
    const rig = new Rig({ maxRequests: 1, queue });
    rig.begin();
    const waiting = rig.begin(post('/'), '', false);
    const next = rig.begin(get('/next'));
    waiting.stream.onReset(gone);
    expect(waiting.downstream.pauses).toBe(0);
    expect(rig.shown('waiting', 'workload ')).toBe(1);
    await rig.answerOne();
    expect(rig.cluster.streams.length).toBe(2);
    expect(rig.cluster.last.head!.path).toBe('/next');
    next.stream.onReset(gone);
    expect(rig.shown('requests', 'workload ')).toBe(0);
    expect(rig.time.wheel.armedCount).toBe(0);
  });

  test('is full: refused at once, and what can be shed gives its place to what counts for more', async () => {
    const rig = new Rig({
      maxRequests: 2,
      queue: { ...queue, maxRequests: 1 },
      priorities: [{ match: path('/pay'), priority: 'critical' }],
    });
    rig.begin();
    rig.begin();
    // The route says it.
    const bulk = rig.begin(get('/bulk'));
    expect(bulk.status()).toBe(0);
    const pay = rig.begin(get('/pay'));
    expect(bulk.status()).toBe(503);
    expect(rig.lastLog()['details']).toBe('inbound_queue_displaced{workload}');
    const other = rig.begin();
    expect(other.status()).toBe(503);
    expect(rig.lastLog()['details']).toBe('inbound_queue_full{workload}');
    await rig.answerOne();
    expect(rig.cluster.last.head!.path).toBe('/pay');
    expect(pay.status()).toBe(0);
    const shed = (priority: string): number =>
      rig.stats.counter('outrigger_requests_shed_total', null, { priority }).value;
    expect([shed('sheddable'), shed('default'), shed('critical')]).toEqual([1, 1, 0]);
  });

  test('turns to the newest first under overload, and says so', async () => {
    const rig = new Rig({ maxRequests: 1, queue });
    rig.begin();
    for (const name of ['/a', '/b', '/c']) rig.begin(get(name));
    rig.time.advance(130);
    await rig.answerOne();
    expect(rig.cluster.last.head!.path).toBe('/c');
    expect(rig.shown('overloaded')).toBe(1);
    await rig.answerOne();
    await rig.answerOne();
    expect(rig.cluster.last.head!.path).toBe('/a');
    expect(rig.shown('overloaded')).toBe(0);
  });

  test('a turn is taken by one that waits, not by one that comes before the call is over', async () => {
    const rig = new Rig({ maxRequests: 1, queue });
    const first = rig.begin();
    rig.begin(get('/waits'));
    first.stream.onReset(gone);
    rig.begin(get('/comes'));
    expect(rig.cluster.last.head!.path).toBe('/waits');
    await Promise.resolve();
    expect(rig.cluster.streams.length).toBe(2);
    await rig.answerOne();
    expect(rig.cluster.streams.length).toBe(2);
  });
});

describe('with adaptive concurrency behind it', () => {
  const gradient = {
    ...{ percentile: 0.5, maxConcurrency: 10, updateIntervalMs: 100, minRttIntervalMs: 60_000 },
    ...{ minRttRequests: 2, jitter: 0, minConcurrency: 2, buffer: 0.25 },
  };
  const adaptive: AdaptiveConcurrencyConfig = {
    ...{ kind: 'adaptive-concurrency', filterName: 'ac', enabled: true, exceededStatus: 503, gradient },
  };

  test('what is beyond its limit waits in the queue, where there is one', async () => {
    const rig = new Rig({ queue }, adaptive);
    rig.begin();
    rig.begin();
    const waiting = rig.begin();
    expect(waiting.status()).toBe(0);
    expect(rig.cluster.streams.length).toBe(2);
    rig.time.advance(10);
    await rig.answerOne();
    expect(rig.cluster.streams.length).toBe(3);
    const late = rig.begin();
    rig.time.advance(520);
    expect(late.status()).toBe(503);
    expect(rig.lastLog()).toMatchObject({ flags: 'UO', details: 'inbound_queue_timeout{adaptive}' });
    expect(rig.counter('http.test.adaptive_concurrency.gradient_controller.rq_blocked')).toBe(0);
  });

  test('without one it refuses by itself, by the priorities that the limits know', () => {
    const rig = new Rig({ priorities: [{ match: path('/pay'), priority: 'critical' }] }, adaptive);
    rig.begin();
    rig.begin();
    expect(rig.begin().status()).toBe(503);
    expect(rig.lastLog()).toMatchObject({ flags: null, details: 'reached_concurrency_limit' });
    expect([rig.begin(get('/pay')).status(), rig.begin(get('/pay')).status()]).toEqual([0, 503]);
  });
});
