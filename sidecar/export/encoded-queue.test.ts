import fc from 'fast-check';
import { expect, it } from 'vitest';
import { EncodedQueue } from './encoded-queue.ts';

function words(queue: EncodedQueue, maxItems: number, maxBytes: number): readonly [number, string] {
  const { items, pieces } = queue.take(maxItems, maxBytes);
  return [items, Buffer.concat(pieces).toString()];
}

it('turns away what is past its bound in number or in bytes, and has room again for what was taken', () => {
  const queue = new EncodedQueue({ maxItems: 2, maxBytes: 6 });
  expect(['abcd', 'efg', 'ef', 'g'].map((word) => queue.push(Buffer.from(word)))).toEqual([true, false, true, false]);
  expect([queue.items, queue.bytes, queue.full]).toEqual([2, 6, true]);
  expect(words(queue, 1, Infinity)).toEqual([1, 'abcd']);
  expect([queue.items, queue.bytes, queue.full]).toEqual([1, 2, false]);
  expect(queue.push(Buffer.from('g'))).toBe(true);
  expect(words(queue, Infinity, Infinity)).toEqual([2, 'efg']);
});

it('gives the oldest first, as many as fit, but one at least', () => {
  const queue = new EncodedQueue({ maxItems: 10, maxBytes: 100 });
  for (const word of ['one', 'two', 'three', 'four']) queue.push(Buffer.from(word));
  expect(words(queue, 3, 7)).toEqual([2, 'onetwo']);
  expect(words(queue, 3, 1)).toEqual([1, 'three']);
  expect(words(queue, 3, 7)).toEqual([1, 'four']);
  expect(words(queue, 3, 7)).toEqual([0, '']);
});

it('gives each item once and in order, however offers and batches take turns', () => {
  const turn = fc.record({ offers: fc.integer({ min: 0, max: 12 }), items: fc.integer({ min: 0, max: 9 }) });
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 60 }), (turns) => {
      const queue = new EncodedQueue({ maxItems: 40, maxBytes: 1000 });
      const wait: string[] = [];
      let next = 0;
      for (const { offers, items } of turns) {
        for (let i = 0; i < offers; i++) {
          const word = 'abcdefghij'.slice(0, 1 + (next++ % 10));
          if (queue.push(Buffer.from(word))) wait.push(word);
        }
        const taken = wait.splice(0, items);
        expect(words(queue, items, Infinity)).toEqual([taken.length, taken.join('')]);
        expect([queue.items, queue.bytes, queue.full]).toEqual([wait.length, wait.join('').length, wait.length >= 40]);
      }
    }),
  );
});
