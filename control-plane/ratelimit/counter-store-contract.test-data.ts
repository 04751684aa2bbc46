/** What every CounterStore does, whoever else counts. Run by the tests of each. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CounterStore } from './counter-store.ts';

/** `open`: a new one, with nothing in it, that keeps so many counters. `close` is called after each. */
export function counterStoreContract(
  open: (maxCounters: number) => Promise<CounterStore>,
  close: (store: CounterStore) => Promise<void> = () => Promise.resolve(),
): void {
  const opened = async (maxCounters: number, use: (store: CounterStore) => Promise<void>): Promise<void> => {
    const store = await open(maxCounters);
    try {
      await use(store);
    } finally {
      await close(store);
    }
  };

  test('counts hits of a key in the window, which begins at whole multiples of its length', () =>
    opened(100, async (counters) => {
      expect(await counters.add('a', 1, 1_000, 10_400)).toEqual({ count: 1, resetMs: 600 });
      expect(await counters.add('a', 2, 1_000, 10_999)).toEqual({ count: 3, resetMs: 1 });
      expect(await counters.add('b', 1, 1_000, 10_999)).toEqual({ count: 1, resetMs: 1 });
      expect(await counters.add('a', 1, 60_000, 10_999)).toEqual({ count: 1, resetMs: 49_001 });
      expect(await counters.add('a', 1, 1_000, 11_000)).toEqual({ count: 1, resetMs: 1_000 });
      // Set back a little, the clock gives nobody a new count; by an hour, it does not leave one for as long.
      expect((await counters.add('a', 1, 1_000, 9_000)).count).toBe(2);
      await counters.add('late', 1, 1_000, 3_600_000);
      expect(await counters.add('late', 1, 1_000, 10_500)).toEqual({ count: 1, resetMs: 500 });
    }));

  test('never holds more than its limit, gives up what was asked for longest ago, and first what is over', () =>
    opened(2, async (counters) => {
      await counters.add('a', 1, 1_000, 0);
      await counters.add('b', 1, 1_000, 0);
      await counters.add('a', 1, 1_000, 0);
      await counters.add('c', 1, 1_000, 0);
      expect([counters.size, counters.evictions]).toEqual([2, 1]);
      expect((await counters.add('a', 1, 1_000, 0)).count).toBe(3);
      await counters.add('d', 1, 1_000, 5_000);
      expect([counters.size, counters.evictions]).toEqual([1, 1]);
    }));

  test('agrees with a count of all hits in the window, whatever the order of keys (without too many of them)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ key: fc.constantFrom('a', 'b', 'c'), hits: fc.integer({ min: 1, max: 5 }), waitMs: fc.nat(700) }),
          { maxLength: 40 },
        ),
        (steps) =>
          opened(10, async (counters) => {
            const all: Array<{ key: string; hits: number; window: number }> = [];
            let nowMs = 0;
            for (const { key, hits, waitMs } of steps) {
              nowMs += waitMs;
              const window = Math.floor(nowMs / 1_000);
              all.push({ key, hits, window });
              const expected = all
                .filter((each) => each.key === key && each.window === window)
                .reduce((sum, each) => sum + each.hits, 0);
              expect(await counters.add(key, hits, 1_000, nowMs)).toEqual({
                count: expected,
                resetMs: (window + 1) * 1_000 - nowMs,
              });
            }
          }),
      ),
      { numRuns: 50 },
    );
  });
}
