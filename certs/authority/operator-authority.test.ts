import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { serviceAccountId } from '../spiffe/spiffe-id.ts';
import { makeTrustBundle } from '../spiffe/trust-bundle.ts';
import { verifySvid } from '../spiffe/verify-svid.ts';
import { readCertificate } from '../x509/certificate.ts';
import { keyUsageBit } from '../x509/extensions.ts';
import { type ForgedParts, forge, forgedAuthority, forgedKey } from '../x509/forged-certificate.test-data.ts';
import { writePem } from '../x509/pem.ts';
import { publicKeyDer } from '../x509/public-key.ts';
import { issuingClock } from './issuing-clock.ts';
import { readAuthorityFiles, readAuthorityPem } from './operator-authority.ts';
import { signLeaf } from './sign-leaf.ts';
import type { SigningAuthority } from './signing-authority.ts';

const nowMs = Date.parse('2026-06-01T12:00:00Z');
const clock = issuingClock(() => nowMs);
const publicKey = publicKeyDer(forgedKey().publicKey);
const td = 'corp.example';

function pem(...chain: readonly ForgedParts[]): string {
  return writePem('CERTIFICATE', ...chain.map(forge));
}

function keyPem(parts: ForgedParts, type: 'pkcs8' | 'sec1' = 'pkcs8'): string {
  return parts.key.privateKey.export({ format: 'pem', type }).toString();
}

function read(
  chain: readonly ForgedParts[],
  roots: readonly ForgedParts[] = [],
  key = keyPem(chain[0]!),
): SigningAuthority {
  return readAuthorityPem({ chain: pem(...chain), roots: roots.length === 0 ? '' : pem(...roots), key }, td, nowMs);
}

const root = forgedAuthority('corp root');
const issuing = forgedAuthority('corp issuing', { issuer: root, basicConstraints: { isCa: true, pathLength: 0 } });

describe('an operator’s authority', () => {
  it.each([
    ['a root', () => read([root]), 1],
    ['an intermediate with its root behind it', () => read([issuing, root]), 2],
    ['an intermediate with its root beside it', () => read([issuing], [forgedAuthority('old root'), root]), 2],
    ['a key in SEC 1 form', () => read([root], [], keyPem(root, 'sec1')), 1],
  ])('signs what peers accept: %s', (_, make, length) => {
    const authority = make();
    const leaf = signLeaf(authority, publicKey, serviceAccountId(td, 'shop', 'orders'), 3_600_000, clock);
    expect(leaf.chain).toHaveLength(length);
    expect(
      verifySvid(leaf.chain.map(readCertificate), () => makeTrustBundle(td, authority.roots), 'client', nowMs).text,
    ).toBe(`spiffe://${td}/ns/shop/sa/orders`);
  });

  it.each(['secp384r1', 'rsa'])('may have another kind of key: %s', (kind) => {
    const key =
      kind === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: kind });
    const authority = read([forgedAuthority('other key', { key })]);
    const leaf = signLeaf(authority, publicKey, serviceAccountId(td, 'shop', 'orders'), 3_600_000, clock);
    expect(
      verifySvid(leaf.chain.map(readCertificate), () => makeTrustBundle(td, authority.roots), 'client', nowMs)
        .trustDomain,
    ).toBe(td);
  });

  it.each<readonly [string, string, Partial<ForgedParts>]>([
    ['not-a-ca', 'the root is not an authority', { basicConstraints: null }],
    ['not-a-ca', 'the root is not an authority', { basicConstraints: { isCa: false, pathLength: null } }],
    ['key-usage', 'lacks keyCertSign', { keyUsage: keyUsageBit.digitalSignature }],
    ['key-usage', 'lacks keyCertSign', { keyUsage: null }],
    ['expired', 'the root expired at 2026-05-01T00:00:00Z', { notAfterMs: Date.parse('2026-05-01T00:00:00Z') }],
    ['not-yet-valid', 'not valid before 2026-07-01T00:00:00Z', { notBeforeMs: Date.parse('2026-07-01T00:00:00Z') }],
    ['wrong-trust-domain', 'spiffe://else', { uris: ['spiffe://else'] }],
    ['invalid-spiffe-id', 'has no path', { uris: ['spiffe://corp.example/ns/a/sa/b'] }],
    ['several-identities', '2 URI names', { uris: ['spiffe://corp.example', 'spiffe://else'] }],
    ['broken-chain', 'not signed by itself', { issuer: { name: 'bad', key: forgedKey() } }],
  ])('is refused with %s: %s', (reason, message, parts) => {
    const act = (): unknown => read([forgedAuthority('bad', parts)]);
    expect(act).toThrow(expect.objectContaining({ reason }));
    expect(act).toThrow(message);
  });

  it.each<readonly [string, string, () => unknown]>([
    ['key-mismatch', 'the key is another one', () => read([root], [], keyPem(issuing))],
    ['key-mismatch', 'the root comes first', () => read([root, issuing], [], keyPem(issuing))],
    ['broken-chain', 'the root is missing', () => read([issuing])],
    [
      'broken-chain',
      'the chain is out of order',
      () => read([forgedAuthority('low', { issuer: forgedAuthority('x') }), root]),
    ],
    [
      'path-length',
      'the path length is used up',
      () => read([forgedAuthority('low', { issuer: issuing }), issuing, root]),
    ],
    ['malformed', 'a key is no key', () => read([root], [], 'hello')],
    ['unsupported-key', 'a key is encrypted', () => read([root], [], '-----BEGIN ENCRYPTED PRIVATE KEY-----')],
    [
      'malformed',
      'a key is where the certificate should be',
      () => readAuthorityPem({ chain: keyPem(root), roots: '', key: keyPem(root) }, td, nowMs),
    ],
    [
      'malformed',
      'a PEM block is cut off',
      () => readAuthorityPem({ chain: pem(root).slice(0, -30), roots: '', key: keyPem(root) }, td, nowMs),
    ],
    ['malformed', 'there is nothing', () => readAuthorityPem({ chain: '', roots: '', key: keyPem(root) }, td, nowMs)],
  ])('is refused with %s when %s', (reason, _, act) => {
    expect(act).toThrow(expect.objectContaining({ name: 'IdentityFault', reason }));
  });

  it('is read from files, unless others may read the key or a file is missing', () => {
    const folder = mkdtempSync(join(tmpdir(), 'outrigger-operator-'));
    const files = { chain: join(folder, 'ca.crt'), key: join(folder, 'ca.key'), roots: null };
    writeFileSync(files.chain, pem(root));
    writeFileSync(files.key, keyPem(root), { mode: 0o600 });
    expect(readAuthorityFiles(files, td, nowMs).trustDomain).toBe(td);
    chmodSync(files.key, 0o644);
    expect(() => readAuthorityFiles(files, td, nowMs)).toThrow('open to other users (mode 0644)');
    rmSync(files.key);
    expect(() => readAuthorityFiles(files, td, nowMs)).toThrow("cannot read the authority's files");
    rmSync(folder, { recursive: true });
  });
});
