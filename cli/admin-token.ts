/** The token with which other machines may change something by a sidecar's admin port: from a file that a flag names, or from the environment. Read once, at the start. */
import { readFileSync } from 'node:fs';
import { environmentName } from './environment.ts';
import type { SidecarFlags } from './sidecar-flags.ts';
import { UserError } from './user-error.ts';

/** In the environment it is the token itself. */
export const adminTokenVariable = environmentName('admin-token');

/** '': there is none. Throws a UserError for a file or variable that has none, as that would close or open the port to the wrong people. */
export function readAdminToken(values: SidecarFlags['values'], environment: NodeJS.ProcessEnv): string {
  const file = values['admin-token-file'];
  if (file === undefined) {
    const given = environment[adminTokenVariable];
    return given === undefined || given === '' ? '' : checked(given, adminTokenVariable);
  }
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UserError(`--admin-token-file: ${code === 'ENOENT' ? `there is no ${file}` : message}`);
  }
  return checked(text, file);
}

function checked(text: string, where: string): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]{16,4096}$/.test(token))
    throw new UserError(
      `${where}: an admin token is one word of 16 to 4096 visible ASCII characters (openssl rand -hex 24 makes one)`,
    );
  return token;
}
