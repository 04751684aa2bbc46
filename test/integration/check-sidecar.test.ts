/** `outrigger check --sidecar-admin` and /ready of a sidecar that has its certificates from files (a bootstrap of its own): as they are, broken, missing, and over. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRoot } from '../../certs/authority/create-root.ts';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import { signLeaf } from '../../certs/authority/sign-leaf.ts';
import { serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import { writePem } from '../../certs/x509/pem.ts';
import { publicKeyDer } from '../../certs/x509/public-key.ts';
import type { Finding } from '../../cli/check/findings.ts';
import { call, eventually, StartedProcess, unusedPort } from './started-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-check-sidecar-'));
const secretsFile = join(folder, 'sds.json');
const id = serviceAccountId('cluster.local', 'shop', 'orders');
const type = (name: string): string => `type.googleapis.com/envoy.extensions.${name}`;
let sidecar: StartedProcess;
let adminPort = 0;

/** A file of secrets: an own certificate that was signed so long ago, with a day to live, and its root. */
function secrets(agoMs: number): string {
  const clock = issuingClock(() => Date.now() - agoMs);
  const root = createRoot('cluster.local', clock);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const leaf = signLeaf(root, publicKeyDer(publicKey), id, 86_400_000, clock);
  const inline = (pem: string): object => ({ inline_string: pem });
  const secret = { '@type': type('transport_sockets.tls.v3.Secret') };
  return JSON.stringify({
    resources: [
      {
        ...secret,
        name: 'own',
        tls_certificate: {
          certificate_chain: inline(leaf.chain.map((der) => writePem('CERTIFICATE', der)).join('')),
          private_key: inline(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string),
        },
      },
      {
        ...secret,
        name: 'roots',
        validation_context: { trusted_ca: inline(writePem('CERTIFICATE', root.roots[0]!.der)) },
      },
    ],
  });
}

function bootstrap(): string {
  const file = (name: string): object => ({
    name,
    sds_config: { path_config_source: { path: secretsFile }, resource_api_version: 'V3' },
  });
  const address = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const manager = {
    '@type': type('filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'in',
    route_config: {
      virtual_hosts: [
        { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }] },
      ],
    },
    http_filters: [{ name: 'router', typed_config: { '@type': type('filters.http.router.v3.Router') } }],
  };
  const tls = {
    '@type': type('transport_sockets.tls.v3.DownstreamTlsContext'),
    require_client_certificate: true,
    common_tls_context: {
      tls_certificate_sds_secret_configs: [file('own')],
      validation_context_sds_secret_config: file('roots'),
    },
  };
  return JSON.stringify({
    node: { id: 'files', cluster: 'shop/orders' },
    admin: { address: address(adminPort) },
    static_resources: {
      listeners: [
        {
          name: 'in',
          address: address(0),
          filter_chains: [
            {
              transport_socket: { name: 'tls', typed_config: tls },
              filters: [{ name: 'http', typed_config: manager }],
            },
          ],
        },
      ],
    },
  });
}

async function findings(): Promise<readonly Finding[]> {
  const check = new StartedProcess(['check', '--sidecar', `127.0.0.1:${adminPort}`, '-o', 'json']);
  await check.exited;
  return JSON.parse(check.output) as Finding[];
}

const texts = async (): Promise<string[]> => (await findings()).map(({ level, text }) => `${level}: ${text}`);

beforeAll(async () => {
  adminPort = await unusedPort();
  writeFileSync(join(folder, 'bootstrap.json'), bootstrap());
  writeFileSync(secretsFile, 'junk: [');
  sidecar = new StartedProcess(['sidecar', '--bootstrap', join(folder, 'bootstrap.json'), '--drain-time', '0']);
  await eventually('it has started', () => Promise.resolve(sidecar.output.includes('ready after')));
});

afterAll(async () => {
  await sidecar.stop();
  rmSync(folder, { recursive: true, force: true });
});

const nothingLost = 'ok: no log line, span or report was lost';
const own = 'the secret "own" in the file .*sds\\.json; for listener in';

test('junk in the file: neither certificate nor trusted CAs, and why; nobody can be served', async () => {
  expect(await call(adminPort, '/ready')).toMatchObject({
    status: 503,
    body: 'NO_VALID_CERTIFICATE\nno caller can be served: listener in has no certificate yet\n',
  });
  expect(await texts()).toEqual([
    expect.stringMatching(
      /^problem: 127\.0\.0\.1:\d+ is not ready: no caller can be served: listener in has no certificate yet$/,
    ),
    expect.stringMatching(`^problem: there is no certificate \\(${own}\\): it was refused: .*neither YAML nor JSON`),
    expect.stringMatching(/^problem: there is no set of trusted CAs .*neither YAML nor JSON/),
    nothingLost,
  ]);
});

test('good ones: whose they are, from where, and how long they last; then junk again, with the good ones in use', async () => {
  writeFileSync(secretsFile, secrets(0));
  await eventually('it is ready', async () => (await call(adminPort, '/ready')).body === 'LIVE\n');
  expect(await texts()).toEqual([
    expect.stringMatching(/^ok: .* is ready$/),
    expect.stringMatching(`^ok: the certificate of ${id.text}, serial [0-9a-f]+ \\(${own}\\): 23 h left, until `),
    nothingLost,
  ]);
  writeFileSync(secretsFile, 'junk: [');
  await eventually('it was refused', async () =>
    (await texts()).some((text) => text.startsWith('problem: the newest certificate (the secret "own"')),
  );
  expect((await call(adminPort, '/ready')).body).toBe('LIVE\n');
});

test('one near its end is a warning of readiness, and one that is over its end', async () => {
  writeFileSync(secretsFile, secrets(20 * 3_600_000));
  await eventually('it warns', async () => (await call(adminPort, '/ready')).body.includes('warning: '));
  const near = await call(adminPort, '/ready');
  expect(near.status).toBe(200);
  expect(near.body).toMatch(/^LIVE\nwarning: less than a quarter of the life of the certificate of spiffe:.* is left/);
  writeFileSync(secretsFile, secrets(25 * 3_600_000));
  await eventually('it is not ready', async () => (await call(adminPort, '/ready')).status === 503);
  expect((await call(adminPort, '/ready')).body).toContain(`the certificate of ${id.text} expired at `);
  expect((await findings()).filter(({ level }) => level === 'problem').map(({ text }) => text)).toEqual([
    expect.stringContaining('is not ready: no caller can be served: the certificate of'),
    expect.stringMatching(`^the certificate of ${id.text}, .* expired at `),
  ]);
});
