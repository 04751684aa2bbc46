/** Batches of a session on a store that takes its time: one after the other, whatever begins them. */
import { expect, test } from 'vitest';
import { day, fleet, Member } from './counting-member.test-data.ts';
import { FakeEtcd, ManualClock } from './fake-etcd.test-data.ts';

test('traffic while a session opens waits for the batch after the first: no page is under way twice, and nothing empty is written', async () => {
  const { time, etcd, members } = fleet('a', 'b');
  const [a, b] = members;
  await time.pass(1_000);
  etcd.stop();
  // More pages than a transaction takes.
  for (let at = 0; at < 300; at++) await a.hit(1, day, `key-${at}`);
  etcd.down = false;
  etcd.readMs = 400;
  etcd.writeMs = 200;
  for (let at = 0; at < 300; at++) {
    await a.hit(1, day, `key-${at}`);
    await time.pass(10);
  }
  await time.pass(2_000);
  expect(a.counters.figures).toMatchObject({ shared: true, outages: 1 });
  expect({ overlaps: etcd.overlaps, empty: etcd.emptyWrites }).toEqual({ overlaps: 0, empty: 0 });
  expect([await b.hit(0, day, 'key-0'), await b.hit(0, day, 'key-299')]).toEqual([2, 2]);
});

test('batches of a slow store come one after the other, so that no older count takes the place of a newer one', async () => {
  const { time, etcd, members } = fleet('a', 'b');
  const [a, b] = members;
  await time.pass(1_000);
  etcd.cut();
  etcd.delaysMs = Array.from({ length: 200 }, (_, at) => [400, 5][at % 2]!);
  for (let at = 0; at < 60; at++) {
    await a.hit();
    await time.pass(30);
  }
  await time.pass(3_000);
  expect(etcd.overlaps).toBe(0);
  expect(await b.hit(0)).toBe(60);
});

test('the lease of a session that takes long to open is kept', async () => {
  const time = new ManualClock();
  const etcd = new FakeEtcd(time);
  etcd.readMs = 50_000;
  const { counters, logged } = new Member(etcd, time, 'a');
  await time.pass(60_000);
  expect(logged).toEqual([expect.stringMatching(/^rate limit counters are shared/)]);
  expect(counters.figures).toMatchObject({ shared: true, outages: 0 });
});

test.each([
  ['while it opens', 0, 150],
  ['while a batch is under way', 1_000, 50],
  ['when a batch is about to begin', 1_000, 260],
])('one that ends %s tells everything all the same, and each page once at a time', async (_, openMs, hitMs) => {
  const { time, etcd, members } = fleet('b', 'c');
  await time.pass(1_000);
  etcd.readMs = 100;
  etcd.writeMs = 80;
  const a = new Member(etcd, time, 'a');
  await time.pass(openMs);
  for (let at = 0; at < hitMs; at += 10) {
    await a.hit();
    await time.pass(10);
  }
  await Promise.all([a.counters.close(), time.pass(2_000)]);
  expect({ overlaps: etcd.overlaps, empty: etcd.emptyWrites }).toEqual({ overlaps: 0, empty: 0 });
  expect(await members[0].hit(0)).toBe(hitMs / 10);
  expect(members[0].counters.figures.peers).toBe(1);
});
