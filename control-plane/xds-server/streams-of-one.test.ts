import { expect, test } from 'vitest';
import { StreamsOfOne } from './streams-of-one.ts';

test('an identity has so many streams at a time, and one more when one has ended; another has as many', () => {
  const streams = new StreamsOfOne();
  for (let count = 0; count < 2_048; count++) expect(streams.enter('a')).toBe(true);
  expect(streams.enter('a')).toBe(false);
  expect(streams.enter('b')).toBe(true);
  streams.leave('a');
  expect(streams.enter('a')).toBe(true);
  expect(streams.enter('a')).toBe(false);
});
