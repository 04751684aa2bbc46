/** Examples of commands: the end of each --help, and in docs/commands.md. */
import type { Command } from 'commander';

const examples = new WeakMap<Command, string>();

/** `example`: a line, or several, each further one indented by two blanks. */
export function withExample(command: Command, example: string): Command {
  examples.set(command, example);
  return command.addHelpText('after', `\nExample:\n  ${example}`);
}

/** Undefined: it has none. */
export function exampleOf(command: Command): string | undefined {
  return examples.get(command);
}
