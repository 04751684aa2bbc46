/** `outrigger check` against real installations: one where all is well, and one where a good deal is not. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRoot } from '../../certs/authority/create-root.ts';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import { writePem } from '../../certs/x509/pem.ts';
import type { Finding } from '../../cli/check/findings.ts';
import { adsBootstrap } from './ads-bootstrap.ts';
import { call, eventually, StartedProcess, unusedPort } from './started-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-check-'));
const environment = { XDG_STATE_HOME: folder };
const config = join(folder, 'mesh');
const dataDir = join(folder, 'outrigger');
const processes: StartedProcess[] = [];
const address = (port: number): string => `127.0.0.1:${port}`;
let admin = '';
let plain = '';
let tls = '';
let sidecarAdmin = '';
let taken: Server;
let app: Server;

const document = (kind: string, name: string, spec: string): string =>
  `{apiVersion: outrigger.dev/v1, kind: ${kind}, metadata: {name: ${name}, namespace: shop}, spec: ${spec}}\n`;

function start(words: readonly string[]): StartedProcess {
  const started = new StartedProcess(words, environment);
  processes.push(started);
  return started;
}

function sidecar(service: string, ...flags: readonly string[]): StartedProcess {
  return start([
    ...[
      'sidecar',
      '--service',
      service,
      '--app-port',
      String((app.address() as AddressInfo).port),
      '--control-plane',
      plain,
      '--control-plane-tls',
      tls,
    ],
    ...['--listen-metrics', 'off', '--outbound-listen', '127.0.0.1:0', '--drain-time', '0', ...flags],
  ]);
}

async function outrigger(...words: string[]): Promise<{ readonly code: number; readonly output: string }> {
  const started = new StartedProcess(words, environment);
  const code = await started.exited;
  expect(started.output).not.toMatch(/\n {4}at /);
  return { code, output: started.output };
}

async function findings(...flags: string[]): Promise<{ readonly code: number; readonly found: readonly Finding[] }> {
  const { code, output } = await outrigger('check', '--admin', admin, ...flags, '-o', 'json');
  return { code, found: JSON.parse(output) as Finding[] };
}

beforeAll(async () => {
  mkdirSync(config);
  writeFileSync(join(config, 'orders.yaml'), document('Service', 'orders', '{ports: [{port: 80}]}'));
  app = createServer();
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  const ports = await Promise.all([unusedPort(), unusedPort(), unusedPort(), unusedPort()]);
  [admin = '', plain = '', tls = '', sidecarAdmin = ''] = ports.map(address);
  start(['control-plane', '--config', config, '--listen', plain, '--listen-tls', tls, '--listen-admin', admin]);
  await eventually('the control plane is ready', async () => (await call(ports[0]!, '/healthz/ready')).status === 200);
  const well = sidecar('shop/orders', '--admin', sidecarAdmin, '--inbound-listen', '127.0.0.1:0');
  await eventually('the sidecar is ready', () => Promise.resolve(well.output.includes('ready after')));
  taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  await Promise.all(processes.map((started) => started.stop()));
  taken.close();
  app.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('where all is well', () => {
  test('says so, group by group, and ends with 0', async () => {
    await eventually('it has registered', async () =>
      (await outrigger('get', 'endpoints', '--admin', admin)).output.includes('orders'),
    );
    const { code, output } = await outrigger('check', '--admin', admin);
    expect(output).toMatch(
      new RegExp(
        [
          `^control plane +ok +${admin} is ready, up for \\d+ s`,
          'versions +ok +control plane, sidecars and this command are outrigger [0-9.]+',
          'configuration +ok +1 path is read, without faults',
          `doors +ok +plain door ${plain} answers`,
          ` +ok +TLS door ${tls} is spiffe://cluster\\.local/ns/outrigger/sa/control-plane, certificate until .*`,
          'authority +ok +the authority [0-9a-f]{16} that signs is good until .*',
          `data directory +ok +${dataDir} is its owner's only`,
          'proxies +ok +1 is connected, and has taken its configuration',
          'services +ok +1 has at least one instance that is healthy',
          'identities +ok +1 proxy has one, and time enough to renew it',
          'policies +ok +there are none: mTLS is STRICT, .*',
          'collectors +ok +no Telemetry document names one',
          '',
          'nothing is wrong\n$',
        ].join('\n'),
      ),
    );
    expect(code).toBe(0);
  });

  test('looks at one sidecar by its own admin port', async () => {
    const { code, output } = await outrigger('check', '--sidecar', sidecarAdmin);
    expect(output).toMatch(
      /^sidecar +ok +127\.0\.0\.1:\d+ is ready\n +ok +it is spiffe:\/\/cluster\.local\/ns\/shop\/sa\/orders, certificate until .*\nobservability +ok +no log line, span or report was lost\n\nnothing is wrong\n$/,
    );
    expect(code).toBe(0);
  });

  test('says what it could not look at', async () => {
    const { code, found } = await findings('--data-dir', join(folder, 'none'));
    expect(found.filter(({ level }) => level !== 'ok')).toEqual([
      {
        group: 'doors',
        level: 'skipped',
        text: expect.stringContaining('was not verified: there is no'),
        next: expect.stringContaining('--trust-bundle'),
      },
      {
        group: 'data directory',
        level: 'skipped',
        text: expect.stringContaining('on this machine'),
        next: expect.any(String),
      },
    ]);
    expect(code).toBe(0);
  });
});

describe('where nobody answers', () => {
  test('that is the problem, and what mends it', async () => {
    const nobody = address(await unusedPort());
    expect(await outrigger('check', '--admin', nobody, '--data-dir', join(folder, 'none'))).toMatchObject({
      code: 1,
      output: expect.stringMatching(
        `^control plane +problem +no control plane at ${nobody} \\(connection refused\\)\n +next: start one with outrigger control-plane`,
      ),
    });
    expect(await outrigger('check', '--sidecar', nobody)).toMatchObject({
      code: 1,
      output: expect.stringContaining(`no sidecar's admin port at ${nobody} (connection refused)`),
    });
  });

  test('and doors that are elsewhere, closed, or somebody else', async () => {
    const other = join(folder, 'other.pem');
    writeFileSync(other, writePem('CERTIFICATE', createRoot('cluster.local', issuingClock(Date.now)).roots[0]!.der));
    const nobody = address(await unusedPort());
    const closed = await findings('--control-plane', nobody, '--control-plane-tls', nobody);
    expect(closed.found.filter(({ level }) => level === 'problem').map(({ text }) => text)).toEqual([
      `no control plane at ${nobody} (connection refused)`,
      `TLS door ${nobody}: no TLS handshake: connection refused; no sidecar gets a certificate there`,
    ]);
    const stranger = await findings('--trust-bundle', other);
    expect([closed.code, stranger.code]).toEqual([1, 1]);
    expect(stranger.found.filter(({ level }) => level !== 'ok')).toEqual([
      expect.objectContaining({
        level: 'warning',
        text: expect.stringContaining('lacks a root that the control plane trusts now'),
      }),
      expect.objectContaining({
        level: 'problem',
        text: expect.stringMatching(/no root of cluster\.local has signed .*\(untrusted\); sidecars refuse it/),
        next: `${other} is not this control plane's: name another with --trust-bundle or --data-dir`,
      }),
    ]);
  });
});

describe('where a good deal is wrong', () => {
  beforeAll(async () => {
    writeFileSync(
      join(config, 'more.yaml'),
      [
        document('Service', 'legacy', '{ports: [{port: 80, targetPort: 7}], endpoints: [{address: 127.0.0.9}]}'),
        document('PeerAuthentication', 'strict', '{targetRefs: [{kind: Service, name: legacy}], mtls: {mode: STRICT}}'),
        document(
          'PeerAuthentication',
          'both',
          '{targetRefs: [{kind: Service, name: orders}], mtls: {mode: PERMISSIVE}}',
        ),
        document('AuthorizationPolicy', 'v9', '{selector: {matchLabels: {version: v9}}}'),
        document('RequestAuthentication', 'users', `{jwtRules: [{issuer: i, jwksFile: ${join(folder, 'keys.json')}}]}`),
      ].join('---\n'),
    );
    writeFileSync(join(config, 'broken.yaml'), 'kind: [');
    chmodSync(join(dataDir, 'authority'), 0o755);
    const crowded = join(folder, 'crowded.json');
    writeFileSync(
      crowded,
      adsBootstrap({
        nodeId: 'crowded',
        service: 'shop/crowded',
        controlPlanePort: Number(plain.split(':')[1]),
        outboundListen: '127.0.0.1:0',
        inboundListen: address((taken.address() as AddressInfo).port),
      }),
    );
    start(['sidecar', '--bootstrap', crowded, '--drain-time', '0']);
    const bare = sidecar(
      'shop/bare',
      '--no-identity',
      '--node-id',
      'bare',
      '--admin',
      '127.0.0.1:0',
      '--inbound-listen',
      '127.0.0.1:0',
    );
    await eventually('the sidecars are there', async () => {
      const { output } = await outrigger('status', '--control-plane', plain);
      return output.includes('NACKED') && bare.output.includes('ready after');
    });
    await eventually('the files are read', async () =>
      (await outrigger('get', 'policies', '--admin', admin)).output.includes('v9'),
    );
  });

  afterAll(() => chmodSync(join(dataDir, 'authority'), 0o700));

  test('names each, with what mends it, and ends with 1', async () => {
    const { code, found } = await findings();
    const wrong = found.filter(({ level }) => level !== 'ok');
    const expected: ReadonlyArray<readonly [Finding['level'], string, RegExp, string]> = [
      [
        'problem',
        'configuration',
        /broken\.yaml:.*there is no last good content, so nothing of it is in force/,
        'mend the file',
      ],
      ['problem', 'data directory', /authority has the mode 0755: others may have read its keys/, 'chmod go-rwx'],
      ['problem', 'proxies', /^crowded refused Listener .*inbound: .*taken/, 'a port that is taken'],
      ['warning', 'identities', /^shop\/bare: bare has no identity/, '--join-token-file'],
      [
        'problem',
        'policies',
        /^shop\/legacy: 127\.0\.0\.9:7 can't do the mTLS that PeerAuthentication shop\/strict: mTLS STRICT asks for/,
        'PeerAuthentication DISABLE for shop/legacy',
      ],
      [
        'warning',
        'policies',
        /^shop\/orders: .* takes plaintext beside mTLS \(PeerAuthentication shop\/both: mTLS PERMISSIVE\)/,
        'set STRICT',
      ],
      [
        'warning',
        'policies',
        /^AuthorizationPolicy shop\/v9 holds for nothing that is there now \(version=v9 in shop\)/,
        'selector',
      ],
      [
        'problem',
        'policies',
        /^keys of .*keys\.json: it cannot be read: .*every token of this issuer is refused/,
        'JSON Web Key Set',
      ],
    ];
    for (const [level, group, text, next] of expected)
      expect(wrong).toContainEqual({
        level,
        group,
        text: expect.stringMatching(text),
        next: expect.stringContaining(next),
      });
    expect(code).toBe(1);
    const table = await outrigger('check', '--admin', admin);
    expect(table.output).toMatch(/\n\n\d+ problems, \d+ warnings\n$/);
    expect(JSON.stringify(found)).not.toContain('PRIVATE');
  });
});
