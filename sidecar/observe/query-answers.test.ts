import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import type { BreakerStatus } from '../circuit-breaker/breaker-status.ts';
import { HeaderFields } from '../codec/header-fields.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { StatStore } from '../stats/stat-store.ts';
import { QuerySchema } from '../xds/api/outrigger/observe/v1/observe_pb.js';
import { QueryAnswers } from './query-answers.ts';
import type { AnswerPart } from './running-query.ts';
import { attempted, KeptRequests, observed } from './test/observed.ts';

type QueryInit = NonNullable<MessageInitShape<typeof QuerySchema>['query']>;

class Fixture {
  readonly answers: Array<AnswerPart & { readonly queryId: bigint }> = [];
  readonly requests = new KeptRequests();
  readonly stats = new StatStore();
  readonly forced: string[] = [];
  breakers: readonly BreakerStatus[] = [];
  blocked = false;
  nowMs = 0;
  readonly wheel: TimerWheel;
  readonly queries: QueryAnswers;

  constructor() {
    const clock = { nowMs: () => this.nowMs, wallMs: () => this.nowMs };
    this.wheel = new TimerWheel(clock, () => () => {});
    this.queries = new QueryAnswers({
      sources: {
        requests: this.requests,
        stats: () => this.stats,
        breakers: () => this.breakers,
        footprint: () => ({ residentBytes: 50_000_000, cpuSeconds: 1.5, uptimeSeconds: 60 }),
        clustersWithCertificate: () => [],
        forceBreaker: (name, to) => name === 'known' && this.forced.push(String(to)) > 0,
      },
      clock,
      wheel: this.wheel,
      answer: (queryId, part) => this.answers.push({ ...part, queryId }),
      blocked: () => this.blocked,
    });
  }

  ask(id: bigint, query: QueryInit): void {
    this.queries.onQuery(create(QuerySchema, { id, query }));
  }

  after(ms: number): void {
    this.nowMs += ms;
    this.wheel.advance();
  }

  taken(): Array<AnswerPart & { readonly queryId: bigint }> {
    return this.answers.splice(0);
  }
}

test('finds every record of a request, and says that there is no more', () => {
  const it = new Fixture();
  it.requests.offer(observed({ requestId: 'a', attempts: [attempted()] }));
  it.requests.offer(observed({ requestId: 'b' }));
  it.ask(1n, { case: 'findRequest', value: { requestId: 'a' } });
  const [answer] = it.taken();
  expect(answer).toMatchObject({ queryId: 1n, done: true });
  expect(answer!.requests).toMatchObject([{ requestId: 'a', attempts: [{ host: '10.0.0.1:80' }] }]);
  it.ask(2n, { case: 'findRequest', value: { requestId: 'c' } });
  expect(it.taken()).toMatchObject([{ queryId: 2n, requests: [], done: true }]);
});

test('lists in several messages what is much', () => {
  const it = new Fixture();
  for (let i = 0; i < 70; i++) it.requests.offer(observed());
  it.ask(1n, { case: 'listRequests', value: { limit: 1000 } });
  const answers = it.taken();
  expect(answers.map(({ requests, done }) => [requests!.length, done])).toEqual([
    [64, false],
    [6, true],
  ]);
});

test('lists circuit breakers, of clusters and of routes', () => {
  const it = new Fixture();
  const breaker: BreakerStatus = {
    ...{ scope: 'route', name: 'payments.shop/reports', rule: 'TrafficPolicy shop/reports', state: 'half-open' },
    ...{ heldByOperator: false, since: '2026-11-29T12:00:00.500Z', sinceSeconds: 2.5, why: '3 failures in a row' },
    ...{ nextProbeSeconds: null, openingsInARow: 1, probes: { active: 0, succeeded: 0, wanted: 3 } },
    window: { seconds: 10, calls: 7, failures: 3, slow: 0, consecutiveFailures: 3 },
    total: { calls: 9, failures: 3, slow: 0, refused: 2, opened: 1 },
  };
  it.breakers = [breaker, { ...breaker, scope: 'cluster', state: 'open', nextProbeSeconds: 1.5 }];
  it.ask(1n, { case: 'listBreakers', value: {} });
  const [answer] = it.taken();
  expect(answer).toMatchObject({ done: true });
  expect(answer!.breakers).toMatchObject([
    {
      scope: 'route',
      state: 'half_open',
      since: { seconds: 1_795_953_600n, nanos: 500_000_000 },
      calls: 7n,
      refused: 2n,
    },
    { scope: 'cluster', state: 'open', nextProbeSeconds: 1.5 },
  ]);
});

test('a tap sends together what ends within a moment, until it is stopped', () => {
  const it = new Fixture();
  it.ask(1n, { case: 'startTap', value: { filter: { errors: true } } });
  it.requests.offer(observed());
  it.requests.offer(observed({ status: 503 }));
  it.requests.offer(observed({ status: 500 }));
  expect(it.taken()).toEqual([]);
  it.after(120);
  expect(it.taken()).toMatchObject([{ queryId: 1n, requests: [{ status: 503 }, { status: 500 }], dropped: 0n }]);
  it.ask(2n, { case: 'stop', value: 1n });
  it.requests.offer(observed({ status: 503 }));
  it.after(200);
  expect(it.taken()).toEqual([]);
  expect(it.requests.listeners).toBe(0);
});

test('a tap is done after as many as it was asked for', () => {
  const it = new Fixture();
  it.ask(1n, { case: 'startTap', value: { limit: 2 } });
  for (let i = 0; i < 3; i++) it.requests.offer(observed());
  it.after(120);
  const [answer] = it.taken();
  expect(answer).toMatchObject({ done: true });
  expect(answer!.requests).toHaveLength(2);
  expect(it.requests.listeners).toBe(0);
});

