/** Sidecars with an identity as a user starts them, and the commands that show and check who is who. The token is a secret: neither ps nor the admin port nor the application sees it. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRoot } from '../../certs/authority/create-root.ts';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import { controlPlaneId } from '../../certs/spiffe/control-plane-id.ts';
import { writePem } from '../../certs/x509/pem.ts';
import type { IdentityStatus } from '../../sidecar/identity/identity-status.ts';
import { orders, SecureControlPlane, trustDomain } from './secure-control-plane.ts';
import { call, eventually, StartedProcess, unusedPort } from './started-process.ts';

let controlPlane: SecureControlPlane;
let token = '';
let app: Server;
let sidecar: StartedProcess;
let adminPort = 0;

const address = (port: number): string => `127.0.0.1:${port}`;

async function finished(args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  const process = new StartedProcess(args);
  const code = await process.exited;
  return { code, output: process.output };
}

beforeAll(async () => {
  controlPlane = new SecureControlPlane();
  await controlPlane.start();
  token = controlPlane.joinTokens.create({ identities: [orders], uses: 10 }).token;
  app = createServer((_, response) => response.end('app'));
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  adminPort = await unusedPort();
  sidecar = new StartedProcess([
    ...['sidecar', '--service', 'shop/orders', '--app-port', String((app.address() as AddressInfo).port)],
    ...['--join-token', token, '--trust-bundle', controlPlane.trustBundle],
    ...['--control-plane-tls', address(controlPlane.port), '--admin', address(adminPort), '--listen-metrics', 'off'],
    ...['--inbound-listen', '127.0.0.1:0', '--outbound-listen', '127.0.0.1:0', '--drain-time', '1'],
  ]);
  await eventually('the sidecar is ready', () => Promise.resolve(sidecar.output.includes('ready after')));
});

afterAll(async () => {
  await sidecar.stop();
  app.close();
  controlPlane.close();
});

/** Command lines of everything that runs. */
function commandLines(): string {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return '';
      }
    })
    .join('\n');
}

describe('a sidecar process with an identity', () => {
  test('registers its instance with its certificate', async () => {
    await eventually('it is registered', () => Promise.resolve(controlPlane.registry.instances.length === 1));
    expect(controlPlane.serials('register')).toEqual(controlPlane.serials('deltaAggregatedResources').slice(0, 1));
  });

  test('shows its token nowhere', async () => {
    for (const path of ['/server_info', '/config_dump', '/certs', '/stats'])
      expect((await call(adminPort, path)).body).not.toContain(token);
    expect(sidecar.output).not.toContain(token);
    if (process.platform === 'linux') expect(commandLines()).not.toContain(token);
  });

  test('`run` hands the token to its sidecar and to nobody else', async () => {
    const seen = join(controlPlane.folder, 'environment');
    const script = `require('fs').writeFileSync(${JSON.stringify(seen)}, JSON.stringify(process.env)); setTimeout(() => {}, 60000)`;
    const run = new StartedProcess(
      [
        ...['run', '--service', 'shop/orders', '--port', String(await unusedPort()), '--log-level', 'info'],
        ...['--join-token', token, '--trust-bundle', controlPlane.trustBundle],
        ...['--control-plane-tls', address(controlPlane.port), '--drain-time', '0'],
        ...['--', process.execPath, '-e', script],
      ],
      { OUTRIGGER_JOIN_TOKEN_FILE: '/nonexistent' },
    );
    await eventually('the command runs', async () => readFileSync(seen, 'utf8').endsWith('}'));
    expect(run.output).toContain(`identity ${orders.text} issued by the join token,`);
    expect(readFileSync(seen, 'utf8')).not.toContain(token);
    if (process.platform === 'linux') expect(commandLines()).not.toContain(token);
    await run.stop();
  });

  test('without a proof goes on without an identity, and says so', async () => {
    const plain = new StartedProcess([
      ...['sidecar', '--service', 'shop/orders', '--app-port', '1', '--control-plane', address(await unusedPort())],
      ...['--admin', '127.0.0.1:0', '--listen-metrics', 'off', '--inbound-listen', '127.0.0.1:0', '--drain-time', '0'],
    ]);
    await eventually('it says so', () => Promise.resolve(plain.output.includes('this sidecar has no identity')));
    await plain.stop();
  });
});

