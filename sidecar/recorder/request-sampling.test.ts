import { expect, test } from 'vitest';
import { RequestSampling } from './request-sampling.ts';

const uuid = (n: number): string => {
  const hex = (Math.imul(n + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');
  return `${hex}-${hex.slice(4)}-4000-8000-${hex}${hex.slice(0, 4)}`;
};

/** Ids that are kept of so many a second, for so many seconds. */
function keptOf(perSecond: number, seconds: number, idOf = uuid, sampling = new RequestSampling(100)): Set<string> {
  const kept = new Set<string>();
  for (let n = 0; n < perSecond * seconds; n++) {
    const id = idOf(n);
    if (sampling.chooses(id, (n * 1_000) / perSecond)) kept.add(id === '' ? String(n) : id);
  }
  return kept;
}

test('up to its rate all are kept', () => {
  expect(keptOf(100, 5).size).toBe(500);
});

test.each([150, 1_000, 20_000, 100_000])('of %i a second about its rate, and no less than half of it', (perSecond) => {
  const { size } = keptOf(perSecond, 4);
  expect(size / 4).toBeGreaterThan(35);
  expect(size / 4).toBeLessThan(200);
});

test('another hop of the same requests keeps the same; one that has less to do keeps those too', () => {
  const busy = keptOf(8_000, 3);
  const alike = keptOf(8_000, 3);
  expect(alike).toEqual(busy);
  // It gets every second one of them.
  const sampling = new RequestSampling(100);
  const passed = Array.from({ length: 12_000 }, (_, n) => uuid(2 * n));
  const calm = new Set(passed.filter((id, n) => sampling.chooses(id, n / 4)));
  const shared = passed.filter((id) => busy.has(id));
  expect(shared.filter((id) => calm.has(id)).length / shared.length).toBeGreaterThan(0.95);
});

test('ids that are counted up, that differ at their ends only, or are missing, are shared out alike', () => {
  for (const idOf of [(n: number) => `request-${n}`, (n: number) => n.toString(16).padStart(32, 'a'), () => '']) {
    const { size } = keptOf(5_000, 4, idOf);
    expect(size / 4).toBeGreaterThan(35);
    expect(size / 4).toBeLessThan(200);
  }
});

test('one id for all: seldom, but sometimes; and never more than twice the rate', () => {
  const sampling = new RequestSampling(100);
  let kept = 0;
  for (let n = 0; n < 100_000; n++) if (sampling.chooses('always-the-same', n / 10)) kept++;
  expect(kept).toBeGreaterThan(10);
  expect(kept).toBeLessThanOrEqual(10 * 200);
});

test('after a storm all of the few are kept again within two seconds', () => {
  const sampling = new RequestSampling(100);
  for (let n = 0; n < 50_000; n++) sampling.chooses(uuid(n), n / 50);
  const after = Array.from({ length: 50 }, (_, n) => sampling.chooses(uuid(n), 2_000 + n * 20));
  expect(after).not.toContain(false);
});
