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

test('who has no identity has fewer, by its cluster and id together', () => {
  const streams = new StreamsOfOne();
  const node = { cluster: 'shop/a', id: 'one' };
  for (let count = 0; count < 128; count++) expect(streams.enter(node)).toBe(true);
  expect(streams.enter({ ...node })).toBe(false);
  expect(streams.enter({ ...node, id: 'two' })).toBe(true);
  expect(streams.enter({ ...node, cluster: 'shop/b' })).toBe(true);
  streams.leave({ ...node });
  expect(streams.enter(node)).toBe(true);
});
