/** Reads a file that the user named. What is no regular file is refused: a pipe would be waited for without end. */
import { readFileSync, statSync } from 'node:fs';
import { UserError } from './user-error.ts';

export function readUserFile(file: string): string {
  try {
    const stats = statSync(file);
    if (stats.isDirectory()) throw new UserError(`${file}: is a folder; a file is expected`);
    if (!stats.isFile()) throw new UserError(`${file}: is not a regular file; a file is expected`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UserError(`${file}: ${code === 'ENOENT' ? 'there is no such file' : message}`);
  }
}
