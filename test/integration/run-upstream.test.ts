/** `outrigger run --upstream`: a command that reaches services by an address of their own, and what is said when it cannot. Real processes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import http2 from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, eventually, StartedProcess, unusedPort } from './started-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-upstream-'));
const file = join(folder, 'shop.yaml');
const processes: StartedProcess[] = [];
const apps: Server[] = [];
let controlPlanePort = 0;

const service = (name: string, port: number, backend: number): string =>
  `
apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { ports: [{ name: http, port: 80, appProtocol: http }], endpoints: [{ address: 127.0.0.1, port: ${backend} }] }
---`.replace('port: 80', `port: ${port}`);

const route = (path: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: orders, namespace: shop }
spec:
  parentRefs: [{ kind: Service, group: "", name: orders }]
  rules:
    - matches: [{ path: { type: PathPrefix, value: ${path} } }]
      filters: [{ type: ResponseHeaderModifier, responseHeaderModifier: { set: [{ name: x-route, value: orders }] } }]
      backendRefs: [{ name: orders, port: 80 }]
`;

async function startApp(name: string): Promise<number> {
  const app = createServer((incoming, response) => response.end(`${name} ${incoming.headers.host}`));
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  apps.push(app);
  return (app.address() as AddressInfo).port;
}

/** A command that prints its environment's upstreams and stays until it is told to end. */
const command = [
  process.execPath,
  '-e',
  'console.log("upstreams", JSON.stringify(Object.fromEntries(Object.entries(process.env).filter(([name]) => /_SHOP_(ADDRESS|URL)$/.test(name))))); setInterval(() => {}, 1e6)',
];

/** What stands in the environment for sidecars that are started otherwise. */
const elsewhere = { OUTRIGGER_BOOTSTRAP: '/nonexistent', OUTRIGGER_NO_REGISTER: '1', OUTRIGGER_CONCURRENCY: '9' };

async function startRun(...flags: string[]): Promise<StartedProcess> {
  const started = new StartedProcess(
    [
      'run',
      '--no-identity',
      ...['--service', 'shop/web', '--port', String(await unusedPort()), '--drain-time', '0'],
      ...['--control-plane', `127.0.0.1:${controlPlanePort}`, ...flags],
      '--',
      ...command,
    ],
    elsewhere,
  );
  processes.push(started);
  return started;
}

async function upstreamsOf(started: StartedProcess): Promise<Record<string, string>> {
  // Beside it stand lines of JSON that the sidecar writes.
  const line = /^upstreams (\{.*\})$/m;
  await eventually('the command runs', () => Promise.resolve(line.test(started.output)));
  return JSON.parse(line.exec(started.output)![1]!) as Record<string, string>;
}

const portOf = (address: string | undefined): number => Number(address!.split(':').at(-1));

let configuration = '';

beforeAll(async () => {
  const [orders, payments, adminPort] = [await startApp('orders'), await startApp('payments'), await unusedPort()];
  const late = service('late', 80, 1).replace(/, endpoints: .*(?= })/, '');
  configuration = `${service('orders', 80, orders)}${service('payments', 8080, payments)}${late}`;
  writeFileSync(file, configuration + route('/'));
  controlPlanePort = await unusedPort();
  const controlPlane = new StartedProcess([
    'control-plane',
    ...['--config', file, '--data-dir', join(folder, 'data')],
    ...['--listen', `127.0.0.1:${controlPlanePort}`, '--listen-admin', `127.0.0.1:${adminPort}`],
  ]);
  processes.push(controlPlane);
  await eventually('the control plane is ready', async () => (await call(adminPort, '/healthz/ready')).status === 200);
});

afterAll(async () => {
  await Promise.all(processes.map((started) => started.stop()));
  for (const app of apps) app.close();
  rmSync(folder, { recursive: true, force: true });
});

test('each upstream has an address, whatever the Host, with the routes of its service; a saved file changes them in place', async () => {
  const given = await unusedPort();
  const run = await startRun('--upstream', 'orders:80', '--upstream', `shop/payments:8080=${given}`);
  const environment = await upstreamsOf(run);
  const orders = environment['ORDERS_SHOP_ADDRESS']!;
  expect(environment).toEqual({
    ORDERS_SHOP_ADDRESS: orders,
    ORDERS_SHOP_URL: `http://${orders}`,
    PAYMENTS_SHOP_ADDRESS: `127.0.0.1:${given}`,
    PAYMENTS_SHOP_URL: `http://127.0.0.1:${given}`,
  });
  const answer = await call(portOf(orders), '/');
  expect(answer.body).toBe(`orders ${orders}`);
  expect(answer.headers['x-route']).toBe('orders');
  expect((await call(given, '/', { headers: { host: 'anything' } })).body).toBe('payments anything');
  // As a gRPC client connects: HTTP/2 without an upgrade.
  const session = http2.connect(`http://127.0.0.1:${given}`);
  const stream = session.request({ ':path': '/' });
  const status = await new Promise((resolve) => stream.once('response', (head) => resolve(head[':status'])));
  session.destroy();
  expect(status).toBe(200);

  writeFileSync(file, configuration + route('/only'));
  await eventually('the new route is there', async () => (await call(portOf(orders), '/')).status === 404);
  expect((await call(portOf(orders), '/only')).status).toBe(200);

  // The service is gone and comes back: the address stays, as the command has it.
  writeFileSync(file, configuration.replace('name: payments', 'name: paymants') + route('/'));
  await eventually('it says why', async () =>
    (await call(given, '/')).body.includes('there is no service shop/payments; did you mean shop/paymants?'),
  );
  expect((await call(given, '/')).status).toBe(503);
  writeFileSync(file, configuration + route('/'));
  await eventually('it answers again', async () => (await call(given, '/')).status === 200);
  expect((await call(portOf(orders), '/')).status).toBe(200);
  expect(await run.stop()).toBe(143);
});

