/** Which process something belongs to, as a file says it: number and time of start, which together no other process has. */
import { readFileSync } from 'node:fs';

/** What the file has to say of this process. */
export function processMark(pid: number): string {
  return `${pid} ${startOf(pid)}`;
}

/** Whether the process of the mark in `file` is there; null: no such file. */
export function isMarkedAlive(file: string): boolean | null {
  try {
    const text = readFileSync(file, 'utf8');
    return text === processMark(Number(text.split(' ')[0]));
  } catch {
    return null;
  }
}

/** '': there is none. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name may have spaces and parentheses.
    const [state = '', ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? '' : (rest[18] ?? '');
  } catch {
    return '';
  }
}
