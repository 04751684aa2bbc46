import { expect, test } from 'vitest';
import { changedQuery, queryValues } from './query-parameters.ts';

test('finds every value of a name, decoded', () => {
  expect(queryValues('/a?t=1&x=2&t=a%20b&%74=3&t&t=%zz', 't')).toEqual(['1', 'a b', '3', '', '%zz']);
  expect(queryValues('/a', 't')).toEqual([]);
  expect(queryValues('/a?', 't')).toEqual([]);
});

test.each([
  ['/a?t=1', '/a'],
  ['/a?t=1&b=2', '/a?b=2'],
  ['/a?b=%41&t=1&c', '/a?b=%41&c'],
  ['/a?%74=1&b', '/a?b'],
  ['/a', '/a'],
  ['/a?b', '/a?b'],
])('%s without t is %s: all else keeps its spelling', (path, without) => {
  expect(changedQuery(path, new Set(['t']))).toBe(without);
});

test('what is added is encoded and stands last', () => {
  expect(changedQuery('/a?b=1', new Set(), [['c d', '&=?']])).toBe('/a?b=1&c%20d=%26%3D%3F');
  expect(changedQuery('/a', new Set(), [['c', '']])).toBe('/a?c=');
});
