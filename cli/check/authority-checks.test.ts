import { expect, test } from 'vitest';
import type { AuthorityStatus } from '../../control-plane/admin/identity-admin.ts';
import { authorityFindings } from './authority-checks.ts';

const dayMs = 86_400_000;
const nowMs = Date.parse('2026-11-28T12:00:00Z');
const at = (days: number): string => new Date(nowMs + days * dayMs).toISOString();

function status(more: Partial<AuthorityStatus> = {}): AuthorityStatus {
  return {
    trustDomain: 'cluster.local',
    state: 'aa signs',
    phase: 'steady',
    authorities: [{ id: 'aa', signs: true, validFrom: at(-100), expiresAt: at(3_550) }],
    roots: [],
    federated: [],
    federatedBundles: [],
    ownRoot: true,
    fault: '',
    certificateLifetimeSeconds: 86_400,
    rotation: null,
    ...more,
  };
}

function found(more: Partial<AuthorityStatus>): string[] {
  return authorityFindings(status(more), nowMs).map(
    ({ level, text, next }) => `${level}: ${text}${next && ` → ${next}`}`,
  );
}

const signing = (fromDays: number, toDays: number): Partial<AuthorityStatus> => ({
  authorities: [{ id: 'aa', signs: true, validFrom: at(fromDays), expiresAt: at(toDays) }],
});

test('the end of what signs: seen to in its last month or quarter, mended in its last week or tenth', () => {
  expect(found({})).toEqual([`ok: the authority aa that signs is good until ${at(3_550)}`]);
  expect(found(signing(-3_621, 29))[0]).toMatch(
    /^warning: the authority aa that signs ends in 29 d .* → outrigger identity rotate$/,
  );
  expect(found(signing(-3_644, 6))[0]).toMatch(/^problem: .* ends in 6 d/);
  expect(found({ ...signing(-3_651, -1), ownRoot: false })[0]).toMatch(
    /^problem: .* expired at .* → put a new certificate and key into/,
  );
  // An intermediate of a week is not warned of all its life.
  expect(found(signing(-1, 6))[0]).toMatch(/^ok/);
  expect(found(signing(-5.5, 1.5))[0]).toMatch(/^warning/);
  expect(found(signing(-6.5, 0.5))[0]).toMatch(/^problem: .* ends in 12 h/);
});

test('a rotation that waits for somebody, or does not go on', () => {
  const rotation = {
    sinceAt: at(-0.001),
    byAt: at(1),
    holders: 3,
    ready: 1,
    waitingFor: ['spiffe://a', 'spiffe://b'],
    awayUntil: '',
  };
  expect(found({ rotation })[1]).toBe('ok: a root rotation is under way: aa signs');
  expect(found({ rotation: { ...rotation, sinceAt: at(-0.5) } })[1]).toMatch(
    /^warning: a root rotation has been waiting for 12 h, 1 of 3 are ready, not yet spiffe:\/\/a, spiffe:\/\/b → .*goes on by itself at .*--force/,
  );
  expect(found({ rotation: { ...rotation, sinceAt: at(-0.5), ready: 3 } })[1]).toMatch(/^ok/);
  expect(found({ rotation: { ...rotation, sinceAt: at(-2), byAt: at(-0.1) } })[1]).toMatch(
    /^problem: a root rotation should have gone on at /,
  );
});

test('files that are not in use, and bundles of others that end', () => {
  const bundle = { trustDomain: 'other', roots: 1, validFrom: at(-300), expiresAt: at(65), fault: '' };
  expect(found({ federatedBundles: [bundle] })[1]).toMatch(/^ok: what is trusted of other is good until/);
  expect(found({ federatedBundles: [{ ...bundle, expiresAt: at(20) }] })[1]).toMatch(
    /^warning: what is trusted of other ends in 20 d .* → get the newest bundle of other/,
  );
  expect(found({ federatedBundles: [{ ...bundle, expiresAt: at(-1), fault: 'no PEM' }], fault: 'no key' })).toEqual([
    expect.stringMatching(/^problem: the files of --ca-certificate are not in use as they are now: no key/),
    expect.stringMatching(/^ok/),
    expect.stringMatching(/^problem: the bundle of other is not in use as it is now: no PEM/),
    expect.stringMatching(/^problem: what is trusted of other expired at/),
  ]);
});
