/** Whom the command of `outrigger run --intercept` runs as: `--user`, else who called sudo, else root. */
import { readFileSync } from 'node:fs';
import { UserError } from '../user-error.ts';
import { isSidecarId } from './sidecar-ids.ts';

export interface RunUser {
  readonly uid: number;
  readonly gid: number;
  /** '' when the machine has no name for it. */
  readonly name: string;
  readonly home: string;
}

/** `text`: a name, a number, or both with a group's number, as `app`, `1000`, `1000:100`. Throws a UserError. */
export function runUser(
  text: string | undefined,
  environment: NodeJS.ProcessEnv,
  passwd: string = readFileSync('/etc/passwd', 'utf8'),
): RunUser {
  const users = passwd.split('\n').flatMap((line) => {
    const [name = '', , uid = '', gid = '', , home = ''] = line.split(':');
    return uid === '' ? [] : [{ name, uid: Number(uid), gid: Number(gid), home }];
  });
  const sudo = environment['SUDO_UID'];
  const wanted = text ?? (sudo === undefined || !/^\d+$/.test(sudo) ? '0' : sudo);
  const [who = '', group] = wanted.split(':');
  const isNumber = /^\d+$/.test(who);
  const known = users.find(({ name, uid }) => (isNumber ? uid === Number(who) : name === who));
  if (group !== undefined && !/^\d+$/.test(group))
    throw new UserError(
      `--user: ${JSON.stringify(group)} is not the number of a group; write it as app, 1000 or 1000:100`,
      2,
    );
  if (known === undefined && !isNumber)
    throw new UserError(`--user: this machine has no user ${JSON.stringify(who)}; give its name or number`, 2);
  const user = {
    uid: known?.uid ?? Number(who),
    gid: group === undefined ? (known?.gid ?? Number(who)) : Number(group),
    name: known?.name ?? '',
    home: known?.home ?? '/',
  };
  const taken = [user.uid, user.gid].find(isSidecarId);
  if (taken !== undefined)
    throw new UserError(
      `--user: ${taken} is one of those that sidecars run as, whose traffic is not intercepted; run the command as another user and group`,
      2,
    );
  return user;
}

/** What programs take for the user. */
export function userEnvironment({ uid, name, home }: RunUser): Record<string, string> {
  if (uid === 0) return {};
  return { HOME: home, ...(name === '' ? {} : { USER: name, LOGNAME: name }) };
}
