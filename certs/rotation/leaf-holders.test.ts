import { beforeEach, describe, expect, it } from 'vitest';
import { type LeafHolderLimits, LeafHolders } from './leaf-holders.ts';

let nowMs = 0;
beforeEach(() => {
  nowMs = 0;
});

const make = (limits?: LeafHolderLimits): LeafHolders => new LeafHolders(() => nowMs, limits);

function leaf(holder: string, serial: string, notAfterMs: number, authorityId = 'a') {
  return { holder, identity: `spiffe://td/${holder}`, serial, notAfterMs, authorityId };
}

describe('LeafHolders', () => {
  it('knows whose a leaf is, and keeps its holder until the last one ends', () => {
    const holders = make();
    holders.issued(leaf('h', '1', 1000));
    holders.issued(leaf('h', '2', 2000));
    expect([holders.holderOf('1'), holders.holderOf('2'), holders.holderOf('3')]).toEqual(['h', 'h', null]);
    nowMs = 1999;
    expect([...holders].map(({ id, untilMs }) => [id, untilMs])).toEqual([['h', 2000]]);
    nowMs = 2000;
    expect([...holders]).toEqual([]);
  });

  it('forgets what has expired', () => {
    const holders = make();
    holders.issued(leaf('h', '1', 1000));
    nowMs = 60_000;
    expect([...holders]).toEqual([]);
    expect([holders.has('h'), holders.holderOf('1')]).toEqual([false, null]);
    holders.issued(leaf('late', '2', 1000));
    expect(holders.has('late')).toBe(false);
  });

  it('says who may use a leaf of another authority, and forgets those of one that is trusted no more', () => {
    const holders = make();
    holders.issued(leaf('h', '1', 1000, 'a'));
    holders.issued(leaf('h', '2', 2000, 'b'));
    holders.issued(leaf('i', '3', 1000, 'a'));
    const mayUseOther = (): unknown[] => [...holders].map((holder) => [holder.id, holder.mayUseOther('b')]);
    expect(mayUseOther()).toEqual([
      ['h', true],
      ['i', true],
    ]);
    holders.forgetAuthority('a');
    expect(mayUseOther()).toEqual([['h', false]]);
  });

  it('keeps what a holder has said, and nothing of who is not known', () => {
    const holders = make();
    holders.issued(leaf('h', '1', 1000));
    holders.reported('h', { appliedSequence: 3, certificateAuthorityId: 'a' });
    holders.reported('nobody', { appliedSequence: 3, certificateAuthorityId: 'a' });
    holders.issued(leaf('h', '2', 2000));
    expect([...holders].map(({ id, report }) => [id, report])).toEqual([
      ['h', { appliedSequence: 3, certificateAuthorityId: 'a' }],
    ]);
  });

  it('says until when there may be more than it can remember', () => {
    const holders = make({ maxHolders: 1 });
    holders.issued(leaf('h', '1', 1000));
    holders.issued(leaf('i', '2', 5000));
    holders.issued(leaf('j', '3', 4000));
    holders.issued(leaf('h', '4', 9000));
    expect(holders.unknownUntilMs).toBe(5000);
    expect([...holders].map(({ id, untilMs }) => [id, untilMs])).toEqual([['h', 9000]]);
    nowMs = 20_000;
    holders.issued(leaf('k', '5', 30_000));
    expect([...holders].map(({ id }) => id)).toEqual(['k']);
  });

  it('remembers so many serial numbers; of more it does not know the holder', () => {
    const holders = make({ maxLeaves: 1 });
    holders.issued(leaf('h', '1', 1000));
    holders.issued(leaf('h', '2', 2000));
    expect([holders.holderOf('1'), holders.holderOf('2')]).toEqual(['h', null]);
    expect([...holders].map(({ untilMs }) => untilMs)).toEqual([2000]);
  });
});
