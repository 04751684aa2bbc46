import crypto from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { serviceAccountId } from '../spiffe/spiffe-id.ts';
import { verifySvid } from '../spiffe/verify-svid.ts';
import { readCertificate } from '../x509/certificate.ts';
import { forge, forgedAuthority, forgedKey } from '../x509/forged-certificate.test-data.ts';
import { publicKeyDer } from '../x509/public-key.ts';
import { CertificateAuthority } from './certificate-authority.ts';
import { createRoot } from './create-root.ts';
import { issuingClock } from './issuing-clock.ts';
import type { IssuedLeaf } from './sign-leaf.ts';
import { makeSigningAuthority, type SigningAuthority } from './signing-authority.ts';

const hourMs = 3_600_000;
const startMs = Date.parse('2026-06-01T12:00:00Z');
const publicKey = publicKeyDer(forgedKey().publicKey);
const id = serviceAccountId('cluster.local', 'shop', 'orders');
const nobody = { holders: 1, withBundle: 0, moved: 0 };
const allKnow = { holders: 1, withBundle: 1, moved: 0 };
const allMoved = { holders: 1, withBundle: 1, moved: 1 };

let folder = '';
let nowMs = startMs;
const clock = issuingClock(() => nowMs);
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'outrigger-ca-')), 'authority');
  nowMs = startMs;
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true }));

function open(operatorAuthority: SigningAuthority | null = null, trustDomain = 'cluster.local'): CertificateAuthority {
  return new CertificateAuthority({ folder, trustDomain, clock, operatorAuthority });
}

function sign(authority: CertificateAuthority): IssuedLeaf {
  return authority.sign(publicKey, id, { proof: 'join_token', peer: '10.0.0.7:4711' });
}

function verifies(leaf: IssuedLeaf, authority: CertificateAuthority): boolean {
  try {
    verifySvid(leaf.chain.map(readCertificate), () => authority.bundle(), 'client', nowMs);
    return true;
  } catch {
    return false;
  }
}

