import { describe, expect, it } from 'vitest';
import type { TlsServerConfig } from '../config/tls-config.ts';
import { caPem, forged, orders, storefront, strangerPem } from '../transport/test/certificates.ts';
import { SecretStore } from './secret-store.ts';
import { SecretTls } from './secret-tls.ts';

const clock = { nowMs: () => 0, wallMs: () => Date.parse('2026-11-24T00:00:00Z') };
const own = { kind: 'certificate', ...orders } as const;
const trust = { kind: 'validation', trustedCaPem: caPem, subjectAltNames: [] } as const;

const template: TlsServerConfig = {
  certificates: [],
  trustedCaPem: null,
  subjectAltNames: [{ type: 'uri', prefix: 'spiffe://cluster.local/' }],
  alpn: ['h2'],
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  requireClientCertificate: true,
  certificateSecret: { name: 'default', key: 'default', source: { kind: 'ads' } },
  trustSecret: { name: 'ROOTCA', key: 'ROOTCA', source: { kind: 'ads' } },
};

describe('the store of secrets', () => {
  it('keeps the newest version, and tells who wants to know', () => {
    const store = new SecretStore(clock);
    const told: Array<string | null> = [];
    const end = store.subscribe('default', (secret) => told.push(secret === null ? null : secret.version));
    expect(store.set('default', 'default', '1', own)).toBeNull();
    expect(store.set('default', 'default', '2', { kind: 'certificate', ...storefront })).toBeNull();
    expect(store.set('other', 'other', '1', own)).toBeNull();
    expect(store.get('default')).toMatchObject({ version: '2', notAfterWallMs: Date.parse('2124-01-01T00:00:00Z') });
    store.remove('default');
    end();
    store.set('default', 'default', '3', own);
    expect(told).toEqual(['1', '2', null]);
  });

  it('is not moved by the same text under another version', () => {
    const store = new SecretStore(clock);
    store.set('default', 'default', '1', own);
    const before = store.get('default');
    store.set('default', 'default', '2', { ...own });
    expect(store.get('default')).toBe(before);
  });

  it.each([
    ['the key of another certificate', { ...own, keyPem: forged.keyPem }, 'does not belong to the certificate'],
    ['a chain that is none', { ...own, chainPem: 'x' }, 'no PEM block'],
    ['a key that is none', { ...own, keyPem: '-----BEGIN PRIVATE KEY-----\nAAAA' }, 'cannot be loaded'],
    ['a CA that is none', { ...trust, trustedCaPem: '' }, 'no PEM block'],
  ])('refuses %s; the last good one stays', (_what, value, why) => {
    const store = new SecretStore(clock);
    store.set('s', 's', '1', own);
    const before = store.get('s');
    expect(store.set('s', 's', '2', value)!.message).toContain(why);
    expect(store.get('s')).toBe(before);
    expect(store.refusal('s')).toContain(why);
    store.set('s', 's', '3', { kind: 'certificate', ...storefront });
    expect(store.refusal('s')).toBe('');
  });
});

describe('TLS with secrets', () => {
  it('is none until all of them are there, and says which is missing', () => {
    const store = new SecretStore(clock);
    const tls = new SecretTls(template, store);
    expect([tls.current(), tls.missing()]).toEqual([
      null,
      'the secret "default" (certificate and key) has not come yet',
    ]);
    store.set('default', 'default', '1', own);
    store.set('ROOTCA', 'ROOTCA', '1', { ...trust, trustedCaPem: 'x' });
    expect(tls.current()).toBeNull();
    expect(tls.missing()).toMatch(
      /^the secret "ROOTCA" \(trusted CAs\) was refused \(.*no PEM block.*\), and there is none/,
    );
    store.set('ROOTCA', 'ROOTCA', '2', own);
    expect(tls.missing()).toBe('the secret "ROOTCA" (trusted CAs) is of another kind');
    store.set('ROOTCA', 'ROOTCA', '3', trust);
    expect(tls.missing()).toBe('');
    expect(tls.current()).toMatchObject({ certificates: [orders], trustedCaPem: caPem, alpn: ['h2'] });
    expect(new SecretTls(template, null).missing()).toContain('has not come yet');
  });

  it('is the same object until a secret changes', () => {
    const store = new SecretStore(clock);
    store.set('default', 'default', '1', own);
    store.set('ROOTCA', 'ROOTCA', '1', trust);
    const tls = new SecretTls(template, store);
    const first = tls.current();
    expect(tls.current()).toBe(first);
    store.set('ROOTCA', 'ROOTCA', '2', { ...trust, trustedCaPem: caPem + strangerPem });
    expect(tls.current()).not.toBe(first);
    expect(tls.current()!.trustedCaPem).toBe(caPem + strangerPem);
  });

  it('joins the names of a secret to its own (combined_validation_context merges)', () => {
    const store = new SecretStore(clock);
    store.set('default', 'default', '1', own);
    store.set('ROOTCA', 'ROOTCA', '1', { ...trust, subjectAltNames: [{ type: 'dns', exact: 'a' }] });
    expect(new SecretTls(template, store).current()!.subjectAltNames).toEqual([
      { type: 'uri', prefix: 'spiffe://cluster.local/' },
      { type: 'dns', exact: 'a' },
    ]);
  });

  it('brings trust domains along, and takes them away again', () => {
    const store = new SecretStore(clock);
    const tls = new SecretTls(template, store);
    const trustDomains = [{ name: 'cluster.local', rootsPem: caPem }];
    store.set('default', 'default', '1', own);
    store.set('ROOTCA', 'ROOTCA', '1', { ...trust, trustDomains });
    expect(tls.current()!.trustDomains).toBe(trustDomains);
    const before = store.get('ROOTCA');
    store.set('ROOTCA', 'ROOTCA', '2', { ...trust, trustDomains: [{ name: 'cluster.local', rootsPem: caPem }] });
    expect(store.get('ROOTCA')).toBe(before);
    expect(store.set('ROOTCA', 'ROOTCA', '3', { ...trust, trustDomains: [] })).toMatchObject({
      field: 'validation_context.custom_validator_config',
    });
    store.set('ROOTCA', 'ROOTCA', '4', trust);
    expect(tls.current()!.trustDomains).toBeNull();
  });

  it('is the configuration itself when it refers to no secret', () => {
    const config = { ...template, certificateSecret: null, trustSecret: null };
    expect(new SecretTls(config, null).current()).toBe(config);
  });
});
