/** On real processes, with names and ends of every kind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { sessionProcesses } from './session-processes.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-session-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function startShell(script: string): ChildProcess {
  return spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
}

test('what a session leader left behind is found by its session and its group, whatever its name', async () => {
  const odd = join(folder, 'a) Z 1');
  copyFileSync(realpathSync('/bin/sleep'), odd);
  const shell = startShell(`'${odd}' 60 & echo $!`);
  const [text] = (await once(shell.stdout!, 'data')) as [Buffer];
  if (shell.exitCode === null) await once(shell, 'exit');
  // Forked, it is a shell until it has its program.
  await expect.poll(() => sessionProcesses(shell.pid!)).toEqual([{ pid: Number(text.toString()), command: 'a) Z 1' }]);
  process.kill(-shell.pid!, 'SIGKILL');
  await expect.poll(() => sessionProcesses(shell.pid!)).toEqual([]);
});

test('a child that has ended and was not asked for is not there', async () => {
  const shell = startShell('sleep 0 & echo up; exec sleep 60');
  await once(shell.stdout!, 'data');
  await expect.poll(() => sessionProcesses(shell.pid!).map(({ command }) => command)).toEqual(['sleep']);
  shell.kill('SIGKILL');
});
