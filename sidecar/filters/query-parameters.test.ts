import { expect, test } from 'vitest';
import { changedQuery, isQueryText, queryValues } from './query-parameters.ts';

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
  expect(changedQuery('/a?b=1', new Set(), [['c%20d', 'a%2Fb']])).toBe('/a?b=1&c%20d=a%2Fb');
  expect(changedQuery('/a', new Set(), [['c', '']])).toBe('/a?c=');
});

test.each([
  ['next', true, true],
  ['a%20b%2Fc', true, true],
  ['a=b', false, true],
  ['', false, true],
  ['a b', false, false],
  ['a&b', false, false],
  ['a#b', false, false],
  ['100%', false, false],
])('%j may stand in a query as name: %s, as value: %s (RFC 3986 3.4)', (text, asName, asValue) => {
  expect([isQueryText(text, 'name'), isQueryText(text, 'value')]).toEqual([asName, asValue]);
});
