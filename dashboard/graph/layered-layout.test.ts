import { expect, it } from 'vitest';
import { columnWidth, layeredLayout, rowHeight } from './layered-layout.ts';

const edges = (text: string) =>
  text.split(' ').map((pair) => ({ source: pair.split('>')[0]!, target: pair.split('>')[1]! }));

it('callers stand before whom they call', () => {
  const places = layeredLayout(['i', 'o', 'p', 's'], edges('s>o o>p o>i'));
  expect(['s', 'o', 'p', 'i'].map((id) => places.get(id)!.x / columnWidth)).toEqual([0, 1, 2, 2]);
  expect(Math.abs(places.get('p')!.y - places.get('i')!.y)).toBe(rowHeight);
});

it('a circle, calls of itself and services alone have places too', () => {
  const places = layeredLayout(['a', 'b', 'c', 'd'], edges('a>b b>a c>c'));
  expect(new Set([...places.values()].map(({ x, y }) => `${x} ${y}`)).size).toBe(4);
});

it('edges to what is not there are left out', () => {
  expect(layeredLayout(['a'], edges('a>b b>a')).size).toBe(1);
  expect(layeredLayout([], []).size).toBe(0);
});

it('200 services of 4 edges each: no two in one place, the same every time, in milliseconds', () => {
  const ids = Array.from({ length: 200 }, (_, at) => `ns/s${at}`);
  const all = ids.flatMap((source, at) => [1, 7, 31, 73].map((step) => ({ source, target: ids[(at + step) % 200]! })));
  const started = performance.now();
  const places = layeredLayout(ids, all);
  expect(performance.now() - started).toBeLessThan(500);
  expect(new Set([...places.values()].map(({ x, y }) => `${x} ${y}`)).size).toBe(200);
  expect(layeredLayout(ids.toReversed(), all.toReversed())).toEqual(places);
});
