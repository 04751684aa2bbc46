import { describe, expect, it } from 'vitest';
import { fingerprint, readCertificate } from '../x509/certificate.ts';
import { forge, forgedAuthority, forgedLeaf } from '../x509/forged-certificate.test-data.ts';
import {
  makeTrustBundle,
  trustBundleDocument,
  trustBundleFromDocument,
  trustBundleFromPem,
  trustBundlePem,
} from './trust-bundle.ts';
import { TrustedBundles } from './trusted-bundles.ts';

const one = forgedAuthority('one');
const roots = [readCertificate(forge(one)), readCertificate(forge(forgedAuthority('two')))];
const bundle = makeTrustBundle('td', roots, 7, 300);

function document(...keys: readonly unknown[]): string {
  return JSON.stringify({ keys });
}

const x5c = [Buffer.from(roots[0]!.der).toString('base64')];

describe('trust bundles (SPIFFE Trust Domain and Bundle 4, X509-SVID 6)', () => {
  it('are the same after PEM, and after a SPIFFE bundle document', () => {
    const fromPem = trustBundleFromPem('td', `# comment\n${trustBundlePem(bundle)}`);
    expect(fromPem.roots.map(fingerprint)).toEqual(roots.map(fingerprint));
    const read = trustBundleFromDocument('td', trustBundleDocument(bundle));
    expect(read.roots.map(fingerprint)).toEqual(roots.map(fingerprint));
    expect([read.sequence, read.refreshHintSeconds]).toEqual([7, 300]);
  });

  it('are written as the standard says: use x509-svid, no kid, one certificate in x5c', () => {
    const { keys } = JSON.parse(trustBundleDocument(bundle)) as {
      readonly keys: ReadonlyArray<Record<string, unknown>>;
    };
    expect(keys[0]).toEqual({
      use: 'x509-svid',
      kty: 'EC',
      crv: 'P-256',
      x: expect.any(String),
      y: expect.any(String),
      x5c,
    });
  });

  it('are read past keys of other types and uses, without x5c, and past all but the first certificate of x5c', () => {
    const read = trustBundleFromDocument(
      'td',
      document(
        { use: 'jwt-svid', kty: 'EC', x5c },
        { use: 'x509-svid', kty: 'new', x5c: ['!'] },
        { use: 'x509-svid', kty: 'EC' },
        { use: 'x509-svid', kty: 'EC', x5c: [] },
        'x',
        null,
        { use: 'x509-svid', kty: 'EC', x5c: [...x5c, 'garbage'] },
      ),
    );
    expect(read.roots).toHaveLength(1);
    expect(read.sequence).toBeNull();
  });

  it.each([
    ['malformed', 'not JSON', '{'],
    ['malformed', 'no keys', '{}'],
    ['malformed', 'no key for certificates', document({ use: 'jwt-svid', kty: 'EC' })],
    ['malformed', 'x5c that is not base64', document({ use: 'x509-svid', kty: 'EC', x5c: ['***'] })],
    ['malformed', 'x5c that is no certificate', document({ use: 'x509-svid', kty: 'EC', x5c: ['AAAA'] })],
    [
      'not-a-ca',
      'a leaf',
      document({
        use: 'x509-svid',
        kty: 'EC',
        x5c: [Buffer.from(forge(forgedLeaf(one, 'spiffe://td/x'))).toString('base64')],
      }),
    ],
    ['too-large', 'more than 1 MiB', ' '.repeat(1024 * 1024 + 1)],
  ])('are refused with %s: %s', (reason, _, text) => {
    expect(() => trustBundleFromDocument('td', text)).toThrow(expect.objectContaining({ reason }));
  });

  it('hold each root once, and one at least', () => {
    expect(makeTrustBundle('td', [roots[0]!, roots[0]!]).roots).toHaveLength(1);
    expect(() => makeTrustBundle('td', [])).toThrow('holds no certificate');
    expect(() => makeTrustBundle('TD', roots)).toThrow('is no trust domain');
  });
});

describe('TrustedBundles', () => {
  it('gives each trust domain its own roots, and none to others', () => {
    const trusted = new TrustedBundles(() => bundle);
    const other = makeTrustBundle('other', [roots[1]!], 3);
    trusted.federate(other);
    expect([trusted.of('td'), trusted.of('other'), trusted.of('third'), trusted.of('constructor')]).toEqual([
      bundle,
      other,
      null,
      null,
    ]);
    expect(trusted.all()).toEqual([bundle, other]);
    expect(trusted.remove('other')).toBe(true);
    expect(trusted.of('other')).toBeNull();
  });

  it('refuses our own trust domain from outside, and a bundle older than the one it has', () => {
    const trusted = new TrustedBundles(() => bundle);
    expect(() => trusted.federate(makeTrustBundle('td', roots))).toThrow('own trust domain');
    trusted.federate(makeTrustBundle('other', roots, 3));
    expect(() => trusted.federate(makeTrustBundle('other', roots, 2))).toThrow('it is an old one');
    trusted.federate(makeTrustBundle('other', roots, 4));
  });
});
