/** A whole control plane under an operator's own authority: it signs, its files are watched, and what is wrong with them is one line. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRoot } from '../../certs/authority/create-root.ts';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import type { SigningAuthority } from '../../certs/authority/signing-authority.ts';
import { isSignedBy, readCertificate } from '../../certs/x509/certificate.ts';
import { readPem, writePem } from '../../certs/x509/pem.ts';
import { MeshDoors } from '../door/mesh-doors.test-data.ts';

const clock = issuingClock(Date.now);
/** Within this time files are looked at. */
const filesLookedAtMs = 5_000;
let folder = '';
let doors: MeshDoors | null = null;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-operator-'));
});
afterEach(async () => {
  await doors?.stop();
  doors = null;
  rmSync(folder, { recursive: true });
});

function write({ chain, key }: SigningAuthority): { chain: string; key: string; roots: null } {
  const files = { chain: join(folder, 'ca.pem'), key: join(folder, 'ca.key'), roots: null };
  writeFileSync(files.chain, writePem('CERTIFICATE', ...chain.map(({ der }) => der)));
  writeFileSync(files.key, key.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
  return files;
}

function trusted(): number {
  return readPem(doors!.read('trust-bundle.pem'), 'CERTIFICATE', 'the bundle').length;
}

describe('an operator’s root', () => {
  it('signs, and is replaced by a rotation when its files change', async () => {
    const first = createRoot('cluster.local', clock);
    doors = await MeshDoors.start({ authorityFiles: write(first) });
    const held = await doors.certificate();
    expect(isSignedBy(readCertificate(held.chain[0]!), first.chain[0]!)).toBe(true);
    expect(await doors.admin('POST', '/api/v1/authority/rotate', {})).toMatchObject({
      status: 400,
      text: expect.stringContaining('put the new certificate and key into its files'),
    });
    expect(trusted()).toBe(1);
    write(createRoot('cluster.local', clock));
    doors.clock.leap(filesLookedAtMs);
    expect(trusted()).toBe(2);
    expect(JSON.parse((await doors.admin('GET', '/api/v1/authority')).text)).toMatchObject({
      phase: 'distributing',
      ownRoot: false,
    });
  });

  it('is gone back to in a rotation once its files hold it again, and not before', async () => {
    const first = createRoot('cluster.local', clock);
    const next = createRoot('cluster.local', clock);
    doors = await MeshDoors.start({ authorityFiles: write(first) });
    const revert = () => doors!.admin('POST', '/api/v1/authority/rotate', { revert: true });
    expect(await revert()).toMatchObject({ status: 409, text: expect.stringContaining('no rotation is under way') });
    write(next);
    doors.clock.leap(filesLookedAtMs);
    expect(await revert()).toMatchObject({
      status: 409,
      text: expect.stringContaining(
        `hold the authority ${next.id}, and ${first.id} would sign again; put that one back`,
      ),
    });
    write(first);
    expect(JSON.parse((await revert()).text)).toMatchObject({ phase: 'steady', state: `${first.id} signs` });
    expect(doors.logged).toContain('root rotation, taken back');
    doors.clock.leap(filesLookedAtMs);
    expect(trusted()).toBe(1);
    expect(await doors.admin('POST', '/api/v1/authority/rotate', { revert: true, force: true })).toMatchObject({
      status: 400,
      text: expect.stringContaining('one of them'),
    });
  });

  it('whose files become bad signs on as it was', async () => {
    const files = write(createRoot('cluster.local', clock));
    doors = await MeshDoors.start({ authorityFiles: files });
    writeFileSync(files.chain, 'rubbish');
    doors.clock.leap(filesLookedAtMs);
    expect(doors.logged).toContain('what was there before stays in force');
    await doors.certificate();
  });

  it.each<readonly [string, (files: { readonly chain: string; readonly key: string }) => void, string]>([
    ['is missing', ({ chain }) => rmSync(chain), 'no such file'],
    ['is damaged', ({ chain }) => writeFileSync(chain, 'x'), 'not valid PEM'],
    ['has another key', ({ key }) => writeFileSync(key, pemKey()), 'the key does not belong to the first certificate'],
    ['has a key that others may read', ({ key }) => chmodSync(key, 0o644), 'is open to other users'],
    ['is of another trust domain', () => write(createRoot('other', clock)), 'the trust domain here is cluster.local'],
  ])('that %s is a start-up error of one line', async (_, spoil, words) => {
    const files = write(createRoot('cluster.local', clock));
    spoil(files);
    const error: unknown = await MeshDoors.start({ authorityFiles: files }).catch((cause: unknown) => cause);
    expect(String(error)).toContain(words);
    expect(String(error)).not.toContain('\n');
  });

  const pemKey = (): string => String(createRoot('cluster.local', clock).key.export({ format: 'pem', type: 'pkcs8' }));
});
