import { expect, test } from 'vitest';
import type { Configuration } from './config/configuration.ts';
import type { TlsServerConfig } from './config/tls-config.ts';
import { ManualTime } from './connection-manager/test/manual-time.ts';
import { ExpiryWarnings } from './expiry-warnings.ts';
import { chainConfig, configuration, listenerConfig } from './listener/test/listener-config.ts';
import { Log } from './runtime/log.ts';
import { SecretStore } from './secret/secret-store.ts';
import { caPem, orders, storefront } from './transport/test/certificates.ts';

/** The certificates of these tests live from here to there. */
const lifeMs = { from: Date.parse('2024-01-01T00:00:00Z'), to: Date.parse('2124-01-01T00:00:00Z') };

const tls: TlsServerConfig = {
  certificates: [],
  trustedCaPem: null,
  subjectAltNames: [],
  alpn: [],
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  requireClientCertificate: false,
};
const ads = (name: string) => ({ name, key: name, source: { kind: 'ads' } }) as const;
const files = {
  name: '/etc/tls/cert.pem',
  key: 'files',
  source: {
    kind: 'certificate-files',
    chainPath: '/etc/tls/cert.pem',
    keyPath: '/etc/tls/key.pem',
    watchedDirectory: '',
  },
} as const;

class Warned {
  readonly time = new ManualTime();
  readonly lines: string[] = [];
  readonly secrets: SecretStore;
  readonly warnings: ExpiryWarnings;
  /** Of the wall clock. */
  nowMs = lifeMs.from;

  constructor(configurationNow: Configuration, local: readonly string[] = []) {
    const clock = { nowMs: () => this.time.nowMs(), wallMs: () => this.nowMs };
    this.secrets = new SecretStore(clock, new Set(local));
    this.warnings = new ExpiryWarnings({
      configuration: () => configurationNow,
      secrets: this.secrets,
      clock,
      wheel: this.time.wheel,
      log: new Log(clock, 'info', true, (line) => this.lines.push(line)),
    });
    this.warnings.changed();
  }

  /** The lines of the moment when so much of the certificates' life is left, and of the looks after it. */
  at(left: number): string[] {
    this.nowMs = lifeMs.to - left * (lifeMs.to - lifeMs.from);
    this.time.advance(61_000);
    this.time.advance(61_000);
    return this.lines.splice(0).map((line) => {
      const { level, message } = JSON.parse(line) as { readonly level: string; readonly message: string };
      return `${level} ${message}`;
    });
  }
}

function withChain(own: Partial<TlsServerConfig>): Configuration {
  return configuration(
    listenerConfig('inbound', 1, { filterChains: [chainConfig('tls', {}, { tls: { ...tls, ...own } })] }),
  );
}

test('inline certificates, files and SDS warn once a stage, each saying where a new one has to go', () => {
  const cases: ReadonlyArray<readonly [Partial<TlsServerConfig>, string, string]> = [
    [
      { certificates: [orders] },
      'the certificate of the listener inbound (in its configuration)',
      'put a new one into the configuration',
    ],
    [
      { certificateSecret: files },
      'the certificate in the file "/etc/tls/cert.pem"',
      'replace the file, it is watched',
    ],
    [
      { certificateSecret: ads('web') },
      'the certificate of the secret "web" (SDS)',
      'whoever serves it by SDS has to send a new one',
    ],
  ];
  for (const [own, what, remedy] of cases) {
    const warned = new Warned(withChain(own));
    for (const key of ['files', 'web']) warned.secrets.set(key, key, '1', { kind: 'certificate', ...orders });
    expect(warned.at(0.26)).toEqual([]);
    expect(warned.at(0.24)).toEqual([
      expect.stringMatching(
        `^warn ${what.replaceAll(/[()]/g, '\\$&')}: less than a quarter of its life is left \\(\\d+ d, until 2124-01-01T00:00:00.000Z\\); ${remedy}$`,
      ),
    ]);
    expect(warned.at(0.2)).toEqual([]);
    expect(warned.at(0.05)).toEqual([expect.stringContaining('less than a tenth of its life is left')]);
    expect(warned.at(0)).toEqual([`error ${what} expired at 2124-01-01T00:00:00.000Z: peers refuse it; ${remedy}`]);
    expect(warned.at(-0.1)).toEqual([]);
    warned.warnings.close();
  }
});

test('what is found late warns of where it is only, and another certificate begins anew', () => {
  const warned = new Warned(withChain({ certificateSecret: ads('web') }));
  warned.secrets.set('web', 'web', '1', { kind: 'certificate', ...orders });
  expect(warned.at(0.05)).toEqual([expect.stringContaining('less than a tenth')]);
  warned.secrets.remove('web');
  expect(warned.at(0.05)).toEqual([]);
  warned.secrets.set('web', 'web', '2', { kind: 'certificate', ...storefront });
  expect(warned.at(0.05)).toEqual([expect.stringContaining('less than a tenth')]);
});

test('trusted CAs warn in their last tenth or 30 days, and when the last has ended', () => {
  const warned = new Warned(withChain({ certificates: [], trustedCaPem: caPem }));
  expect(warned.at(0.05)).toEqual([]);
  expect(warned.at(0.0005)).toEqual([
    expect.stringMatching(/^warn the trusted CAs of the listener inbound .*: less than a tenth/),
  ]);
  expect(warned.at(0)).toEqual([expect.stringMatching(/^error the trusted CAs .* nobody is believed by them/)]);
});

test("the sidecar's own identity is not warned of here: it says itself why it was not renewed", () => {
  const own = new Warned(withChain({ certificateSecret: ads('default') }), ['default']);
  own.secrets.set('default', 'default', '1', { kind: 'certificate', ...orders });
  expect(own.at(0.01)).toEqual([]);
});
