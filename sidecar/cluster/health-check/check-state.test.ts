import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  activeCheckTimedOut,
  degradedActiveCheck,
  excludedByImmediateFailure,
  failedActiveCheck,
  failedOutlierCheck,
  pendingActiveCheck,
} from '../host-health.ts';
import { type CheckFailure, CheckState } from './check-state.ts';
import { checkConfig } from './test/check-config.ts';

describe('CheckState', () => {
  it('a new host is healthy with its first pass, later it takes healthy_threshold of them', () => {
    const state = new CheckState(checkConfig());
    let flags = state.passed(failedActiveCheck, false);
    expect([flags, state.transition]).toEqual([0, 'changed']);
    flags = state.failed(flags, 'active', false);
    expect([flags, state.transition]).toEqual([failedActiveCheck, 'changed']);
    for (const expected of [failedActiveCheck, failedActiveCheck, 0]) {
      flags = state.passed(flags, false);
      expect(flags).toBe(expected);
      expect(state.transition).toBe(expected === 0 ? 'changed' : 'pending');
    }
  });

  it('a failure in between begins the passes anew, and a pass the failures', () => {
    const state = new CheckState(checkConfig());
    state.failed(failedActiveCheck, 'network', false);
    let flags = state.passed(failedActiveCheck, false);
    flags = state.failed(flags, 'network', false);
    flags = state.passed(flags, false);
    flags = state.passed(flags, false);
    expect(flags).toBe(failedActiveCheck);
    flags = state.passed(flags, false);
    flags = state.failed(flags, 'network', false);
    flags = state.passed(flags, false);
    flags = state.failed(flags, 'network', false);
    expect([flags, state.transition]).toEqual([0, 'pending']);
  });

  it.each([
    ['network', false, 0],
    ['timeout', false, 0],
    ['active', true, 0],
    ['active', false, failedActiveCheck],
    ['passive', false, failedActiveCheck],
  ] as const)('of a healthy host one failure (%s, retriable %s) comes to flags %i', (why, retriable, flags) => {
    expect(new CheckState(checkConfig()).failed(0, why, retriable)).toBe(flags);
  });

  it('timeouts, pending and excluded hosts, and degraded ones are flagged as in Envoy', () => {
    const state = new CheckState(checkConfig({ unhealthyThreshold: 1, healthyThreshold: 1 }));
    let flags = state.failed(failedActiveCheck | pendingActiveCheck, 'network', false);
    expect([flags, state.transition]).toEqual([failedActiveCheck, 'changed']);
    flags = state.failed(flags, 'timeout', false);
    expect(flags).toBe(failedActiveCheck | activeCheckTimedOut);
    flags = state.passed(flags | excludedByImmediateFailure, false);
    expect(flags).toBe(0);
    flags = state.passed(flags, true);
    expect([flags, state.transition]).toEqual([degradedActiveCheck, 'changed']);
    flags = state.passed(flags, false);
    expect([flags, state.transition]).toEqual([0, 'changed']);
  });

  it('takes the intervals that Envoy takes', () => {
    const config = checkConfig({
      intervalMs: 1,
      unhealthyIntervalMs: 2,
      unhealthyEdgeIntervalMs: 3,
      healthyEdgeIntervalMs: 4,
      noTrafficIntervalMs: 5,
      noTrafficHealthyIntervalMs: 6,
    });
    const none = (): number => 0;
    const state = new CheckState(config);
    state.passed(failedActiveCheck, false);
    expect(state.nextDelayMs(true, true, none)).toBe(4);
    expect(state.nextDelayMs(true, false, none)).toBe(6);
    state.passed(0, false);
    expect(state.nextDelayMs(true, true, none)).toBe(1);
    state.failed(0, 'network', false);
    expect(state.nextDelayMs(false, true, none)).toBe(3);
    expect(state.nextDelayMs(false, false, none)).toBe(5);
    state.failed(failedActiveCheck, 'network', false);
    expect(state.nextDelayMs(false, true, none)).toBe(2);
    const jittered = new CheckState(
      checkConfig({ intervalMs: 1_000, intervalJitterMs: 100, intervalJitterPercent: 50 }),
    );
    expect(jittered.nextDelayMs(true, true, () => 0.5)).toBe(1_300);
  });

  it('changes no flag that is not its own, and is failed exactly by thresholds, whatever comes', () => {
    const check = fc.oneof(
      fc.record({ passed: fc.constant(true as const), degraded: fc.boolean() }),
      fc.record({
        passed: fc.constant(false as const),
        why: fc.constantFrom<CheckFailure>('active', 'network', 'timeout', 'passive'),
        retriable: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(
        fc.array(check),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        (checks, bad, good) => {
          const state = new CheckState(checkConfig({ unhealthyThreshold: bad, healthyThreshold: good }));
          let flags = failedActiveCheck | failedOutlierCheck;
          let failed = true;
          let passes = 0;
          let failures = 0;
          for (const [i, each] of checks.entries()) {
            if (each.passed) {
              flags = state.passed(flags, each.degraded);
              failures = 0;
              passes++;
              if (failed && (i === 0 || passes >= good)) failed = false;
            } else {
              flags = state.failed(flags, each.why, each.retriable);
              passes = 0;
              failures++;
              const atOnce = !each.retriable && (each.why === 'active' || each.why === 'passive');
              if (!failed && (atOnce || failures >= bad)) failed = true;
            }
            if (failed) failures = 0;
            else passes = 0;
            expect((flags & failedActiveCheck) !== 0).toBe(failed);
            expect(flags & failedOutlierCheck).toBe(failedOutlierCheck);
          }
        },
      ),
    );
  });
});
