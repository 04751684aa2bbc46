import { expect, it } from 'vitest';
import { ServerFirst } from './server-first.ts';

it('remembers destinations for ten minutes, 1024 of them at most, the oldest go first', () => {
  let nowMs = 0;
  const memory = new ServerFirst({ nowMs: () => nowMs, wallMs: () => nowMs });
  memory.add('10.0.0.1:3306');
  expect(memory.has('10.0.0.1:3306')).toBe(true);
  nowMs = 600_000;
  expect(memory.has('10.0.0.1:3306')).toBe(false);
  for (let i = 0; i < 2_000; i++) memory.add(`10.0.0.2:${i}`);
  expect(memory.size).toBe(1024);
  expect([memory.has('10.0.0.2:975'), memory.has('10.0.0.2:976')]).toEqual([false, true]);
  memory.delete('10.0.0.2:1999');
  expect(memory.has('10.0.0.2:1999')).toBe(false);
});
