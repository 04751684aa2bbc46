/** The retry decisions of one request, by themselves. */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { RequestHead, ResponseHead } from '../codec/message-head.ts';
import { ProxyError, type RetrySafety } from '../codec/proxy-error.ts';
import type { ResponseFlag } from '../codec/response-flag.ts';
import type { RetryPolicyConfig } from '../config/route-config.ts';
import { retryConditionNames } from './retry-conditions.ts';
import { RetryPolicy } from './retry-policy.ts';
import { type RetryPlaces, RetryState, type TriedAttempt } from './retry-state.ts';

function policy(retryOn: readonly string[], overrides: Partial<RetryPolicyConfig> = {}): RetryPolicy {
  return RetryPolicy.compile({
    retryOn,
    maxRetries: 2,
    perTryTimeoutMs: 0,
    perTryIdleTimeoutMs: 0,
    retriableStatusCodes: [],
    retriableHeaders: [],
    retriableRequestHeaders: [],
    baseBackoffMs: 25,
    maxBackoffMs: 250,
    resetHeaders: [],
    maxResetMs: 300_000,
    omitCanaryHosts: false,
    ...overrides,
  });
}

function failure(flag: ResponseFlag, retry: RetrySafety, source: ProxyError['source'] = 'upstream'): ProxyError {
  return new ProxyError({ flag, source, details: 'test', message: 'Failed.', retry });
}

const request = (method = 'GET', ...pairs: ReadonlyArray<readonly [string, string]>) =>
  new RequestHead(method, 'http', 'orders.shop', '/', '1.1', HeaderFields.of(...pairs));
const response = (status: number, ...pairs: ReadonlyArray<readonly [string, string]>) =>
  new ResponseHead(status, HeaderFields.of(...pairs));

class Places implements RetryPlaces {
  left = 3;
  repeatsLeft = 10;
  readonly events: string[] = [];

  tryBeginRetry(): boolean {
    if (this.left === 0) return false;
    this.left--;
    return true;
  }

  endRetry(): void {
    this.left++;
  }

  tryBeginRepeat(): boolean {
    if (this.repeatsLeft === 0) return false;
    this.repeatsLeft--;
    return true;
  }

  endRepeat(): void {
    this.repeatsLeft++;
  }

  onRetryEvent(event: string): void {
    this.events.push(event);
  }
}

function attempt(cluster: RetryPlaces, connected = true, reused = false): TriedAttempt {
  return { cluster, host: null, connected, reused };
}

describe('which answers ask for a retry (Envoy: x-envoy-retry-on, x-envoy-retry-grpc-on)', () => {
  const limited = ['x-envoy-ratelimited', 'true'] as const;
  test.each<[string, number, ReadonlyArray<readonly [string, string]>, boolean]>([
    ['5xx', 500, [], true],
    ['5xx', 599, [], true],
    ['5xx', 499, [], false],
    ['5xx', 503, [limited], false],
    ['gateway-error', 502, [], true],
    ['gateway-error', 504, [], true],
    ['gateway-error', 500, [], false],
    ['gateway-error', 505, [], false],
    ['retriable-4xx', 409, [], true],
    ['retriable-4xx', 404, [], false],
    ['envoy-ratelimited', 429, [limited], true],
    ['envoy-ratelimited', 429, [], false],
    ['5xx,envoy-ratelimited', 503, [limited], true],
    ['retriable-status-codes', 418, [], true],
    ['retriable-status-codes', 419, [], false],
    ['5xx', 418, [], false],
    ['retriable-headers', 200, [['x-again', 'yes']], true],
    ['retriable-headers', 200, [['x-again', 'no']], false],
    ['5xx', 200, [['x-again', 'yes']], false],
    ['cancelled', 200, [['grpc-status', '1']], true],
    ['deadline-exceeded', 200, [['grpc-status', '4']], true],
    ['resource-exhausted', 200, [['grpc-status', '8']], true],
    ['internal', 200, [['grpc-status', '13']], true],
    ['unavailable', 200, [['grpc-status', '14']], true],
    ['unavailable', 200, [['grpc-status', '13']], false],
    ['unavailable', 200, [['grpc-status', 'constructor']], false],
    ['unavailable', 503, [], false],
    ['connect-failure,refused-stream,reset,reset-before-request,http3-post-connect-failure', 503, [], false],
  ])('%s: %d %j → %s', (retryOn, status, pairs, asks) => {
    const compiled = policy(retryOn.split(','), {
      retriableStatusCodes: [418],
      retriableHeaders: [
        {
          name: 'x-again',
          test: { kind: 'string', match: { kind: 'exact', value: 'yes', ignoreCase: false } },
          invert: false,
          treatMissingAsEmpty: false,
        },
      ],
    });
    expect(compiled.asksForAnswer(response(status, ...pairs))).toBe(asks);
    if (asks) expect(compiled.looksAtAnswers).toBe(true);
  });
});

