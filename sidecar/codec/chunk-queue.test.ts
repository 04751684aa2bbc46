import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ChunkQueue } from './chunk-queue.ts';

it('gives back the bytes that were put in, in order, whatever their sizes', () => {
  const size = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 6_000 }));
  const step = fc.oneof(
    fc.record({ push: size }),
    fc.record({ take: fc.integer({ min: 1, max: 20_000 }) }),
    fc.record({ look: fc.constant(true) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new ChunkQueue();
      let expected: Buffer = Buffer.alloc(0);
      let next = 0;
      const given: Array<readonly [Buffer, string]> = [];
      for (const one of steps) {
        if ('push' in one) {
          const chunk = Buffer.from(Array.from({ length: one.push }, () => next++ & 0xff));
          queue.push(chunk);
          expected = Buffer.concat([expected, chunk]);
        } else if ('look' in one) {
          expect(Buffer.concat([...queue.pieces()]).equals(expected)).toBe(true);
        } else if (queue.bytes > 0) {
          const taken = queue.take(one.take);
          expect(taken.length).toBeGreaterThan(0);
          expect(taken.length).toBeLessThanOrEqual(one.take);
          expect(taken.equals(expected.subarray(0, taken.length))).toBe(true);
          expected = expected.subarray(taken.length);
          given.push([taken, taken.toString('latin1')]);
        }
        expect(queue.bytes).toBe(expected.length);
      }
      // What was given away is never written again.
      for (const [bytes, text] of given) expect(bytes.toString('latin1')).toBe(text);
    }),
    { numRuns: 200 },
  );
});

it('holds single bytes in a few pieces, and large pieces as they are', () => {
  const queue = new ChunkQueue();
  const large = Buffer.alloc(4_096);
  queue.push(large);
  for (let i = 0; i < 50_000; i++) queue.push(Buffer.of(i & 0xff));
  queue.push(large);
  const pieces = queue.pieces();
  expect(pieces.length).toBeLessThan(12);
  expect([pieces[0], pieces.at(-1)]).toEqual([large, large]);
  expect(pieces[0]).toBe(large);
  // The whole of what they keep alive is little more than they are.
  const kept = new Set(pieces.slice(1, -1).map((piece) => piece.buffer));
  expect([...kept].reduce((sum, buffer) => sum + buffer.byteLength, 0)).toBeLessThan(100_000);
});
