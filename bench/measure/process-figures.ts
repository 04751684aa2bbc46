/**
 * CPU time and resident memory of a process with everything it started, from /proc. A process's own figures hold all its threads, also those that
 * have ended.
 */
import { readdirSync, readFileSync } from 'node:fs';

// USER_HZ is 100 on every Linux that Node runs on.
const tickMicros = 10_000;

/** The pid and its descendants, the pid first. */
function processTree(pid: number): number[] {
  const found = [pid];
  for (let i = 0; i < found.length; i++) {
    const parent = found[i]!;
    for (const task of list(`/proc/${parent}/task`)) {
      for (const child of read(`/proc/${parent}/task/${task}/children`).split(' '))
        if (child !== '') found.push(Number(child));
    }
  }
  return found;
}

/** User and system time of the whole tree so far, in microseconds; steps of 10 ms. */
export function cpuMicros(pid: number): number {
  let ticks = 0;
  for (const id of processTree(pid)) {
    const stat = read(`/proc/${id}/stat`);
    // The second field is the program's name in parentheses, which may itself hold spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks * tickMicros;
}

/** Resident memory of the whole tree now, in bytes. Pages that parent and child share count once for each. */
export function residentBytes(pid: number): number {
  let bytes = 0;
  for (const id of processTree(pid))
    bytes += Number(/^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${id}/status`))?.[1] ?? 0) * 1024;
  return bytes;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
