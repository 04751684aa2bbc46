import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ExponentialBuckets } from './exponential-buckets.ts';

test('a value lies in a bucket that it is not above, and above the one before (Prometheus native histograms)', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 1e-5, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 200 }),
      (values) => {
        const buckets = new ExponentialBuckets();
        for (const value of values) buckets.record(value);
        const { counts, firstIndex, schema } = buckets;
        expect(counts.length).toBeLessThanOrEqual(160);
        const base = 2 ** (2 ** -schema);
        const expected = new Float64Array(counts.length);
        for (const value of values) expected[Math.ceil(Math.log2(value) * 2 ** schema) - firstIndex]!++;
        expect([...counts]).toEqual([...expected]);
        for (const value of values) {
          const index = Math.ceil(Math.log2(value) * 2 ** schema);
          expect(value).toBeLessThanOrEqual(base ** index * (1 + 1e-9));
          expect(value).toBeGreaterThan(base ** (index - 1) * (1 - 1e-9));
        }
      },
    ),
  );
});

test('begins fine, is coarser only for what lies far apart, and keeps what is next to nothing apart', () => {
  const buckets = new ExponentialBuckets();
  buckets.record(0, 2);
  for (let ms = 1; ms < 1000; ms++) buckets.record(ms / 1000);
  expect([buckets.schema, buckets.zeroCount]).toEqual([3, 2]);
  buckets.record(3600);
  buckets.record(0.00002);
  expect(buckets.schema).toBe(2);
  expect(buckets.counts.reduce((sum, count) => sum + count, 0)).toBe(1001);
  buckets.clear();
  expect([buckets.schema, buckets.counts.length, buckets.zeroCount]).toEqual([3, 0, 0]);
});
