/** Any sequence of calls, answers, pauses and operators, against what must always hold, and rings against lists. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { BreakerCall, CallOutcome } from './circuit-breaker.ts';
import { SlidingWindow } from './sliding-window.ts';
import { BreakerRig } from './test/breaker-rig.ts';
import { WaitingCalls } from './waiting-calls.ts';

const outcome = fc.constantFrom<CallOutcome>('success', 'failure', 'nothing');
const step = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ kind: 'begin' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('answered' as const), which: fc.nat() }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(), outcome }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('pause' as const), ms: fc.integer({ min: 1, max: 900 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('force' as const),
      to: fc.constantFrom<'open' | 'closed' | null>('open', 'closed', null),
    }),
  },
);

const config = fc.record({
  windowMs: fc.constantFrom(100, 1_000, 10_000),
  minCalls: fc.integer({ min: 1, max: 8 }),
  failurePercent: fc.constantFrom(0, 1, 50, 100),
  consecutiveFailures: fc.constantFrom(0, 2, 4),
  slowCallMs: fc.constantFrom(0, 50, 700),
  slowPercent: fc.constantFrom(1, 50, 100),
  openMs: fc.constantFrom(10, 500),
  maxOpenMs: fc.constantFrom(500, 4_000),
  jitterPercent: fc.constantFrom(0, 20, 100),
  probes: fc.integer({ min: 1, max: 3 }),
  successesToClose: fc.integer({ min: 1, max: 4 }),
});

it('whatever happens: refused while open, few probes while half open, open for no longer than the most, and each change follows from the one before', () => {
  fc.assert(
    fc.property(
      config,
      fc.array(step, { maxLength: 120 }),
      fc.double({ min: 0, max: 0.99, noNaN: true }),
      (settings, steps, random) => {
        const rig = new BreakerRig(settings);
        rig.random = random;
        const { breaker } = rig;
        let underWay: BreakerCall[] = [];
        /** Began since it is half open, and have no answer. */
        let unanswered = new Set<BreakerCall>();
        let begun = 0;
        let refused = 0;
        let seen = 0;
        const check = (): void => {
          for (const change of rig.changes.slice(seen)) {
            const before = rig.changes[seen - 1]?.to ?? 'closed';
            expect(change.from).toBe(before);
            if (!change.forced) {
              expect(`${change.from} ${change.to}`).toMatch(/^(closed open|open half-open|half-open (open|closed))$/);
              expect(change.why).not.toBe('');
            }
            if (change.openForMs > 0) {
              expect(change.openForMs).toBeGreaterThanOrEqual(settings.openMs);
              expect(change.openForMs).toBeLessThanOrEqual(settings.maxOpenMs * (1 + settings.jitterPercent / 100));
            }
            unanswered = new Set();
            seen++;
          }
          const { calls, failures, slow } = breaker.window;
          for (const figure of [calls, failures, slow, breaker.probes.active, breaker.probes.succeeded])
            expect(figure).toBeGreaterThanOrEqual(0);
          expect(slow).toBeLessThanOrEqual(calls);
          expect(breaker.probes.active).toBeLessThanOrEqual(settings.probes);
          if (breaker.forced !== null) expect(breaker.state).toBe(breaker.forced);
        };
        for (const each of steps) {
          switch (each.kind) {
            case 'begin': {
              const mustRefuse = breaker.state === 'open' && breaker.openLeftMs(rig.nowMs) > 0;
              const call = rig.begin();
              check();
              if (call === null) refused++;
              else {
                begun++;
                underWay.push(call);
                if (breaker.state === 'half-open') unanswered.add(call);
              }
              if (mustRefuse) expect(call).toBeNull();
              if (breaker.forced === 'closed') expect(call).not.toBeNull();
              if (breaker.state === 'open') expect(call).toBeNull();
              expect(unanswered.size).toBeLessThanOrEqual(settings.probes);
              break;
            }
            case 'answered': {
              const call = underWay[each.which % Math.max(1, underWay.length)];
              if (call === undefined) break;
              breaker.answered(call, rig.nowMs);
              unanswered.delete(call);
              break;
            }
            case 'end': {
              const call = underWay[each.which % Math.max(1, underWay.length)];
              if (call === undefined) break;
              underWay = underWay.filter((other) => other !== call);
              rig.end(call, each.outcome);
              expect(call.breakerPermit).toBe(0);
              const before = { ...rig.counts.calls };
              rig.end(call, 'failure');
              expect(rig.counts.calls).toEqual(before);
              unanswered.delete(call);
              break;
            }
            case 'pause':
              rig.nowMs += each.ms;
              // What is not answered for long gives its place away.
              if (rig.nowMs > 14_000) rig.nowMs = 14_000;
              break;
            case 'force':
              breaker.force(each.to, rig.nowMs);
          }
          check();
        }
        expect(rig.counts.refused.value).toBe(refused);
        expect(rig.counts.calls.value).toBeLessThanOrEqual(begun);
        expect(rig.counts.slow.value).toBeLessThanOrEqual(begun);
        expect(rig.counts.failures.value).toBeLessThanOrEqual(begun);
      },
    ),
    { numRuns: 500 },
  );
});

