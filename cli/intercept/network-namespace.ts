/** `--netns`: this process goes into another network namespace, and what it starts is there too. Not a command of its own inside: a signal would end the one and leave the other at work. */
import { closeSync, openSync } from 'node:fs';
import { UserError } from '../user-error.ts';

/** CLONE_NEWNET of Linux: `setns` takes nothing else than a network namespace. */
const networkNamespace = 0x40000000;

/** For the rest of this process; undefined: it stays where it is. `netns`: a path, or a name of `ip netns`. Throws a UserError when it cannot go there. */
export function enterNamespace(netns: string | undefined): void {
  if (netns === undefined) return;
  const path = netns.includes('/') ? netns : `/run/netns/${netns}`;
  const setns = setnsCall();
  const fd = openNamespace(path);
  try {
    if (setns(fd, networkNamespace) !== 0)
      throw new UserError(
        `--netns: ${path} cannot be entered: it is no network namespace (name a file such as /proc/PID/ns/net, or what ip netns list shows), or this user lacks SYS_ADMIN (run it as root)`,
      );
  } finally {
    closeSync(fd);
  }
}

function openNamespace(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM')
      throw new UserError(`--netns: this user may not open ${path}; run it as root`);
    throw new UserError(
      code === 'ENOENT'
        ? `--netns: there is no ${path}; name a file such as /proc/PID/ns/net, or a namespace that ip netns list shows`
        : `--netns: ${message}`,
    );
  }
}

function setnsCall(): (fd: number, kind: number) => number {
  try {
    const { functions } = process.getBuiltinModule('node:ffi').dlopen(null, {
      setns: { arguments: ['i32', 'i32'], return: 'i32' },
    });
    return (functions as unknown as { readonly setns: (fd: number, kind: number) => number }).setns;
  } catch {
    throw new UserError('--netns: this Node has no node:ffi; run the command inside of the namespace (ip netns exec)');
  }
}
