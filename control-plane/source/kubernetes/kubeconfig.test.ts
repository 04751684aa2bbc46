import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { ApiServer } from './api-server.ts';
import { inClusterApiServer } from './in-cluster.ts';
import { kubeconfigApiServer } from './kubeconfig.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-kubeconfig-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const apiServer = (file: string): ApiServer => kubeconfigApiServer(file, 'outrigger-system');

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function config(cluster: object, user: object, more: object = {}): string {
  return write(
    'config',
    JSON.stringify({
      'current-context': 'here',
      clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443/', ...cluster } }],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'here', context: { cluster: 'c', user: 'u', namespace: 'default' } }],
      ...more,
    }),
  );
}

describe('kubeconfig', () => {
  test('a token and a CA in place', () => {
    const server = apiServer(config({ 'certificate-authority-data': base64('a CA') }, { token: 'secret' }));
    expect([server.url, server.ca()]).toEqual(['https://10.0.0.1:6443', 'a CA']);
    expect(server.credentials()).toEqual({ token: 'secret', certificate: null, key: null });
  });

  test("the control plane's namespace is the one that is given, not that of the context", () => {
    expect(apiServer(config({}, { token: 't' })).namespace).toBe('outrigger-system');
  });

  test('files, relative to the kubeconfig, are read again each time', () => {
    write('ca.pem', 'old');
    write('token', 'first\n');
    const server = apiServer(config({ 'certificate-authority': 'ca.pem' }, { tokenFile: 'token' }));
    expect([server.ca(), server.credentials().token]).toEqual(['old', 'first']);
    write('ca.pem', 'new');
    write('token', 'second\n');
    expect([server.ca(), server.credentials().token]).toEqual(['new', 'second']);
  });

  test('a client certificate', () => {
    const user = { 'client-certificate-data': base64('certificate'), 'client-key-data': base64('key') };
    expect(apiServer(config({}, user)).credentials()).toEqual({
      token: null,
      certificate: 'certificate',
      key: 'key',
    });
  });

  test.each([
    [{}, { exec: { command: 'aws' } }, {}, /user u: exec is not supported; use a token of a service account/],
    [{}, { tokenFile: 'nowhere' }, {}, /nowhere/],
    [{ 'proxy-url': 'http://p' }, { token: 't' }, {}, /proxy-url is not supported/],
    [{ server: '10.0.0.1' }, { token: 't' }, {}, /server "10.0.0.1" is no URL/],
    [{ server: 'http://10.0.0.1' }, { token: 't' }, {}, /would get our token without TLS/],
    [{}, {}, { 'current-context': 'there' }, /there is no context "there"/],
    [{}, {}, { 'current-context': '' }, /has no current-context/],
    [{}, {}, { clusters: [] }, /there is no cluster "c"/],
    [{}, {}, { users: [] }, /there is no user "u"/],
    [{}, {}, { contexts: 'none' }, /contexts: /],
  ])('one line for what is wrong (%#)', (cluster, user, more, message) => {
    expect(() => apiServer(config(cluster, user, more))).toThrow(message);
  });

  test('a file that is not there, or no YAML', () => {
    expect(() => apiServer('/nowhere/config')).toThrow(/--kubeconfig \/nowhere\/config: ENOENT/);
    expect(() => apiServer(write('bad', 'a: [1'))).toThrow(/is not YAML/);
  });
});

describe('in a Pod', () => {
  test('the mounted files, read again each time; the address as Kubernetes gives it', () => {
    for (const [name, text] of [
      ['token', 'one\n'],
      ['ca.crt', 'a CA\n'],
      ['namespace', 'mesh\n'],
    ] as const)
      write(name, text);
    const server = inClusterApiServer({ KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }, folder);
    expect([server.url, server.namespace, server.ca(), server.credentials().token]).toEqual([
      'https://[fd00::1]:443',
      'mesh',
      'a CA',
      'one',
    ]);
    write('token', 'two\n');
    expect(server.credentials().token).toBe('two');
  });

  test('elsewhere it says what to do', () => {
    expect(() => inClusterApiServer({}, folder)).toThrow(/this is not a Pod.*--kubeconfig FILE/);
    expect(() => inClusterApiServer({ KUBERNETES_SERVICE_HOST: '10.0.0.1' }, '/nowhere')).toThrow(/serviceAccountName/);
  });
});