it('a service that never fails and is never slow is never refused', () => {
  fc.assert(
    fc.property(config, fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 200 }), (settings, pauses) => {
      const rig = new BreakerRig(settings);
      for (const ms of pauses) {
        const call = rig.begin()!;
        rig.nowMs += ms;
        rig.end(call, 'success');
      }
      expect(rig.changes).toEqual([]);
    }),
  );
});

it('a service that recovers is asked again: with calls that go well it closes', () => {
  fc.assert(
    fc.property(config, fc.array(step, { maxLength: 60 }), (settings, steps) => {
      const rig = new BreakerRig(settings);
      for (const each of steps) {
        if (each.kind === 'begin') rig.begin();
        else if (each.kind === 'end') rig.calls(1, each.outcome);
        else if (each.kind === 'pause') rig.nowMs += each.ms;
      }
      // A probe that nobody answers holds a place for 15 s; the longest open time is 8 s.
      for (let i = 0; i < 400; i++) {
        rig.nowMs += 100;
        rig.calls(1, 'success');
      }
      expect(rig.breaker.state).toBe('closed');
      expect(rig.calls(1, 'success')).toBe(1);
    }),
  );
});

it('the window is what a list would say, by whole buckets', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(10, 1_000, 7_777),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 3_000 }), fc.boolean(), fc.boolean()), { maxLength: 100 }),
      (windowMs, events) => {
        const window = new SlidingWindow(windowMs, 0);
        const bucketMs = windowMs / 10;
        const list: Array<{ bucket: number; failure: number; slow: number }> = [];
        let now = 0;
        for (const [pause, failure, slow] of events) {
          now += pause;
          window.add(now, 1, failure ? 1 : 0, slow ? 1 : 0);
          const newest = Math.floor(now / bucketMs);
          list.push({ bucket: newest, failure: failure ? 1 : 0, slow: slow ? 1 : 0 });
          const kept = list.filter(({ bucket }) => bucket > newest - 10);
          expect({ calls: window.calls, failures: window.failures, slow: window.slow }).toEqual({
            calls: kept.length,
            failures: kept.reduce((sum, each) => sum + each.failure, 0),
            slow: kept.reduce((sum, each) => sum + each.slow, 0),
          });
        }
      },
    ),
  );
});

it('a call that waits is overdue once: never early, and at most an eighth of the limit late', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(1, 16, 250, 3_333),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 1_500 }), fc.constantFrom('add', 'remove', 'sweep'), fc.nat()), {
        maxLength: 150,
      }),
      (limitMs, steps) => {
        const waiting = new WaitingCalls(limitMs, 0);
        let list: number[] = [];
        let now = 0;
        for (const [pause, kind, which] of steps) {
          now += pause;
          let overdue = waiting.sweep(now);
          // The oldest first: as they were sent.
          const gone = list.slice(0, overdue);
          expect(gone).toHaveLength(overdue);
          for (const sentMs of gone) expect(now - sentMs).toBeGreaterThanOrEqual(limitMs);
          list = list.slice(overdue);
          for (const sentMs of list) expect(now - sentMs).toBeLessThan(limitMs * 1.125 + 1e-6);
          for (const sentMs of gone) expect(waiting.remove(sentMs)).toBe(false);
          if (kind === 'add') list.push(waiting.add(now));
          if (kind === 'remove' && list.length > 0) {
            const [sentMs] = list.splice(which % list.length, 1);
            expect(waiting.remove(sentMs!)).toBe(true);
          }
          overdue = waiting.sweep(now);
          expect(overdue).toBe(0);
        }
      },
    ),
  );
});
