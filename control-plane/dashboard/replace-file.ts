/** Puts another text in the place of a file's: whole or not at all, with the rights and owner that it had. What may be written where is its caller's to know. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** `path`: no link. Throws the system's errors. */
export function replaceFile(path: string, text: string, { mode, uid, gid }: Pick<Stats, 'mode' | 'uid' | 'gid'>): void {
  // Hidden, so that nobody takes it for configuration while it is being written.
  const beside = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.new`);
  const descriptor = openSync(
    beside,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    try {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
      try {
        fchownSync(descriptor, uid, gid);
      } catch (error) {
        // Who is not root cannot give files away: it is this user's then, as when an editor saves it.
        if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
      }
      fchmodSync(descriptor, mode & 0o777);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}
