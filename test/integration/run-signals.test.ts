/** What reaches the command of `outrigger run`, and that nothing is left behind, however `run` is told to end. Real processes. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, eventually, StartedProcess, unusedPort } from './started-process.ts';

const program = join(import.meta.dirname, '../../bin/outrigger');
const folder = mkdtempSync(join(tmpdir(), 'outrigger-run-signals-'));
const processes: StartedProcess[] = [];
/** What to end when a test fails midway: negative pids are groups. */
const strays: number[] = [];
let controlPlane = '';
let theControlPlane: StartedProcess;

function runArgs(name: string, port: number, flags: readonly string[], ...command: string[]): string[] {
  return [
    ...['run', '--no-identity', '--service', `shop/${name}`, '--port', String(port), '--control-plane', controlPlane],
    ...['--drain-time', '1', ...flags, '--', ...command],
  ];
}

function startRun(name: string, port: number, flags: readonly string[], ...command: string[]): StartedProcess {
  const started = new StartedProcess(runArgs(name, port, flags, ...command));
  processes.push(started);
  return started;
}

/** A shell that waits for a server, as many a start script does; only the server listens. */
function wrapped(port: number): string[] {
  const server = join(folder, `server-${port}.cjs`);
  writeFileSync(
    server,
    `require('http').createServer((q, s) => s.end('up')).listen(${port}, '127.0.0.1', () => console.log('up'))`,
  );
  return ['sh', '-c', `'${process.execPath}' '${server}'; echo after`];
}

/** Whether nobody listens there any more. */
const gone = (port: number): Promise<boolean> =>
  call(port, '/').then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
  );

beforeAll(async () => {
  const names = ['web', 'paused'];
  const file = join(folder, 'shop.yaml');
  writeFileSync(
    file,
    names
      .map(
        (name) =>
          `apiVersion: outrigger.dev/v1\nkind: Service\nmetadata: { name: ${name}, namespace: shop }\nspec: { ports: [{ name: http, port: 80, appProtocol: http }] }\n---\n`,
      )
      .join(''),
  );
  controlPlane = `127.0.0.1:${await unusedPort()}`;
  const adminPort = await unusedPort();
  theControlPlane = new StartedProcess([
    ...['control-plane', '--config', file, '--data-dir', join(folder, 'data')],
    ...['--listen', controlPlane, '--listen-admin', `127.0.0.1:${adminPort}`],
  ]);
  processes.push(theControlPlane);
  await eventually('the control plane is ready', async () => (await call(adminPort, '/healthz/ready')).status === 200);
});

afterAll(async () => {
  for (const pid of strays) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
  await Promise.all(processes.map((started) => started.stop()));
  rmSync(folder, { recursive: true, force: true });
});

test.concurrent('signals that do not end are handed on as they come, and none opens a debugger', async () => {
  const signals = ['SIGUSR1', 'SIGUSR2', 'SIGQUIT', 'SIGHUP', 'SIGALRM', 'SIGWINCH'] as const;
  const run = startRun(
    'web',
    await unusedPort(),
    [],
    process.execPath,
    '-e',
    `for (const s of ${JSON.stringify(signals)}) process.on(s, () => console.log('got ' + s)); console.log('up'); setInterval(() => {}, 1e6)`,
  );
  await eventually('the command runs', () => Promise.resolve(run.output.includes('up')));
  for (const signal of signals) {
    run.child.kill(signal);
    await eventually(signal, () => Promise.resolve(run.output.includes(`got ${signal}`)));
  }
  theControlPlane.child.kill('SIGUSR1');
  expect(await run.stop()).toBe(143);
  expect(run.output).not.toContain('Debugger');
  expect(theControlPlane.output).not.toContain('Debugger');
});

test.concurrent('SIGTERM for a shell that waits for a server ends the server too, and says so', async () => {
  const port = await unusedPort();
  const run = startRun('web', port, [], ...wrapped(port));
  await eventually('it listens', () => Promise.resolve(run.output.includes('up')));
  expect(await run.stop()).toBe(143);
  expect(await gone(port)).toBe(true);
  expect(run.output).toMatch(/outrigger: the command has ended and left pid \d+ \(.*\) behind: SIGTERM/);
});

