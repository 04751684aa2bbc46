import { expect, test } from 'vitest';
import { LayeredMap } from './layered-map.ts';

test('reads like one map: the shared entries first, then the own ones', () => {
  const map = new LayeredMap(
    new Map([
      ['a', 1],
      ['b', 2],
    ]),
    new Map([['c', 3]]),
  );
  expect([...map]).toEqual([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
  expect([map.size, map.get('a'), map.get('c'), map.get('d'), map.has('b'), map.has('c'), map.has('d')]).toEqual([
    3,
    1,
    3,
    undefined,
    true,
    true,
    false,
  ]);
  expect([[...map.keys()], [...map.values()], [...map.entries()].length]).toEqual([['a', 'b', 'c'], [1, 2, 3], 3]);
  const seen: string[] = [];
  map.forEach((value, key) => seen.push(`${key}${value}`));
  expect(seen).toEqual(['a1', 'b2', 'c3']);
});
