import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { LeafHolders } from '../../certs/rotation/leaf-holders.ts';
import { type BundleWatcher, BundleWatchers } from './bundle-watchers.ts';

const orders = 'spiffe://td/ns/shop/sa/orders';
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

let nowMs = 0;
let holders: LeafHolders;
let watchers: BundleWatchers;
beforeEach(() => {
  nowMs = 0;
  holders = new LeafHolders(() => nowMs);
  watchers = new BundleWatchers(holders, () => nowMs, dayMs);
});

interface Watcher extends BundleWatcher {
  appliedSequence: number;
  certificateAuthorityId: string;
  leaving: boolean;
}

function watcher(holder: string, appliedSequence: number, certificateAuthorityId = 'old', identity = orders): Watcher {
  return { identity, holder, appliedSequence, certificateAuthorityId, leaving: false, send: () => {} };
}

function issue(holder: string, authorityId = 'old', identity = orders): void {
  holders.issued({ holder, identity, serial: `${holder}-${nowMs}`, notAfterMs: nowMs + dayMs, authorityId });
}

describe('BundleWatchers', () => {
  it('counts who has the bundle and who uses a leaf of the new authority', () => {
    watchers.add(watcher('a', 1, 'old'));
    watchers.add(watcher('b', 2, 'new'));
    expect(watchers.evidence(2, 'new')).toEqual({ holders: 2, withBundle: 1, moved: 1 });
  });

  it('waits for a replica that is away, whatever others of its identity come and go', () => {
    for (const holder of ['a', 'b']) issue(holder);
    const a = watcher('a', 1);
    const b = watcher('b', 1);
    watchers.add(a);
    watchers.add(b);
    watchers.delete(a);
    b.appliedSequence = 2;
    watchers.delete(b);
    expect(watchers.evidence(2, 'old')).toEqual({ holders: 2, withBundle: 1, moved: 2 });
    watchers.add(watcher('b', 2));
    expect(watchers.evidence(2, 'old')).toEqual({ holders: 2, withBundle: 1, moved: 2 });
    nowMs = dayMs - 1;
    expect(watchers.evidence(2, 'old')).toMatchObject({ holders: 2, withBundle: 1 });
    watchers.add(watcher('a', 2));
    expect(watchers.evidence(2, 'old')).toMatchObject({ holders: 2, withBundle: 2 });
  });

  it('waits for who is away until its certificate has expired, and not for ten minutes', () => {
    issue('a');
    const a = watcher('a', 1);
    watchers.add(a);
    watchers.delete(a);
    nowMs = dayMs - 1;
    expect(watchers.evidence(2, 'old')).toMatchObject({ holders: 1, withBundle: 0 });
    nowMs = dayMs;
    expect(watchers.evidence(2, 'old')).toMatchObject({ holders: 0 });
  });

  it('waits for who got a certificate and has never come', () => {
    issue('a');
    expect(watchers.evidence(2, 'new')).toEqual({ holders: 1, withBundle: 0, moved: 0 });
    issue('a', 'new');
    // It may go on with the one before, as an answer can get lost.
    expect(watchers.evidence(2, 'new')).toEqual({ holders: 1, withBundle: 0, moved: 0 });
    issue('b', 'new');
    expect(watchers.evidence(2, 'new')).toEqual({ holders: 2, withBundle: 0, moved: 1 });
  });

  it('takes a proxy whose stream moves to its next certificate for the same one', () => {
    issue('a');
    const before = watcher('a', 2, 'old');
    watchers.add(before);
    nowMs = hourMs;
    issue('a', 'new');
    watchers.add(watcher('a', 2, 'new'));
    watchers.delete(before);
    expect(watchers.evidence(2, 'new')).toEqual({ holders: 1, withBundle: 1, moved: 1 });
  });

  it('does not wait for who has said goodbye, until something of it is seen', () => {
    for (const holder of ['a', 'b']) issue(holder);
    const leave = (holder: string): void => {
      const one = watcher(holder, 1);
      watchers.add(one);
      one.leaving = true;
      // It may still serve.
      expect(watchers.evidence(2, 'old')).toMatchObject({ withBundle: 0 });
      watchers.delete(one);
    };
    leave('a');
    expect(watchers.evidence(2, 'old')).toMatchObject({ holders: 1, withBundle: 0 });
    leave('b');
    expect(watchers.evidence(2, 'old').holders).toBe(0);
    holders.seen('a-0');
    expect(watchers.waitedFor(2, 'old', 'bundle', 9)).toEqual([{ identity: orders, awayUntilMs: dayMs }]);
    leave('a');
    issue('b');
    expect(watchers.evidence(2, 'old').holders).toBe(1);
    // Another stream of the same proxy goes on.
    const [going, staying] = [watcher('b', 1), watcher('b', 1)];
    for (const each of [going, staying]) watchers.add(each);
    going.leaving = true;
    watchers.delete(going);
    expect(watchers.evidence(2, 'old').holders).toBe(1);
    watchers.delete(staying);
    expect(watchers.evidence(2, 'old').holders).toBe(1);
    // Nothing is known of its leaves.
    leave('stranger');
    expect(watchers.evidence(2, 'old').holders).toBe(1);
  });

  it('takes nothing back for a stream that ended before its first word', () => {
    issue('a');
    const good = watcher('a', 2, 'new');
    watchers.add(good);
    watchers.delete(good);
    const cut = watcher('a', 0, '');
    watchers.add(cut);
    expect(watchers.evidence(2, 'new')).toEqual({ holders: 1, withBundle: 0, moved: 0 });
    watchers.delete(cut);
    watchers.delete(cut);
    expect(watchers.evidence(2, 'new')).toEqual({ holders: 1, withBundle: 1, moved: 1 });
  });

  it('waits for who has left as long as a certificate lives when it does not know its leaves', () => {
    const a = watcher('a', 1);
    watchers.add(a);
    watchers.delete(a);
    nowMs = dayMs - 1;
    expect(watchers.evidence(2, 'new').holders).toBe(1);
    nowMs = dayMs;
    expect(watchers.evidence(2, 'new').holders).toBe(0);
  });

  it('says whom it waits for: each identity once, those first that are away', () => {
    issue('a');
    watchers.add(watcher('b', 1));
    watchers.add(watcher('c', 1, 'old', 'spiffe://td/ns/shop/sa/admin'));
    expect(watchers.waitedFor(2, 'old', 'bundle', 9)).toEqual([
      { identity: orders, awayUntilMs: dayMs },
      { identity: 'spiffe://td/ns/shop/sa/admin', awayUntilMs: null },
    ]);
    expect(watchers.waitedFor(2, 'old', 'moved', 9)).toEqual([]);
    expect(watchers.waitedFor(2, 'new', 'moved', 1)).toEqual([{ identity: orders, awayUntilMs: dayMs }]);
  });

  it('takes 1,000 of one identity at a time, and one more when one has left', () => {
    const all = Array.from({ length: 1_000 }, (_, index) => watcher(`${index}`, 1));
    for (const each of all) expect(watchers.add(each)).toBe(true);
    expect(watchers.add(watcher('more', 1))).toBe(false);
    expect(watchers.add(watcher('b', 1, 'old', 'spiffe://td/ns/shop/sa/admin'))).toBe(true);
    watchers.delete(all[0]!);
    expect(watchers.add(watcher('more', 1))).toBe(true);
  });

  it('never says that all are ready while somebody with a good certificate has not said so, whoever comes, goes and renews', () => {
    const names = ['a', 'b', 'c'];
    const action = fc.tuple(
      fc.constantFrom(...names),
      fc.constantFrom('issue', 'come', 'say', 'go', 'bye', 'wait'),
      fc.integer({ min: 0, max: dayMs }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        nowMs = 0;
        holders = new LeafHolders(() => nowMs);
        watchers = new BundleWatchers(holders, () => nowMs, dayMs);
        const endsMs = new Map<string, number>();
        const told = new Set<string>();
        const here = new Map<string, Watcher>();
        const gone = new Set<string>();
        for (const [name, what, delayMs] of actions) {
          if (what === 'wait') nowMs += delayMs;
          if (what === 'issue') {
            issue(name);
            endsMs.set(name, nowMs + dayMs);
            gone.delete(name);
          }
          if (what === 'come' && !here.has(name)) {
            const one = watcher(name, 0, '');
            here.set(name, one);
            gone.delete(name);
            watchers.add(one);
          }
          if (what === 'say' && here.has(name)) {
            here.get(name)!.appliedSequence = 2;
            told.add(name);
          }
          if ((what === 'go' || what === 'bye') && here.has(name)) {
            here.get(name)!.leaving = what === 'bye';
            if (what === 'bye') gone.add(name);
            watchers.delete(here.get(name)!);
            here.delete(name);
          }
          const { holders: count, withBundle } = watchers.evidence(2, 'new');
          for (const [holder, endMs] of endsMs)
            if (nowMs < endMs && !told.has(holder) && !gone.has(holder)) expect(withBundle).toBeLessThan(count);
        }
      }),
    );
  });
});
