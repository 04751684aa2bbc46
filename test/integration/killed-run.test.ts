/** `kill -9` of `outrigger run`: neither its command nor its sidecar stays behind. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { call, eventually, StartedProcess, unusedPort } from './started-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-killed-'));
const processes: StartedProcess[] = [];

afterAll(async () => {
  await Promise.all(processes.map((started) => started.stop()));
  rmSync(folder, { recursive: true, force: true });
});

test('the sidecar hears of it: the command gets SIGTERM, the sidecar drains and ends', async () => {
  const [port, adminPort] = [await unusedPort(), await unusedPort()];
  const controlPlane = new StartedProcess([
    'control-plane',
    ...['--data-dir', folder, '--listen', `127.0.0.1:${port}`, '--listen-admin', `127.0.0.1:${adminPort}`],
  ]);
  processes.push(controlPlane);
  await eventually('the control plane is ready', async () => (await call(adminPort, '/healthz/ready')).status === 200);
  const run = new StartedProcess([
    ...['run', '--no-identity', '--service', 'shop/web', '--port', String(await unusedPort())],
    ...['--control-plane', `127.0.0.1:${port}`, '--drain-time', '1', '--'],
    ...[
      process.execPath,
      '-e',
      "process.on('SIGTERM', () => { console.log('told'); process.exit(0) }); console.log('up'); setInterval(() => {}, 1e6)",
    ],
  ]);
  await eventually('the command runs', async () => run.output.includes('up'));
  run.child.kill('SIGKILL');
  // Its output ends when the last of the three has closed it.
  await run.exited;
  expect(run.output).toContain('told');
  expect(run.output).toContain('what started this sidecar is gone');
}, 20_000);
