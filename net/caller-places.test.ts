import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { CallerPlaces } from './caller-places.ts';

function make(maxConnections: number, maxPerAddress: number): { places: CallerPlaces<number>; evicted: number[] } {
  const evicted: number[] = [];
  return { places: new CallerPlaces<number>({ maxConnections, maxPerAddress }, (each) => evicted.push(each)), evicted };
}

test('when it is full, the connection that has rested longest makes place', () => {
  const { places, evicted } = make(3, 3);
  for (const each of [1, 2, 3]) places.enter(each, 'a');
  places.works(1);
  places.rests(1);
  places.works(2);
  expect(places.enter(4, 'b')).toBe(true);
  expect(evicted).toEqual([3]);
  expect(places.enter(5, 'b')).toBe(true);
  expect(evicted).toEqual([3, 1]);
});

test('an address has its share: one more takes the place of its own that rested longest, or has none', () => {
  const { places, evicted } = make(10, 2);
  places.enter(1, 'other');
  for (const each of [2, 3, 4]) expect(places.enter(each, 'a')).toBe(true);
  expect(evicted).toEqual([2]);
  places.works(3);
  places.works(4);
  expect(places.enter(5, 'a')).toBe(false);
  expect(places.enter(6, 'b')).toBe(true);
  expect(evicted).toEqual([2]);
});

test('when all work, the address with most connections gives one up', () => {
  const { places, evicted } = make(4, 3);
  places.enter(1, 'kubelet');
  for (const each of [2, 3, 4]) places.enter(each, 'a');
  for (const each of [1, 2, 3, 4]) places.works(each);
  expect(places.enter(5, 'scraper')).toBe(true);
  expect(evicted).toEqual([2]);
});

test('whatever comes, the bounds hold, and who left has no place', () => {
  const address = fc.integer({ min: 0, max: 4 });
  const step = fc.tuple(fc.constantFrom('enter', 'works', 'rests', 'leave'), fc.nat(40), address);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const held = new Map<number, number>();
      const places = new CallerPlaces<number>({ maxConnections: 6, maxPerAddress: 3 }, (each) => held.delete(each));
      for (const [what, connection, from] of steps) {
        if (what === 'enter') {
          if (!held.has(connection) && places.enter(connection, String(from))) held.set(connection, from);
        } else {
          places[what as 'works' | 'rests' | 'leave'](connection);
          if (what === 'leave') held.delete(connection);
        }
        expect(places.size).toBe(held.size);
        expect(held.size).toBeLessThanOrEqual(6);
        for (const each of held.values())
          expect([...held.values()].filter((other) => other === each).length).toBeLessThanOrEqual(3);
      }
    }),
  );
});