test('a tap whose stream is full keeps a bounded number, counts the others, and tells', () => {
  const it = new Fixture();
  it.blocked = true;
  it.ask(1n, { case: 'startTap', value: {} });
  for (let i = 0; i < 300; i++) it.requests.offer(observed());
  it.after(1_000);
  expect(it.taken()).toEqual([]);
  it.blocked = false;
  it.after(120);
  const [answer] = it.taken();
  expect(answer!.requests).toHaveLength(256);
  expect(answer!.dropped).toBe(44n);
});

test('what a tap dropped is none of those that it was asked for: it goes on until it has sent them', () => {
  const it = new Fixture();
  it.blocked = true;
  it.ask(1n, { case: 'startTap', value: { limit: 300 } });
  for (let i = 0; i < 400; i++) it.requests.offer(observed());
  it.after(1_000);
  it.blocked = false;
  it.after(120);
  expect(it.taken()).toMatchObject([{ dropped: 144n, done: false }]);
  for (let i = 0; i < 100; i++) it.requests.offer(observed());
  it.after(120);
  const [answer] = it.taken();
  expect(answer).toMatchObject({ dropped: 0n, done: true });
  expect(answer!.requests).toHaveLength(44);
  expect(it.requests.listeners).toBe(0);
});

test('headers and bodies only for taps that ask for them, masked and cut', () => {
  const it = new Fixture();
  it.ask(1n, { case: 'startTap', value: {} });
  it.ask(2n, { case: 'startTap', value: { headers: true, bodyBytes: 3 } });
  expect(it.requests.bodyBytes).toEqual([0, 3]);
  it.requests.offer(observed(), {
    requestFields: HeaderFields.of(['cookie', 'sid=1']),
    responseFields: HeaderFields.of(['set-cookie', 'sid=2'], ['location', '/cb?ticket=1']),
    hiddenParameters: new Set(['ticket']),
    requestBody: Buffer.from('hello'),
    responseBody: Buffer.from('world'),
  });
  it.after(120);
  const [plain, full] = it.taken();
  expect(plain!.requests).toMatchObject([{ requestHeaders: {}, responseHeaders: {}, requestBody: new Uint8Array() }]);
  const [record] = full!.requests!;
  expect(record).toMatchObject({
    requestHeaders: { cookie: '(hidden)' },
    responseHeaders: { 'set-cookie': '(hidden)', location: '/cb?ticket=(hidden)' },
  });
  expect(Buffer.from(record!.requestBody!).toString()).toBe('hel');
});

test('figures come again and again; a full stream gets the next one for the whole time', () => {
  const it = new Fixture();
  const requests = it.stats.counter('outrigger_requests_total', 'outrigger_requests_total', {
    ...{ direction: 'outbound', source: 'a/b', destination: 'c/d', route: '', code: '200', grpc_status: '', flags: '' },
  });
  it.ask(1n, { case: 'startFigures', value: { interval: { seconds: 1n, nanos: 0 } } });
  requests.value = 5;
  it.after(1_010);
  const [first] = it.taken();
  expect(first!.edges).toMatchObject([{ requests: 5n, source: 'a/b', classes: { '2xx': 5n } }]);
  expect(first!.durationBoundsSeconds!.length).toBeGreaterThan(5);
  it.blocked = true;
  requests.value = 7;
  it.after(1_010);
  expect(it.taken()).toEqual([]);
  it.blocked = false;
  it.after(1_010);
  expect(it.taken()[0]!.edges).toMatchObject([{ requests: 2n, interval: { seconds: 2n } }]);
});

test.each<[string, QueryInit, RegExp]>([
  ['an interval that is too short', { case: 'startFigures', value: { interval: { nanos: 1 } } }, /^interval: /],
  ['a status that is none', { case: 'listRequests', value: { filter: { status: 'x' } } }, /^status: /],
  ['a request without an id', { case: 'findRequest', value: {} }, /^request_id: is missing/],
  ['a breaker that is not there', { case: 'forceBreaker', value: { breaker: 'x', state: 'open' } }, /^breaker: /],
  ['a state that is none', { case: 'forceBreaker', value: { breaker: 'known', state: 'ajar' } }, /^state: /],
  ['what a newer control plane asks', { case: undefined } as QueryInit, /older than who asks/],
])('%s is answered by the reason', (_, query, fault) => {
  const it = new Fixture();
  it.ask(1n, query);
  const answers = it.taken();
  expect(answers).toHaveLength(1);
  expect(answers[0]!.done).toBe(true);
  expect(answers[0]!.fault).toMatch(fault);
});

test('holds a breaker, or releases it', () => {
  const it = new Fixture();
  it.ask(1n, { case: 'forceBreaker', value: { breaker: 'known', state: 'open' } });
  it.ask(2n, { case: 'forceBreaker', value: { breaker: 'known', state: 'automatic' } });
  expect(it.taken()).toMatchObject([{ done: true }, { done: true }]);
  expect(it.forced).toEqual(['open', 'null']);
});

test('of queries that go on there is a bound, and one id is for one of them', () => {
  const it = new Fixture();
  for (let id = 1n; id <= 16n; id++) it.ask(id, { case: 'startTap', value: {} });
  it.ask(3n, { case: 'startTap', value: {} });
  it.ask(17n, { case: 'startTap', value: {} });
  expect(it.taken()).toMatchObject(
    [{ fault: /running/ }, { fault: /no more at a time/ }].map(({ fault }) => ({
      fault: expect.stringMatching(fault) as string,
    })),
  );
  it.queries.close();
  expect(it.requests.listeners).toBe(0);
});
