import { describe, expect, it } from 'vitest';
import type { BreakerCall } from './circuit-breaker.ts';
import { BreakerRig } from './test/breaker-rig.ts';

/** Open, with the default time. */
function opened(overrides: ConstructorParameters<typeof BreakerRig>[0] = {}): BreakerRig {
  const rig = new BreakerRig({ minCalls: 1, ...overrides });
  rig.calls(1, 'failure');
  expect(rig.breaker.state).toBe('open');
  return rig;
}

function halfOpen(overrides: ConstructorParameters<typeof BreakerRig>[0] = {}): {
  readonly rig: BreakerRig;
  readonly probe: BreakerCall;
} {
  const rig = opened(overrides);
  rig.nowMs += rig.breaker.openLeftMs(rig.nowMs);
  const probe = rig.begin()!;
  expect(rig.breaker.state).toBe('half-open');
  return { rig, probe };
}

describe('closed', () => {
  it('opens at the share of failures, and says the figures', () => {
    const rig = new BreakerRig();
    rig.calls(11, 'success');
    rig.calls(10, 'failure');
    expect(rig.breaker.state).toBe('closed');
    rig.calls(1, 'failure');
    expect(rig.changes).toEqual([
      {
        from: 'closed',
        to: 'open',
        forced: false,
        why: '50 % of 22 calls failed in 10 s (limit 50 %)',
        openForMs: 5_000,
      },
    ]);
  });

  it('does not look at shares of fewer calls than the minimum', () => {
    const rig = new BreakerRig();
    rig.calls(19, 'failure');
    expect(rig.breaker.state).toBe('closed');
    rig.calls(1, 'success');
    expect(rig.breaker.state).toBe('open');
  });

  it('forgets what is older than the window', () => {
    const rig = new BreakerRig();
    rig.calls(19, 'failure');
    rig.nowMs += 10_000;
    rig.calls(19, 'failure');
    expect(rig.breaker.state).toBe('closed');
    expect(rig.breaker.window.calls).toBe(19);
  });

  it('opens after failures in a row, whatever the share', () => {
    const rig = new BreakerRig({ consecutiveFailures: 3, failurePercent: 0 });
    rig.calls(2, 'failure');
    rig.calls(1, 'success');
    rig.calls(2, 'failure');
    rig.calls(1, 'nothing');
    expect(rig.breaker.state).toBe('closed');
    rig.calls(1, 'failure');
    expect(rig.breaker.why).toBe('3 calls in a row failed (limit 3)');
  });

  it('does not count calls whose end says nothing', () => {
    const rig = new BreakerRig();
    rig.calls(100, 'nothing');
    expect(rig.breaker.window.calls).toBe(0);
    rig.calls(20, 'failure');
    expect(rig.breaker.why).toBe('100 % of 20 calls failed in 10 s (limit 50 %)');
  });

  it('opens by calls that took too long, answered or not', () => {
    const rig = new BreakerRig({ slowCallMs: 200, minCalls: 4, windowMs: 1_000 });
    const [a, b, c] = [rig.begin()!, rig.begin()!, rig.begin()!];
    rig.nowMs += 199;
    rig.end(a, 'success');
    rig.nowMs += 1;
    rig.breaker.answered(b, rig.nowMs);
    expect(rig.breaker.window).toMatchObject({ calls: 2, slow: 1 });
    // At most a sixteenth later c is known to be slow too, by the next that comes: nobody waits for its end.
    rig.nowMs += 25;
    rig.calls(1, 'success');
    expect(rig.breaker.state).toBe('open');
    expect(rig.breaker.why).toBe('50 % of 4 calls took longer than 200 ms in 1 s (limit 50 %)');
    rig.end(c, 'success');
    rig.end(b, 'success');
    expect(rig.counts).toEqual({
      calls: { value: 4 },
      failures: { value: 0 },
      slow: { value: 2 },
      refused: { value: 0 },
    });
  });

  it('counts a slow call once, and its failure once, although they are known at different times', () => {
    const rig = new BreakerRig({ slowCallMs: 100, slowPercent: 100 });
    const slow = rig.begin()!;
    rig.nowMs += 300;
    rig.breaker.refresh(rig.nowMs);
    expect(rig.breaker.window).toMatchObject({ calls: 1, slow: 1, failures: 0 });
    rig.end(slow, 'failure');
    expect(rig.breaker.window).toMatchObject({ calls: 1, slow: 1, failures: 1 });
  });

  it('counts a call as slow that its caller gave up when it was', () => {
    const rig = new BreakerRig({ slowCallMs: 100 });
    const [early, late] = [rig.begin()!, rig.begin()!];
    rig.nowMs += 99;
    rig.end(early, 'nothing');
    rig.nowMs += 1;
    rig.end(late, 'nothing');
    expect(rig.breaker.window).toMatchObject({ calls: 1, slow: 1 });
  });

  it('does not count the time in which the caller sends its request', () => {
    const rig = new BreakerRig({ slowCallMs: 100 });
    const upload = { breakerPermit: 0, breakerSentMs: 0 };
    rig.breaker.enter(upload, rig.nowMs);
    rig.nowMs += 5_000;
    rig.breaker.sent(upload, rig.nowMs);
    rig.nowMs += 10;
    rig.end(upload, 'success');
    expect(rig.breaker.window).toMatchObject({ calls: 1, slow: 0 });
  });

  it('does not count a long answer as slow: its head came in time', () => {
    const rig = new BreakerRig({ slowCallMs: 100 });
    const call = rig.begin()!;
    rig.breaker.answered(call, rig.nowMs);
    rig.nowMs += 60_000;
    rig.end(call, 'success');
    expect(rig.breaker.window).toMatchObject({ calls: 1, slow: 0 });
  });
});