describe('a join token that is turned down', () => {
  const words = async (file: string, tls = controlPlane.port): Promise<string[]> => [
    ...['--service', 'shop/orders', '--join-token-file', file, '--trust-bundle', controlPlane.trustBundle],
    ...['--control-plane-tls', address(tls), '--inbound-listen', '127.0.0.1:0', '--drain-time', '0'],
  ];
  const run = async (file: string, ...more: readonly string[]): Promise<StartedProcess> =>
    new StartedProcess([
      ...['run', ...(await words(file)), '--port', String(await unusedPort()), ...more],
      ...['--', process.execPath, '-e', 'console.log("it runs")'],
    ]);

  test('is told by `run` and by a sidecar, which end with 1: to wait would not make it good', async () => {
    const file = join(controlPlane.folder, 'once');
    writeFileSync(file, controlPlane.joinTokens.create({ identities: [orders], uses: 1 }).token);
    const first = await run(file);
    expect(await first.exited).toBe(0);
    expect(first.output).toContain('it runs');
    const second = await run(file);
    expect(await second.exited).toBe(1);
    expect(second.output).toMatch(
      /^outrigger: this sidecar of shop\/orders gets no certificate: the join token [0-9a-f]+ is used up; make a new one\. To wait does not help: .*\n$/,
    );
    writeFileSync(file, 'ojt_nobody');
    const alone = await finished([
      ...['sidecar', ...(await words(file)), '--app-port', '1', '--admin', '127.0.0.1:0', '--listen-metrics', 'off'],
      ...['--outbound-listen', '127.0.0.1:0'],
    ]);
    expect(alone.code).toBe(1);
    expect(alone.output).toMatch(/^outrigger: this sidecar of shop\/orders gets no certificate: .*\n$/m);
  });

  test('is waited for in its file with --wait-for-proof', async () => {
    const file = join(controlPlane.folder, 'later');
    writeFileSync(file, 'ojt_nobody');
    const waiting = await run(file, '--wait-for-proof');
    await eventually('it was turned down', () =>
      Promise.resolve(waiting.output.includes('no certificate for spiffe://')),
    );
    writeFileSync(file, controlPlane.joinTokens.create({ identities: [orders], uses: 1 }).token);
    expect(await waiting.exited).toBe(0);
    expect(waiting.output).toContain('it runs');
  });
});

test('a sidecar that ends in order says goodbye: no rotation waits for it', async () => {
  const { holders, withBundle } = controlPlane.evidence;
  const leaver = new StartedProcess([
    ...['sidecar', '--service', 'shop/orders', '--app-port', '1', '--join-token', token, '--listen-metrics', 'off'],
    ...['--trust-bundle', controlPlane.trustBundle, '--control-plane-tls', address(controlPlane.port)],
    ...['--admin', '127.0.0.1:0', '--inbound-listen', '127.0.0.1:0', '--outbound-listen', '127.0.0.1:0'],
    ...['--drain-time', '0'],
  ]);
  await eventually('it is ready', () => Promise.resolve(leaver.output.includes('ready after')));
  await eventually('it has the roots', () => Promise.resolve(controlPlane.evidence.withBundle === withBundle + 1));
  expect(controlPlane.evidence.holders).toBe(holders + 1);
  expect(await leaver.stop()).toBe(0);
  expect(controlPlane.evidence.holders).toBe(holders);
});

describe('outrigger identity show', () => {
  test('prints the identity of a sidecar', async () => {
    const { code, output } = await finished(['identity', 'show', '--admin', address(adminPort), '-o', 'json']);
    expect(code).toBe(0);
    const [identity] = JSON.parse(output) as IdentityStatus[];
    expect(identity).toMatchObject({ state: 'valid', spiffe_id: orders.text, trust_domain: trustDomain });
    expect(identity!.issuer).not.toBe('');
    const table = await finished(['identity', 'show', '--admin', address(adminPort)]);
    expect(table.output.split('\n')[0]).toMatch(/^IDENTITY +STATE +ISSUER +SERIAL +UNTIL +RENEWAL$/);
    expect(table.output).toContain(identity!.serial_number);
  });

  test.each<readonly [string, Partial<IdentityStatus> | undefined, string]>([
    ['has expired', { expiration_time: new Date(Date.now() - 1000).toISOString() }, 'expired at'],
    [
      'is in the last quarter of its life',
      {
        issued_at: new Date(Date.now() - 3_100_000).toISOString(),
        expiration_time: new Date(Date.now() + 900_000).toISOString(),
        last_failure: 'connection refused',
      },
      'less than a quarter of the life of the certificate of spiffe://td/ns/shop/sa/orders is left',
    ],
    ['is not there yet', { spiffe_id: '', last_failure: 'the join token is not known' }, 'the join token is not known'],
    ['is not wanted', undefined, 'has no identity from a control plane; start it with'],
  ])('ends with 1 when the certificate %s', async (_, more, why) => {
    const identity = more && {
      ...{ state: 'valid', trust_domain: 'td', spiffe_id: 'spiffe://td/ns/shop/sa/orders', serial_number: '01' },
      ...{ issuer: 'O=td', authority_id: 'a', issued_at: new Date().toISOString(), expiration_time: '' },
      ...{ renewal_time: '', last_failure: '', trust_bundles: [] },
      ...more,
    };
    const admin = createServer((_request, response) => response.end(JSON.stringify({ identity })));
    await new Promise<void>((resolve) => admin.listen(0, '127.0.0.1', resolve));
    const shown = await finished(['identity', 'show', '--admin', address((admin.address() as AddressInfo).port)]);
    admin.close();
    expect([shown.code, shown.output]).toEqual([1, expect.stringContaining(why)]);
  });

  test('says so when there is no sidecar', async () => {
    const { code, output } = await finished(['identity', 'show', '--admin', address(await unusedPort())]);
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/^outrigger: no sidecar's admin port at .*connection refused/),
    ]);
  });
});

