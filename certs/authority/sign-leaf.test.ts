import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { derOid } from '../der/der-writer.ts';
import { parseSpiffeId, serviceAccountId } from '../spiffe/spiffe-id.ts';
import { makeTrustBundle } from '../spiffe/trust-bundle.ts';
import { verifySvid } from '../spiffe/verify-svid.ts';
import { readCertificate } from '../x509/certificate.ts';
import { keyUsageBit } from '../x509/extensions.ts';
import { oid } from '../x509/object-identifiers.ts';
import { publicKeyDer } from '../x509/public-key.ts';
import { createRoot } from './create-root.ts';
import { issuingClock } from './issuing-clock.ts';
import { signLeaf } from './sign-leaf.ts';

const startMs = Date.parse('2026-06-01T12:00:00.500Z');
const dayMs = 24 * 3_600_000;
let nowMs = startMs;
const clock = issuingClock(() => nowMs);
const root = createRoot('cluster.local', clock);
const id = serviceAccountId('cluster.local', 'shop', 'orders');
const publicKey = publicKeyDer(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey);

/** By the bytes: the extension's name with TRUE behind it. */
function isCritical(der: Uint8Array, id: string): boolean {
  return Buffer.from(der).includes(Buffer.concat([derOid(id), Uint8Array.of(1, 1, 0xff)]));
}

describe('createRoot', () => {
  it('makes an authority by X509-SVID 3.2 and RFC 5280: CA, keyCertSign and cRLSign critical, the trust domain’s ID, ten years', () => {
    const certificate = root.chain[0]!;
    expect(certificate).toMatchObject({
      notBeforeMs: Date.parse('2026-05-31T11:59:00Z') + dayMs,
      extensions: {
        isCa: true,
        pathLength: 0,
        keyUsage: keyUsageBit.keyCertSign | keyUsageBit.cRLSign,
        uris: ['spiffe://cluster.local'],
      },
    });
    expect([oid.keyUsage, oid.subjectAltName].map((id) => isCritical(certificate.der, id))).toEqual([true, false]);
    expect(certificate.notAfterMs - startMs).toBeGreaterThan(3649 * dayMs);
    const read = new X509Certificate(certificate.der);
    expect(read.ca).toBe(true);
    expect(read.verify(read.publicKey)).toBe(true);
    expect(read.subject).toContain('CN=Outrigger root');
  });

  it('gives two roots of one trust domain different names and keys', () => {
    const other = createRoot('cluster.local', clock);
    expect(other.chain[0]!.subject).not.toEqual(root.chain[0]!.subject);
    expect(other.id).not.toBe(root.id);
  });
});

describe('signLeaf', () => {
  it('makes what X509-SVID asks of a leaf: one URI name, critical as the subject is empty; digitalSignature; both TLS purposes; key identifiers', () => {
    const leaf = signLeaf(root, publicKey, id, dayMs, clock);
    const certificate = readCertificate(leaf.chain[0]!);
    expect(leaf.chain).toHaveLength(1);
    expect(certificate.extensions).toMatchObject({
      isCa: false,
      keyUsage: keyUsageBit.digitalSignature,
      extendedKeyUsage: [oid.serverAuth, oid.clientAuth],
      uris: [id.text],
      authorityKeyId: root.chain[0]!.extensions.subjectKeyId,
      unknownCritical: [],
    });
    expect([oid.keyUsage, oid.subjectAltName].map((id) => isCritical(certificate.der, id))).toEqual([true, true]);
    expect(certificate.extensions.subjectKeyId).toHaveLength(20);
    expect(certificate.publicKeyDer).toEqual(new Uint8Array(publicKey));
    expect(verifySvid([certificate], () => makeTrustBundle('cluster.local', root.roots), 'server', nowMs)).toEqual(id);
    const read = new X509Certificate(leaf.chain[0]!);
    expect(read.subjectAltName).toBe(`URI:${id.text}`);
    expect(read.subject).toBe(undefined);
    expect(read.checkIssued(new X509Certificate(root.chain[0]!.der))).toBe(true);
  });

  it('is valid from a minute ago, in whole seconds, for the lifetime that was asked for', () => {
    const leaf = signLeaf(root, publicKey, id, dayMs, clock);
    expect([leaf.notBeforeMs, leaf.notAfterMs]).toEqual([
      Date.parse('2026-06-01T11:59:00Z'),
      Date.parse('2026-06-02T12:00:00Z'),
    ]);
  });

  it('gives positive serial numbers of 20 octets that differ (RFC 5280 4.1.2.2)', () => {
    const serials = Array.from({ length: 200 }, () => signLeaf(root, publicKey, id, dayMs, clock).serial);
    expect(new Set(serials).size).toBe(200);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9a-f]{39}$/);
  });

  it('never outlives its authority, and signs nothing when that has expired or is not yet valid', () => {
    nowMs = root.notAfterMs - 3_600_000;
    expect(signLeaf(root, publicKey, id, dayMs, clock).notAfterMs).toBe(root.notAfterMs);
    nowMs = root.notAfterMs;
    expect(() => signLeaf(root, publicKey, id, dayMs, clock)).toThrow(expect.objectContaining({ reason: 'expired' }));
    nowMs = startMs - dayMs;
    expect(() => signLeaf(root, publicKey, id, dayMs, clock)).toThrow(
      expect.objectContaining({ reason: 'not-yet-valid' }),
    );
    nowMs = startMs;
  });

  it('signs for its own trust domain only, and for somebody in it', () => {
    expect(() => signLeaf(root, publicKey, parseSpiffeId('spiffe://other/ns/a/sa/b'), dayMs, clock)).toThrow(
      expect.objectContaining({ reason: 'wrong-trust-domain' }),
    );
    expect(() => signLeaf(root, publicKey, parseSpiffeId('spiffe://cluster.local'), dayMs, clock)).toThrow(
      expect.objectContaining({ reason: 'not-a-leaf' }),
    );
  });
});