describe('CertificateAuthority', () => {
  it('makes a root on first start, for its owner only, and keeps it', () => {
    const first = open();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(folder))
      expect([name, statSync(join(folder, name)).mode & 0o777]).toEqual([name, 0o600]);
    const leaf = sign(first);
    first.close();
    const second = open();
    expect(second.signingId).toBe(first.signingId);
    expect(second.bundle().sequence).toBe(first.bundle().sequence);
    expect(verifies(leaf, second)).toBe(true);
  });

  it('does not start on keys that others can read, another trust domain’s folder, or damaged files', () => {
    const key = join(folder, `authority-${open().signingId}.json`);
    chmodSync(key, 0o640);
    expect(() => open()).toThrow(`${key} is open to other users (mode 0640)`);
    chmodSync(key, 0o600);
    expect(() => open(null, 'other')).toThrow('belongs to the trust domain "cluster.local", and this is other');
    chmodSync(folder, 0o755);
    expect(() => open()).toThrow(`${folder} is open to other users`);
    chmodSync(folder, 0o700);
    writeFileSync(join(folder, 'rotation.json'), '{');
    expect(() => open()).toThrow('rotation.json is damaged');
    writeFileSync(
      join(folder, 'rotation.json'),
      JSON.stringify({ trustDomain: 'cluster.local', state: { phase: 'steady', signing: 'f'.repeat(16) } }),
    );
    expect(() => open()).toThrow('is missing, and rotation.json beside it names it');
  });

  it('recovers from a first start that was cut short, and refuses to guess between several authorities', () => {
    const first = open();
    rmSync(join(folder, 'rotation.json'));
    expect(open().signingId).toBe(first.signingId);
    const another = join(folder, `authority-${'e'.repeat(16)}.json`);
    writeFileSync(another, '{}', { mode: 0o600 });
    rmSync(join(folder, 'rotation.json'), { force: true });
    expect(() => open()).toThrow('holds 2 authorities and no rotation.json');
  });

  it('rotates its root with overlap, and goes on where it was after a restart in any phase', () => {
    let authority = open();
    const old = authority.signingId;
    const oldLeaf = sign(authority);
    const restart = (): void => {
      authority.close();
      authority = open();
    };
    authority.rotate();
    restart();
    expect(authority.signingId).toBe(old);
    expect(authority.bundle().roots).toHaveLength(2);
    nowMs += 2 * 60_000;
    expect(authority.advance(nobody)).toBe(false);
    expect(authority.advance(allKnow)).toBe(true);
    restart();
    const next = authority.signingId;
    expect(next).not.toBe(old);
    const newLeaf = sign(authority);
    expect([verifies(oldLeaf, authority), verifies(newLeaf, authority)]).toEqual([true, true]);
    nowMs += 2 * 60_000;
    expect(authority.advance(allMoved)).toBe(true);
    restart();
    expect(authority.signingId).toBe(next);
    expect([verifies(oldLeaf, authority), verifies(newLeaf, authority)]).toEqual([false, true]);
    expect(existsSync(join(folder, `authority-${old}.json`))).toBe(false);
    expect(authority.bundle().sequence).toBe(4);
  });

  it('knows the leaves of a root that it has taken out of trust, for connections that began before', () => {
    const authority = open();
    const oldLeaf = readCertificate(sign(authority).chain[0]!);
    authority.rotate();
    authority.force();
    const newLeaf = readCertificate(sign(authority).chain[0]!);
    expect([authority.signedByRetired(oldLeaf), authority.signedByRetired(newLeaf)]).toEqual([false, false]);
    authority.force();
    expect([authority.signedByRetired(oldLeaf), authority.signedByRetired(newLeaf)]).toEqual([true, false]);
    authority.rotate();
    authority.revert();
    expect([authority.signedByRetired(oldLeaf), authority.signedByRetired(newLeaf)]).toEqual([true, false]);
  });

  it('checks no signature for leaves of who signs now, and one for each connection of who does not, whatever roots of the same name are gone', () => {
    const operators = (): SigningAuthority => {
      const parts = forgedAuthority('Example Corp mesh CA');
      const chain = [readCertificate(forge(parts))];
      return makeSigningAuthority({ chain, roots: [], key: parts.key.privateKey, trustDomain: 'cluster.local' }, nowMs);
    };
    const authority = open(operators());
    const old = readCertificate(sign(authority).chain[0]!);
    for (let times = 0; times < 3; times++) {
      authority.use(operators());
      authority.force();
      authority.force();
    }
    const verified = vi.spyOn(crypto, 'verify');
    syncBuiltinESMExports();
    const leaf = readCertificate(sign(authority).chain[0]!);
    for (let times = 0; times < 5; times++) expect(authority.signedByRetired(leaf)).toBe(false);
    expect(verified).toHaveBeenCalledTimes(0);
    for (let times = 0; times < 5; times++) expect(authority.signedByRetired(old)).toBe(true);
    expect(verified).toHaveBeenCalledTimes(1);
    verified.mockRestore();
    syncBuiltinESMExports();
  });

  it('does not hold leaves for those of a retired root when its key goes on under a new root certificate', () => {
    const parts = forgedAuthority('Example Corp mesh CA');
    const make = (changed: object): SigningAuthority =>
      makeSigningAuthority(
        {
          chain: [readCertificate(forge({ ...parts, ...changed }))],
          roots: [],
          key: parts.key.privateKey,
          trustDomain: 'cluster.local',
        },
        nowMs,
      );
    const authority = open(make({}));
    authority.use(make({ serial: Uint8Array.of(9) }));
    authority.force();
    authority.force();
    expect(authority.signedByRetired(readCertificate(sign(authority).chain[0]!))).toBe(false);
  });

  it('knows after a restart who holds certificates, and by which ones they are renewed', () => {
    const before = open();
    const first = sign(before);
    const [holder] = [...before.holders];
    before.sign(publicKey, id, { proof: 'control_plane', peer: 'itself' });
    before.close();
    nowMs += 12 * hourMs;
    const authority = open();
    expect([...authority.holders].map(({ id, untilMs, report }) => ({ id, untilMs, report }))).toEqual([
      { id: holder!.id, untilMs: first.notAfterMs, report: null },
    ]);
    const renewed = authority.sign(publicKeyDer(forgedKey().publicKey), id, {
      proof: 'certificate',
      peer: '',
      renews: first.serial,
    });
    expect(authority.holders.holderOf(renewed.serial)).toBe(holder!.id);
    expect([...authority.holders]).toHaveLength(1);
    authority.sign(publicKeyDer(forgedKey().publicKey), id, { proof: 'join_token', peer: '' });
    expect([...authority.holders]).toHaveLength(2);
    expect(authority.holders.unknownUntilMs).toBe(0);
    authority.close();
    rmSync(join(folder, 'issuing.log'));
    expect(open().holders.unknownUntilMs).toBe(nowMs + 24 * hourMs);
  });

  it('waits for nobody whose certificate is of a root that was taken out of trust', () => {
    const authority = open();
    sign(authority);
    authority.rotate();
    for (let times = 0; times < 2; times++) authority.force();
    expect([...authority.holders]).toEqual([]);
  });

  it('begins a rotation by itself when its root comes to the last tenth of its life', () => {
    const authority = open();
    const rootEndMs = authority.status().authorities[0]!.notAfterMs;
    nowMs = rootEndMs - (10 * 365 * 24 * hourMs) / 10 - 60_000;
    expect(authority.advance(allKnow)).toBe(false);
    nowMs += 120_000;
    expect(authority.advance(allKnow)).toBe(true);
    expect(authority.status().state.phase).toBe('distributing');
  });

  it('measures the last tenth by the root’s own life, not by that of the next', () => {
    open().close();
    const authority = new CertificateAuthority({
      folder,
      trustDomain: 'cluster.local',
      clock,
      operatorAuthority: null,
      rootLifetimeMs: 200 * 365 * 24 * hourMs,
    });
    expect(authority.advance(allKnow)).toBe(false);
  });

  it('does not start without the operator’s authority that it has, nor leaves it, unless told to', () => {
    const operators = createRoot('cluster.local', clock, 90 * 24 * hourMs);
    open(operators).close();
    expect(() => open()).toThrow(`the authority ${operators.id} in ${folder} is your own (--ca-certificate)`);
    // Not the last tenth of ten years.
    const again = open(operators);
    expect(again.advance(allKnow)).toBe(false);
    again.close();
    const ownInstead = (): CertificateAuthority =>
      new CertificateAuthority({
        folder,
        trustDomain: 'cluster.local',
        clock,
        operatorAuthority: null,
        ownInstead: true,
      });
    const authority = ownInstead();
    expect(authority.status().state).toMatchObject({ phase: 'distributing', signing: operators.id });
    expect(() => authority.revert()).toThrow(`there is no way back to ${operators.id}: it is the operator's`);
    authority.close();
    // On its way to a root made here it needs the flag no more.
    const later = open();
    for (let times = 0; times < 2; times++) later.force();
    later.close();
    expect(ownInstead().status().state).toEqual({ phase: 'steady', signing: later.signingId });
    open().close();
  });

  it('does not go on to an operator’s authority whose flag is gone: it goes back, when told to', () => {
    const own = open();
    own.close();
    open(createRoot('cluster.local', clock)).close();
    expect(() => open()).toThrow('and that flag is missing');
    const authority = new CertificateAuthority({
      folder,
      trustDomain: 'cluster.local',
      clock,
      operatorAuthority: null,
      ownInstead: true,
    });
    expect(authority.status().state).toEqual({ phase: 'steady', signing: own.signingId });
  });

  it('knows an operator’s authority for one that was stored without saying whose it is', () => {
    const operators = createRoot('cluster.local', clock);
    open(operators).close();
    const file = join(folder, 'rotation.json');
    const { operators: _, ...stored } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    writeFileSync(file, JSON.stringify(stored));
    open(operators).close();
    expect(() => open()).toThrow('and that flag is missing');
  });

  it('backs out of a rotation, and removes the key that is not needed', () => {
    const authority = open();
    expect(() => authority.revert()).toThrow('no rotation is under way, and the root before this one is gone');
    authority.rotate();
    expect(() => authority.rotate()).toThrow('a rotation is under way');
    authority.revert();
    expect(authority.status().state.phase).toBe('steady');
    expect(readdirSync(folder).filter((name) => name.startsWith('authority-'))).toHaveLength(1);
  });

  it('backs out after the switch by the way that it came: the old root signs, both are trusted until all have moved back', () => {
    const authority = open();
    const before = authority.signingId;
    authority.rotate();
    authority.force();
    const newLeaf = sign(authority);
    authority.revert();
    expect(authority.status().state).toMatchObject({ phase: 'draining', signing: before, old: newLeaf.authorityId });
    expect(verifies(newLeaf, authority)).toBe(true);
    nowMs += 2 * 60_000;
    expect(authority.advance(allKnow)).toBe(false);
    expect(authority.advance(allMoved)).toBe(true);
    expect(authority.status().state).toEqual({ phase: 'steady', signing: before });
  });

  it('does not back out of a rotation that would begin again at once', () => {
    const authority = open();
    nowMs = authority.status().authorities[0]!.notAfterMs - 24 * hourMs;
    authority.advance(allKnow);
    expect(() => authority.revert()).toThrow('it has come to the last tenth of its life');
    expect(authority.status().state.phase).toBe('distributing');
  });

  it('removes an authority that a crash left behind', () => {
    const authority = open();
    const stray = join(folder, `authority-${'e'.repeat(16)}.json`);
    writeFileSync(stray, '{}', { mode: 0o600 });
    open();
    expect(readdirSync(folder).filter((name) => name.startsWith('authority-'))).toEqual([
      `authority-${authority.signingId}.json`,
    ]);
  });

  it('moves to an operator’s authority by a rotation, to its renewed intermediate at once, and after a rotation under way', () => {
    const own = open();
    own.close();
    const root = forgedAuthority('corp root');
    const rootCertificate = readCertificate(forge(root));
    const intermediate = (): SigningAuthority => {
      const parts = forgedAuthority('corp issuing', { issuer: root });
      return makeSigningAuthority(
        {
          chain: [readCertificate(forge(parts)), rootCertificate],
          roots: [],
          key: parts.key.privateKey,
          trustDomain: 'cluster.local',
        },
        nowMs,
      );
    };
    const first = intermediate();
    const authority = open(first);
    expect(authority.status().state).toMatchObject({ phase: 'distributing', signing: own.signingId, next: first.id });
    const renewed = intermediate();
    authority.use(renewed);
    nowMs += 2 * 60_000;
    authority.advance(allKnow);
    expect(authority.signingId).toBe(first.id);
    const leaf = sign(authority);
    expect(leaf.chain).toHaveLength(2);
    nowMs += 2 * 60_000;
    authority.advance(allMoved);
    expect(authority.status().state).toEqual({ phase: 'steady', signing: renewed.id });
    expect(verifies(leaf, authority)).toBe(true);
  });

  it('logs each certificate before it is given out, and tells when what is trusted changes', () => {
    const authority = open();
    let changes = 0;
    const stop = authority.onChange(() => changes++);
    const leaf = sign(authority);
    expect(JSON.parse(readFileSync(join(folder, 'issuing.log'), 'utf8'))).toEqual({
      time: '2026-06-01T12:00:00.000Z',
      serial: leaf.serial,
      spiffe_id: 'spiffe://cluster.local/ns/shop/sa/orders',
      not_after: '2026-06-02T12:00:00.000Z',
      authority: authority.signingId,
      proof: 'join_token',
      peer: '10.0.0.7:4711',
      holder: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    authority.rotate();
    stop();
    authority.revert();
    expect(changes).toBe(1);
    authority.close();
    expect(() => sign(authority)).toThrow('nothing is issued that is not logged');
  });

  it('refuses an operator’s authority of another trust domain', () => {
    expect(() => open(createRoot('other', clock))).toThrow('is of the trust domain other');
  });

  it('waits in a rotation for leaves of a longer lifetime that was configured before (RFC 5280 6.1: they are valid until they end)', () => {
    const withLifetime = (leafLifetimeMs: number): CertificateAuthority =>
      new CertificateAuthority({
        folder,
        trustDomain: 'cluster.local',
        clock,
        operatorAuthority: null,
        leafLifetimeMs,
      });
    const before = withLifetime(24 * hourMs);
    nowMs += hourMs;
    const leaf = sign(before);
    before.close();
    withLifetime(hourMs).close();
    nowMs += hourMs;
    // Started once more: the longer lifetime is not forgotten.
    const authority = withLifetime(hourMs);
    authority.rotate();
    nowMs += 2 * hourMs;
    expect(authority.advance(nobody)).toBe(false);
    authority.force();
    for (; nowMs < leaf.notAfterMs; nowMs += hourMs) {
      expect(authority.advance(nobody)).toBe(false);
      expect(verifies(leaf, authority)).toBe(true);
    }
    nowMs += hourMs;
    expect(authority.advance(nobody)).toBe(true);
    authority.rotate();
    nowMs += 2 * hourMs;
    expect(authority.advance(nobody)).toBe(true);
    authority.close();
  });
});
