import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SecretReference } from '../config/tls-config.ts';
import { Log } from '../runtime/log.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { caPem, orders, storefront, strangerPem } from '../transport/test/certificates.ts';
import { loadSecretFile } from '../xds/secret-file.ts';
import { FileSecrets } from './file-secrets.ts';
import { SecretStore } from './secret-store.ts';

let folder: string;
let nowMs: number;
let wheel: TimerWheel;
let store: SecretStore;
let files: FileSecrets;
let lines: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'secrets-'));
  nowMs = 1_000;
  lines = [];
  const clock = { nowMs: () => nowMs, wallMs: () => nowMs };
  wheel = new TimerWheel(clock, () => () => {});
  store = new SecretStore(clock);
  const log = new Log(clock, 'info', false, (line) => lines.push(line));
  files = new FileSecrets({ store, wheel, log, loadSdsFile: loadSecretFile });
});

afterEach(() => {
  files.close();
  rmSync(folder, { recursive: true });
});

const at = (name: string): string => join(folder, name);

function put(name: string, text: string): void {
  writeFileSync(at('new'), text);
  renameSync(at('new'), at(name));
}

function look(): void {
  nowMs += 6_000;
  wheel.advance();
}

const pair = (): SecretReference => ({
  name: at('cert.pem'),
  key: 'pair',
  source: { kind: 'certificate-files', chainPath: at('cert.pem'), keyPath: at('key.pem'), watchedDirectory: '' },
});

describe('secrets in files', () => {
  it('are read at once, and again when they change; what is good goes on while the pair does not fit', () => {
    put('cert.pem', orders.chainPem);
    put('key.pem', orders.keyPem);
    files.watch([pair()]);
    const first = store.get('pair')!;
    expect(first.value).toMatchObject({ chainPem: orders.chainPem });
    put('cert.pem', storefront.chainPem);
    look();
    expect(store.get('pair')).toBe(first);
    expect(lines.join()).toContain('does not belong to the certificate; the one before goes on');
    look();
    expect(lines).toHaveLength(1);
    put('key.pem', storefront.keyPem);
    look();
    expect(store.get('pair')!.value).toMatchObject({ chainPem: storefront.chainPem });
    expect(lines.at(-1)).toContain('was read again');
  });

  it('may go away and come back, also behind a link that is turned (Kubernetes mounts)', () => {
    put('ca-1.pem', caPem);
    put('ca-2.pem', strangerPem);
    symlinkSync('ca-1.pem', at('ca.pem'));
    const reference: SecretReference = {
      name: at('ca.pem'),
      key: 'ca',
      source: { kind: 'trust-file', path: at('ca.pem'), watchedDirectory: folder },
    };
    files.watch([reference]);
    const first = store.get('ca');
    rmSync(at('ca.pem'));
    look();
    expect(store.get('ca')).toBe(first);
    expect(store.refusal('ca')).toContain('ENOENT');
    symlinkSync('ca-2.pem', at('ca.pem'));
    look();
    expect(store.get('ca')!.value).toMatchObject({ trustedCaPem: strangerPem });
  });

  it('are forgotten when nothing refers to them any more', () => {
    put('cert.pem', orders.chainPem);
    put('key.pem', orders.keyPem);
    files.watch([pair()]);
    files.watch([]);
    expect(store.get('pair')).toBeUndefined();
    expect(wheel.armedCount).toBe(0);
  });

  it.each(['yaml', 'json'])('stand in a DiscoveryResponse in %s (path_config_source)', async (form) => {
    put('cert.pem', orders.chainPem);
    put('key.pem', orders.keyPem);
    const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
    const response = {
      resources: [
        {
          '@type': type,
          name: 'own',
          tls_certificate: {
            certificate_chain: { filename: at('cert.pem') },
            private_key: { filename: at('key.pem') },
          },
        },
      ],
    };
    const yaml = `resources:\n- "@type": ${type}\n  name: own\n  tls_certificate:\n    certificate_chain: { filename: ${at('cert.pem')} }\n    private_key: { filename: ${at('key.pem')} }\n`;
    put('sds', form === 'json' ? JSON.stringify(response) : yaml);
    const loaded = await loadSecretFile(at('sds'), 'own');
    expect(loaded).toMatchObject({ ok: true, files: [at('sds'), at('cert.pem'), at('key.pem')] });
    expect(await loadSecretFile(at('sds'), 'other')).toMatchObject({ ok: false });
    files.watch([{ name: 'own', key: 'sds', source: { kind: 'sds-file', path: at('sds'), watchedDirectory: '' } }]);
    await files.whenRead();
    expect(store.get('sds')!.value).toMatchObject({ chainPem: orders.chainPem });
    const again = new Promise((resolve) => void store.subscribe('sds', resolve));
    put('cert.pem', storefront.chainPem);
    put('key.pem', storefront.keyPem);
    look();
    await again;
    expect(store.get('sds')!.value).toMatchObject({ chainPem: storefront.chainPem });
  });

  it.each([
    ['JSON that breaks off', '{ "resources": [{ "tls_certificate": { "private_key": { "inline_string": "KEYTEXT'],
    ['YAML that is none', 'resources:\n - private_key: "KEYTEXT\n'],
    [
      'a key in the place of its source',
      'resources:\n- "@type": TYPE\n  name: own\n  tls_certificate: { private_key: KEYTEXT }\n',
    ],
    [
      'a key that is no text',
      'resources:\n- "@type": TYPE\n  name: own\n  tls_certificate: { private_key: { inline_string: [KEYTEXT] } }\n',
    ],
    [
      'a key that does not load',
      'resources:\n- "@type": TYPE\n  name: own\n  tls_certificate: { certificate_chain: { inline_string: x }, private_key: { inline_string: KEYTEXT } }\n',
    ],
  ])('are refused without a word of what stands in them: %s', async (_what, text) => {
    put('sds', text.replace('TYPE', 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret'));
    const loaded = await loadSecretFile(at('sds'), 'own');
    expect(loaded.ok).toBe(false);
    expect(JSON.stringify(loaded)).not.toContain('KEYTEXT');
  });
});
