/** The fault script: the same for the same seed, with every kind of fault in it, and never two faults at once that must not be. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { groupsOf, type Layout, planFaults } from './fault-plan.ts';

const layout: Layout = {
  controlPlane: 'control-plane',
  callers: ['caller-a', 'caller-b'],
  services: new Map([
    ['orders', ['orders-1', 'orders-2', 'orders-3']],
    ['payments', ['payments-1', 'payments-2']],
  ]),
};

test('a seed gives the same script again, another seed another', () => {
  expect(planFaults(7, 120, layout)).toEqual(planFaults(7, 120, layout));
  expect(planFaults(7, 120, layout)).not.toEqual(planFaults(8, 120, layout));
});

test('in two minutes every kind of fault happens to services, callers and the control plane', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const happened = new Set(
        planFaults(seed, 120, layout)
          .flat()
          .map(({ kind, part }) => `${kind} ${/^[a-z]+/.exec(part.pod)![0].replace(/orders|payments/, 'service')}`),
      );
      for (const kind of ['kill', 'stop', 'partition', 'slow', 'restart'])
        for (const where of ['service', 'caller', 'control']) expect(happened).toContain(`${kind} ${where}`);
    }),
    { numRuns: 50 },
  );
});

test('of two faults that are planned at the same time none is about the same service, nor takes the control plane from a caller that starts', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const [one, other] = planFaults(seed, 300, layout);
      for (const first of one)
        for (const second of other) {
          const together = first.atMs < second.atMs + second.durationMs && second.atMs < first.atMs + first.durationMs;
          if (together)
            expect(groupsOf(first, layout).filter((group) => groupsOf(second, layout).includes(group))).toEqual([]);
        }
    }),
    { numRuns: 50 },
  );
});

test('within the seconds that it is given', () => {
  for (const lane of planFaults(3, 40, layout)) expect(Math.max(...lane.map(({ atMs }) => atMs))).toBeLessThan(40_000);
});
