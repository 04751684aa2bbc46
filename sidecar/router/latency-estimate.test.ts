import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { halfLifeMs, LatencyEstimate } from './latency-estimate.ts';

const latency = fc.double({ min: 1, max: 900_000, noNaN: true });
const percentile = fc.double({ min: 1, max: 100, noNaN: true });
/** Buckets grow by the eighth root of 2. */
const resolution = 2 ** (1 / 8);

function estimateOf(latencies: readonly number[], nowMs = 0): LatencyEstimate {
  const estimate = new LatencyEstimate();
  for (const ms of latencies) estimate.add(ms, nowMs);
  return estimate;
}

describe('a percentile', () => {
  test('is the exact one, to the width of a bucket', () => {
    fc.assert(
      fc.property(fc.array(latency, { minLength: 1, maxLength: 300 }), percentile, (latencies, p) => {
        const sorted = latencies.toSorted((a, b) => a - b);
        const exact = sorted[Math.max(0, Math.ceil((p / 100) * sorted.length - 1e-9) - 1)]!;
        const found = estimateOf(latencies).percentileMs(p);
        expect(found).toBeGreaterThanOrEqual((exact / resolution) * (1 - 1e-9));
        expect(found).toBeLessThanOrEqual(exact * resolution * (1 + 1e-9));
      }),
    );
  });

  test('never falls as the share rises, and is finite', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: 0, noNaN: true }), fc.nat(10_000_000)), { minLength: 1 }),
        percentile,
        percentile,
        (samples, a, b) => {
          const estimate = new LatencyEstimate();
          let now = 0;
          for (const [ms, passedMs] of samples) estimate.add(ms, (now += passedMs));
          const [low, high] = [estimate.percentileMs(Math.min(a, b)), estimate.percentileMs(Math.max(a, b))];
          expect(low).toBeGreaterThanOrEqual(0);
          expect(high).toBeGreaterThanOrEqual(low);
          expect(Number.isFinite(high)).toBe(true);
        },
      ),
    );
  });

  test('follows what is recent: after some half-lives the old latencies count for nothing', () => {
    const estimate = estimateOf(Array<number>(10_000).fill(1_000));
    for (let i = 0; i < 100; i++) estimate.add(10, 20 * halfLifeMs);
    expect(estimate.percentileMs(95)).toBeLessThan(11);
  });

  test('is the same whether time has passed or not, as long as nothing new comes', () => {
    const estimate = estimateOf([1, 2, 3, 50, 100]);
    const before = estimate.percentileMs(90);
    expect(estimate.samples(50 * halfLifeMs)).toBeLessThan(1e-9);
    expect(estimate.percentileMs(90)).toBeCloseTo(before, 6);
    expect(estimate.samples(1e12)).toBe(0);
    expect(estimate.percentileMs(90)).toBe(-1);
  });
});

describe('how many samples it stands on', () => {
  test('is their number when they are new, half of it after a half-life', () => {
    const estimate = estimateOf(Array<number>(64).fill(5), 1_000);
    expect(estimate.samples(1_000)).toBeCloseTo(64);
    expect(estimate.samples(1_000 + halfLifeMs)).toBeCloseTo(32);
  });

  test('never exceeds what came, however long it runs', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(4 * halfLifeMs), { minLength: 1, maxLength: 400 }), (gaps) => {
        const estimate = new LatencyEstimate();
        let now = 0;
        for (const gap of gaps) estimate.add(7, (now += gap));
        const samples = estimate.samples(now);
        expect(samples).toBeGreaterThan(0.999);
        expect(samples).toBeLessThanOrEqual(gaps.length * 1.000_001);
      }),
    );
  });
});

it('says nothing before it has enough, and is worked out four times in a second at most', () => {
  const estimate = estimateOf(Array<number>(9).fill(20));
  expect(estimate.recentPercentileMs(95, 10, 0)).toBe(-1);
  estimate.add(20, 0);
  expect(estimate.recentPercentileMs(95, 10, 249)).toBe(-1);
  expect(estimate.recentPercentileMs(95, 9, 250)).toBeCloseTo(20, -1);
  expect(new LatencyEstimate().percentileMs(95)).toBe(-1);
});