describe('outrigger identity verify', () => {
  const verify = (...args: readonly string[]) => finished(['identity', 'verify', ...args]);

  test('says who the peer is', async () => {
    const id = controlPlaneId(trustDomain).text;
    const at = address(controlPlane.port);
    const { code, output } = await verify(at, '--trust-bundle', controlPlane.trustBundle, '--expect', id);
    expect([code, output]).toEqual([
      0,
      expect.stringMatching(new RegExp(`^${at} is ${id}\\n  TLSv1.3, h2, certificate [0-9a-f]+ until `)),
    ]);
  });

  test('says it to programs too, with what is wrong', async () => {
    const at = address(controlPlane.port);
    const id = controlPlaneId(trustDomain).text;
    const bundle = ['--trust-bundle', controlPlane.trustBundle, '-o', 'json'];
    const fine = await verify(at, '--expect', id, ...bundle);
    expect(fine.code).toBe(0);
    const peer = { address: at, identity: id, protocol: 'TLSv1.3', alpn: 'h2', problem: '' };
    expect(JSON.parse(fine.output)).toMatchObject([peer]);
    const wrong = await verify(at, '--expect', orders.text, ...bundle);
    expect(wrong.code).toBe(1);
    const [data, line] = wrong.output.split(/^(?=outrigger: )/m);
    expect(JSON.parse(data!)).toMatchObject([{ ...peer, problem: `expected is ${orders.text}` }]);
    expect(line).toContain('expected is');
    const stranger = await verify(at, '--trust-domain', 'other', ...bundle);
    expect(stranger.output).toContain('"identity": ""');
  });

  test('says which rule it breaks', async () => {
    const at = address(controlPlane.port);
    const other = join(controlPlane.folder, 'other.pem');
    writeFileSync(other, writePem('CERTIFICATE', createRoot(trustDomain, issuingClock(Date.now)).roots[0]!.der));
    const cases: ReadonlyArray<readonly [readonly string[], number, string]> = [
      [[at, '--trust-bundle', controlPlane.trustBundle, '--expect', orders.text], 1, `expected is ${orders.text}`],
      [[at, '--trust-bundle', other], 1, '(untrusted)'],
      [[at, '--trust-bundle', controlPlane.trustBundle, '--trust-domain', 'other'], 1, '(wrong-trust-domain)'],
      [[at, '--trust-bundle', '/nonexistent'], 1, 'there is no /nonexistent; name the mesh'],
      [[at, '--expect', 'orders'], 2, '--expect: "orders" is no SPIFFE ID'],
      [[address(await unusedPort()), '--trust-bundle', other], 1, 'no TLS handshake: connection refused'],
    ];
    const results = await Promise.all(cases.map(([args]) => verify(...args)));
    for (const [index, { code, output }] of results.entries())
      expect([code, output]).toEqual([cases[index]![1], expect.stringContaining(cases[index]![2])]);
  });

  test('says that a port speaks no TLS', async () => {
    const plain = createTcpServer((socket) => socket.end('hello\r\n'));
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const at = address((plain.address() as AddressInfo).port);
    const { code, output } = await verify(at, '--trust-bundle', controlPlane.trustBundle);
    plain.close();
    expect([code, output]).toEqual([1, expect.stringContaining('it speaks no TLS')]);
  });
});
