import { describe, expect, it } from 'vitest';
import { derSequence } from '../der/der-writer.ts';
import { readCertificate } from '../x509/certificate.ts';
import { keyUsageBit } from '../x509/extensions.ts';
import {
  type ForgedParts,
  forge,
  forgedAuthority,
  forgedExtension,
  forgedKey,
  forgedLeaf,
} from '../x509/forged-certificate.test-data.ts';
import { oid } from '../x509/object-identifiers.ts';
import { makeTrustBundle, type TrustBundle } from './trust-bundle.ts';
import { verifySvid } from './verify-svid.ts';

const nowMs = Date.parse('2026-06-01T12:00:00Z');
const dayMs = 24 * 3_600_000;
const root = forgedAuthority('root of td');
const otherRoot = forgedAuthority('root of other');
const middle = forgedAuthority('middle', { issuer: root });
const bundles = new Map<string, TrustBundle>([
  ['td', makeTrustBundle('td', [readCertificate(forge(root))])],
  ['other', makeTrustBundle('other', [readCertificate(forge(otherRoot))])],
]);
const uri = 'spiffe://td/ns/shop/sa/orders';

function verify(...chain: readonly ForgedParts[]): string {
  return verifySvid(
    chain.map((parts) => readCertificate(forge(parts))),
    (trustDomain) => bundles.get(trustDomain) ?? null,
    'client',
    nowMs,
  ).text;
}

function verdict(...chain: readonly ForgedParts[]): string {
  try {
    return verify(...chain);
  } catch (error) {
    expect(error).toMatchObject({ name: 'IdentityFault' });
    return (error as { readonly reason: string }).reason;
  }
}

