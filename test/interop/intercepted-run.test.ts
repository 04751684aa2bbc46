/** `outrigger run --intercept`: real commands, each in a network of its own on one machine, that call each other by name and know nothing of the mesh. The machine is a namespace of the test's. */
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HostProgram, OwnHost } from './own-host.ts';

/** Says who asks and who it is; `/call?…` calls another; `/slow` when it is told to end; ends by itself with 7 when told to. */
const app = `
const http = require('node:http');
let slow = null;
http.createServer(async (request, response) => {
  if (request.url === '/slow') { console.log('slow begins'); slow = response; return; }
  const target = /^\\/call\\?(.*)/.exec(request.url)?.[1];
  if (target !== undefined) {
    try {
      const answer = await fetch(target);
      response.end(answer.status + ' ' + await answer.text());
    } catch (error) { response.end(String(error.cause ?? error)); }
    return;
  }
  response.end(JSON.stringify({
    uid: process.getuid(), home: process.env.HOME, proxy: process.env.HTTP_PROXY ?? null,
    caller: /URI=([^;,]*)/.exec(request.headers['x-forwarded-client-cert'] ?? '')?.[1] ?? null,
  }));
}).listen(process.env.PORT, '127.0.0.1', () => console.log('application up'));
process.on('SIGUSR2', () => slow.end('finished'));
process.on('SIGTERM', () => { console.log('application told to end'); process.exit(7); });
`;

const configuration = ['orders', 'web', 'plain']
  .map(
    (name, i) => `
apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { ports: [{ name: http, port: 80, targetPort: ${8080 + i}, appProtocol: http }] }
---`,
  )
  .join('');
/** The host itself has no identity. */
const open = `
apiVersion: outrigger.dev/v1
kind: PeerAuthentication
metadata: { name: web, namespace: shop }
spec: { targetRefs: [{ kind: Service, name: web }], mtls: { mode: PERMISSIVE } }
`;

let host: OwnHost;
let web: HostProgram;
let orders: HostProgram;
let outside: HostProgram;

function startApp(name: string, port: number, ...flags: string[]): HostProgram {
  return host.outrigger(
    ...['run', '--intercept', '--service', `shop/${name}`, '--port', String(port), ...flags],
    ...['--', process.execPath, '-e', app],
  );
}

function curl(address: string): string {
  return host.run('curl', '-sS', '--max-time', '10', '--noproxy', '*', address);
}

/** Of the command's own network. */
function addressOf(interfaceName: string): string {
  const [, a, b] = /inet (198\.19\.\d+)\.(\d+)\/30/.exec(host.run('ip', '-4', 'address', 'show', interfaceName))!;
  return `${a}.${Number(b) + 1}`;
}

