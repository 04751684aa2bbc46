/** Runs one load generator to its end on the load core, and hands back what it printed. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StartedProgram } from '../../test/peers/started-program.ts';
import { onLoadCore } from './cores.ts';

/** Standard output and error together. Kills the tool after `limitMs`. */
export async function runTool(name: string, command: readonly string[], limitMs: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-load-'));
  const logFile = join(folder, 'output');
  const program = new StartedProgram(name, onLoadCore(command), { logFile });
  const timer = setTimeout(() => program.signal('SIGKILL'), limitMs);
  try {
    const how = await program.exited;
    if (how !== 'exit code 0') throw new Error(`${name}: ${how}: ${program.output.trim().slice(-500)}`);
    await program.logged;
    return readFileSync(logFile, 'latin1');
  } finally {
    clearTimeout(timer);
    rmSync(folder, { recursive: true, force: true });
  }
}