describe('open', () => {
  it('refuses every call until its time is over; the first one then is a probe', () => {
    const rig = opened();
    rig.nowMs += 4_999;
    expect(rig.calls(7, 'success')).toBe(0);
    expect(rig.counts.refused.value).toBe(7);
    expect(rig.breaker.openLeftMs(rig.nowMs)).toBe(1);
    rig.nowMs += 1;
    expect(rig.begin()).not.toBeNull();
    expect(rig.breaker.why).toBe('it was open for 5 s');
  });

  it('is not told anything by calls from before', () => {
    const rig = new BreakerRig({ minCalls: 1 });
    const before = rig.begin()!;
    rig.calls(1, 'failure');
    rig.end(before, 'success');
    expect(rig.breaker.window.calls).toBe(0);
    rig.nowMs += 5_000;
    rig.begin();
    rig.end(before, 'failure');
    expect(rig.breaker.state).toBe('half-open');
  });

  it('lasts longer each time, up to the most, with jitter on top', () => {
    const rig = opened({ openMs: 1_000, maxOpenMs: 3_000, jitterPercent: 50 });
    const times = [rig.breaker.openLeftMs(rig.nowMs)];
    for (const random of [0, 0, 0.5]) {
      rig.random = random;
      rig.nowMs += rig.breaker.openLeftMs(rig.nowMs);
      rig.calls(1, 'failure');
      times.push(rig.breaker.openLeftMs(rig.nowMs));
    }
    expect(times).toEqual([1_000, 2_000, 3_000, 3_750]);
    expect(rig.breaker.openingsInARow).toBe(4);
  });

  it('lasts longer too when it closed for a moment only, and is as at first after it was closed for long', () => {
    const rig = opened({ openMs: 1_000, windowMs: 500 });
    rig.nowMs += 1_000;
    rig.calls(3, 'success');
    rig.nowMs += 999;
    rig.calls(1, 'failure');
    expect(rig.breaker.openLeftMs(rig.nowMs)).toBe(2_000);
    rig.nowMs += 2_000;
    rig.calls(3, 'success');
    rig.nowMs += 2_000;
    rig.calls(1, 'failure');
    expect(rig.breaker.openLeftMs(rig.nowMs)).toBe(1_000);
  });
});

