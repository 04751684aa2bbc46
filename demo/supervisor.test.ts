import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { Supervisor } from './supervisor.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-supervisor-'));
const supervisors: Supervisor[] = [];
let files = 0;

afterEach(async () => {
  for (const supervisor of supervisors.splice(0)) await supervisor.stop(null, 0);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Supervised {
  readonly supervisor: Supervisor;
  readonly ends: Array<readonly [string, string]>;
  readonly lines: string[];
}

function supervise(): Supervised {
  const ends: Array<readonly [string, string]> = [];
  const lines: string[] = [];
  const supervisor = new Supervisor(
    (name, reason) => ends.push([name, reason]),
    (name, stream, line) => lines.push(`${name} ${stream} ${line}`),
  );
  supervisors.push(supervisor);
  return { supervisor, ends, lines };
}

/** Starts a program that lives until it is told to end, and waits until it has run `code`. */
async function start(supervisor: Supervisor, name: string, code: string): Promise<ChildProcess> {
  const marker = join(folder, String(files++));
  const program = `${code}; setInterval(() => {}, 1e6); require('fs').writeFileSync(${JSON.stringify(marker)}, 'up')`;
  const child = supervisor.spawn(name, process.execPath, ['-e', program], { GIVEN: 'value' });
  await expect.poll(() => read(marker), { timeout: 10_000 }).toBe('up');
  return child;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

test('a process that ends by itself is told with its reason, one that cannot be started too', async () => {
  const { supervisor, ends } = supervise();
  supervisor.spawn('failing', process.execPath, ['-e', 'process.exit(process.env.GIVEN === "value" ? 3 : 4)'], {
    GIVEN: 'value',
  });
  const killed = await start(supervisor, 'killed', '');
  killed.kill('SIGKILL');
  supervisor.spawn('missing', join(folder, 'no-such-program'), []);
  await expect.poll(() => ends.length, { timeout: 10_000 }).toBe(3);
  expect(new Map(ends).get('failing')).toBe('exit code 3');
  expect(new Map(ends).get('killed')).toBe('SIGKILL');
  expect(new Map(ends).get('missing')).toContain('ENOENT');
  expect(supervisor.running).toEqual([]);
});

test('ends the others first and the last one when they are gone, and tells nobody', async () => {
  const { supervisor, ends } = supervise();
  const order = join(folder, 'order');
  const onTerm = (name: string): string =>
    `process.on('SIGTERM', () => { require('fs').appendFileSync(${JSON.stringify(order)}, '${name} '); process.exit(0) })`;
  const last = await start(supervisor, 'last', onTerm('last'));
  await start(supervisor, 'first', onTerm('first'));
  await supervisor.stop(last, 10_000);
  expect(read(order)).toBe('first last ');
  expect([supervisor.running, ends]).toEqual([[], []]);
});

test('kills a process that does not end in time', async () => {
  const { supervisor } = supervise();
  const stubborn = await start(supervisor, 'stubborn', "process.on('SIGTERM', () => {})");
  await supervisor.stop(null, 50);
  expect(stubborn.signalCode).toBe('SIGKILL');
});

test('a process that ended long ago does not keep the stop waiting', async () => {
  const { supervisor, ends } = supervise();
  const gone = await start(supervisor, 'gone', '');
  gone.kill('SIGKILL');
  await expect.poll(() => ends.length).toBe(1);
  await supervisor.stop(gone, 60_000);
});

test('what a process writes is heard by line, and it has a channel by whose end it knows of ours', async () => {
  const { supervisor, lines } = supervise();
  const child = await start(
    supervisor,
    'loud',
    "console.log('out'); console.error('a\\nb'); process.on('disconnect', () => { console.log('gone'); process.exit(0) })",
  );
  await expect.poll(() => lines.toSorted()).toEqual(['loud stderr a', 'loud stderr b', 'loud stdout out']);
  child.disconnect();
  await expect.poll(() => lines.at(-1)).toBe('loud stdout gone');
});
