/** A report of a control plane and a sidecar that say secrets on every page, over real sockets: what is in the archive, by the system's own tar, and what it says of what is not. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { TakenPart } from '../report/collect-parts.ts';
import { report } from './report.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-report-'));
const servers: Server[] = [];
const secrets = {
  password: 'planted',
  list: [{ key: 'authorization', value: 'Bearer planted' }],
  text: 'x-api-key: planted',
  key: '-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----',
};

async function admin(pages: (path: string) => string | null): Promise<string> {
  const server = createServer((request, response) => {
    const body = pages(request.url ?? '');
    // Null: it hangs in the middle.
    if (body === null) response.write('{"a":');
    else response.writeHead(body === '' ? 404 : 200, { server: 'outrigger' }).end(body);
  });
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

let printed = '';
let parts: readonly TakenPart[];
const file = join(folder, 'report.tar.gz');
const unpacked = join(folder, 'unpacked');

beforeAll(async () => {
  process.env['OUTRIGGER_ADMIN_TOKEN'] = 'planted';
  const said = JSON.stringify({ kept: 'plain', ...secrets });
  const controlPlane = await admin((path) =>
    path === '/metrics' ? 'm{token="planted"} 1\n' : path.includes('edges') ? null : path.includes('loads') ? '' : said,
  );
  const sidecar = await admin((path) => (path === '/stats/prometheus' ? 'up{a="Bearer planted123"} 1\n' : said));
  writeFileSync(join(folder, 'mesh.yaml'), `# planted\nkind: Service\npassword: planted\n---\nkind: [\n`);
  writeFileSync(join(folder, 'sidecar.log'), `${said}\nset-cookie: planted\nan ordinary line\n`);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((printed += String(text)), true));
  await report(
    {
      file,
      controlPlaneAdmin: controlPlane,
      controlPlane: '127.0.0.1:1',
      sidecarAdmin: [sidecar],
      config: [join(folder, 'mesh.yaml'), join(folder, 'missing.yaml')],
      log: [join(folder, 'sidecar.log'), join(folder, 'missing.log')],
      timeout: '1s',
      output: 'json',
    },
    () => 1_790_000_000_000,
    () => performance.now(),
  );
  vi.restoreAllMocks();
  parts = JSON.parse(printed) as readonly TakenPart[];
  mkdirSync(unpacked);
  execFileSync('tar', ['xzf', file, '-C', unpacked]);
}, 60_000);

afterAll(() => {
  delete process.env['OUTRIGGER_ADMIN_TOKEN'];
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(folder, { recursive: true, force: true });
});

const part = (name: string): TakenPart | undefined => parts.find((each) => each.name === name);
const inside = (name: string): string => readFileSync(join(unpacked, 'outrigger-report', name), 'utf8');

test('no secret is left in it, wherever it stood', () => {
  const all = execFileSync('cat', [
    ...execFileSync('find', [unpacked, '-type', 'f']).toString().trim().split('\n'),
  ]).toString();
  expect(all).toContain('[masked]');
  expect(all).toContain('an ordinary line');
  expect(all).toContain('"kept": "plain"');
  expect(all).not.toContain('planted');
  expect(printed).not.toContain('planted');
});

test('holds what control plane, sidecar, machine and check say, configuration and logs', () => {
  const taken = parts.filter(({ outcome }) => outcome === 'taken').map(({ name }) => name);
  for (const name of [
    'machine.json',
    'control-plane/proxies.json',
    'control-plane/metrics.txt',
    'check/installation.json',
  ])
    expect(taken).toContain(name);
  for (const page of ['config_dump.json', 'stats.json', 'certs.json', 'server_info.json', 'metrics.txt'])
    expect(
      taken.some((name) => name.startsWith('sidecar-') && name.endsWith(page)),
      page,
    ).toBe(true);
  expect(taken.some((name) => name.startsWith('configuration/001-'))).toBe(true);
  expect(taken.some((name) => name.startsWith('logs/1-'))).toBe(true);
  expect(JSON.parse(inside('machine.json'))).toMatchObject({ node: process.versions.node });
});

test('names what hangs, what is not there and what fails, and does not wait for it', () => {
  expect(part('control-plane/edges.json')).toMatchObject({ outcome: 'hung', bytes: 0 });
  expect(part('control-plane/loads.json')).toMatchObject({ outcome: 'missing', why: 'there is no such page' });
  expect(part('control-plane/status.json')).toMatchObject({ outcome: 'missing' });
  expect(parts.filter(({ why }) => why.includes('ENOENT') || why.includes('no such file'))).not.toHaveLength(0);
  expect(JSON.parse(inside('manifest.json'))).toMatchObject({ masked: true, parts });
});

test('is for its owner only, and never written over what is there', async () => {
  expect(statSync(file).mode & 0o777).toBe(0o600);
});
