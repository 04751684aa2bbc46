import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GradientConfig } from '../../config/adaptive-concurrency-config.ts';
import { GradientController } from './gradient-controller.ts';
import { LatencyWindow } from './latency-window.ts';

const base: GradientConfig = {
  percentile: 0.5,
  maxConcurrency: 1000,
  updateIntervalMs: 100,
  minRttIntervalMs: 60_000,
  minRttRequests: 5,
  jitter: 0,
  minConcurrency: 3,
  buffer: 0.25,
};

/** As many requests at once as the limit takes, again and again until `rounds` are over: a service that is asked for all that it can do. */
function crowd(controller: GradientController, rounds: number, latencyMs: number, fromMs: number): number {
  let nowMs = fromMs;
  for (let i = 0; i < rounds; i++) {
    let begun = 0;
    while (controller.begin(nowMs)) begun++;
    nowMs += latencyMs;
    for (let n = 0; n < begun; n++) controller.end(nowMs - latencyMs, nowMs);
  }
  return nowMs;
}

/** Requests of the same latency, one after another. */
function run(controller: GradientController, count: number, latencyMs: number, fromMs: number): number {
  let nowMs = fromMs;
  for (let i = 0; i < count; i++) {
    expect(controller.begin(nowMs)).toBe(true);
    nowMs += latencyMs;
    controller.end(nowMs - latencyMs, nowMs);
  }
  return nowMs;
}

it('a window gives percentiles right to a tenth, from fixed memory', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.001, max: 900_000, noNaN: true }), { minLength: 1, maxLength: 300 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (latencies, share) => {
        const window = new LatencyWindow();
        for (const latency of latencies) window.record(latency);
        const sorted = [...latencies].sort((a, b) => a - b);
        const exact = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
        expect(Math.abs(window.percentile(share) - exact)).toBeLessThanOrEqual(exact * 0.1 + 1e-9);
      },
    ),
  );
});