describe('verifySvid (X509-SVID 5, RFC 5280 6.1)', () => {
  it('knows a leaf signed by a root, or through authorities in any order', () => {
    const low = forgedAuthority('low', { issuer: middle });
    expect(verify(forgedLeaf(root, uri))).toBe(uri);
    expect(verify(forgedLeaf(middle, uri), middle)).toBe(uri);
    expect(verify(forgedLeaf(low, uri), middle, low)).toBe(uri);
    expect(verify(forgedLeaf(low, uri), root, low, middle)).toBe(uri);
  });

  it('passes over names of other types (X509-SVID 2)', () => {
    expect(verify(forgedLeaf(root, uri, { dnsNames: ['spiffe://td/admin', 'orders.shop'] }))).toBe(uri);
  });

  const authority = { isCa: true, pathLength: null };
  it.each<readonly [string, string, Partial<ForgedParts>]>([
    ['no URI name', 'no-identity', { uris: [] }],
    ['only a DNS name', 'no-identity', { uris: [], dnsNames: ['orders'] }],
    ['a second URI name', 'several-identities', { uris: [uri, 'spiffe://td/admin'] }],
    ['the same URI name twice', 'several-identities', { uris: [uri, uri] }],
    ['a second URI name that is no SPIFFE ID', 'several-identities', { uris: [uri, 'https://example.org'] }],
    ['another scheme', 'invalid-spiffe-id', { uris: ['https://td/ns/shop/sa/orders'] }],
    ['a NUL in the name', 'invalid-spiffe-id', { uris: [`${uri}\0.evil`] }],
    ['segments of dots', 'invalid-spiffe-id', { uris: ['spiffe://td/ns/x/../shop'] }],
    ['a trust domain in upper case', 'invalid-spiffe-id', { uris: ['spiffe://TD/ns/shop/sa/orders'] }],
    ['percent signs', 'invalid-spiffe-id', { uris: ['spiffe://td/ns/shop/sa/%6frders'] }],
    ['a trust domain and no path', 'not-a-leaf', { uris: ['spiffe://td'] }],
    ['the certificate of an authority', 'not-a-leaf', { basicConstraints: authority }],
    ['keyCertSign', 'not-a-leaf', { keyUsage: keyUsageBit.digitalSignature | keyUsageBit.keyCertSign }],
    ['cRLSign', 'not-a-leaf', { keyUsage: keyUsageBit.digitalSignature | keyUsageBit.cRLSign }],
    ['a keyUsage without digitalSignature', 'key-usage', { keyUsage: keyUsageBit.keyEncipherment }],
    ['no keyUsage', 'key-usage', { keyUsage: null }],
    ['an extended key usage for servers only', 'key-usage', { extendedKeyUsage: [oid.serverAuth] }],
    ['a start that is to come', 'not-yet-valid', { notBeforeMs: nowMs + 1000 }],
    ['an end that is past', 'expired', { notAfterMs: nowMs - 1000 }],
    [
      'a critical extension that nobody knows',
      'unknown-critical-extension',
      { more: [forgedExtension('1.2.3.4', true, derSequence())] },
    ],
    [
      'another trust domain, which is not trusted',
      'wrong-trust-domain',
      { uris: ['spiffe://third/ns/shop/sa/orders'] },
    ],
    [
      'another trust domain, which is trusted, from this one’s root',
      'untrusted',
      { uris: ['spiffe://other/ns/shop/sa/orders'] },
    ],
    [
      'an issuer of the root’s name with another key',
      'bad-signature',
      { issuer: { name: root.name, key: forgedKey() } },
    ],
    ['itself as its issuer', 'untrusted', { issuer: null, name: 'me' }],
  ])('refuses %s: %s', (_, reason, parts) => {
    expect(verdict(forgedLeaf(root, uri, parts))).toBe(reason);
  });

  it.each<readonly [string, string, Partial<ForgedParts>]>([
    ['a leaf', 'not-a-ca', { basicConstraints: { isCa: false, pathLength: null } }],
    ['a certificate without basicConstraints', 'not-a-ca', { basicConstraints: null }],
    ['a certificate of version 1', 'not-a-ca', { version: 1 }],
    ['an authority without keyCertSign', 'key-usage', { keyUsage: keyUsageBit.digitalSignature }],
    ['an expired authority', 'expired', { notAfterMs: nowMs - dayMs }],
    [
      'an authority with an unknown critical extension',
      'unknown-critical-extension',
      { more: [forgedExtension('2.5.29.30', true, derSequence())] },
    ],
    ['an authority with a workload’s identity', 'invalid-spiffe-id', { uris: ['spiffe://td/ns/shop/sa/evil'] }],
    ['an authority with the root’s name but another issuer', 'untrusted', { issuer: forgedAuthority('stranger') }],
  ])('refuses a chain through %s: %s', (_, reason, parts) => {
    const through = forgedAuthority('through', { issuer: root, ...parts });
    expect(verdict(forgedLeaf(through, uri), through)).toBe(reason);
  });

  it('tries every authority that fits: one renewed, or cross-signed, has the name and key of another (RFC 4158)', () => {
    const good = forgedAuthority('through', { issuer: root });
    const expired = forgedAuthority('through', { issuer: root, key: good.key, notAfterMs: nowMs - dayMs });
    const crossSigned = forgedAuthority('through', { issuer: forgedAuthority('stranger'), key: good.key });
    for (const chain of [
      [expired, good],
      [crossSigned, good],
      [crossSigned, expired, good],
      [good, expired],
    ])
      expect(verdict(forgedLeaf(good, uri), ...chain)).toBe(uri);
    expect(verdict(forgedLeaf(good, uri), crossSigned, expired)).toBe('expired');
  });

  it('refuses more authorities than a path length allows', () => {
    const short = forgedAuthority('short', { issuer: root, basicConstraints: { isCa: true, pathLength: 0 } });
    const below = forgedAuthority('below', { issuer: short });
    expect(verdict(forgedLeaf(short, uri), short)).toBe(uri);
    expect(verdict(forgedLeaf(below, uri), below, short)).toBe('path-length');
  });

  it('refuses a leaf that another leaf signed', () => {
    const leaf = forgedLeaf(root, uri, { name: 'leaf' });
    expect(verdict(forgedLeaf(leaf, 'spiffe://td/ns/shop/sa/admin'), leaf)).toBe('not-a-ca');
  });

  it('refuses chains of more than 8, and no chain', () => {
    expect(verdict(forgedLeaf(root, uri), ...Array.from({ length: 8 }, () => middle))).toBe('too-large');
    expect(verdict()).toBe('no-identity');
  });
});
