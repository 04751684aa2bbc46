/** Where the control plane keeps its data when nobody says otherwise, and where programs of the same user look for its trust bundle and local token. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** `$XDG_STATE_HOME/outrigger`, or `~/.local/state/outrigger`. A path that is not absolute is none, as the XDG standard demands. */
export function defaultDataDir(environment: NodeJS.ProcessEnv): string {
  const state = environment['XDG_STATE_HOME'] ?? '';
  return join(isAbsolute(state) ? state : join(homedir(), '.local/state'), 'outrigger');
}