describe('which failures ask for a retry', () => {
  const refusedConnection = failure('UF', 'unsent');
  const refusedStream = failure('UR', 'unsent');
  const cut = failure('UC', 'idempotent');
  const inTheMiddle = failure('UC', 'never');
  test.each<[string, ProxyError, boolean, boolean]>([
    ['5xx', cut, true, true],
    ['gateway-error', inTheMiddle, true, true],
    ['reset', cut, true, true],
    ['reset', refusedConnection, false, true],
    ['reset-before-request', cut, true, false],
    ['reset-before-request', refusedConnection, false, true],
    ['reset-before-request', refusedStream, true, true],
    ['connect-failure', refusedConnection, false, true],
    ['connect-failure', refusedStream, true, false],
    ['refused-stream', refusedStream, true, true],
    ['refused-stream', refusedConnection, false, false],
    ['refused-stream', cut, true, false],
    ['retriable-4xx,unavailable', cut, true, false],
    // Overload and absence are answers; our own doing would end the same way again.
    ['5xx', failure('UO', 'never', 'local'), false, false],
    ['5xx,connect-failure', failure('UH', 'unsent', 'local'), false, false],
    ['5xx', failure('LR', 'never', 'local'), true, false],
  ])('%s: %o, connected %s → %s', (retryOn, error, connected, asks) => {
    expect(policy(retryOn.split(',')).asksForFailure(error, connected)).toBe(asks);
  });
});

it('pauses by full jitter over an interval that doubles up to its bound (Envoy)', () => {
  const compiled = policy([], { baseBackoffMs: 25, maxBackoffMs: 90 });
  expect([0, 1, 2, 3, 1_000].map((retry) => compiled.backoffMs(retry, () => 0.5))).toEqual([12.5, 25, 45, 45, 45]);
  expect(compiled.backoffMs(3, () => 0)).toBe(0);
});

it('takes the first reset header that says something usable, and up to half as much again (Envoy)', () => {
  const compiled = policy([], {
    resetHeaders: [
      { name: 'retry-after', format: 'seconds' },
      { name: 'x-ratelimit-reset', format: 'unix-timestamp' },
    ],
    maxResetMs: 60_000,
  });
  const now = 1_700_000_000_000;
  let leftMs = Infinity;
  const at = (...pairs: ReadonlyArray<readonly [string, string]>) =>
    compiled.resetMs(response(429, ...pairs), now, () => 0.5, leftMs);
  expect(at(['Retry-After', '4'])).toBe(5_000);
  expect(at(['Retry-After', '61'], ['X-RateLimit-Reset', '1700000010'])).toBe(12_500);
  expect(at(['X-RateLimit-Reset', '1700000010'])).toBe(12_500);
  for (const useless of ['0', '61', '-1', '1.5', 'Fri, 31 Dec 1999 23:59:59 GMT', '', '9'.repeat(40)])
    expect(at(['Retry-After', useless])).toBe(-1);
  expect(at(['X-RateLimit-Reset', '1600000000'])).toBe(-1);
  // A pause beyond the limit is passed over, but not obeyed less than one that is within it.
  leftMs = 5_000;
  expect(at(['Retry-After', '400'])).toBe(400_000);
  expect(at(['Retry-After', '400'], ['X-RateLimit-Reset', '1700000002'])).toBe(2_500);
});

it('retries only requests that retriable_request_headers match, where there are any', () => {
  const compiled = policy(['5xx'], {
    retriableRequestHeaders: [
      { name: 'x-safe', test: { kind: 'present', present: true }, invert: false, treatMissingAsEmpty: false },
    ],
  });
  const places = new Places();
  const decide = (head: RequestHead) =>
    new RetryState(compiled, () => 0).onAnswer(attempt(places), head, response(503), 0, Infinity);
  expect(decide(request())).toBe('no');
  expect(decide(request('POST', ['x-safe', '1']))).toBe('later');
});

