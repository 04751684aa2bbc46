import { expect, test } from 'vitest';
import { CallerCounts } from './caller-counts.ts';
import { RequestCount } from './request-count.ts';

test('each caller has a count of its own; when there are too many, one without requests is forgotten, and else they share one', () => {
  const made: string[] = [];
  const counts = new CallerCounts((label) => (made.push(label), new RequestCount(1)), 2);
  const a = counts.of('spiffe://x/a', 'a');
  expect(counts.of('spiffe://x/a', 'a')).toBe(a);
  a.take();
  const b = counts.of('spiffe://x/b', 'b');
  b.join();
  const c = counts.of('spiffe://x/c', 'c');
  expect(counts.of('spiffe://x/d', 'd')).toBe(c);
  expect(counts.size).toBe(2);
  b.quit();
  expect(counts.of('spiffe://x/d', 'd')).not.toBe(c);
  expect(counts.of('spiffe://x/a', 'a')).toBe(a);
  expect(made).toEqual(['a', 'b', 'overflow', 'd']);
});
