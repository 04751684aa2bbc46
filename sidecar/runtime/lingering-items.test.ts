import { expect, test } from 'vitest';
import { ManualTime } from '../connection-manager/test/manual-time.ts';
import { LingeringItems } from './lingering-items.ts';

function rig() {
  const time = new ManualTime();
  const closed: string[] = [];
  const items = new LingeringItems<{ readonly name: string }>(time.wheel, 10_000, ({ name }) => {
    closed.push(name);
    return Promise.resolve();
  });
  const get = (name: string) => items.get(name, () => ({ name }));
  return { time, closed, items, get };
}

test('one that is named no more stays for its time, then it is closed once', async () => {
  const { time, closed, items, get } = rig();
  get('a');
  get('b');
  items.retain((key) => key === 'b');
  time.advance(9_000);
  expect([closed, items.size]).toEqual([[], 2]);
  time.advance(2_000);
  expect(closed).toEqual(['a']);
  await Promise.resolve();
  await Promise.resolve();
  expect(items.size).toBe(1);
  time.advance(60_000);
  expect(closed).toEqual(['a']);
});

test('one that is named again meanwhile is the same, and stays', () => {
  const { time, closed, items, get } = rig();
  const first = get('a');
  items.retain(() => false);
  time.advance(5_000);
  expect(get('a')).toBe(first);
  time.advance(60_000);
  expect(closed).toEqual([]);
});

test('of many that are named no more the oldest go at once', async () => {
  const { closed, items, get } = rig();
  for (let i = 0; i < 40; i++) {
    get(`${i}`);
    items.retain(() => false);
  }
  expect(closed).toEqual(Array.from({ length: 24 }, (_, i) => `${i}`));
  await Promise.resolve();
  await Promise.resolve();
  expect(items.size).toBe(16);
});

test('all are closed at once when it is over, each once, and none later', async () => {
  const { time, closed, items, get } = rig();
  get('a');
  items.retain(() => false);
  get('b');
  const ended: string[] = [];
  await items.closeAll(({ name }) => {
    ended.push(name);
    return Promise.resolve();
  });
  expect(ended.toSorted()).toEqual(['a', 'b']);
  time.advance(60_000);
  expect([closed, items.size, time.wheel.armedCount]).toEqual([[], 0, 0]);
});