describe('half open', () => {
  it('lets only so many probes through at a time, and closes after so many good ones', () => {
    const { rig, probe } = halfOpen({ probes: 2, successesToClose: 3 });
    const second = rig.begin()!;
    expect(rig.begin()).toBeNull();
    rig.end(probe, 'success');
    const third = rig.begin()!;
    expect(rig.begin()).toBeNull();
    rig.end(second, 'success');
    expect(rig.breaker.state).toBe('half-open');
    rig.end(third, 'success');
    expect(rig.breaker.state).toBe('closed');
    expect(rig.breaker.why).toBe('3 probes succeeded (3 wanted)');
    expect(rig.breaker.window.calls).toBe(0);
  });

  it('opens again when one fails', () => {
    const { rig, probe } = halfOpen();
    rig.calls(1, 'success');
    rig.end(probe, 'failure');
    expect(rig.breaker.state).toBe('open');
    expect(rig.breaker.why).toBe('a probe failed');
  });

  it('opens again when one is slow, also before it is answered', () => {
    const { rig, probe } = halfOpen({ slowCallMs: 100 });
    rig.nowMs += 100;
    rig.breaker.answered(probe, rig.nowMs);
    expect(rig.breaker.why).toBe('a probe took longer than 100 ms');
    const other = halfOpen({ slowCallMs: 100 });
    other.rig.nowMs += 125;
    expect(other.rig.begin()).toBeNull();
    expect(other.rig.breaker.state).toBe('open');
  });

  it('gives the place of a probe that says nothing to another', () => {
    const { rig, probe } = halfOpen({ probes: 1 });
    rig.end(probe, 'nothing');
    expect(rig.begin()).not.toBeNull();
    expect(rig.breaker.probes).toEqual({ active: 1, succeeded: 0 });
  });

  it('takes an answer that goes on and on for good, and does not count it twice', () => {
    const { rig, probe } = halfOpen({ probes: 1, successesToClose: 2 });
    rig.breaker.answered(probe, rig.nowMs);
    rig.nowMs += 999;
    expect(rig.begin()).toBeNull();
    rig.nowMs += 1;
    const next = rig.begin()!;
    rig.end(probe, 'success');
    expect(rig.breaker.probes).toEqual({ active: 1, succeeded: 1 });
    rig.end(next, 'success');
    expect(rig.breaker.state).toBe('closed');
  });

  it('does not wait for ever for a probe that is not answered', () => {
    const { rig } = halfOpen({ probes: 1 });
    rig.nowMs += 14_999;
    expect(rig.begin()).toBeNull();
    rig.nowMs += 1;
    expect(rig.begin()).not.toBeNull();
  });

  it('a probe that lost its place gives back no other’s, and counts only when it fails', () => {
    const { rig, probe } = halfOpen({ probes: 2 });
    const stuck = [probe, rig.begin()!];
    rig.nowMs += 15_000;
    const fresh = [rig.begin()!, rig.begin()!];
    expect(rig.begin()).toBeNull();
    rig.end(stuck[0]!, 'nothing');
    expect(rig.breaker.probes.active).toBe(2);
    expect(rig.begin()).toBeNull();
    rig.end(fresh[0]!, 'nothing');
    expect(rig.breaker.probes.active).toBe(1);
    rig.end(stuck[1]!, 'failure');
    expect(rig.breaker.state).toBe('open');
    expect(rig.breaker.why).toBe('a probe failed');
  });

  it('a probe that lost its place is not found to be slow later', () => {
    const { rig } = halfOpen({ probes: 1, slowCallMs: 20_000 });
    rig.nowMs += 15_000;
    const fresh = rig.begin()!;
    rig.nowMs += 10_000;
    rig.breaker.refresh(rig.nowMs);
    expect(rig.breaker.state).toBe('half-open');
    rig.end(fresh, 'success');
    expect(rig.breaker.probes.succeeded).toBe(1);
  });
});

describe('held by an operator', () => {
  it('open: it refuses all, for as long as it is held; released, it probes', () => {
    const rig = new BreakerRig();
    rig.breaker.force('open', rig.nowMs);
    rig.nowMs += 3_600_000;
    expect(rig.calls(3, 'success')).toBe(0);
    expect(rig.breaker.openLeftMs(rig.nowMs)).toBe(Infinity);
    rig.breaker.force(null, rig.nowMs);
    expect(rig.breaker.state).toBe('half-open');
    rig.calls(3, 'success');
    expect(rig.changes.map(({ to, forced, why }) => ({ to, forced, why }))).toEqual([
      { to: 'open', forced: true, why: 'held open by an operator' },
      { to: 'half-open', forced: true, why: 'no longer held open by an operator' },
      { to: 'closed', forced: false, why: '3 probes succeeded (3 wanted)' },
    ]);
  });

  it('closed: it lets all through and counts; released, it begins anew', () => {
    const rig = opened();
    rig.breaker.force('closed', rig.nowMs);
    expect(rig.calls(50, 'failure')).toBe(50);
    expect(rig.breaker.window).toMatchObject({ calls: 50, failures: 50 });
    rig.breaker.force(null, rig.nowMs);
    expect(rig.breaker.state).toBe('closed');
    expect(rig.breaker.window.calls).toBe(0);
  });

  it('says it once', () => {
    const rig = new BreakerRig();
    rig.breaker.force(null, rig.nowMs);
    rig.breaker.force('open', rig.nowMs);
    rig.breaker.force('open', rig.nowMs);
    expect(rig.changes).toHaveLength(1);
  });
});
