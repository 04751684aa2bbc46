import { describe, expect, it } from 'vitest';
import { drawLatency, type LatencySpec } from './latency.ts';
import { LatencyHistogram } from './latency-histogram.ts';
import { seededRandom } from './seeded-random.ts';

function drawn(spec: LatencySpec): LatencyHistogram {
  const random = seededRandom(3, 'latency');
  const histogram = new LatencyHistogram();
  for (let i = 0; i < 50_000; i++) histogram.record(drawLatency(spec, random));
  return histogram;
}

const near = (value: number, wanted: number, share: number): void =>
  expect(Math.abs(value - wanted) / wanted).toBeLessThan(share);

describe('latencies of a described service', () => {
  it('have the percentiles that were written', () => {
    const histogram = drawn({ kind: 'percentiles', p50Ms: 10, p99Ms: 80 });
    near(histogram.percentileMs(0.5), 10, 0.04);
    near(histogram.percentileMs(0.99), 80, 0.06);
  });

  it('have the mean that was written, between the bounds that were written, or are always the same', () => {
    near(drawn({ kind: 'mean', ms: 20 }).meanMs, 20, 0.02);
    const uniform = drawn({ kind: 'uniform', fromMs: 5, toMs: 15 });
    near(uniform.meanMs, 10, 0.02);
    expect(uniform.percentileMs(0)).toBeGreaterThanOrEqual(5);
    expect(uniform.percentileMs(1)).toBeLessThanOrEqual(15 * 1.02);
    near(drawn({ kind: 'fixed', ms: 7 }).percentileMs(0.99), 7, 0.02);
  });
});
