/** The control plane's doors and their commands as users have them: real processes, the default data directory, and one clear line for what is wrong. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, describe, expect, test } from 'vitest';
import { call, eventually, StartedProcess, unusedPort } from './started-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-doors-'));
const environment = { XDG_STATE_HOME: folder };
const data = join(folder, 'outrigger');
const processes: StartedProcess[] = [];

afterAll(async () => {
  await Promise.all(processes.map((started) => started.stop()));
  rmSync(folder, { recursive: true, force: true });
});

interface Plane {
  readonly process: StartedProcess;
  readonly tlsPort: number;
  readonly admin: string;
}

async function startPlane(...flags: string[]): Promise<Plane> {
  const [tlsPort, adminPort] = [await unusedPort(), await unusedPort()];
  const started = new StartedProcess(
    [
      ...['control-plane', '--listen', '127.0.0.1:0', '--listen-tls', `127.0.0.1:${tlsPort}`],
      ...['--listen-admin', `127.0.0.1:${adminPort}`, ...flags],
    ],
    environment,
  );
  processes.push(started);
  await eventually('the control plane is ready', async () => (await call(adminPort, '/healthz/ready')).status === 200);
  return { process: started, tlsPort, admin: `127.0.0.1:${adminPort}` };
}

async function outrigger(...words: string[]): Promise<{ readonly code: number; readonly output: string }> {
  const started = new StartedProcess(words, environment);
  const code = await started.exited;
  expect(started.output).not.toMatch(/\n {4}at /);
  return { code, output: started.output };
}

/** The control plane's SPIFFE ID, by who trusts the bundle in the data directory. */
function shownIdentity(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      {
        port,
        host: '127.0.0.1',
        ca: readFileSync(join(data, 'trust-bundle.pem')),
        ALPNProtocols: ['h2'],
        checkServerIdentity: () => undefined,
      },
      () => {
        resolve(`${socket.getProtocol()} ${socket.getPeerCertificate().subjectaltname}`);
        socket.destroy();
      },
    );
    socket.on('error', reject);
  });
}

describe('a control plane with nothing said', () => {
  test('keeps its authority where XDG says, with rights for its owner, and shows its identity to who has its bundle', async () => {
    const { process: started, tlsPort, admin } = await startPlane();
    expect(await shownIdentity(tlsPort)).toBe('TLSv1.3 URI:spiffe://cluster.local/ns/outrigger/sa/control-plane');
    const mode = (name: string): string => (statSync(join(data, name)).mode & 0o777).toString(8);
    expect([mode('authority'), mode('local-token'), mode('trust-bundle.pem')]).toEqual(['700', '600', '644']);
    for (const file of readdirSync(join(data, 'authority'))) expect(mode(`authority/${file}`)).toBe('600');

    const made = await outrigger('identity', 'token', 'create', '--service', 'shop/orders', '--admin', admin);
    expect(made.output).toMatch(
      /^ojt_[0-9a-f]{16}_[\w-]{43}\nfor spiffe:\/\/cluster\.local\/ns\/shop\/sa\/orders, once/,
    );
    const to = join(data, 'for-another-machine');
    mkdirSync(to);
    const written = await outrigger(
      ...['identity', 'token', 'create', '--service', 'shop/web', '--admin', admin, '--to', to],
    );
    expect(written.output).toContain(`it is in ${to}/join-token`);
    expect(readFileSync(join(to, 'join-token'), 'utf8')).toMatch(/^ojt_[0-9a-f]{16}_[\w-]{43}\n$/);
    expect(statSync(join(to, 'join-token')).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(to, 'trust-bundle.pem'), 'utf8')).toBe(
      readFileSync(join(data, 'trust-bundle.pem'), 'utf8'),
    );
    const [web] = JSON.parse(
      (await outrigger('identity', 'token', 'list', '--admin', admin, '-o', 'json')).output,
    ).filter(({ identities }: { identities: string[] }) => identities.some((each) => each.endsWith('/web')));
    await outrigger('identity', 'token', 'revoke', web.id, '--admin', admin);
    rmSync(to, { recursive: true });
    const nowhere = ['identity', 'token', 'create', '--service', 'shop/web', '--admin', admin, '--to', '/nonesuch'];
    expect(await outrigger(...nowhere)).toMatchObject({
      code: 2,
      output: expect.stringContaining('no folder /nonesuch'),
    });

    const id = made.output.slice(4, 20);
    const list = await outrigger('identity', 'token', 'list', '--admin', admin, '-o', 'json');
    expect(JSON.parse(list.output)).toMatchObject([{ id, usesLeft: 1 }]);
    expect((await outrigger('identity', 'token', 'revoke', id, '--admin', admin)).code).toBe(0);
    expect(await outrigger('identity', 'token', 'revoke', id, '--admin', admin)).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^outrigger: there is no join token/),
    });

    const before = await outrigger('identity', 'authority', '--admin', admin);
    expect(before.output).toMatch(/^trust domain {3}cluster\.local\nnow {12}[0-9a-f]{16} signs\n/);
    const rotating = await outrigger('identity', 'rotate', '--admin', admin);
    expect(rotating).toMatchObject({ code: 0, output: expect.stringContaining('is being made known') });
    expect(await outrigger('identity', 'rotate', '--admin', admin)).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^outrigger: a rotation is under way/),
    });
    const other = join(folder, 'other');
    expect(await outrigger('identity', 'rotate', '--admin', admin, '--data-dir', other)).toMatchObject({
      code: 1,
      output: expect.stringContaining(`there is no ${join(other, 'local-token')}`),
    });

    expect(await outrigger('control-plane', '--listen', '127.0.0.1:0', '--listen-admin', '127.0.0.1:0')).toEqual({
      code: 1,
      output: `outrigger: cannot use the data directory ${data}: another control plane (pid ${started.child.pid}) uses it; give another with --data-dir\n`,
    });
    expect(await started.stop()).toBe(0);
    expect(readdirSync(data).toSorted()).toEqual(['authority', 'trust-bundle.pem']);
  });

  test('that was killed starts again on what it left', async () => {
    const first = await startPlane();
    const bundle = readFileSync(join(data, 'trust-bundle.pem'), 'utf8');
    await first.process.stop('SIGKILL');
    const second = await startPlane();
    expect(readFileSync(join(data, 'trust-bundle.pem'), 'utf8')).toBe(bundle);
    expect(await shownIdentity(second.tlsPort)).toContain('control-plane');
    await second.process.stop();
  });
});

