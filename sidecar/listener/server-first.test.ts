import { expect, it } from 'vitest';
import { ServerFirst } from './server-first.ts';

function memoryAt(): { readonly memory: ServerFirst; later(ms: number): void } {
  let nowMs = 0;
  return { memory: new ServerFirst({ nowMs: () => nowMs, wallMs: () => nowMs }), later: (ms) => void (nowMs += ms) };
}

it('remembers callers and destinations for ten minutes, 1024 of them at most, the oldest go first', () => {
  const { memory, later } = memoryAt();
  memory.add('10.0.0.9 10.0.0.1:3306');
  expect(memory.has('10.0.0.9 10.0.0.1:3306')).toBe(true);
  expect(memory.has('10.0.0.8 10.0.0.1:3306')).toBe(false);
  later(600_000);
  expect(memory.has('10.0.0.9 10.0.0.1:3306')).toBe(false);
  for (let i = 0; i < 2_000; i++) memory.add(`10.0.0.9 10.0.0.2:${i}`);
  expect(memory.size).toBe(1024);
  expect([memory.has('10.0.0.9 10.0.0.2:975'), memory.has('10.0.0.9 10.0.0.2:976')]).toEqual([false, true]);
  memory.delete('10.0.0.9 10.0.0.2:1999');
  expect(memory.has('10.0.0.9 10.0.0.2:1999')).toBe(false);
});

it('a caller that came by TLS is not taken for one that is silent, for as long', () => {
  const { memory, later } = memoryAt();
  memory.add('10.0.0.9 10.0.0.1:3306');
  memory.addTls('10.0.0.9 10.0.0.1:3306');
  expect(memory.has('10.0.0.9 10.0.0.1:3306')).toBe(false);
  memory.add('10.0.0.9 10.0.0.1:3306');
  expect(memory.has('10.0.0.9 10.0.0.1:3306')).toBe(false);
  later(600_000);
  memory.add('10.0.0.9 10.0.0.1:3306');
  expect(memory.has('10.0.0.9 10.0.0.1:3306')).toBe(true);
  for (let i = 0; i < 2_000; i++) memory.addTls(`10.0.0.9 10.0.0.2:${i}`);
  expect(memory.size).toBe(1025);
});
