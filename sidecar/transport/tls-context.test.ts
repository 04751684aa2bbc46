import { describe, expect, it } from 'vitest';
import type { TlsServerConfig } from '../config/tls-config.ts';
import { caPem, orders, storefront } from './test/certificates.ts';
import { checkTls, contextOptions, secureContext } from './tls-context.ts';

const good: TlsServerConfig = {
  certificates: [orders],
  trustedCaPem: caPem,
  subjectAltNames: [],
  alpn: ['h2', 'http/1.1'],
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  requireClientCertificate: true,
};

describe('checkTls', () => {
  it('finds nothing wrong with what Node can load', () => {
    expect(checkTls(good)).toBeNull();
    expect(checkTls({ ...good, certificates: [], trustedCaPem: null })).toBeNull();
  });

  it('names what cannot be loaded', () => {
    expect(checkTls({ ...good, certificates: [{ ...orders, chainPem: 'nonsense' }] })).toBe(
      'the certificate: no PEM block -----BEGIN CERTIFICATE----- was found',
    );
    expect(checkTls({ ...good, certificates: [{ ...orders, keyPem: 'nonsense' }] })).toBe(
      'the certificate: its private key is not PEM text',
    );
    expect(checkTls({ ...good, certificates: [{ chainPem: orders.chainPem, keyPem: storefront.keyPem }] })).toBe(
      'the private key does not belong to the certificate',
    );
    expect(checkTls({ ...good, certificates: [storefront, { ...orders, chainPem: '' }] })).toMatch(/^certificate 2: /);
    expect(checkTls({ ...good, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' })).toMatch(/above the highest/);
  });

  it('does not let a broken block in a CA bundle pass in silence, as Node would', () => {
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    expect(checkTls({ ...good, trustedCaPem: caPem + broken })).toMatch(
      /^the trusted CA: block 2 of 2 is not a certificate/,
    );
    expect(checkTls({ ...good, trustedCaPem: 'no' })).toMatch(/^the trusted CA: no PEM block/);
  });

  it('takes the key exchanges that the configuration names, else those that Envoy has, and P-384', () => {
    expect(contextOptions(good).ecdhCurve).toBe('X25519MLKEM768:X25519:P-256:P-384');
    expect(contextOptions({ ...good, ecdhCurves: 'P-256' }).ecdhCurve).toBe('P-256');
    expect(checkTls({ ...good, ecdhCurves: 'P-255' })).toMatch(/cannot be loaded/);
  });

  it('never shows key material', () => {
    const keyPem = orders.keyPem.replace('\n', '\nSECRETSECRETSECRET\n');
    expect(checkTls({ ...good, certificates: [{ ...orders, keyPem }] })).not.toContain('SECRET');
  });
});

describe('secureContext', () => {
  it('is made once per configuration object', () => {
    expect(secureContext(good)).toBe(secureContext(good));
    expect(secureContext(good)).not.toBe(secureContext({ ...good }));
  });
});
