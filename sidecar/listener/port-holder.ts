/** Who holds a TCP port, as far as this process may see: for the message of a bind that failed. Linux only; elsewhere nobody is found. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface PortHolder {
  readonly pid: number;
  /** Short name of its program. */
  readonly command: string;
}

const listenState = '0A';

/** The first process found that listens on `port`, on whatever address; null when none can be seen. Reads /proc: not for the data path. */
export function portHolder(port: number): PortHolder | null {
  const inodes = listeningInodes(port);
  if (inodes.size === 0) return null;
  for (const pid of list('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    for (const descriptor of list(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(link(`/proc/${pid}/fd/${descriptor}`))?.[1];
      if (inode !== undefined && inodes.has(inode))
        return { pid: Number(pid), command: text(`/proc/${pid}/comm`).trim() };
    }
  }
  return null;
}

/** `the port is taken by pid 4121 (node)`. */
export function takenBy(holder: PortHolder | null): string {
  return `the port is taken by ${holder === null ? 'another process' : `pid ${holder.pid} (${holder.command})`}`;
}

function listeningInodes(port: number): Set<string> {
  const inodes = new Set<string>();
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of text(table).split('\n').slice(1)) {
      // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
      const columns = line.trim().split(/\s+/);
      if (columns[1]?.endsWith(suffix) && columns[3] === listenState && columns[9] !== undefined)
        inodes.add(columns[9]);
    }
  }
  return inodes;
}

// Processes come and go, and others' are not ours to look into: what cannot be read is not there.

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
