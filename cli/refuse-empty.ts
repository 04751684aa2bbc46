/** A flag that is given with nothing as its value: `--node-id "$ID"` of a script that has no ID. Not of its variable: an empty one is none. */
import { UserError } from './user-error.ts';

/** `value`: as it was given; of several, each. Throws a UserError. */
export function refuseEmpty(name: string, value: unknown): void {
  if (value === '' || (Array.isArray(value) && value.includes('')))
    throw new UserError(`--${name} is empty; give it a value, or leave the flag out`, 2);
}
