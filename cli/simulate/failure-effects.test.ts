import { describe, expect, it } from 'vitest';
import { changedLatency, combineEffects, noEffects } from './failure-effects.ts';
import { failure } from './test/specs.ts';

describe('failures that hold at the same time', () => {
  it('do nothing when there are none', () => {
    expect(combineEffects([])).toBe(noEffects);
  });

  it('must all be got past by a request, with the status of the first that fails any', () => {
    const effects = combineEffects([failure({ failShare: 0.5, status: 500 }), failure({ failShare: 0.5 })]);
    expect(effects.failShare).toBeCloseTo(0.75);
    expect(effects.status).toBe(500);
  });

  it('change the latency one after the other, and leave each its share of the capacity', () => {
    const effects = combineEffects([
      failure({ latency: { kind: 'times', factor: 10 }, capacityShare: 0.5 }),
      failure({ latency: { kind: 'plus', ms: 5 }, capacityShare: 0.5, dead: true }),
    ]);
    expect(changedLatency(10, effects.latency)).toBe(105);
    expect(effects.capacityShare).toBe(0.25);
    expect([effects.dead, effects.refuses]).toEqual([true, false]);
    expect(changedLatency(10, [{ kind: 'fixed', ms: 2000 }])).toBe(2000);
  });
});
