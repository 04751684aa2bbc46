import { expect, test } from 'vitest';
import { Convergence } from './convergence.ts';

test('a change is in force when the last proxy that was sent something has answered', () => {
  let nowMs = 0;
  const convergence = new Convergence<string>(() => nowMs);
  convergence.changed();
  nowMs = 30;
  convergence.waitFor('a');
  convergence.waitFor('b');
  convergence.published();
  convergence.settled('a');
  expect([convergence.count, convergence.waiting]).toEqual([0, 1]);
  nowMs = 70;
  convergence.changed();
  convergence.settled('b');
  expect([convergence.count, convergence.sum, convergence.waiting]).toEqual([1, 70, 0]);
  expect([...convergence.counts].findIndex((count) => count > 0)).toBe(3);
});

test('nobody waits for a proxy that went, and a change of which nobody is told is none', () => {
  const convergence = new Convergence<string>(() => 5);
  convergence.waitFor('new');
  expect(convergence.waiting).toBe(0);
  convergence.changed();
  convergence.waitFor('a');
  convergence.gone('a');
  convergence.changed();
  convergence.published();
  convergence.settled('a');
  expect(convergence.count).toBe(0);
});
