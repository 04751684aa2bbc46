/** Several control planes on one store that fails at will, on virtual time. A real etcd: test/interop/shared-counters.test.ts. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { counterStoreContract } from '../counter-store-contract.test-data.ts';
import { day, fleet, Member } from './counting-member.test-data.ts';
import { FakeEtcd, ManualClock, type Trouble } from './fake-etcd.test-data.ts';

describe('counters shared by a store, alone on it', () => {
  counterStoreContract(async (maxCounters) => {
    const time = new ManualClock();
    const { counters } = new Member(new FakeEtcd(time), time, 'a', { maxCounters });
    await time.pass(10);
    return counters;
  });
});

describe('counters shared by a store', () => {
  test('control planes count together: the first hit is told at once, more than that in batches', async () => {
    const { time, etcd, members } = fleet('a', 'b');
    const [a, b] = members;
    await time.pass(1_000);
    const before = etcd.writes;
    await a.hit();
    await time.pass(1);
    expect(await b.hit()).toBe(2);
    for (let at = 0; at < 50; at++) {
      await a.hit();
      await time.pass(1);
    }
    expect(await b.hit(0)).toBe(2);
    await time.pass(100);
    expect([await a.hit(0), await b.hit(0)]).toEqual([52, 52]);
    expect(etcd.writes - before).toBeLessThanOrEqual(6);
  });

  test('nothing is written where nothing is counted, but signs of life', async () => {
    const { time, etcd, members } = fleet('a', 'b');
    await members[0].hit(1, 1_000);
    await time.pass(30_000);
    const before = etcd.writes;
    await time.pass(60_000);
    expect(etcd.writes - before).toBe(12);
    expect([...etcd.entries.keys()].toSorted()).toEqual([
      '/outrigger/ratelimit/v1/a/alive',
      '/outrigger/ratelimit/v1/b/alive',
    ]);
  });

  test('without the store everybody counts alone, says so once, and comes back with all that was counted meanwhile', async () => {
    const { time, etcd, members } = fleet('a', 'b');
    const [a, b] = members;
    await time.pass(1_000);
    await a.hit(10);
    await time.pass(100);
    etcd.stop();
    await time.pass(20_000);
    expect(await a.hit(5)).toBe(15);
    // What was known of others is not forgotten.
    expect(await b.hit(3)).toBe(13);
    expect(a.counters.figures).toMatchObject({ shared: false, outages: 1 });
    etcd.down = false;
    await time.pass(10_000);
    expect([await a.hit(0), await b.hit(0)]).toEqual([18, 18]);
    expect(a.counters.figures).toMatchObject({ shared: true, outages: 1, peers: 1 });
    expect(a.logged).toEqual([
      expect.stringMatching(/^rate limit counters are shared by etcd at etcd-0:2379/),
      expect.stringMatching(
        /^rate limit counters are not shared any more: etcd at etcd-0:2379: the connection was cut/,
      ),
      expect.stringMatching(/^rate limit counters are shared by etcd at etcd-\d:2379, with one other control plane$/),
    ]);
  });

  test('a store that lost everything gets it back', async () => {
    const { time, etcd, members } = fleet('a', 'b');
    const [a, b] = members;
    await time.pass(1_000);
    await a.hit(10);
    await time.pass(1_000);
    etcd.stop();
    etcd.entries.clear();
    etcd.down = false;
    await time.pass(10_000);
    expect([await a.hit(0), await b.hit(0)]).toEqual([10, 10]);
  });

  test('a store that is full, or that is not there at the start, is trouble as any other', async () => {
    const time = new ManualClock();
    const etcd = new FakeEtcd(time);
    etcd.full = true;
    const { counters, logged } = new Member(etcd, time, 'a');
    await time.pass(30_000);
    expect(counters.figures.shared).toBe(false);
    expect(logged).toEqual([expect.stringMatching(/^rate limit counters are not shared: .*: its database is full;/)]);
    etcd.full = false;
    await time.pass(10_000);
    expect(counters.figures.shared).toBe(true);
  });

  test('hits of a control plane that is gone count to the end of their window, and then nothing is left of it', async () => {
    const { time, etcd, members } = fleet('a', 'b');
    const [a, b] = members;
    await time.pass(1_000);
    await a.hit(4, 60_000);
    await a.hit(6);
    await a.counters.close();
    await time.pass(1_000);
    expect(b.counters.figures.peers).toBe(0);
    expect([await b.hit(1, 60_000), await b.hit()]).toEqual([5, 7]);
    const late = new Member(etcd, time, 'c');
    await time.pass(1_000);
    expect([await late.hit(0, 60_000), await late.hit(0)]).toEqual([5, 7]);
    await time.pass(60_000);
    expect(await b.hit(1, 60_000)).toBe(1);
    await time.pass(2 * day);
    expect([...etcd.entries.keys()].filter((key) => key.includes('/a/'))).toEqual([]);
  });

  test('one that was killed is taken off the list by its lease', async () => {
    const { time, members, etcd } = fleet('a', 'b');
    await time.pass(1_000);
    expect(members[0].counters.figures.peers).toBe(1);
    const connection = etcd.connect();
    const lease = await connection.grantLease(30);
    await connection.write([{ key: '/outrigger/ratelimit/v1/killed/alive', value: new Uint8Array(), lease }], null);
    expect(members[0].counters.figures.peers).toBe(2);
    await time.pass(60_000);
    expect(members[0].counters.figures.peers).toBe(1);
  });

  test('a batch that was given up and is done late overwrites nothing newer', async () => {
    const { time, etcd, members } = fleet('a', 'b');
    const [a, b] = members;
    await time.pass(1_000);
    etcd.troubles = ['late'];
    await a.hit(5);
    await time.pass(1_000);
    await a.hit(5);
    await time.pass(1_000);
    expect(await b.hit(0)).toBe(10);
    etcd.doLate();
    expect(await b.hit(0)).toBe(10);
  });

  test('clocks that differ by less than 5 s cut windows together; further ahead nobody follows, and it is told', async () => {
    const time = new ManualClock();
    const etcd = new FakeEtcd(time);
    const slow = new Member(etcd, time, 'slow');
    const fast = new Member(etcd, time, 'fast', { aheadMs: 3_000 });
    // Signs of life say what the time is.
    await time.pass(12_000);
    for (let at = 0; at < 20; at++) {
      await time.pass(487);
      const before = await slow.hit(0, 1_000);
      await fast.hit(1, 1_000);
      await time.pass(101);
      expect([before, before + 1, 0]).toContain(await slow.hit(0, 1_000));
    }
    // In the middle of a window of the leading clock.
    await time.pass(1_500 - ((time.nowMs + 1_000) % 1_000));
    await fast.hit(1, 1_000);
    await slow.hit(1, 1_000);
    await time.pass(110);
    expect([await slow.hit(0, 1_000), await fast.hit(0, 1_000)]).toEqual([2, 2]);
    const lost = new Member(etcd, time, 'lost', { aheadMs: 60_000 });
    await time.pass(12_000);
    expect(slow.logged.at(-1)).toMatch(/^the clock of another control plane is (5[67]|60)\.\d s ahead/);
    await lost.counters.close();
    expect(slow.logged.at(-1)).toMatch(/agree again/);
  });

  test('memory is bounded: too many counters of others are left out, and counted', async () => {
    const time = new ManualClock();
    const etcd = new FakeEtcd(time);
    const small = new Member(etcd, time, 'small', { maxCounters: 10, maxOtherCounts: 20 });
    const large = new Member(etcd, time, 'large');
    await time.pass(1_000);
    for (let at = 0; at < 1_000; at++) await large.hit(1, day, `key-${at}`);
    await time.pass(1_000);
    const { otherCounters, leftOut } = small.counters.figures;
    expect(otherCounters).toBeLessThanOrEqual(20);
    expect(leftOut).toBeGreaterThan(0);
    expect(small.logged.filter((line) => line.startsWith('other control planes share more than 20'))).toHaveLength(1);
  });

  test('a control plane that is there is counted, also where one that has ended left more counters than are kept', async () => {
    const time = new ManualClock();
    const etcd = new FakeEtcd(time);
    // It ends, and its pages come before those of `live`.
    const ended = new Member(etcd, time, 'ended');
    await time.pass(100);
    for (let at = 0; at < 100; at++) await ended.hit(1, day, `key-${at}`);
    await time.pass(1_000);
    await ended.counters.close();
    const live = new Member(etcd, time, 'live');
    const small = new Member(etcd, time, 'small', { maxOtherCounts: 20 });
    await time.pass(1_000);
    await live.hit(7, day, 'popular');
    await time.pass(1_000);
    expect(await small.hit(0, day, 'popular')).toBe(7);
    etcd.cut();
    await time.pass(10_000);
    expect(await small.hit(0, day, 'popular')).toBe(7);
  });

  test('batches come later when there is much to tell: a store keeps the history of every write', async () => {
    const { time, etcd, members } = fleet('a', 'b');
    await time.pass(1_000);
    let written = 0;
    for (let round = 0; round < 60; round++) {
      const before = [...etcd.entries.values()].reduce((sum, { value }) => sum + value.length, 0);
      for (let at = 0; at < 4_000; at++) await members[0].hit(1, day, `key-${at}`);
      const batches = members[0].counters.figures.batches;
      await time.pass(50);
      written += (members[0].counters.figures.batches - batches) * before;
    }
    // 3 s.
    expect(written / 3).toBeGreaterThan(500_000);
    expect(written / 3).toBeLessThan(1_200_000);
    expect(await members[1].hit(0, day, 'key-7')).toBeGreaterThan(45);
  });

  test('of keys that all fall on one page, no more are told than the store takes at once', async () => {
    const { time, etcd, members } = fleet('a', 'b');
    await time.pass(1_000);
    const { pageOf } = await import('./counter-page.ts');
    let found = 0;
    for (let at = 0; found < 3_000; at++) {
      if (pageOf(`key-${at}`, day) !== `${day}/7`) continue;
      found++;
      await members[0].hit(1, day, `key-${at}`);
    }
    await time.pass(1_000);
    const sizes = [...etcd.entries.values()].map(({ value }) => value.length);
    expect(Math.max(...sizes)).toBeLessThan(100_000);
    expect(members[0].counters.figures).toMatchObject({ shared: true, leftOut: 3_000 - 2_048 });
  });

  test('whatever fails meanwhile, in the end everybody counts every hit, and none twice', async () => {
    const step = fc.oneof(
      fc.record({ who: fc.nat(2), hits: fc.integer({ min: 1, max: 9 }) }),
      fc.record({ passMs: fc.constantFrom(1, 50, 99, 150, 3_000, 40_000) }),
      fc.record({ trouble: fc.constantFrom<Trouble>('none', 'refused', 'answer lost', 'late') }),
      fc.record({ store: fc.constantFrom('stop', 'start', 'cut', 'late') }),
      fc.record({ delaysMs: fc.array(fc.constantFrom(0, 1, 30, 250), { minLength: 1, maxLength: 8 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { time, etcd, members } = fleet('a', 'b', 'c');
        const own = [0, 0, 0];
        for (const each of steps) {
          if ('who' in each) {
            own[each.who]! += each.hits;
            const total = own[0]! + own[1]! + own[2]!;
            const count = await members[each.who]!.hit(each.hits);
            expect(count).toBeGreaterThanOrEqual(own[each.who]!);
            expect(count).toBeLessThanOrEqual(total);
          } else if ('passMs' in each) await time.pass(each.passMs);
          else if ('delaysMs' in each) etcd.delaysMs.push(...each.delaysMs);
          else if ('trouble' in each) etcd.troubles.push(each.trouble);
          else if (each.store === 'stop') etcd.stop();
          else if (each.store === 'start') etcd.down = false;
          else if (each.store === 'cut') etcd.cut();
          else etcd.doLate();
        }
        etcd.down = false;
        etcd.troubles = [];
        etcd.doLate();
        await time.pass(30_000);
        expect({ overlaps: etcd.overlaps, empty: etcd.emptyWrites }).toEqual({ overlaps: 0, empty: 0 });
        const total = own[0]! + own[1]! + own[2]!;
        for (const member of members) expect(await member.hit(0)).toBe(total);
      }),
      { numRuns: 60 },
    );
  });
});
