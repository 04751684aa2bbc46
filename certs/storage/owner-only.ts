/** Files and folders that only their owner may touch: keys, tokens, logs of what was issued. Wider rights are refused, not mended: somebody may have read the key already. Writes are whole or not at all. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { IdentityFault } from '../identity-fault.ts';

/** Of what is read here, and so of what is written: 16 MiB. */
export const maxFileBytes: number = 16 * 1024 * 1024;

/** Makes the folder (mode 0700, with its parents) when it is missing. Throws IdentityFault `unsafe-file` when it is somebody else's, open to others, or no folder. */
export function ensureOwnerOnlyFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const stats = statSync(path);
  if (!stats.isDirectory()) throw new IdentityFault('unsafe-file', `${path} is not a folder`);
  checkOwner(path, stats, '700');
}

/** The text of a file; null when there is none. Throws IdentityFault `unsafe-file` when it is somebody else's, open to others, a link, or no plain file; and the system's errors. */
export function readOwnerOnly(path: string): string | null {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    if (code === 'ELOOP')
      throw new IdentityFault('unsafe-file', `${path} is a symbolic link; put the file itself there`);
    throw error;
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new IdentityFault('unsafe-file', `${path} is not a plain file`);
    if (stats.size > maxFileBytes) throw new IdentityFault('too-large', `${path} is larger than ${maxFileBytes} bytes`);
    checkOwner(path, stats, '600');
    return readFileSync(descriptor, 'utf8');
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Writes a file (mode 0600) so that after a crash either the old or the new one is there, whole, and on the disk. Throws IdentityFault `too-large` for what {@link readOwnerOnly} would refuse, and the system's
 * errors.
 */
export function writeOwnerOnly(path: string, text: string): void {
  const bytes = Buffer.from(text);
  if (bytes.length > maxFileBytes)
    throw new IdentityFault('too-large', `${path} would be larger than ${maxFileBytes} bytes; it stays as it was`);
  const beside = `${path}.${randomBytes(6).toString('hex')}.new`;
  const descriptor = openSync(
    beside,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    try {
      for (let written = 0; written < bytes.length; ) written += writeSync(descriptor, bytes, written);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

/** Makes renames and removals in a folder last. */
export function syncFolder(path: string): void {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Throws IdentityFault `unsafe-file` unless only this process's user may touch it. */
export function checkOwner(path: string, stats: Stats, mode: string): void {
  const self = process.geteuid?.();
  if (self !== undefined && stats.uid !== self)
    throw new IdentityFault(
      'unsafe-file',
      `${path} belongs to the user ${stats.uid}, not to ${self}, who runs this; whoever owns it can take every identity: run as its owner, or move it away`,
    );
  if ((stats.mode & 0o077) !== 0)
    throw new IdentityFault(
      'unsafe-file',
      `${path} is open to other users (mode ${octal(stats.mode)}); if nobody can have read or changed it, run: chmod ${mode} ${path}`,
    );
}

/**
 * A secret that somebody else put there, as Kubernetes mounts them: links are followed, root may own it, and the group may read it; others may not. Throws IdentityFault `unsafe-file`, and the system's
 * errors.
 */
export function readMountedSecret(path: string): string {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new IdentityFault('unsafe-file', `${path} is not a plain file`);
    if (stats.size > maxFileBytes) throw new IdentityFault('too-large', `${path} is larger than ${maxFileBytes} bytes`);
    const self = process.geteuid?.();
    if (self !== undefined && stats.uid !== self && stats.uid !== 0)
      throw new IdentityFault(
        'unsafe-file',
        `${path} belongs to the user ${stats.uid}, who is neither ${self}, who runs this, nor root`,
      );
    if ((stats.mode & 0o037) !== 0)
      throw new IdentityFault(
        'unsafe-file',
        `${path} is open to other users (mode ${octal(stats.mode)}); run: chmod 600 ${path}, or in Kubernetes set the volume's defaultMode to 0400`,
      );
    return readFileSync(descriptor, 'utf8');
  } finally {
    closeSync(descriptor);
  }
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, '0');
}
