/** Who holds a port of TCP or UDP, as far as this process may see: for the message of a bind that failed. Linux only; elsewhere nobody is found. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface PortHolder {
  readonly pid: number;
  /** Short name of its program. */
  readonly command: string;
}

type Protocol = 'tcp' | 'udp';

/** Of a socket that listens; of UDP: that is bound, and connected to nobody. */
const listenState: Readonly<Record<Protocol, string>> = { tcp: '0A', udp: '07' };

/** The first process found that listens on `port` where it keeps `host` from being listened on; '' : on whatever address. Null when none can be seen. Reads /proc: not for the data path. */
export function portHolder(port: number, protocol: Protocol = 'tcp', host = ''): PortHolder | null {
  const inodes = listeningInodes(port, protocol, host);
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

function listeningInodes(port: number, protocol: Protocol, host: string): Set<string> {
  const inodes = new Set<string>();
  const inTheWay = conflicts(host);
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const table of [`/proc/net/${protocol}`, `/proc/net/${protocol}6`]) {
    for (const line of text(table).split('\n').slice(1)) {
      // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
      const columns = line.trim().split(/\s+/);
      const [address = ''] = columns[1]?.split(':') ?? [];
      if (
        columns[1]?.endsWith(suffix) &&
        inTheWay(address) &&
        columns[3] === listenState[protocol] &&
        columns[9] !== undefined
      )
        inodes.add(columns[9]);
    }
  }
  return inodes;
}

/** Of an address as /proc has it: words of four bytes, each in the machine's order. */
function conflicts(host: string): (address: string) => boolean {
  const everything = /^0+$/;
  if (host === '' || host === '0.0.0.0' || host === '::') return () => true;
  if (!host.includes(':')) {
    const word = host
      .split('.')
      .map((byte) => Number(byte).toString(16).toUpperCase().padStart(2, '0'))
      .reverse()
      .join('');
    return (address) => everything.test(address) || address.endsWith(word);
  }
  // Loopback is the one that we bind; another is not told from others of its family.
  return host === '::1'
    ? (address) => everything.test(address) || address === `${'0'.repeat(24)}01000000`
    : (address) => address.length > 8;
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