describe('the gradient controller (Envoy)', () => {
  it('measures the least latency first, with few requests at once', () => {
    const controller = new GradientController(base, 0, () => 0);
    expect([controller.measuring, controller.limit]).toEqual([true, 3]);
    expect([0, 0, 0, 0].map((now) => controller.begin(now))).toEqual([true, true, true, false]);
    for (let i = 0; i < 3; i++) controller.end(0, 10);
    run(controller, 2, 10, 10);
    expect(controller.measuring).toBe(false);
    expect(controller.minRttMs).toBeCloseTo(10, -1);
  });

  it('lets more in while the latency stays within its buffer, fewer when it grows', () => {
    const controller = new GradientController(base, 0, () => 0);
    let nowMs = run(controller, 5, 10, 0);
    nowMs = crowd(controller, 11, 10, nowMs);
    // 3 × 1.25 + √3.75
    expect(controller.limit).toBe(5);
    expect(controller.gradient).toBeCloseTo(1.25, 1);
    for (let i = 0; i < 20; i++) nowMs = crowd(controller, 11, 10, nowMs);
    const before = controller.limit;
    expect(before).toBeGreaterThan(30);
    run(controller, 12, 100, nowMs);
    expect(controller.limit).toBeLessThan(before);
    expect(controller.gradient).toBe(0.5);
  });

  it('does not let more in than somebody asks for: a limit that is hardly used does not grow (Envoy: it does)', () => {
    const controller = new GradientController(base, 0, () => 0);
    let nowMs = run(controller, 5, 10, 0);
    for (let i = 0; i < 50; i++) nowMs = run(controller, 11, 10, nowMs);
    expect(controller.limit).toBe(3);
    for (let i = 0; i < 50; i++) nowMs = crowd(controller, 11, 10, nowMs);
    const wide = controller.limit;
    expect(wide).toBeGreaterThan(30);
    nowMs = run(controller, 200, 10, nowMs);
    expect(controller.limit).toBeLessThanOrEqual(wide);
  });

  it('measures again after its interval and a part by chance, without requests that began before', () => {
    const controller = new GradientController({ ...base, minRttIntervalMs: 1000, jitter: 0.5 }, 0, () => 0.5);
    run(controller, 5, 10, 0);
    const beganBefore = 1200;
    expect(controller.begin(beganBefore)).toBe(true);
    expect(controller.measuring).toBe(false);
    expect(controller.begin(1301)).toBe(true);
    expect([controller.measuring, controller.limit]).toEqual([true, 3]);
    controller.end(beganBefore, 5000);
    controller.end(1301, 1311);
    run(controller, 4, 10, 1311);
    expect(controller.minRttMs).toBeCloseTo(10, -1);
  });

  it('measures again after five windows at the least', () => {
    const controller = new GradientController({ ...base, minConcurrency: 10 }, 0, () => 0);
    let nowMs = run(controller, 5, 10, 0);
    for (let i = 0; i < 4; i++) nowMs = run(controller, 2, 120, nowMs);
    expect(controller.measuring).toBe(true);
  });

  it('keeps its limit within bounds, and lets nobody in beyond it, whatever happens', () => {
    const event = fc.record({
      pauseMs: fc.integer({ min: 0, max: 400 }),
      what: fc.constantFrom('begin', 'begin', 'begin', 'end', 'cancel'),
      which: fc.nat(),
    });
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 400 }),
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 10, max: 40 }),
        (events, minConcurrency, maxConcurrency) => {
          const config = { ...base, minConcurrency, maxConcurrency, minRttIntervalMs: 2000 };
          const controller = new GradientController(config, 0, () => 0.3);
          const underWay: number[] = [];
          let nowMs = 0;
          for (const { pauseMs, what, which } of events) {
            nowMs += pauseMs;
            if (what === 'begin') {
              const before = underWay.length;
              const may = controller.begin(nowMs);
              expect(may).toBe(before < controller.limit);
              if (may) underWay.push(nowMs);
            } else if (underWay.length > 0) {
              const [startMs] = underWay.splice(which % underWay.length, 1);
              if (what === 'end') controller.end(startMs!, nowMs);
              else controller.cancel();
            }
            expect(controller.outstanding).toBe(underWay.length);
            expect(controller.limit).toBeGreaterThanOrEqual(minConcurrency);
            expect(controller.limit).toBeLessThanOrEqual(maxConcurrency);
            if (controller.measuring) expect(controller.limit).toBe(minConcurrency);
          }
        },
      ),
    );
  });
});

it('at three times what a service can do, it works at its capacity and those let in are answered quickly', () => {
  // 20 at once, 10 ms each: 2,000 a second. 6,000 a second come.
  const controller = new GradientController({ ...base, minRttRequests: 50, minRttIntervalMs: 5000 }, 0, () => 0.5);
  const serviceMs = 10;
  const places = Array.from({ length: 20 }, () => 0);
  const ending: Array<{ readonly startMs: number; readonly endMs: number }> = [];
  const latencies: number[] = [];
  const untilMs = 20_000;
  for (let nowMs = 0; nowMs < untilMs; nowMs += 1 / 6) {
    while (ending.length > 0 && ending[0]!.endMs <= nowMs) {
      const { startMs, endMs } = ending.shift()!;
      controller.end(startMs, endMs);
      if (endMs > 2000) latencies.push(endMs - startMs);
    }
    if (!controller.begin(nowMs)) continue;
    const place = places.indexOf(Math.min(...places));
    const endMs = Math.max(nowMs, places[place]!) + serviceMs;
    places[place] = endMs;
    ending.push({ startMs: nowMs, endMs });
  }
  const capacity = ((untilMs - 2000) / serviceMs) * places.length;
  latencies.sort((a, b) => a - b);
  expect(latencies.length / capacity).toBeGreaterThanOrEqual(0.9);
  expect(latencies[Math.floor(latencies.length * 0.99)]).toBeLessThanOrEqual(3 * serviceMs);
});