test.each([
  ['orders:http', 2, 'outrigger: --upstream orders:http: port: "http" is not a whole number from 1 to 65535'],
  [
    'orders:80=9,payments:8080=9',
    2,
    'outrigger: --upstream payments:8080=9: local port 9 is already that of --upstream shop/orders:80',
  ],
  [
    'shop/ordes:80',
    1,
    'outrigger: --upstream shop/ordes:80: there is no service shop/ordes; did you mean shop/orders? (outrigger get services lists them)',
  ],
  [
    'payments:80',
    1,
    'outrigger: --upstream shop/payments:80: service shop/payments has no port 80; it has 8080 (outrigger get services lists them)',
  ],
])('%s ends with one clear line, and the command is not started', async (upstream, code, line) => {
  const run = await startRun('--upstream', upstream);
  expect(await run.exited).toBe(code);
  expect(run.output).toBe(`${line}\n`);
});

test('an instance is registered when its application listens, not before: no call meets a port where nobody is', async () => {
  const port = await unusedPort();
  const program = `process.on('SIGHUP', () => require('http').createServer((q, s) => s.end('late')).listen(${port}, '127.0.0.1')); console.log('upstreams {}'); setInterval(() => {}, 1e6)`;
  const run = new StartedProcess([
    'run',
    '--no-identity',
    ...['--service', 'shop/late', '--port', String(port)],
    ...['--control-plane', `127.0.0.1:${controlPlanePort}`, '--', process.execPath, '-e', program],
  ]);
  processes.push(run);
  const caller = await startRun('--upstream', 'late:80');
  const late = portOf((await upstreamsOf(caller))['LATE_SHOP_ADDRESS']);
  await upstreamsOf(run);
  // The sidecar was ready before its command: nobody registered meanwhile.
  // UH: the Service is known, and has no instance; NC: the caller's sidecar does not know it yet.
  const flags: string[] = [];
  await eventually('nobody is there', async () => {
    const { body } = await call(late, '/', { headers: { accept: 'application/json' } });
    flags.push((JSON.parse(body) as { flag: string }).flag);
    return ['UH', 'NC'].includes(flags.at(-1)!);
  });
  expect(flags).not.toContain('UF');
  run.child.kill('SIGHUP');
  await eventually('it is called', async () => (await call(late, '/')).body === 'late');
  expect(`${caller.output}${run.output}`).not.toContain('"UF"');
});

test('a command that has ended is not kept waiting for idle connections of its callers', async () => {
  const [port, inbound] = [await unusedPort(), await unusedPort()];
  const program = `require('http').createServer((q, s) => s.end('here')).listen(${port}, '127.0.0.1')`;
  const run = new StartedProcess([
    'run',
    '--no-identity',
    ...['--service', 'shop/late', '--port', String(port), '--inbound-listen', `127.0.0.1:${inbound}`],
    ...['--control-plane', `127.0.0.1:${controlPlanePort}`, '--', process.execPath, '-e', program],
  ]);
  processes.push(run);
  await eventually('it answers', async () => (await call(inbound, '/')).body === 'here');
  const browser = connect(inbound, '127.0.0.1');
  browser.on('error', () => {});
  browser.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await new Promise((resolve) => browser.once('data', resolve));
  const began = performance.now();
  expect(await run.stop()).toBe(143);
  expect(performance.now() - began).toBeLessThan(3_000);
});

test('several runs live on one machine without being told ports', async () => {
  const runs = [await startRun('--upstream', 'orders:80'), await startRun('--upstream', 'orders:80')];
  const addresses = await Promise.all(runs.map(async (run) => (await upstreamsOf(run))['ORDERS_SHOP_ADDRESS']));
  expect(new Set(addresses).size).toBe(2);
  for (const run of runs) expect(await run.stop()).toBe(143);
});

test('an outbound port that another program has ends with one clear line: the command would call nowhere', async () => {
  const { port } = apps[0]!.address() as AddressInfo;
  const started = await startRun('--outbound-listen', `127.0.0.1:${port}`);
  expect(await started.exited).toBe(1);
  expect(started.output).toContain(
    `outrigger: cannot listen on 127.0.0.1:${port}: the port is taken by pid ${process.pid}`,
  );
  expect(started.output).not.toMatch(/^upstreams /m);
});

test('a local port that another program has ends with one clear line', async () => {
  const taken = (apps[0]!.address() as AddressInfo).port;
  const run = await startRun('--upstream', `orders:80=${taken}`);
  expect(await run.exited).toBe(1);
  expect(run.output).toMatch(
    new RegExp(
      `^outrigger: cannot listen on 127.0.0.1:${taken} for --upstream shop/orders:80: the port is taken by pid ${process.pid} \\(.*\\); choose another, or none to take a free one\n$`,
    ),
  );
});
