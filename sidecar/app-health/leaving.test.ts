import { expect, test } from 'vitest';
import { ManualTime } from '../connection-manager/test/manual-time.ts';
import { Leaving } from './leaving.ts';

async function settled(awaited: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  await new Promise(setImmediate);
  return (await Promise.race([awaited, Promise.resolve(pending)])) !== pending;
}

test('it leaves once, and who waits hears of it when nothing is in hand any more', async () => {
  const time = new ManualTime();
  const left = Promise.withResolvers<void>();
  let begun = 0;
  const leaving = new Leaving(time.wheel, () => (begun++, left.promise));
  const early = leaving.whenLeft();
  time.advance(4_000);
  const [first, second] = [leaving.begin(), leaving.begin()];
  const late = leaving.whenLeft();
  time.advance(60_000);
  for (const each of [early, first, second, late]) expect(await settled(each)).toBe(false);
  left.resolve();
  expect(await Promise.all([early, late, first, second])).toEqual([true, true, undefined, undefined]);
  expect(begun).toBe(1);
});

test('where nobody tells it to leave, who waits goes on after 5 s', async () => {
  const time = new ManualTime();
  const leaving = new Leaving(time.wheel, () => Promise.resolve());
  const waiting = leaving.whenLeft();
  time.advance(4_900);
  expect(await settled(waiting)).toBe(false);
  time.advance(200);
  expect(await waiting).toBe(false);
});
