/** How many file descriptors this process may have (RLIMIT_NOFILE), as the kernel says it. */
import { readFileSync } from 'node:fs';

/** Infinity where it is not known. */
export function openFilesLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return soft === undefined ? Infinity : Number(soft);
  } catch {
    return Infinity;
  }
}
