/** Commands and their sidecars from start to end: who crashes, who is told to stop, who waits, who was mistyped. Real processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, eventually, StartedProcess, unusedPort } from './started-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-run-life-'));
const file = join(folder, 'shop.yaml');
const processes: StartedProcess[] = [];
const apps: ChildProcess[] = [];
let controlPlane = '';
let nobody = '';
/** Says something after 10 s: it is started first and looked at last. */
let waiting: StartedProcess;

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

/** The pid of who answers a call, unless that is the sidecar itself. */
async function addAnswerer(pids: Set<string>, caller: number): Promise<void> {
  const { status, body } = await call(caller, '/');
  if (status === 200) pids.add(body);
}

beforeAll(async () => {
  nobody = `127.0.0.1:${await unusedPort()}`;
  waiting = start(
    ...['run', '--no-identity', '--service', 'shop/web', '--port', String(await unusedPort())],
    ...['--control-plane', nobody, '--', 'echo', 'started'],
  );
  writeFileSync(file, ['web', 'orders', 'crash', 'stop', 'term', 'side', 'gone'].map(service).join(''));
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
    for (let i = 0; i < count; i++) await addAnswerer(bodies, caller);
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

/** As a shell starts a job: in a group of its own, which gets the terminal's signals. */
function startJob(name: string, port: number, ...command: string[]): ChildProcess {
  const job = spawn(
    join(import.meta.dirname, '../../bin/outrigger'),
    [
      ...['run', '--no-identity', '--service', `shop/${name}`, '--port', String(port), '--control-plane', controlPlane],
      ...['--', ...command],
    ],
    { stdio: 'ignore', detached: true },
  );
  apps.push(job);
  return job;
}

test.each([
  ['SIGTERM', 'term', (pid: number) => process.kill(pid, 'SIGTERM')],
  ['SIGINT for its whole group, as by Ctrl-C', 'stop', (pid: number) => process.kill(-pid, 'SIGINT')],
])('%s loses no request of a command that ends at once by it', async (_signal, name, stop) => {
  const ports = [await unusedPort(), await unusedPort()];
  const jobs = ports.map((port) => startJob(name, port, ...server(port)));
  const caller = await startCaller(name);
  const seen = new Set<string>();
  await eventually('both are called', async () => {
    await addAnswerer(seen, caller);
    return seen.size === 2;
  });
  const answers: string[] = [];
  let ended = false;
  const callers = Array.from({ length: 8 }, async (_, i) => {
    while (!ended)
      answers.push(
        await call(caller, i < 2 ? '/slow' : '/').then(
          ({ status, body }) => (status === 200 ? 'fine' : `${status} ${body}`),
          (error: Error) => error.message,
        ),
      );
  });
  const code = new Promise((resolve) => jobs[0]!.once('exit', resolve));
  stop(jobs[0]!.pid!);
  expect(await code).toBe(name === 'term' ? 143 : 130);
  ended = true;
  await Promise.all(callers);
  expect(answers.length).toBeGreaterThan(20);
  expect(answers.filter((answer) => answer !== 'fine')).toEqual([]);
  process.kill(jobs[1]!.pid!, 'SIGTERM');
});

// The rest waits most of the time: side by side, what waits for longest first.

test.concurrent('a sidecar that cannot be started again ends the command, and run with 1', async () => {
  const [port, inbound, admin] = [await unusedPort(), await unusedPort(), await unusedPort()];
  const run = startRun(
    'gone',
    port,
    ['--inbound-listen', `127.0.0.1:${inbound}`, '--sidecar-admin', `127.0.0.1:${admin}`, '--drain-time', '0'],
    ...server(port),
  );
  await eventually('it answers', async () => (await call(inbound, '/')).status === 200);
  await call(admin, '/quitquitquit', { method: 'POST' });
  const holder = createServer();
  await eventually('somebody else has its port', async () => {
    holder.listen(admin, '127.0.0.1');
    await once(holder, 'listening');
    return true;
  });
  expect(await run.exited).toBe(1);
  expect(run.output).toContain('after 5 restarts: the command is stopped\n');
  holder.close();
});

test.concurrent('says every 10 s what it waits for while there is no control plane, and starts nothing', async () => {
  await eventually('it says so', () =>
    Promise.resolve(
      waiting.output.includes(
        `outrigger: waiting for the control plane at ${nobody} before starting the command (connection refused)\n`,
      ),
    ),
  );
  expect(await waiting.stop('SIGINT')).toBe(130);
  expect(waiting.output).not.toContain('started');
});

test.concurrent('a second signal reaches the command at once, whatever is in hand', async () => {
  const [port, inbound] = [await unusedPort(), await unusedPort()];
  const hanging = `require('http').createServer((q, s) => q.url === '/' && s.end('up')).listen(${port}, '127.0.0.1')`;
  const run = startRun(
    'orders',
    port,
    ['--inbound-listen', `127.0.0.1:${inbound}`, '--drain-time', '30'],
    process.execPath,
    '-e',
    hanging,
  );
  await eventually('it answers', async () => (await call(inbound, '/')).body === 'up');
  const hung = call(inbound, '/hang').catch(() => null);
  run.child.kill('SIGTERM');
  await eventually('it says what it waits for', () =>
    Promise.resolve(run.output.includes('requests are in hand; the command gets SIGTERM')),
  );
  const began = performance.now();
  expect(await run.stop()).toBe(143);
  expect(performance.now() - began).toBeLessThan(5_000);
  await hung;
});

test.concurrent('a sidecar that dies is started again on the same ports, and told of; the command goes on', async () => {
  const [port, inbound, admin] = [await unusedPort(), await unusedPort(), await unusedPort()];
  const run = startRun(
    'side',
    port,
    ['--inbound-listen', `127.0.0.1:${inbound}`, '--sidecar-admin', `127.0.0.1:${admin}`],
    ...server(port),
  );
  await eventually('it answers', async () => (await call(inbound, '/')).status === 200);
  const before = (await call(inbound, '/')).body;
  const caller = await startCaller('side');
  await eventually('it is called', async () => (await call(caller, '/')).body === before);
  await call(admin, '/quitquitquit', { method: 'POST' });
  await eventually('it is there again', () => Promise.resolve(run.output.includes('the sidecar is ready again')));
  expect(run.output).toContain(
    'outrigger: the sidecar ended (exit code 0) while the command runs; starting it again on the same ports in 0.25 s (1 of 5)',
  );
  expect((await call(inbound, '/')).body).toBe(before);
  await eventually('it is called again', async () => (await call(caller, '/')).body === before);
  expect(await run.stop()).toBe(143);
});

test.concurrent('a port that another program has is refused before anything is started', async () => {
  const holder = createServer();
  holder.listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const run = startRun('web', port, [], 'echo', 'started');
  expect(await run.exited).toBe(1);
  expect(run.output).toMatch(
    new RegExp(
      `^outrigger: --port ${port}: the port is taken by pid ${process.pid} \\(.*\\), so the command could not listen there\n$`,
    ),
  );
  holder.close();
});

test.concurrent('a control plane is found by its name; one without an address yet is waited for; what is no name, and a listener by name, are refused by their flags', async () => {
  const [, port] = controlPlane.split(':');
  const run = startRun(
    'web',
    await unusedPort(),
    ['--control-plane', `localhost:${port}`],
    ...[process.execPath, '-e', 'console.log("up")'],
  );
  expect(await run.exited).toBe(0);
  expect(run.output).toBe('up\n');
  const later = startRun('web', await unusedPort(), ['--control-plane', 'no.such.invalid:1'], 'echo', 'up');
  await eventually('it is told', () =>
    Promise.resolve(/no\.such\.invalid.* \(\w+\); it is looked up again with each attempt/.test(later.output)),
  );
  expect(await later.stop()).toBe(143);
  expect(later.output).not.toMatch(/^up$/m);
  const wrong = startRun('web', await unusedPort(), ['--control-plane', 'no..such:1'], 'echo');
  expect(await wrong.exited).toBe(1);
  expect(wrong.output).toMatch(
    /^outrigger: --control-plane: "no\.\.such" is neither an IP address nor a name; give .*\n$/,
  );
  const named = startRun('web', await unusedPort(), ['--sidecar-admin', 'localhost:0'], 'echo');
  expect(await named.exited).toBe(2);
  expect(named.output).toMatch(/^outrigger: --sidecar-admin: "localhost" is not an IP address; .*\n$/);
});

test.concurrent('a mistyped service is told to who typed it, once, beside the command that runs', async () => {
  const [port, inbound] = [await unusedPort(), await unusedPort()];
  const run = startRun('ordes', port, ['--inbound-listen', `127.0.0.1:${inbound}`], ...server(port));
  const text = 'shop/ordes: there is no service shop/ordes; did you mean shop/orders? Nobody is sent to this instance';
  await eventually('it is told', () => Promise.resolve(run.output.includes(text)));
  expect(run.output.split(text)).toHaveLength(2);
  expect(await run.stop()).toBe(143);
});
