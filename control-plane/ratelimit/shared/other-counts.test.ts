import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodePage } from './counter-page.ts';
import { type LeftOut, OtherCounts } from './other-counts.ts';

const windowMs = 60_000;
const page = (...counts: ReadonlyArray<readonly [key: string, count: number, windowEndMs?: number]>): Uint8Array =>
  encodePage(
    0,
    counts.map(([key, count, windowEndMs = windowMs]) => ({ key, count, windowEndMs, windowMs })),
  );

function kept(maxCounts: number) {
  const leftOut: LeftOut[] = [];
  return { others: new OtherCounts(maxCounts, (reason) => leftOut.push(reason)), leftOut };
}

test('a count is the sum over all writers, whatever they put and took away before', () => {
  const change = fc.record({
    writer: fc.constantFrom('a', 'b', 'c'),
    page: fc.constantFrom('60000/1', '60000/2'),
    // Null: it is taken away.
    counts: fc.option(
      fc.uniqueArray(
        fc.tuple(
          fc.constantFrom('k', 'l', 'm'),
          // More than any limit counts as that.
          fc.oneof(fc.nat(9), fc.constant(2 ** 51)),
          fc.constantFrom(windowMs, 2 * windowMs),
        ),
        { selector: ([key]) => key },
      ),
      { freq: 4 },
    ),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const { others, leftOut } = kept(1_000);
      const model = new Map<string, ReadonlyArray<readonly [string, number, number]>>();
      for (const { writer, page: at, counts } of changes) {
        if (counts === null) others.drop(writer, at);
        else others.put(writer, at, page(...counts));
        model.set(`${writer} ${at}`, counts ?? []);
      }
      for (const at of ['60000/1', '60000/2'])
        for (const key of ['k', 'l', 'm'])
          for (const endMs of [windowMs, 2 * windowMs]) {
            let sum = 0;
            for (const [where, counts] of model)
              for (const [name, count, end] of counts)
                if (where.endsWith(at) && name === key && end === endMs) sum += Math.min(2 ** 32, count);
            expect(others.countOf(at, key, endMs)).toBe(sum);
          }
      expect(others.size).toBe([...model.values()].reduce((sum, { length }) => sum + length, 0));
      expect(leftOut).toEqual([]);
    }),
  );
});

describe('with more counts than are kept', () => {
  test('pages of writers without a sign of life make room, as few as it takes; those of writers with one stay', () => {
    const { others, leftOut } = kept(6);
    others.sign('live', true);
    others.put('live', '60000/1', page(['a', 1], ['b', 1]));
    others.put('ended', '60000/1', page(['a', 10], ['b', 10]));
    others.put('ended', '60000/2', page(['c', 10], ['d', 10]));
    others.sign('new', true);
    others.put('new', '60000/1', page(['a', 100], ['b', 100]));
    expect(others.countOf('60000/1', 'a', windowMs)).toBe(101);
    expect(others.countOf('60000/2', 'c', windowMs)).toBe(10);
    expect(leftOut).toEqual(['too many']);
  });

  test('of a page that still has no room its first counts are taken, and it is not taken for gone when it grows', () => {
    const { others, leftOut } = kept(4);
    others.sign('live', true);
    others.put('live', '60000/1', page(['a', 1], ['b', 1]));
    others.put('new', '60000/1', page(['a', 10], ['b', 10]));
    others.put('new', '60000/1', page(['a', 20], ['b', 20], ['c', 20]));
    expect([others.countOf('60000/1', 'a', windowMs), others.countOf('60000/1', 'c', windowMs)]).toEqual([21, 0]);
    expect(others.size).toBe(4);
    expect(leftOut).toEqual(['too many']);
  });

  test('a writer whose sign of life comes after its pages, as in a store that is read in the order of keys, does not lose them to itself', () => {
    const { others } = kept(3);
    others.put('ended', '60000/1', page(['a', 1], ['b', 1]));
    others.put('live', '60000/1', page(['a', 10]));
    others.put('live', '60000/2', page(['c', 10], ['d', 10]));
    expect([others.countOf('60000/1', 'a', windowMs), others.countOf('60000/2', 'd', windowMs)]).toEqual([10, 10]);
  });
});

test('a page that cannot be read counts for nothing', () => {
  const { others, leftOut } = kept(3);
  others.put('live', '60000/1', page(['a', 1]));
  others.put('live', '60000/1', Buffer.from('no page'));
  expect([others.countOf('60000/1', 'a', windowMs), others.size]).toEqual([0, 0]);
  expect(leftOut).toEqual(['unreadable']);
});
