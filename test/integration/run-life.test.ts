/** Commands and their sidecars from start to end: who crashes, who is told to stop, who waits, who was mistyped. Real processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, eventually, StartedProcess, unusedPort } from './started-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-run-life-'));
const file = join(folder, 'shop.yaml');
const processes: StartedProcess[] = [];
const apps: ChildProcess[] = [];
let controlPlane = '';

const service = (name: string): string => `
apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { ports: [{ name: http, port: 80, appProtocol: http }] }
---`;

function start(...args: string[]): StartedProcess {
  const started = new StartedProcess(args);
  processes.push(started);
  return started;
}

function startRun(name: string, port: number, flags: readonly string[], ...command: string[]): StartedProcess {
  return start(
    ...['run', '--no-identity', '--service', `shop/${name}`, '--port', String(port), '--control-plane', controlPlane],
    ...[...flags, '--', ...command],
  );
}

/** Answers with its pid; `/slow` after half a second. Ends at once by any signal. */
const server = (port: number): string[] => [
  process.execPath,
  '-e',
  `require('http').createServer((q, s) => setTimeout(() => s.end(String(process.pid)), q.url === '/slow' ? 500 : 0)).listen(${port}, '127.0.0.1')`,
];

function startApp(port: number): ChildProcess {
  const [command = '', ...args] = server(port);
  const app = spawn(command, args, { stdio: 'ignore' });
  apps.push(app);
  return app;
}

/** The address that a caller has for shop/`name`. */
async function startCaller(name: string): Promise<number> {
  const port = await unusedPort();
  const caller = startRun(
    'web',
    await unusedPort(),
    ['--upstream', `${name}:80=${port}`],
    process.execPath,
    '-e',
    'console.log("up"); setInterval(() => {}, 1e6)',
  );
  await eventually('the caller runs', () => Promise.resolve(caller.output.includes('up')));
  return port;
}

beforeAll(async () => {
  writeFileSync(file, ['web', 'orders', 'crash', 'stop', 'term', 'side'].map(service).join(''));
  controlPlane = `127.0.0.1:${await unusedPort()}`;
  const adminPort = await unusedPort();
  start(
    ...['control-plane', '--config', file, '--data-dir', join(folder, 'data')],
    ...['--listen', controlPlane, '--listen-admin', `127.0.0.1:${adminPort}`],
  );
  await eventually('the control plane is ready', async () => (await call(adminPort, '/healthz/ready')).status === 200);
});

afterAll(async () => {
  await Promise.all(processes.map((started) => started.stop()));
  for (const app of apps) app.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

test('an instance whose application crashed gets no calls from about its first refused connection on, until it listens again', async () => {
  const [dying, staying] = [await unusedPort(), await unusedPort()];
  const sidecars = [dying, staying].map((port) =>
    start(
      ...['sidecar', '--no-identity', '--service', 'shop/crash', '--app-port', String(port)],
      ...['--control-plane', controlPlane, '--outbound-listen', '127.0.0.1:0', '--inbound-listen', '127.0.0.1:0'],
      ...['--admin', '127.0.0.1:0', '--listen-metrics', 'off', '--drain-time', '0'],
    ),
  );
  const app = startApp(dying);
  startApp(staying);
  const caller = await startCaller('crash');
  const seen = async (count: number): Promise<Set<string>> => {
    const bodies = new Set<string>();
    for (let i = 0; i < count; i++) bodies.add((await call(caller, '/')).body);
    return bodies;
  };
  await eventually('both are called', async () => (await seen(20)).size === 2);
  app.kill('SIGKILL');
  let refusedMs = 0;
  await eventually('a call is refused', async () => (await call(caller, '/')).status === 503);
  refusedMs = performance.now();
  let lastMs = refusedMs;
  await eventually('none is any more', async () => {
    for (let i = 0; i < 20; i++) {
      if ((await call(caller, '/')).status === 200) continue;
      lastMs = performance.now();
      return false;
    }
    return true;
  });
  expect(lastMs - refusedMs).toBeLessThan(1_500);
  expect(sidecars[0]!.output).toContain(`the application does not listen on 127.0.0.1:${dying} any more`);
  startApp(dying);
  await eventually('it is called again', async () => (await seen(20)).size === 2);
});
