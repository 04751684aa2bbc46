import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { TlsCommonConfig } from '../config/tls-config.ts';
import { peerFault } from './peer-certificate.ts';
import { addresses, identityca, orders, type TestCertificate, twonames } from './test/certificates.ts';

const identity = 'spiffe://cluster.local/ns/shop/sa/orders';

function fault(names: TlsCommonConfig['subjectAltNames'], certificate: TestCertificate | null): string | null {
  const config: TlsCommonConfig = {
    certificates: [],
    trustedCaPem: null,
    subjectAltNames: names,
    alpn: [],
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
  };
  return (
    peerFault(
      config,
      certificate === null ? undefined : new X509Certificate(certificate.chainPem),
      'server',
      Date.parse('2026-11-24T00:00:00Z'),
    )?.message ?? null
  );
}

describe('peerFault', () => {
  it('wants one of the names, exactly', () => {
    expect(fault([{ type: 'uri', exact: identity }], orders)).toBeNull();
    expect(fault([{ type: 'dns', exact: 'orders.shop' }], orders)).toBeNull();
    expect(
      fault(
        [
          { type: 'dns', exact: 'nobody' },
          { type: 'uri', exact: identity },
        ],
        orders,
      ),
    ).toBeNull();
    for (const exact of [
      `${identity}x`,
      identity.slice(0, -1),
      identity.toUpperCase(),
      `${identity}\u0000`,
      'spiffe://cluster.local/ns/shop/sa/',
      `${identity}/.`,
    ]) {
      expect(fault([{ type: 'uri', exact }], orders)).not.toBeNull();
    }
  });

  it('keeps kinds of names apart', () => {
    expect(fault([{ type: 'dns', exact: identity }], orders)).not.toBeNull();
    expect(fault([{ type: 'uri', exact: 'orders.shop' }], orders)).not.toBeNull();
  });

  it('takes any peer, even without certificate, when no name is wanted, and none without certificate when one is', () => {
    expect(fault([], null)).toBeNull();
    expect(fault([{ type: 'uri', exact: identity }], null)).toContain('showed no certificate');
  });

  it('refuses a certificate with two URI names as an identity (SPIFFE X509-SVID 2)', () => {
    expect(fault([{ type: 'uri', exact: identity }], twonames)).toContain(
      '2 URI names; a SPIFFE identity is exactly one',
    );
  });

  it('refuses a CA certificate as an identity (SPIFFE X509-SVID 4.1)', () => {
    expect(fault([{ type: 'uri', exact: identity }], identityca)).toContain("is an authority's");
  });

  it('compares addresses by value', () => {
    expect(fault([{ type: 'ip', exact: '127.0.0.1' }], addresses)).toBeNull();
    expect(fault([{ type: 'ip', exact: '2001:DB8:0::1' }], addresses)).toBeNull();
    expect(fault([{ type: 'ip', exact: '2001:db8::2' }], addresses)).not.toBeNull();
    expect(fault([{ type: 'email', exact: 'ops@example.org' }], addresses)).toBeNull();
  });
});