it('free repeats: an unsent request twice, whatever the method; a stale connection once, and never for a POST', () => {
  const places = new Places();
  const unsent = new RetryState(null, () => 0);
  const decisions = [1, 2, 3].map(() =>
    unsent.onFailure(attempt(places, false), request('POST'), failure('UF', 'unsent')),
  );
  expect(decisions).toEqual(['now', 'now', 'no']);
  const stale = attempt(places, true, true);
  const state = new RetryState(null, () => 0);
  expect(state.onFailure(stale, request('PUT'), failure('UC', 'idempotent'))).toBe('now');
  expect(state.onFailure(stale, request('PUT'), failure('UC', 'idempotent'))).toBe('no');
  expect(new RetryState(null, () => 0).onFailure(stale, request('POST'), failure('UC', 'idempotent'))).toBe('no');
  expect(places.repeatsLeft).toBe(10);
});

type Step =
  | {
      readonly kind: 'failure';
      readonly flag: ResponseFlag;
      readonly retry: RetrySafety;
      readonly connected: boolean;
      readonly reused: boolean;
    }
  | { readonly kind: 'answer'; readonly status: number; readonly pushback: string | null }
  | { readonly kind: 'slow' | 'settled' | 'end' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('failure' as const),
    flag: fc.constantFrom<ResponseFlag>('UF', 'UC', 'UR', 'UT', 'UH', 'UO'),
    retry: fc.constantFrom<RetrySafety>('unsent', 'idempotent', 'never'),
    connected: fc.boolean(),
    reused: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('answer' as const),
    status: fc.constantFrom(500, 503, 409, 429),
    pushback: fc.constantFrom(null, null, '0', '10', '-1', 'x'),
  }),
  fc.record({ kind: fc.constantFrom('slow' as const, 'settled' as const, 'end' as const) }),
);

test('whatever happens: one place at most, all places given back in the end, never more retries than the policy has', () => {
  fc.assert(
    fc.property(
      fc.subarray([...retryConditionNames]),
      fc.nat(4),
      fc.nat(2),
      fc.constantFrom('GET', 'POST'),
      fc.array(step, { maxLength: 20 }),
      (retryOn, maxRetries, places, method, steps) => {
        const cluster = new Places();
        cluster.left = places;
        const state = new RetryState(policy(retryOn, { maxRetries, retriableStatusCodes: [429] }), () => 0.5);
        let free = 0;
        let retried = 0;
        let limits = 0;
        const head = request(method);
        for (const next of steps) {
          const before = cluster.left;
          let decision: string = 'none';
          if (next.kind === 'failure') {
            const error = failure(next.flag, next.retry);
            decision = state.onFailure(attempt(cluster, next.connected, next.reused), head, error);
            if (decision === 'now') {
              // Never a second POST of our own accord.
              expect(next.retry === 'unsent' || method === 'GET').toBe(true);
              free++;
            }
          } else if (next.kind === 'answer') {
            const pairs = next.pushback === null ? [] : [['grpc-retry-pushback-ms', next.pushback] as const];
            decision = state.onAnswer(attempt(cluster), head, response(next.status, ...pairs), 0, 1_000);
            if (next.pushback === '-1' || next.pushback === 'x') expect(decision).toBe('no');
            if (decision === 'later' && next.pushback !== null) expect(state.delayMs).toBe(Number(next.pushback));
          } else if (next.kind === 'slow') decision = state.onSlow(attempt(cluster), head);
          else if (next.kind === 'settled') state.onSettled(attempt(cluster));
          else state.end();
          if (decision === 'later') {
            retried++;
            expect(state.delayMs).toBeGreaterThanOrEqual(0);
            expect(state.delayMs).toBeLessThanOrEqual(250);
          }
          if (decision === 'limit') limits++;
          if (decision === 'overflow') expect(before).toBe(0);
          // One place is held while a retry waits or runs, none once it is decided on.
          expect(places - cluster.left).toBeLessThanOrEqual(1);
          if (decision === 'later') expect(places - cluster.left).toBe(1);
          if (['no', 'limit', 'overflow'].includes(decision) && next.kind !== 'slow') expect(cluster.left).toBe(places);
        }
        expect(free).toBeLessThanOrEqual(3);
        expect(retried).toBeLessThanOrEqual(maxRetries);
        expect(cluster.events.filter((event) => event === 'limit').length).toBe(limits);
        state.end();
        expect(cluster.left).toBe(places);
        expect(cluster.repeatsLeft).toBe(10);
      },
    ),
    { numRuns: 400 },
  );
});
