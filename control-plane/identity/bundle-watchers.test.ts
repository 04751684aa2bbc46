import { describe, expect, it } from 'vitest';
import { type BundleWatcher, BundleWatchers } from './bundle-watchers.ts';

function watcher(identity: string, appliedSequence: number, certificateAuthorityId = ''): BundleWatcher {
  return { identity, appliedSequence, certificateAuthorityId, send: () => {} };
}

describe('BundleWatchers', () => {
  it('counts who has the bundle and who uses a leaf of the new authority', () => {
    const watchers = new BundleWatchers(() => 0, 1000);
    watchers.add(watcher('a', 1, 'old'));
    watchers.add(watcher('b', 2, 'new'));
    expect(watchers.evidence(2, 'new')).toEqual({ holders: 2, withBundle: 1, moved: 1 });
  });

  it('waits for who has left, until it is back under its identity or long gone', () => {
    let nowMs = 0;
    const watchers = new BundleWatchers(() => nowMs, 1000);
    const first = watcher('a', 1);
    const second = watcher('a', 1);
    watchers.add(first);
    watchers.add(second);
    watchers.delete(first);
    watchers.delete(second);
    watchers.delete(second);
    // Of one identity one is waited for.
    expect(watchers.evidence(2, '')).toMatchObject({ holders: 1, withBundle: 0 });
    watchers.add(watcher('a', 2));
    watchers.delete(watcher('a', 2));
    expect(watchers.evidence(2, '')).toMatchObject({ holders: 1, withBundle: 1 });
    const other = watcher('b', 1);
    watchers.add(other);
    watchers.delete(other);
    expect(watchers.evidence(2, '')).toMatchObject({ holders: 2, withBundle: 1 });
    nowMs = 1000;
    expect(watchers.evidence(2, '')).toMatchObject({ holders: 1, withBundle: 1 });
  });

  it('takes 1,000 of one identity at a time, and one more when one has left', () => {
    const watchers = new BundleWatchers(() => 0, 1000);
    const all = Array.from({ length: 1_000 }, () => watcher('a', 1));
    for (const each of all) expect(watchers.add(each)).toBe(true);
    expect(watchers.add(watcher('a', 1))).toBe(false);
    expect(watchers.add(watcher('b', 1))).toBe(true);
    watchers.delete(all[0]!);
    expect(watchers.add(watcher('a', 1))).toBe(true);
  });
});
