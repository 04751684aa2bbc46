import { expect, test } from 'vitest';
import { BodyBudget, TappedBodies } from './tapped-bodies.ts';

const kib = 1024;

test('of each body so many bytes are kept, in copies', () => {
  const bodies = new TappedBodies(4, new BodyBudget(64 * kib));
  const chunk = Buffer.from('abc');
  bodies.request.add(chunk);
  chunk.fill('x');
  bodies.request.add(Buffer.from('def'));
  bodies.response.add(Buffer.from('0123456789'));
  expect([String(bodies.request.bytes), String(bodies.response.bytes)]).toEqual(['abcd', '0123']);
});

test('what all keep together is bounded: beyond it bodies are cut, and there is room again when others have ended', () => {
  const budget = new BodyBudget(100 * kib);
  const first = new TappedBodies(64 * kib, budget);
  first.request.add(Buffer.alloc(80 * kib));
  expect([first.request.bytes.length, budget.left]).toEqual([64 * kib, 36 * kib]);
  const second = new TappedBodies(64 * kib, budget);
  second.request.add(Buffer.alloc(36 * kib, 'a'));
  second.request.add(Buffer.alloc(10, 'b'));
  second.response.add(Buffer.alloc(10));
  expect([second.request.bytes.length, second.response.bytes.length, budget.left]).toEqual([36 * kib, 0, 0]);
  first.release();
  expect(budget.left).toBe(64 * kib);
  // A body with a gap in it would be another one.
  second.request.add(Buffer.alloc(10));
  expect(second.request.bytes.length).toBe(36 * kib);
  second.release();
  second.release();
  expect(budget.left).toBe(100 * kib);
});

test('a body of many small pieces takes no more than what is kept of it', () => {
  const budget = new BodyBudget(100 * kib);
  const bodies = new TappedBodies(64 * kib, budget);
  for (let i = 0; i < 70 * kib; i++) bodies.request.add(Buffer.from([i & 255]));
  const { bytes } = bodies.request;
  expect([bytes.length, bytes.buffer.byteLength, budget.left]).toEqual([64 * kib, 64 * kib, 36 * kib]);
  expect(bytes.every((byte, i) => byte === (i & 255))).toBe(true);
});
