import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LatencyHistogram } from './latency-histogram.ts';

describe('a histogram of latencies', () => {
  it('gives percentiles within 2 % of the true ones', () => {
    const latencies = fc.array(fc.double({ min: 0.02, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(latencies, fc.double({ min: 0.01, max: 1, noNaN: true }), (all, share) => {
        const histogram = new LatencyHistogram();
        for (const ms of all) histogram.record(ms);
        const exact = all.toSorted((a, b) => a - b)[Math.ceil(share * all.length) - 1]!;
        const found = histogram.percentileMs(share);
        expect(found).toBeGreaterThanOrEqual(exact * 0.999_999);
        expect(found).toBeLessThanOrEqual(exact * 1.021);
      }),
    );
  });

  it('adds up, and is empty when cleared', () => {
    const [one, other, sum] = [new LatencyHistogram(), new LatencyHistogram(), new LatencyHistogram()];
    one.record(1);
    other.record(100);
    one.addTo(sum);
    other.addTo(sum);
    expect(sum.count).toBe(2);
    expect(sum.percentileMs(1)).toBeGreaterThan(99);
    one.clear();
    expect([one.count, one.percentileMs(0.5), one.meanMs]).toEqual([0, 0, 0]);
  });
});
