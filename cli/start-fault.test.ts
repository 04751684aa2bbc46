import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { startFault } from './start-fault.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-start-fault-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, 'plain'), 'true\n', { mode: 0o644 });
writeFileSync(join(folder, 'script'), '#!/nonexistent/sh\n', { mode: 0o755 });

test.each([
  ['outrigger-no-such-command', 'there is no such command'],
  ['/nonexistent/command', 'there is no such command'],
  [folder, 'it is a folder; a program is expected'],
  [join(folder, 'plain'), 'it may not be run by this user; is it executable (chmod +x)?'],
  [join(folder, 'script'), 'the interpreter that its first line names (#!) is not there'],
])('%s: %s', async (command, why) => {
  const error = await new Promise<NodeJS.ErrnoException>((resolve) => spawn(command, []).once('error', resolve));
  expect(startFault(command, error)).toBe(why);
});
