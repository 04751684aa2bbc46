import { expect, test } from 'vitest';
import type { Configuration } from './config/configuration.ts';
import type { SecretReference, TlsServerConfig } from './config/tls-config.ts';
import { credentialsInUse, plaintextListeners } from './credential-status.ts';
import { chainConfig, configuration, listenerConfig } from './listener/test/listener-config.ts';
import { SecretStore } from './secret/secret-store.ts';
import { caPem, orders, storefront } from './transport/test/certificates.ts';

const clock = { nowMs: () => 0, wallMs: () => 0 };
const bare: TlsServerConfig = {
  certificates: [],
  trustedCaPem: null,
  subjectAltNames: [],
  alpn: [],
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  requireClientCertificate: true,
};
const inFile = (name: string): SecretReference => ({
  name,
  key: `file ${name}`,
  source: { kind: 'sds-file', path: '/etc/sds.yaml', watchedDirectory: '' },
});

function listening(...contexts: ReadonlyArray<Partial<TlsServerConfig>>): Configuration {
  return configuration(
    ...contexts.map((tls, i) =>
      listenerConfig(`l${i}`, i, { filterChains: [chainConfig('c', {}, { tls: { ...bare, ...tls } })] }),
    ),
  );
}

const ordersId = 'spiffe://cluster.local/ns/shop/sa/orders';

test('each secret once, with who uses it, where it comes from, and whose it is', () => {
  const secrets = new SecretStore(clock);
  secrets.set('file own', 'own', '1', { kind: 'certificate', ...orders });
  secrets.set('file roots', 'roots', '1', { kind: 'validation', trustedCaPem: caPem, subjectAltNames: [] });
  const both = { certificateSecret: inFile('own'), trustSecret: inFile('roots') };
  const found = credentialsInUse(listening(both, both), secrets);
  expect(found).toMatchObject([
    {
      ...{ kind: 'certificate', source: 'file', from: 'the secret "own" in the file /etc/sds.yaml', refusal: '' },
      used_by: ['listener l0', 'listener l1'],
      certificates: [{ of: ordersId, expiration_time: '2124-01-01T00:00:00.000Z' }],
    },
    { kind: 'ca', certificates: [{ of: 'CN=ca' }] },
  ]);
  expect(JSON.stringify(found)).not.toContain('PRIVATE');
});

test('what was refused or has not come says so; a good version from before stays', () => {
  const secrets = new SecretStore(clock);
  secrets.set('file own', 'own', '1', { kind: 'certificate', ...orders });
  secrets.refuse('file own', '/etc/sds.yaml: is neither YAML nor JSON');
  secrets.set('file odd', 'odd', '1', { kind: 'validation', trustedCaPem: caPem, subjectAltNames: [] });
  const named = (name: string): Partial<TlsServerConfig> => ({ certificateSecret: inFile(name) });
  expect(credentialsInUse(listening(named('own'), named('none'), named('odd')), secrets)).toMatchObject([
    { refusal: '/etc/sds.yaml: is neither YAML nor JSON', certificates: [{ of: ordersId }] },
    { refusal: '', certificates: [] },
    { refusal: 'it holds trusted CAs, and no certificate', certificates: [] },
  ]);
});

test('sources: the sidecar itself, SDS, files, the configuration', () => {
  const secrets = new SecretStore(clock, new Set(['default']));
  const reference = (source: SecretReference['source'], name = 'x'): Partial<TlsServerConfig> => ({
    certificateSecret: { name, key: `${source.kind} ${name}`, source },
  });
  const service = {
    kind: 'sds-service',
    variant: 'sotw',
    clusterName: 'spire',
    authority: 'spire',
    initialMetadata: [],
    initialFetchTimeoutMs: 0,
  } as const;
  const files = { kind: 'certificate-files', chainPath: '/c.pem', keyPath: '/k.pem', watchedDirectory: '' } as const;
  const found = credentialsInUse(
    listening(
      reference({ kind: 'ads' }, 'default'),
      reference({ kind: 'ads' }),
      reference(service),
      reference(files),
      { certificates: [storefront] },
      { certificates: [storefront] },
    ),
    secrets,
  );
  expect(found.map(({ source, from }) => `${source}: ${from}`)).toEqual([
    'identity: its identity',
    'sds: the secret "x", by SDS from the control plane',
    'sds: the secret "x", by SDS through the cluster spire',
    'file: the files /c.pem and /k.pem',
    'inline: the configuration',
  ]);
});

test('listeners that take plaintext from other machines', () => {
  const open = { address: { host: '0.0.0.0', port: 1 } };
  expect(
    plaintextListeners(
      configuration(
        listenerConfig('in', 1, open),
        listenerConfig('out', 2, { ...open, direction: 'outbound' }),
        listenerConfig('here', 3),
        listenerConfig('tls', 4, { ...open, filterChains: [chainConfig('c', {}, { tls: bare })] }),
        listenerConfig('either', 5, {
          ...open,
          filterChains: [chainConfig('c', {}, { tls: bare })],
          defaultFilterChain: chainConfig('d'),
        }),
      ),
    ),
  ).toEqual(['in', 'either']);
});
