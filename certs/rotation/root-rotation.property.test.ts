import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  advanceRotation,
  beginRotation,
  describeRotation,
  forceRotation,
  type RotationState,
  type RotationTiming,
  readRotationState,
  revertRotation,
  trustedAuthorities,
} from './root-rotation.ts';

const timing: RotationTiming = { leafLifetimeMs: 1000, minPhaseMs: 10, skewMs: 100 };
const a = 'a'.repeat(16);
const b = 'b'.repeat(16);
const steady: RotationState = { phase: 'steady', signing: a };
const nobodyReady = { holders: 3, withBundle: 0, moved: 0 };
const allKnow = { holders: 3, withBundle: 3, moved: 0 };
const allMoved = { holders: 3, withBundle: 3, moved: 3 };

describe('root rotation', () => {
  it('makes the new root known, signs with it when all know it, and drops the old one when all have moved', () => {
    const distributing = beginRotation(steady, b, 0, timing);
    expect(trustedAuthorities(distributing)).toEqual([a, b]);
    expect(advanceRotation(distributing, { holders: 3, withBundle: 2, moved: 0 }, 500, timing)).toBe(distributing);
    expect(advanceRotation(distributing, allKnow, 9, timing)).toBe(distributing);
    const draining = advanceRotation(distributing, allKnow, 10, timing);
    expect(draining).toEqual({ phase: 'draining', signing: b, old: a, sinceMs: 10, byMs: 1110 });
    expect(trustedAuthorities(draining)).toEqual([b, a]);
    expect(advanceRotation(draining, allKnow, 500, timing)).toBe(draining);
    expect(advanceRotation(draining, allMoved, 20, timing)).toEqual({ phase: 'steady', signing: b });
  });

  it('waits for those that it does not see no longer than their certificates live', () => {
    const distributing = beginRotation(steady, b, 0, timing);
    expect(advanceRotation(distributing, nobodyReady, 1099, timing)).toBe(distributing);
    const draining = advanceRotation(distributing, nobodyReady, 1100, timing);
    expect(draining.phase).toBe('draining');
    expect(advanceRotation(draining, nobodyReady, 2199, timing)).toBe(draining);
    expect(advanceRotation(draining, nobodyReady, 2200, timing)).toEqual({ phase: 'steady', signing: b });
  });

  it('is one at a time', () => {
    expect(() => beginRotation(beginRotation(steady, b, 0, timing), 'c'.repeat(16), 1, timing)).toThrow(
      'a rotation is under way',
    );
    expect(() => beginRotation(steady, a, 0, timing)).toThrow('signs already');
    expect(() => forceRotation(steady, 0, timing)).toThrow('no rotation is under way');
    expect(() => revertRotation(steady, 0, timing)).toThrow('no rotation is under way');
  });

  it('goes back: before the switch to where it was, after it with the roles exchanged', () => {
    const distributing = beginRotation(steady, b, 0, timing);
    expect(revertRotation(distributing, 5, timing)).toEqual(steady);
    const draining = forceRotation(distributing, 5, timing);
    expect(revertRotation(draining, 50, timing)).toEqual({
      phase: 'draining',
      signing: a,
      old: b,
      sinceMs: 50,
      byMs: 1150,
    });
  });

  it('says in words where it is', () => {
    expect(describeRotation(beginRotation(steady, b, 0, { ...timing, leafLifetimeMs: 3_600_000 }), 0)).toContain(
      'in 61 min at the latest',
    );
  });

  it('never loses a request: whoever signs is trusted by all that it waits for, and no valid leaf’s root is dropped, whatever happens and when', () => {
    const action = fc.constantFrom('begin', 'advance', 'revert', 'restart');
    fc.assert(
      fc.property(fc.array(fc.tuple(action, fc.integer({ min: 0, max: 400 })), { maxLength: 60 }), (actions) => {
        let nowMs = 0;
        let fresh = 0;
        let state: RotationState = steady;
        // Nobody is ever seen to be ready: only time lets the rotation go on, which is the hardest case for holders that are not seen.
        const lastSignedMs = new Map<string, number>();
        const knownSinceMs = new Map<string, number>([[a, -10_000]]);
        for (const [what, delayMs] of actions) {
          lastSignedMs.set(state.signing, nowMs);
          nowMs += delayMs;
          lastSignedMs.set(state.signing, nowMs);
          if (what === 'restart') state = readRotationState(JSON.parse(JSON.stringify(state)));
          if (what === 'advance') state = advanceRotation(state, nobodyReady, nowMs, timing);
          if (what === 'begin' && state.phase === 'steady')
            state = beginRotation(state, (fresh++).toString(16).padStart(16, '0'), nowMs, timing);
          if (what === 'revert' && state.phase !== 'steady') state = revertRotation(state, nowMs, timing);
          const trusted = trustedAuthorities(state);
          for (const id of trusted) if (!knownSinceMs.has(id)) knownSinceMs.set(id, nowMs);
          expect(trusted).toContain(state.signing);
          expect(nowMs - knownSinceMs.get(state.signing)!).toBeGreaterThanOrEqual(timing.leafLifetimeMs);
          for (const [id, atMs] of lastSignedMs)
            if (nowMs < atMs + timing.leafLifetimeMs) expect(trusted).toContain(id);
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    null,
    {},
    { phase: 'steady' },
    { phase: 'steady', signing: '../../etc' },
    { phase: 'distributing', signing: a, next: a, sinceMs: 0, byMs: 1 },
    { phase: 'draining', signing: a, old: b, sinceMs: 'x', byMs: 1 },
    { phase: 'else', signing: a, sinceMs: 0, byMs: 1 },
  ])('refuses a stored state that is damaged: %j', (value) => {
    expect(() => readRotationState(value)).toThrow('damaged');
  });
});