describe.concurrent('what is wrong ends with one line and 1:', () => {
  const refused = async (words: readonly string[], message: RegExp): Promise<void> => {
    const flags = words.includes('--listen-tls') ? [] : ['--listen-tls', '127.0.0.1:0'];
    const { code, output } = await outrigger(
      ...['control-plane', '--listen', '127.0.0.1:0', '--listen-admin', '127.0.0.1:0', ...flags, ...words],
    );
    expect(output).toMatch(message);
    expect(output.match(/\n/g)).toHaveLength(1);
    expect(code).toBe(1);
  };

  test('a data directory that is none, or that others may write to', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await refused(['--data-dir', file], /^outrigger: cannot use the data directory .*give another with --data-dir/);
    const open = join(folder, 'open');
    mkdirSync(open);
    chmodSync(open, 0o777);
    await refused(['--data-dir', open], /others may write to it \(mode 777\); run: chmod go-w/);
  });

  test('an authority that is damaged, open to others, or of another trust domain', async () => {
    const broken = join(folder, 'broken');
    const start = async (): Promise<void> => {
      const plane = await startPlane('--data-dir', broken);
      await plane.process.stop();
    };
    await start();
    await refused(
      ['--data-dir', broken, '--trust-domain', 'other'],
      /belongs to the trust domain "cluster\.local", and this is other/,
    );
    chmodSync(join(broken, 'authority'), 0o755);
    await refused(['--data-dir', broken], /is open to other users \(mode 0755\)/);
    chmodSync(join(broken, 'authority'), 0o700);
    const [name] = readdirSync(join(broken, 'authority')).filter((file) => file.startsWith('authority-'));
    writeFileSync(join(broken, 'authority', name!), '{');
    await refused(['--data-dir', broken], /is damaged: it is no JSON object; restore it from a backup/);
  });

  test('an operator’s authority or a federated bundle that cannot be read', async () => {
    const none = join(folder, 'none.pem');
    const fresh = ['--data-dir', join(folder, 'fresh')];
    await refused(
      [...fresh, '--ca-certificate', none, '--ca-key', none],
      /^outrigger: cannot read the authority's files: .*none\.pem/,
    );
    await refused(
      [...fresh, '--federate', `other=${none}`],
      /^outrigger: --federate other=.*none\.pem: .*no such file/,
    );
  });

  test('a TLS port that is taken', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(holder.address() as AddressInfo).port}`;
    await refused(
      ['--data-dir', join(folder, 'taken'), '--listen-tls', address],
      new RegExp(
        `^outrigger: cannot listen on ${address}: the port is taken by pid ${process.pid} .*; choose another with --listen-tls`,
      ),
    );
    holder.close();
  });
});
