/** Flags of the program's commands: each with its environment variable, those of admin ports under one name everywhere, and old names that go on working. */
import { Option } from 'commander';
import { environmentName } from './environment.ts';
import { proofFlags } from './sidecar-flags.ts';

/** A flag with its environment variable, `OUTRIGGER_<FLAG>`; the flag wins. Of two names the last counts. */
export function flag(flags: string, description: string, fallback?: string): Option {
  const option = new Option(flags, description);
  return withVariable(option, option.name(), fallback);
}

function withVariable(option: Option, name: string, fallback?: string): Option {
  const isProof = (proofFlags as readonly string[]).includes(name);
  // To commander an empty variable is a value.
  if (isProof || process.env[environmentName(name)] !== '') option.env(environmentName(name));
  return fallback === undefined ? option : option.default(fallback);
}

/** Options whose first name is an old one. */
const renamed = new WeakSet<Option>();

/** `OLD, NEW <VALUE>`: help shows the new name alone. */
function flagWithOldName(flags: string, description: string, variable: string, fallback?: string): Option {
  const option = withVariable(new Option(flags, description), variable, fallback);
  renamed.add(option);
  return option;
}

/** As help shows it. */
export function shownFlags(option: Option): string {
  return renamed.has(option) ? option.flags.replace(/^--[-\w]+, /, '') : option.flags;
}

/** The names that are shown, `-o` and `--output`. */
export function shownNames(option: Option): readonly string[] {
  const { short, long } = option;
  return [renamed.has(option) ? undefined : short, long].filter((name) => name !== undefined);
}

export const output = (): Option =>
  flag('-o, --output <FORMAT>', 'how to print').choices(['table', 'json', 'yaml']).default('table');

/** Of a command about one sidecar. Its variable is that of the sidecar's own flag: where the sidecar is told its port, so are these. */
export const sidecarAdmin = (): Option =>
  withVariable(
    new Option('--admin, --sidecar-admin <HOST:PORT>', "the sidecar's admin port"),
    'admin',
    '127.0.0.1:15000',
  );

/** Of a command that is about the installation, and about one sidecar only when it is named: of a variable of its own, as one that is set for other commands must not narrow it. */
export const sidecarInstead = (): Option =>
  flagWithOldName(
    '--sidecar, --sidecar-admin <HOST:PORT>',
    'look at this sidecar instead, by its admin port',
    'sidecar',
  );

export const controlPlaneAdmin = (): Option =>
  flagWithOldName(
    '--admin, --control-plane-admin <HOST:PORT>',
    "the control plane's admin port",
    'control-plane-admin',
    '127.0.0.1:15014',
  );

export const controlPlane = (): Option =>
  flag('--control-plane <HOST:PORT>', "the control plane's gRPC port", '127.0.0.1:15010');

export const dataDir = (description: string): Option =>
  flag('--data-dir <DIR>', `${description} (default: $XDG_STATE_HOME/outrigger or ~/.local/state/outrigger)`);
