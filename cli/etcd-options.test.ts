import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type EtcdFlags, etcdOptions } from './etcd-options.ts';
import { UserError } from './user-error.ts';

const flags = (given: Partial<EtcdFlags>): EtcdFlags => ({ store: 'etcd', ...given });

function refusal(given: Partial<EtcdFlags>): string {
  try {
    etcdOptions(flags(given));
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).message;
  }
  throw new Error('it was not refused');
}

test('no store is shared unless it is asked for; with etcd, its members are as they were written', () => {
  expect(etcdOptions(flags({ store: 'embedded' }))).toBeNull();
  expect(etcdOptions(flags({ etcd: ['etcd-0:2379', '[::1]:2379'] }))).toEqual({
    members: [
      { host: 'etcd-0', port: 2379, text: 'etcd-0:2379' },
      { host: '::1', port: 2379, text: '[::1]:2379' },
    ],
    prefix: '/outrigger/',
    tls: null,
  });
});

test.each<[string, Partial<EtcdFlags>]>([
  ['--store: "redis" is not one of', { store: 'redis' }],
  ['--store etcd takes --etcd HOST:PORT', {}],
  ['--etcd: "nowhere" is not HOST:PORT', { etcd: ['nowhere'] }],
  ['--etcd goes with --store etcd', { store: 'embedded', etcd: ['a:1'] }],
  ['--etcd-ca goes with --store etcd', { store: 'embedded', etcdCa: 'system' }],
  ['--etcd-prefix goes with --store etcd', { store: 'embedded', etcdPrefix: '/shop/' }],
  ['--etcd: "http://127.0.0.1:2379" is not HOST:PORT; leave out http://', { etcd: ['a:1', 'http://127.0.0.1:2379'] }],
  ['--etcd-cert and --etcd-key go together', { etcd: ['a:1'], etcdCa: 'system', etcdCert: 'a.pem' }],
  ['--etcd-cert goes with --etcd-ca', { etcd: ['a:1'], etcdCert: 'a.pem', etcdKey: 'b.pem' }],
  ['--etcd-prefix: "/outrigger"', { etcd: ['a:1'], etcdPrefix: '/outrigger' }],
  ['there is no such file', { etcd: ['a:1'], etcdCa: '/nowhere/ca.pem' }],
])('refuses with %j', (message, given) => {
  expect(refusal(given)).toContain(message);
});

test('files that hold no PEM are refused at the start', () => {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-etcd-'));
  const file = join(folder, 'key.pem');
  writeFileSync(file, 'hello');
  expect(refusal({ etcd: ['a:1'], etcdCa: 'system', etcdCert: file, etcdKey: file })).toContain('cannot be used');
  expect(refusal({ etcd: ['a:1'], etcdCa: file })).toBe(
    `--etcd-ca: ${file} holds no certificate (PEM) that can be read`,
  );
  writeFileSync(file, '-----BEGIN CERTIFICATE-----\nhello\n-----END CERTIFICATE-----\n');
  expect(refusal({ etcd: ['a:1'], etcdCa: file })).toContain('holds no certificate');
  rmSync(folder, { recursive: true });
});
