/** The demo's folder in the system's temporary one, with its process id in the name: those of demos that were killed are removed by the next. */
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function makeDataFolder(parent: string = tmpdir()): string {
  removeDead(parent);
  return mkdtempSync(join(parent, `outrigger-demo-${process.pid}-`));
}

function removeDead(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = Number(/^outrigger-demo-(\d+)-\w+$/.exec(name)?.[1] ?? 0);
    if (pid === 0 || isAlive(pid)) continue;
    const path = join(parent, name);
    try {
      const stats = lstatSync(path);
      if (stats.isDirectory() && stats.uid === (process.getuid?.() ?? stats.uid))
        rmSync(path, { recursive: true, force: true });
    } catch {
      // Another demo removes it too, or it cannot be removed: it does no harm.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
