import { expect, test } from 'vitest';
import { certificatesInUse, measureExpiry } from './certificates.ts';
import type { ClusterConfig } from './config/cluster-config.ts';
import type { Configuration } from './config/configuration.ts';
import type { TlsClientConfig } from './config/tls-config.ts';
import { chainConfig, configuration, listenerConfig } from './listener/test/listener-config.ts';
import { SecretStore } from './secret/secret-store.ts';
import { StatStore } from './stats/stat-store.ts';
import { caPem, orders, storefront } from './transport/test/certificates.ts';

const nowWallMs = Date.parse('2123-12-31T00:00:00Z');
const clock = { nowMs: () => 0, wallMs: () => nowWallMs };
const daySeconds = 86_400;

const tls = {
  certificates: [],
  trustedCaPem: null,
  subjectAltNames: [],
  alpn: [],
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  serverName: '',
} as const satisfies TlsClientConfig;
const ads = (name: string) => ({ name, key: name, source: { kind: 'ads' } }) as const;

function inUse(): Configuration {
  const chain = chainConfig(
    'mtls',
    {},
    { tls: { ...tls, requireClientCertificate: true, certificateSecret: ads('default'), trustSecret: ads('ROOTCA') } },
  );
  const cluster = {
    name: 'payments',
    tls: null,
    transportMatches: [{ name: 'tls', match: {}, tls: { ...tls, certificates: [storefront], trustedCaPem: caPem } }],
  };
  return {
    ...configuration(listenerConfig('inbound', 1, { filterChains: [], defaultFilterChain: chain })),
    clusters: new Map([
      [
        'payments',
        {
          value: cluster as unknown as ClusterConfig,
          version: '',
          origin: 'static',
          updatedWallMs: 0,
          raw: new Uint8Array(),
        },
      ],
    ]),
  };
}

function filled(): SecretStore {
  const secrets = new SecretStore(clock);
  secrets.set('default', 'default', '1', { kind: 'certificate', ...orders });
  secrets.set('ROOTCA', 'ROOTCA', '1', { kind: 'validation', trustedCaPem: caPem, subjectAltNames: [] });
  return secrets;
}

test('/certs has one entry for each TLS context, with secrets that have come, and never keys', () => {
  const before = certificatesInUse(inUse(), new SecretStore(clock), nowWallMs);
  expect(before[0]).toEqual({ ca_cert: [], cert_chain: [] });
  const shown = certificatesInUse(inUse(), filled(), nowWallMs);
  expect(shown).toMatchObject([
    {
      ca_cert: [{ path: 'ROOTCA', days_until_expiration: '1' }],
      cert_chain: [
        {
          path: 'default',
          subject_alt_names: [{ uri: 'spiffe://cluster.local/ns/shop/sa/orders' }, { dns: 'orders.shop' }],
          expiration_time: '2124-01-01T00:00:00.000Z',
        },
      ],
    },
    { ca_cert: [{ path: '<inline>' }], cert_chain: [{ path: '<inline>' }] },
  ]);
  expect(JSON.stringify(shown)).not.toContain('PRIVATE');
});

test('what is left of each certificate is a gauge, which goes with its certificate', () => {
  const stats = new StatStore();
  measureExpiry(inUse(), filled(), nowWallMs, stats);
  expect([...stats.gauges.values()].map(({ family, labels, value }) => ({ family, ...labels, value }))).toEqual(
    [
      { name: 'default', kind: 'certificate', source: 'sds' },
      { name: 'ROOTCA', kind: 'ca', source: 'sds' },
      { name: 'cluster payments', kind: 'certificate', source: 'inline' },
      { name: 'cluster payments', kind: 'ca', source: 'inline' },
    ].map((labels) => ({ family: 'outrigger_certificate_expiry_seconds', ...labels, value: daySeconds })),
  );
  measureExpiry(inUse(), new SecretStore(clock), nowWallMs + 2 * daySeconds * 1000, stats);
  expect([...stats.gauges.values()].map(({ labels, value }) => [labels['name'], value])).toEqual([
    ['cluster payments', -daySeconds],
    ['cluster payments', -daySeconds],
  ]);
});