test.concurrent('kill -9 of run ends the whole group of the command, also while its sidecar is away', async () => {
  const [port, inbound, admin] = [await unusedPort(), await unusedPort(), await unusedPort()];
  const run = startRun(
    'web',
    port,
    ['--inbound-listen', `127.0.0.1:${inbound}`, '--sidecar-admin', `127.0.0.1:${admin}`],
    ...wrapped(port),
  );
  await eventually('it listens', async () => (await call(inbound, '/')).body === 'up');
  await call(admin, '/quitquitquit', { method: 'POST' });
  await eventually('the sidecar is away', () => Promise.resolve(run.output.includes('starting it again')));
  run.child.kill('SIGKILL');
  await eventually('the server is gone', () => gone(port));
  // Its output ends when the last of them has closed it.
  await run.exited;
  expect(run.output).toContain('run is gone without a word: its command gets SIGTERM');
});

test.concurrent('a terminal that is closed leaves nothing behind', async ({ skip }) => {
  if (process.platform !== 'linux') skip('script(1) is another one there');
  const port = await unusedPort();
  const words = [program, ...runArgs('web', port, [], ...wrapped(port))];
  const line = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const terminal = spawn('script', ['-qfc', `echo $$ >'${folder}/pid'; exec ${line}`, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  let output = '';
  terminal.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await eventually('it listens', () => Promise.resolve(output.includes('up')));
  terminal.kill('SIGKILL');
  await eventually('the server is gone', () => gone(port));
  const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'));
  await eventually('run is gone', () => Promise.resolve(!isThere(pid)));
});

function isThere(pid: number): boolean {
  try {
    // One that has ended may wait for somebody to ask for it.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test.concurrent('Ctrl-Z takes the instance out until it goes on; where no shell could say so, nothing stops', async () => {
  const [stopped, going] = [await unusedPort(), await unusedPort()];
  const server = (port: number): string[] => [
    process.execPath,
    '-e',
    `require('http').createServer((q, s) => s.end(String(${port}))).listen(${port}, '127.0.0.1')`,
  ];
  // As by a shell with job control: the job has a group of its own, and its parent is in the same session.
  const words = [program, ...runArgs('paused', stopped, [], ...server(stopped))];
  const shell = spawn('bash', ['-c', 'set -m; "$@" & echo $!; exec sleep 1000', 'bash', ...words], {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  const job = await new Promise<number>((resolve) =>
    shell.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk.toString()))),
  );
  strays.push(-shell.pid!, job);
  // A group of its own whose parent is of another session, as in a container.
  const orphan = spawn(program, runArgs('paused', going, [], ...server(going)), { stdio: 'ignore', detached: true });
  strays.push(orphan.pid!);
  const callerPort = await unusedPort();
  const caller = startRun(
    'web',
    await unusedPort(),
    ['--upstream', `paused:80=${callerPort}`],
    process.execPath,
    '-e',
    'console.log("up"); setInterval(() => {}, 1e6)',
  );
  await eventually('the caller runs', () => Promise.resolve(caller.output.includes('up')));
  const seen = async (): Promise<string[]> => {
    const bodies = new Set<string>();
    for (let i = 0; i < 20; i++) bodies.add((await answerWithin(200, callerPort)) ?? 'none');
    return [...bodies].sort();
  };
  const both = [String(stopped), String(going)].sort();
  await eventually('both are called', async () => (await seen()).join() === both.join());
  process.kill(job, 'SIGTSTP');
  process.kill(orphan.pid!, 'SIGTSTP');
  await eventually('the stopped one is out', async () => (await seen()).join() === String(going));
  process.kill(job, 'SIGCONT');
  await eventually('both are called again', async () => (await seen()).join() === both.join());
  const ended = new Promise((resolve) => orphan.once('exit', resolve));
  orphan.kill('SIGTERM');
  await ended;
  process.kill(job, 'SIGTERM');
  await eventually('the job is gone', () => gone(stopped));
});

async function answerWithin(ms: number, port: number): Promise<string | null> {
  const waited = new Promise<null>((resolve) => setTimeout(() => resolve(null), ms));
  const answer = call(port, '/').then(
    ({ body }) => body,
    () => null,
  );
  return Promise.race([answer, waited]);
}
