/** Why a command of the user's could not be started, in words. */
import { existsSync, statSync } from 'node:fs';

export function startFault(command: string, { code, message }: NodeJS.ErrnoException): string {
  // A file is looked for on the PATH only when its name has no slash.
  const isPath = command.includes('/');
  switch (code) {
    case 'ENOENT':
      return isPath && existsSync(command)
        ? 'the interpreter that its first line names (#!) is not there'
        : 'there is no such command';
    case 'EACCES':
      if (isPath && statSync(command, { throwIfNoEntry: false })?.isDirectory() === true)
        return 'it is a folder; a program is expected';
      return 'it may not be run by this user; is it executable (chmod +x)?';
    default:
      return message;
  }
}
