import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LocalRateLimitConfig } from '../../config/rate-limit-config.ts';
import type { Descriptor } from '../ratelimit/request-descriptors.ts';
import { LocalLimiter, mostWildcardBuckets } from './local-limiter.ts';
import { localRateLimitConfig } from './test/local-ratelimit-configs.ts';
import { TokenBucket } from './token-bucket.ts';

const bucket = (maxTokens: number, tokensPerFill = 1, fillIntervalMs = 1000) => ({
  maxTokens,
  tokensPerFill,
  fillIntervalMs,
});

describe('a token bucket', () => {
  it('never gives more than it holds and what time adds, and gives all of that', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 50, max: 5000 }),
        fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 200 }),
        (maxTokens, tokensPerFill, fillIntervalMs, pauses) => {
          const tokens = new TokenBucket({ maxTokens, tokensPerFill, fillIntervalMs }, 0);
          let nowMs = 0;
          let given = 0;
          for (const pause of pauses) {
            nowMs += pause;
            const waitMs = tokens.msUntilToken(nowMs);
            const gave = tokens.take(nowMs);
            expect(gave).toBe(waitMs === 0);
            if (gave) given++;
            expect(tokens.remaining(nowMs)).toBeGreaterThanOrEqual(0);
            expect(tokens.remaining(nowMs)).toBeLessThan(maxTokens);
            if (!gave) expect(tokens.take(nowMs + waitMs + 1e-6) ? given++ : -1).not.toBe(-1);
            if (!gave) nowMs += waitMs + 1e-6;
          }
          expect(given).toBeLessThanOrEqual(maxTokens + (nowMs * tokensPerFill) / fillIntervalMs + 1e-6);
        },
      ),
    );
  });

  it('does not lose tokens when time seems to go back', () => {
    const tokens = new TokenBucket(bucket(2), 1000);
    expect([tokens.take(500), tokens.take(500), tokens.take(1000), tokens.take(2000)]).toEqual([
      true,
      true,
      false,
      true,
    ]);
  });
});

describe('the buckets of a limit', () => {
  const limiter = (config: Partial<LocalRateLimitConfig>) => new LocalLimiter(localRateLimitConfig(config), 0);
  const caller = (name: string) => [[['caller', name]]] as const;

  it('a descriptor takes of its bucket and, unless told not to, of the default one too', () => {
    const descriptors = [{ entries: [['caller', 'a']] as const, bucket: bucket(2) }];
    const both = limiter({ bucket: bucket(1), descriptors });
    expect([both.take(caller('a'), 0), both.take(caller('a'), 0)]).toEqual([true, false]);
    const own = limiter({ bucket: bucket(1), descriptors, alwaysConsumesDefault: false });
    expect([0, 0, 0].map((now) => own.take(caller('a'), now))).toEqual([true, true, false]);
    expect([0, 0].map((now) => own.take(caller('b'), now))).toEqual([true, false]);
  });

  it('matches descriptors whole: the same keys and values in the same order', () => {
    const entries = [
      ['a', '1'],
      ['b', '2'],
    ] as const;
    const made = limiter({ bucket: null, descriptors: [{ entries, bucket: bucket(1) }] });
    const others: Descriptor[] = [
      [['a', '1']],
      [...entries].reverse(),
      [...entries, ['c', '3']],
      [
        ['a', '11'],
        ['b', ''],
      ],
    ];
    for (const other of others) expect([0, 0].map((now) => made.take([other], now))).toEqual([true, true]);
    expect([0, 0].map((now) => made.take([entries], now))).toEqual([true, false]);
  });

  it('the slowest of several decides first', () => {
    const made = limiter({
      bucket: null,
      descriptors: [
        { entries: [['a', '1']], bucket: bucket(5, 5) },
        { entries: [['b', '1']], bucket: bucket(1, 1) },
      ],
    });
    expect(made.take([[['a', '1']], [['b', '1']]], 0)).toBe(true);
    expect(made.decidedBy!.maxTokens).toBe(1);
    expect(made.take([[['a', '1']], [['b', '1']]], 0)).toBe(false);
    expect(made.take([[['a', '1']]], 0)).toBe(true);
    // Nothing was taken for the refused one.
    expect(made.decidedBy!.remaining(0)).toBe(3);
  });

  it('a wildcard gives each value a bucket, of which a bounded number is kept', () => {
    const made = limiter({ bucket: null, descriptors: [{ entries: [['caller', '']], bucket: bucket(1, 1, 1e9) }] });
    expect([made.take(caller('a'), 0), made.take(caller('a'), 0), made.take(caller('b'), 0)]).toEqual([
      true,
      false,
      true,
    ]);
    for (let i = 0; i < mostWildcardBuckets - 2; i++) made.take(caller(`x${i}`), 0);
    expect(made.take(caller('a'), 0)).toBe(false);
    // That was used last: it is b that goes.
    made.take(caller('one more'), 0);
    expect([made.take(caller('a'), 0), made.take(caller('b'), 0)]).toEqual([false, true]);
  });
});