async function eventually(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`it did not happen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const webUrl = (): string => `http://${addressOf('outrigger-r0')}:8081`;
const throughWeb = (target: string): string => curl(`${webUrl()}/call?${target}`);
const tables = (): string => host.run('nft', 'list', 'tables');
/** Folders of networks under /run/outrigger. */
function slots(): string[] {
  return existsSync(slotFolder()) ? readdirSync(slotFolder()) : [];
}

function slotFolder(): string {
  return `/run/outrigger/run-${/\d+/.exec(host.run('readlink', '/proc/self/ns/net'))![0]}`;
}

beforeAll(async () => {
  host = new OwnHost();
  await host.startNameServer();
  const file = join(host.folder, 'shop.yaml');
  writeFileSync(file, configuration + open);
  outside = host.start(
    process.execPath,
    '-e',
    `require('node:http').createServer((q, s) => s.end('outside sees ' + q.socket.remoteAddress)).listen(9999, '0.0.0.0', () => console.log('serving'))`,
  );
  await outside.said('serving');
  await host.outrigger('control-plane', '--config', file).said('serving xDS');
  web = startApp('web', 8081);
  await web.said('application up');
  orders = startApp('orders', 8080, '--user', 'nobody');
  await orders.said('application up');
  await eventually('both are called', () => {
    try {
      return throughWeb('http://orders').startsWith('200');
    } catch {
      return false;
    }
  });
}, 90_000);

afterAll(() => host.remove());

describe('a command in a network of its own', () => {
  it.each(['orders', 'orders.shop', 'orders.shop.svc.cluster.local'])(
    'calls %s by its name alone, and is known by its identity',
    (name) => {
      const answer = throughWeb(`http://${name}`);
      expect(JSON.parse(answer.slice(4))).toEqual({
        uid: 65_534,
        home: '/nonexistent',
        proxy: null,
        caller: 'spiffe://cluster.local/ns/shop/sa/web',
      });
    },
  );

  it('is called from the host, at its own port; plaintext where that is allowed only', () => {
    expect(JSON.parse(curl(webUrl()))).toMatchObject({ uid: 0, caller: null });
    expect(curl(`http://${addressOf('outrigger-r1')}:8080`)).toContain('mTLS STRICT');
  });

  it('calls what is no service: by address, and by a name that only the name server on the host’s loopback knows', () => {
    expect(throughWeb('http://198.19.0.1:9999')).toMatch(/^200 outside sees 198\.19\.0\.2$/);
    expect(throughWeb('http://outside.example:9999')).toMatch(/^200 outside sees/);
    expect(throughWeb('http://nowhere.example')).toContain('ENOTFOUND');
  });

  it('finds the host at one address, whatever its own network’s number is; the end of another run’s cable refuses at once', () => {
    expect(throughWeb('http://198.19.255.254:9999')).toMatch(/^200 outside sees 198\.19\.0\.2$/);
    expect(throughWeb('http://orders/call?http://198.19.255.254:9999')).toMatch(/^200 200 outside sees 198\.19\.0\.6$/);
    const before = performance.now();
    expect(throughWeb('http://198.19.0.5:9999')).toContain('connection refused');
    expect(performance.now() - before).toBeLessThan(5_000);
  });

  it('calls what a plain outrigger run has registered on the host’s loopback, also at a port that is its own sidecar’s here; and nothing else there', async () => {
    const plain = host.outrigger(
      ...['run', '--service', 'shop/plain', '--port', '8082', '--inbound-listen', '127.0.0.1:15006'],
      ...['--', process.execPath, '-e', app],
    );
    await plain.said('application up');
    await eventually('it is called', () => throughWeb('http://plain').startsWith('200'));
    expect(JSON.parse(throughWeb('http://plain').slice(4))).toMatchObject({
      caller: 'spiffe://cluster.local/ns/shop/sa/web',
    });
    // Sockets for that one, and none for the sidecar's own service or other programs.
    expect(readdirSync(join(slotFolder(), '0/loopback'))).toEqual(['127.0.0.1:15006']);
    expect(readdirSync(join(slotFolder(), '0'))).not.toContain('plain.sock');
    plain.child.kill('SIGTERM');
    expect(await plain.ended).toBe(7);
    await eventually('its socket is gone', () => readdirSync(join(slotFolder(), '0/loopback')).length === 0);
  });

  it('finds names by the C library, by UDP and TCP', () => {
    const names = host.outrigger(
      ...['run', '--intercept', '--no-identity', '--service', 'shop/web', '--port', '9000', '--'],
      ...[
        'sh',
        '-c',
        'getent ahostsv4 orders; RES_OPTIONS=use-vc getent ahostsv4 orders.shop; RES_OPTIONS=use-vc getent ahosts outside.example || echo no TCP there; getent ahosts outside.example; getent hosts nowhere.example || echo none; id -u; ip -br link',
      ],
    );
    return names.ended.then((code) => {
      expect(code).toBe(0);
      expect(names.output).toMatch(/^240\.240\.\d+\.\d+ +STREAM orders/m);
      expect(names.output).toMatch(/^240\.240\.\d+\.\d+ +STREAM orders\.shop/m);
      expect(names.output).toMatch(/^198\.19\.0\.1 +STREAM outside\.example/m);
      expect(names.output).toContain('none\n0\n');
      // No interface of the host's is there.
      expect(names.output).not.toContain('outrigger-r');
    });
  });

  it('has a sidecar that holds a proof of its own identity and no other, as a user of its own, to whom those of others are closed', async () => {
    const [ofWeb, ofOrders] = [0, 1].map((number) => join(slotFolder(), String(number), 'identity'));
    const token = join(ofWeb!, 'data/local-token');
    const state = join(host.folder, 'state/outrigger');
    expect(readFileSync(token, 'utf8')).not.toContain(
      readFileSync(join(state, 'local-token'), 'utf8').trim().slice(-43),
    );
    const [webUser, ordersUser] = [statSync(ofWeb!).uid, statSync(ofOrders!).uid];
    expect(webUser).not.toBe(ordersUser);
    const as = (user: number): string[] => ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups'];
    expect(() => host.run(...as(ordersUser), 'cat', token)).toThrow('Permission denied');
    expect(host.run(...as(webUser), 'cat', token)).toContain('ojt_');
    const other = host.outrigger(
      ...['sidecar', '--service', 'shop/orders', '--app-port', '1', '--join-token-file', token],
      ...['--trust-bundle', join(state, 'trust-bundle.pem'), '--admin', '127.0.0.1:0', '--listen-metrics', 'off'],
    );
    expect(await other.ended).toBe(1);
    expect(other.output).toContain('made narrow for spiffe://cluster.local/ns/shop/sa/web');
  });

  it('hands on the exit code, and says what could not be started', async () => {
    const run = (...command: string[]): HostProgram =>
      host.outrigger(
        'run',
        '--intercept',
        '--service',
        'shop/web',
        '--port',
        '9000',
        '--user',
        'nobody',
        '--',
        ...command,
      );
    expect(await run('sh', '-c', 'exit 9').ended).toBe(9);
    const missing = run('/no/such/program');
    expect(await missing.ended).toBe(127);
    expect(missing.output).toContain('/no/such/program');
  });

  it('goes on when its sidecar dies, which is started again in the same network', async () => {
    const sidecar = (): string =>
      host.run('sh', '-c', 'pgrep -f -- --service=shop/[w]eb.*--app-port=8081').split('\n')[0]!;
    const before = sidecar();
    process.kill(Number(before), 'SIGKILL');
    await web.said('the sidecar is ready again');
    expect(sidecar()).not.toBe(before);
    await eventually('it calls and is called again', () => {
      try {
        return throughWeb('http://orders').startsWith('200');
      } catch {
        return false;
      }
    });
  });

  it('loses no request when it is told to end: callers hear first, then the command, then the sidecar; nothing stays', async () => {
    const caller = host.start('curl', '-sS', '--max-time', '30', `${webUrl()}/call?http://orders/slow`);
    await orders.said('slow begins');
    const [pid] = host.run('pgrep', '-f', 'run --intercept --service shop/orders .*--user nobody').split('\n');
    process.kill(Number(pid), 'SIGTERM');
    await orders.said('requests are in hand');
    expect(orders.output).not.toContain('application told to end');
    const application = host
      .run('pgrep', '-u', 'nobody', '-f', 'application up')
      .split('\n')
      .find((each) => each !== '' && readlinkSync(`/proc/${each}/ns/net`) !== readlinkSync(`/proc/${pid}/ns/net`));
    process.kill(Number(application), 'SIGUSR2');
    await caller.ended;
    expect(caller.output).toBe('200 finished');
    await orders.said('application told to end');
    expect(await orders.ended).toBe(7);
    expect(tables()).not.toContain('outrigger_run_1');
    expect(slots()).not.toContain('1');
    expect(host.run('ip', '-br', 'link')).not.toContain('outrigger-r1');
  });

  it('leaves to the next one what a kill -9 left behind; forwarding is off again when the last has gone', async () => {
    const [pid] = host.run('pgrep', '-f', 'run --intercept --service shop/web --port 8081').split('\n');
    process.kill(Number(pid), 'SIGKILL');
    await web.ended;
    await eventually(
      'its network is gone with its processes',
      () => !host.run('ip', '-br', 'link').includes('outrigger-r0'),
    );
    expect(tables()).toContain('outrigger_run_0');
    const next = host.outrigger('run', '--intercept', '--service', 'shop/web', '--port', '8081', '--', 'true');
    expect(await next.ended).toBe(0);
    expect(next.output).toContain('an earlier outrigger run was killed: its network (outrigger-r0');
    expect(tables()).toBe('');
    expect(slots()).toEqual([]);
    expect(host.run('cat', '/proc/sys/net/ipv4/ip_forward')).toBe('0\n');
  });
});

describe('outrigger run --intercept', () => {
  it.each([
    [
      'another user than root',
      ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'],
      [],
      'needs root with CAP_NET_ADMIN',
      1,
    ],
    [
      'root without the capability',
      ['setpriv', '--bounding-set=-net_admin', '--'],
      [],
      'needs root with CAP_NET_ADMIN',
      1,
    ],
    ['the sidecar’s user', [], ['--user', '60514'], '60514 is one of those that sidecars run as', 2],
    ['an unknown user', [], ['--user', 'nobody-here'], 'this machine has no user "nobody-here"', 2],
    ['a flag of the other form', [], ['--upstream', 'orders:80'], '--upstream says nothing with --intercept', 2],
    ['a data directory that is not there', [], ['--data-dir', '/nonesuch'], '--data-dir: there is no /nonesuch;', 2],
    ['a port of the sidecar’s', [], ['--port', '15020'], '--port 15020: with --intercept the sidecar listens there', 2],
    ['bad ports', [], ['--exclude-outbound-ports', 'x'], 'exclude-outbound-ports', 1],
  ])('refuses %s in one line, and leaves nothing behind', async (_, before, flags, why, code) => {
    const run = host.start(
      ...before,
      join(import.meta.dirname, '../../bin/outrigger'),
      ...['run', '--intercept', '--service', 'shop/web', '--port', '8081', ...flags, '--', 'true'],
    );
    expect([await run.ended, run.output.trim().split('\n').length]).toEqual([code, 1]);
    expect(run.output).toContain(why);
    expect([tables(), slots()]).toEqual(['', []]);
  });
});
