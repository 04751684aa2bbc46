import { expect, test } from 'vitest';
import { isNestedDeeper, maxNesting } from './nesting.ts';

function nested(levels: number): unknown {
  return JSON.parse(`${'[{"a":'.repeat(levels / 2)}1${'}]'.repeat(levels / 2)}`);
}

test('as many maps and lists as the bound says may stand within each other', () => {
  expect(isNestedDeeper(nested(maxNesting))).toBe(false);
  expect(isNestedDeeper([nested(maxNesting)])).toBe(true);
  expect(isNestedDeeper(nested(200_000))).toBe(true);
  for (const scalar of [null, undefined, 1, 'a', true]) expect(isNestedDeeper(scalar, 0)).toBe(false);
});

test('a value that holds itself is nested without end', () => {
  const value: { self?: unknown; again?: unknown } = {};
  value.self = value;
  value.again = [value, value];
  expect(isNestedDeeper(value)).toBe(true);
});
