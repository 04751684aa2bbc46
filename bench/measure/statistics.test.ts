import { describe, expect, it } from 'vitest';
import { percentile, ratioSpread, spread } from './statistics.ts';

describe('statistics of the benchmark', () => {
  it('takes percentiles by nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, index) => index + 1);
    expect([
      percentile(values, 0.5),
      percentile(values, 0.99),
      percentile(values, 0.999),
      percentile(values, 0),
    ]).toEqual([50, 99, 100, 1]);
    expect(percentile([], 0.5)).toBeNull();
  });

  it('gives the median with the least and the greatest value', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
    expect(spread([4, 1])).toEqual({ median: 2.5, min: 1, max: 4 });
    expect(spread([])).toBeNull();
  });

  it('compares round by round, so that drift of the machine cancels out', () => {
    expect(ratioSpread([10, 40], [20, 80])).toEqual({ median: 0.5, min: 0.5, max: 0.5 });
    expect(ratioSpread([10], [0])).toBeNull();
  });
});
