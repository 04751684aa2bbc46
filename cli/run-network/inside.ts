/** The words that start a program inside of a network of `outrigger run --intercept`, as a user, with the name server that is reachable there. All are programs that become the next one: the process is the command's own. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OwnNetwork } from './own-network.ts';
import type { RunSlot } from './run-slots.ts';
import type { RunUser } from './run-user.ts';

/** A mount of its own for each file, as in `ip netns exec`: what stands in /etc stays untouched. */
const script = `
if [ -e /etc/resolv.conf ]; then mount --bind "$1" /etc/resolv.conf || exit 126; fi
if [ -n "$2" ]; then mount --bind "$2" /etc/nsswitch.conf || exit 126; fi
shift 2
exec "$@"
`;

/** Paths of files to stand for /etc/resolv.conf and, where it would ask the host past DNS, /etc/nsswitch.conf ('': as it is). */
export interface NameFiles {
  readonly resolvConf: string;
  readonly nsswitch: string;
}

export function writeNameFiles({ folder, hostAddress }: RunSlot): NameFiles {
  const resolvConf = join(folder, 'resolv.conf');
  const kept = read('/etc/resolv.conf')
    .split('\n')
    .filter((line) => /^(search|domain|options)\s/.test(line) && !/trust-ad|edns0-only/.test(line));
  writeFileSync(resolvConf, [`nameserver ${hostAddress}`, ...kept, ''].join('\n'), { mode: 0o644 });
  const before = read('/etc/nsswitch.conf');
  const after = nsswitchWithDns(before);
  if (after === before) return { resolvConf, nsswitch: '' };
  const nsswitch = join(folder, 'nsswitch.conf');
  writeFileSync(nsswitch, after, { mode: 0o644 });
  return { resolvConf, nsswitch };
}

/** nss-resolve asks systemd-resolved by a socket, which knows nothing of the mesh. */
export function nsswitchWithDns(text: string): string {
  return text.replace(/^(hosts:.*?)\bresolve(\s*\[[^\]]*\])?(.*)$/m, (_, before: string, _rule, after: string) =>
    /\bdns\b/.test(`${before}${after}`) ? `${before}${after.trimStart()}` : `${before}dns${after}`,
  );
}

export function insideWords({ path }: OwnNetwork, { resolvConf, nsswitch }: NameFiles): string[] {
  return [
    ...['nsenter', `--net=${path}`, '--', 'unshare', '--mount', '--propagation', 'slave', '--'],
    ...['/bin/sh', '-c', script, 'outrigger-run', resolvConf, nsswitch],
  ];
}

/** Root stays as it is. */
export function userWords({ uid, gid, name }: RunUser): string[] {
  if (uid === 0) return [];
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, name === '' ? '--clear-groups' : '--init-groups', '--'];
}

/** It has no privilege, and gets none. */
export function sidecarWords({ sidecarId }: RunSlot): string[] {
  return [
    ...['setpriv', `--reuid=${sidecarId}`, `--regid=${sidecarId}`, '--clear-groups'],
    ...['--no-new-privs', '--bounding-set=-all', '--inh-caps=-all', '--'],
  ];
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
