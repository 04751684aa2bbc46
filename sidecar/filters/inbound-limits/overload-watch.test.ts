import { expect, test } from 'vitest';
import { OverloadWatch } from './overload-watch.ts';

const watch = (): OverloadWatch => new OverloadWatch(20, 100);

test('a burst that drains within the interval is no overload (RFC 8289)', () => {
  const line = watch();
  expect(line.look(0, 20)).toBe(false);
  expect(line.look(0, 119)).toBe(false);
  // The one that waits longest now has waited less than the target.
  expect(line.look(110, 120)).toBe(false);
  expect(line.look(110, 229)).toBe(false);
  expect(line.look(110, 230)).toBe(true);
});

test('is overloaded once somebody has waited more than the target for all of the interval, whoever it was, and until the line is short again', () => {
  const line = watch();
  line.look(0, 30);
  line.look(5, 60);
  line.look(40, 80);
  expect(line.look(60, 119)).toBe(false);
  expect(line.look(60, 120)).toBe(true);
  expect(line.overloaded).toBe(true);
  expect(line.look(110, 125)).toBe(false);
  expect(line.look(-1, 500)).toBe(false);
});

test('looked at late, it counts from when it happened', () => {
  expect(watch().look(0, 120)).toBe(true);
});
