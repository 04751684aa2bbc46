import { expect, it } from 'vitest';
import { RouteMemory } from './route-memory.ts';

it('keeps what a route learnt from one configuration to the next', () => {
  const memory = new RouteMemory();
  memory.latenciesOf('r', 'orders').add(5, 0);
  expect(memory.latenciesOf('r', 'orders').samples(0)).toBe(1);
  expect(memory.latenciesOf('r', 'payments').samples(0)).toBe(0);
});

it('forgets the routes that were not asked for longest, so that names that come and go cost nothing', () => {
  const memory = new RouteMemory();
  memory.latenciesOf('first', 'a').add(5, 0);
  memory.latenciesOf('second', 'a').add(5, 0);
  memory.latenciesOf('first', 'a');
  for (let i = 0; i < 1023; i++) memory.latenciesOf(`r${i}`, 'a');
  expect(memory.latenciesOf('first', 'a').samples(0)).toBe(1);
  expect(memory.latenciesOf('second', 'a').samples(0)).toBe(0);
});
