/**
 * Whom the sidecars of `outrigger run --intercept` run as: each as a user (and group) of its own, so that none can read the proofs, the keys or the memory of another. Numbers that no machine gives to anybody, reserved by a file each: for
 * all network namespaces of the machine, which share users.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../user-error.ts';
import { isMarkedAlive, processMark } from './process-mark.ts';

/** Between those of systemd-homed (to 60513) and its dynamic users (from 61184; systemd, docs/UIDS-GIDS.md), and within the 65536 that a container has. */
const first = 60_514;
const count = 670;

export function isSidecarId(id: number): boolean {
  return id >= first && id < first + count;
}

/** `users`: those of processes. Throws a UserError when all are taken. */
export function takeSidecarId(root: string, users: () => ReadonlySet<number> = usersOfProcesses): number {
  const folder = join(root, 'sidecar-users');
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const known = knownIds();
  let running: ReadonlySet<number> | null = null;
  for (let id = first; id < first + count; id++) {
    if (known.has(id)) continue;
    const file = join(folder, String(id));
    // One that was killed may have left a sidecar behind, which finishes what it has in hand.
    const alive = isMarkedAlive(file);
    if (alive === true || (running ??= users()).has(id)) continue;
    if (alive === false) rmSync(file, { force: true });
    try {
      writeFileSync(file, processMark(process.pid), { flag: 'wx', mode: 0o644 });
    } catch (error) {
      // Another was faster.
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    }
    return id;
  }
  throw new UserError(`all ${count} users for sidecars of outrigger run are taken (${folder})`);
}

export function giveBackSidecarId(root: string, id: number): void {
  rmSync(join(root, 'sidecar-users', String(id)), { force: true });
}

/** Of this machine's own users and groups. */
function knownIds(): ReadonlySet<number> {
  const lines = ['/etc/passwd', '/etc/group'].flatMap((file) =>
    existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [],
  );
  return new Set(lines.map((line) => Number(line.split(':')[2])));
}

function usersOfProcesses(): ReadonlySet<number> {
  const users = new Set<number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      users.add(statSync(`/proc/${name}`).uid);
    } catch {
      // It has ended meanwhile.
    }
  }
  return users;
}
