/** The environment variables behind flags. A flag wins; what that means for flags that exclude each other is for who knows them. */
import { UserError } from './user-error.ts';

export function environmentName(flag: string): string {
  return `OUTRIGGER_${flag.toUpperCase().replaceAll('-', '_')}`;
}

/** An empty variable is none: so scripts write what they do not know. */
export function valueFromEnvironment(flag: string, environment: NodeJS.ProcessEnv): string | undefined {
  return environment[environmentName(flag)] || undefined;
}

/** A flag that takes no value. Throws a UserError for what is neither on nor off. */
export function booleanFromEnvironment(flag: string, environment: NodeJS.ProcessEnv): boolean {
  const name = environmentName(flag);
  const text = valueFromEnvironment(flag, environment) ?? '';
  switch (text.toLowerCase()) {
    case '1':
    case 'true':
    case 'yes':
    case 'on':
      return true;
    case '':
    case '0':
    case 'false':
    case 'no':
    case 'off':
      return false;
    default:
      throw new UserError(`${name}: ${JSON.stringify(text)} is neither 1, true, yes or on, nor 0, false, no or off`, 2);
  }
}

/** `message` about flags, with the variable in the place of each flag that nobody typed: its value came from there. `variables`: by the flag's name. */
export function inTheirWords(message: string, variables: ReadonlyMap<string, string>): string {
  return message.replaceAll(/(?<![-\w])--([a-z][-a-z0-9]*)/g, (flag, name: string) => variables.get(name) ?? flag);
}
