import { expect, test } from 'vitest';
import { RandomTexts } from './random-texts.ts';

test('digits stand in the places of x, the rest as it is, and no two texts are the same', () => {
  const texts = new RandomTexts('00-xxxxxxxxxxxxxxxx-zx-00');
  const made = Array.from({ length: 1_000 }, () => texts.next());
  for (const text of made) expect(text).toMatch(/^00-[0-9a-f]{16}-zx-00$/);
  expect(new Set(made).size).toBe(1_000);
});

test('every digit comes in every place, but for version and variant (RFC 9562 5.4)', () => {
  const texts = new RandomTexts('xxxx-vxxx-wxxx');
  const seen = Array.from({ length: 14 }, () => new Set<string>());
  for (let i = 0; i < 2_000; i++) for (const [at, digit] of [...texts.next()].entries()) seen[at]!.add(digit);
  expect(seen.map((digits) => digits.size)).toEqual([16, 16, 16, 16, 1, 1, 16, 16, 16, 1, 4, 16, 16, 16]);
  expect([[...seen[5]!], [...seen[10]!].sort()]).toEqual([['4'], ['8', '9', 'a', 'b']]);
});
