/** Who is in a session or process group, as far as this process may see; none that has ended and only waits to be asked for (a zombie). Linux; elsewhere a group is seen as one. */
import { readdirSync, readFileSync } from 'node:fs';

export interface SessionProcess {
  /** Negative: a whole group, whose members cannot be seen. */
  readonly pid: number;
  /** Short name of its program; empty: not known. */
  readonly command: string;
}

/** `leader`: the pid of who began the session, and its group; it need not be there any more. */
export function sessionProcesses(leader: number): readonly SessionProcess[] {
  if (stat('self') === null) return groupIsThere(leader) ? [{ pid: -leader, command: '' }] : [];
  const found: SessionProcess[] = [];
  for (const name of readdirSync('/proc')) {
    const process = /^\d+$/.test(name) ? stat(name) : null;
    if (process !== null && process.alive && (process.session === leader || process.group === leader))
      found.push({ pid: Number(name), command: process.command });
  }
  return found;
}

interface Stat {
  readonly command: string;
  readonly alive: boolean;
  readonly group: number;
  readonly session: number;
}

/** null: it has ended, or there is no /proc. */
function stat(name: string): Stat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${name}/stat`, 'utf8');
  } catch {
    return null;
  }
  // pid (command) state ppid pgrp session …; the command may have spaces and parentheses in it.
  const end = text.lastIndexOf(')');
  const [state = '', , group, session] = text.slice(end + 2).split(' ');
  return {
    command: text.slice(text.indexOf('(') + 1, end),
    alive: state !== 'Z' && state !== 'X',
    group: Number(group),
    session: Number(session),
  };
}

function groupIsThere(group: number): boolean {
  try {
    process.kill(-group, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
