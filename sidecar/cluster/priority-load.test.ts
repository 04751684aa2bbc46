import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { priorityShares } from './priority-load.ts';

/** Shares of healthy hosts when so many of 100 are healthy in each priority. */
const shares = (...healthy: number[]): number[] =>
  priorityShares(
    healthy.map((count) => ({ total: 100, healthy: count, degraded: 0 })),
    50,
  ).map(({ healthyPercent }) => healthyPercent);
const panics = (...healthy: number[]): boolean[] =>
  priorityShares(
    healthy.map((count) => ({ total: 100, healthy: count, degraded: 0 })),
    50,
  ).map(({ panic }) => panic);

describe('priorityShares', () => {
  it('follows the table of Envoy\'s documentation for two priorities ("Priority levels")', () => {
    expect(shares(100, 100)).toEqual([100, 0]);
    expect(shares(72, 100)).toEqual([100, 0]);
    expect(shares(71, 100)).toEqual([99, 1]);
    expect(shares(50, 100)).toEqual([70, 30]);
    expect(shares(25, 100)).toEqual([35, 65]);
    expect(shares(0, 100)).toEqual([0, 100]);
  });

  it('normalizes when all priorities together are not healthy enough', () => {
    expect(shares(25, 25)).toEqual([50, 50]);
  });

  it('does not look at panic while some priorities together have health for all ("Panic threshold")', () => {
    expect(panics(72, 72)).toEqual([false, false]);
    expect(panics(50, 60)).toEqual([false, false]);
    expect(panics(25, 100)).toEqual([false, false]);
    expect(panics(25, 25)).toEqual([true, true]);
    expect(panics(5, 65)).toEqual([true, false]);
  });

  it('shares by number of hosts when everything is in panic', () => {
    expect(
      priorityShares(
        [
          { total: 30, healthy: 0, degraded: 0 },
          { total: 10, healthy: 0, degraded: 0 },
        ],
        50,
      ),
    ).toEqual([
      { healthyPercent: 75, degradedPercent: 0, panic: true },
      { healthyPercent: 25, degradedPercent: 0, panic: true },
    ]);
  });

  it('gives degraded hosts what healthy ones of all priorities cannot carry', () => {
    expect(
      priorityShares(
        [
          { total: 100, healthy: 30, degraded: 30 },
          { total: 100, healthy: 20, degraded: 0 },
        ],
        50,
      ),
    ).toEqual([
      { healthyPercent: 42, degradedPercent: 30, panic: false },
      { healthyPercent: 28, degradedPercent: 0, panic: false },
    ]);
  });

  it('always shares 100 per cent', () => {
    const health = fc
      .tuple(fc.nat(20), fc.nat(20), fc.nat(20))
      .map(([healthy, degraded, rest]) => ({ total: healthy + degraded + rest, healthy, degraded }));
    fc.assert(
      fc.property(fc.array(health, { minLength: 1, maxLength: 4 }), fc.nat(100), (priorities, threshold) => {
        const sum = priorityShares(priorities, threshold).reduce(
          (all, { healthyPercent, degradedPercent }) => all + healthyPercent + degradedPercent,
          0,
        );
        const hosts = priorities.reduce((all, { total }) => all + total, 0);
        expect(sum).toBe(hosts === 0 && threshold > 0 ? 0 : 100);
      }),
    );
  });
});
