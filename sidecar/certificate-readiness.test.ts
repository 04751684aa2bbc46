import { expect, test } from 'vitest';
import { type CertificateReadiness, certificateReadiness } from './certificate-readiness.ts';
import type { Configuration } from './config/configuration.ts';
import type { FilterChainConfig, HttpConnectionManagerConfig } from './config/listener-config.ts';
import type { RbacConfig } from './config/rbac-config.ts';
import type { TlsServerConfig } from './config/tls-config.ts';
import { chainConfig, configuration, listenerConfig } from './listener/test/listener-config.ts';
import { SecretStore } from './secret/secret-store.ts';
import { orders } from './transport/test/certificates.ts';

const own = 'the certificate of spiffe://cluster.local/ns/shop/sa/orders';
/** Of the certificate. */
const begin = Date.parse('2024-01-01T00:00:00Z');
const end = Date.parse('2124-01-01T00:00:00Z');
const clock = { nowMs: () => 0, wallMs: () => 0 };

function chain(
  name: string,
  tls: TlsServerConfig | null,
  gates: HttpConnectionManagerConfig['gates'] = [],
): FilterChainConfig {
  return chainConfig(name, {}, { tls, httpConnectionManager: { gates } as unknown as HttpConnectionManagerConfig });
}

const mutual: TlsServerConfig = {
  certificates: [],
  trustedCaPem: null,
  subjectAltNames: [],
  alpn: [],
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  requireClientCertificate: true,
  certificateSecret: { name: 'default', key: 'default', source: { kind: 'ads' } },
};
/** As our control plane makes it for plaintext at a STRICT port. */
const refusal: RbacConfig = {
  kind: 'rbac',
  name: 'outrigger.rbac.deny',
  rules: {
    action: 'deny',
    policies: [{ name: 'STRICT', permissions: [{ kind: 'any' }], principals: [{ kind: 'any' }], condition: null }],
  },
  shadowRules: null,
  rulesStatPrefix: '',
  shadowStatPrefix: '',
};
const strict = [chain('mtls', mutual), chain('plaintext', null, [refusal])];

function at(nowWallMs: number, chains: readonly FilterChainConfig[], outbound = false): CertificateReadiness {
  const secrets = new SecretStore(clock);
  secrets.set('default', 'default', '1', { kind: 'certificate', ...orders });
  const direction = outbound ? 'outbound' : 'inbound';
  return certificateReadiness(
    configuration(listenerConfig('l', 1, { direction, filterChains: chains })),
    secrets,
    nowWallMs,
  );
}

test('a strict port with a certificate that is over serves nobody', () => {
  expect(at(begin, strict)).toEqual({ blocked: '', warnings: [] });
  expect(at(end, strict)).toEqual({
    blocked: `${own} expired at 2124-01-01T00:00:00.000Z`,
    warnings: [`${own} expired at 2124-01-01T00:00:00.000Z`],
  });
});

test('a way in that does without the certificate keeps it ready: plaintext, or callers that may not look', () => {
  for (const open of [chain('plaintext', null), chain('tls', { ...mutual, requireClientCertificate: false })])
    expect(at(end, [chain('mtls', mutual), open])).toMatchObject({ blocked: '', warnings: [expect.any(String)] });
  expect(at(end, strict, true)).toMatchObject({ blocked: '' });
});

test('less than a quarter of a life is a warning', () => {
  // A minute of it is only dated back.
  const quarter = end - (end - begin - 60_000) / 4;
  expect(at(quarter, strict).warnings).toEqual([]);
  expect(at(quarter + 1, strict)).toEqual({
    blocked: '',
    warnings: [
      expect.stringMatching(/^less than a quarter of the life of the certificate of spiffe:.* is left \(9130 d/),
    ],
  });
});

test('a certificate that never came serves nobody either; without a listener there is nothing to be ready for', () => {
  const none: Configuration = configuration(listenerConfig('l', 1, { filterChains: strict }));
  expect(certificateReadiness(none, new SecretStore(clock), begin).blocked).toBe('listener l has no certificate yet');
  expect(certificateReadiness(configuration(), new SecretStore(clock), begin).blocked).toBe('');
});
