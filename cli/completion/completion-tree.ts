/** What can be completed, read from the program: by command its commands, flags and arguments. The scripts of the shells are made of it. */
import type { Argument, Command, Option } from 'commander';
import { commandPath, listedCommands } from '../commands-page.ts';
import { shownNames } from '../flag.ts';
import { sidecarFlagList } from '../sidecar-flags.ts';

/** What stands behind a flag or as an argument. */
export type CompletedValue =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'file' | 'folder' | 'other' };

export interface CompletedFlag {
  /** That are offered. */
  readonly names: readonly string[];
  /** Old names too. */
  readonly allNames: readonly string[];
  readonly description: string;
  /** Null: it takes none, or none has to be given. */
  readonly value: CompletedValue | null;
}

export interface CompletedCommand {
  /** `identity token create`; '' is the program itself. */
  readonly path: string;
  readonly commands: ReadonlyArray<{ readonly name: string; readonly description: string }>;
  readonly flags: readonly CompletedFlag[];
  /** In their order; the last may stand again where `again` says so. */
  readonly values: readonly CompletedValue[];
  readonly again: boolean;
}

export function completionTree(root: Command): CompletedCommand[] {
  return [root, ...listedCommands(root)].map((command) => completedCommand(command, root));
}

function completedCommand(command: Command, root: Command): CompletedCommand {
  const help = command.createHelp();
  const path = command === root ? '' : commandPath(command);
  const values = command.registeredArguments;
  return {
    path,
    commands: help
      .visibleCommands(command)
      .filter((child) => child.name() !== 'help')
      .map((child) => ({ name: child.name(), description: firstWords(child.description()) })),
    flags: path === 'sidecar' ? sidecarFlags() : help.visibleOptions(command).map(completedFlag),
    values: path === 'sidecar' ? [] : values.map(argumentValue),
    again: values.some(({ variadic }) => variadic),
  };
}

function completedFlag(option: Option): CompletedFlag {
  const placeholder = /<(.*)>$/.exec(option.flags)?.[1];
  return {
    names: shownNames(option),
    allNames: [option.short, option.long].filter((name) => name !== undefined),
    description: firstWords(option.description),
    value: placeholder === undefined ? null : valueOf(placeholder, option.argChoices),
  };
}

function argumentValue(argument: Argument): CompletedValue {
  return valueOf(argument.name().toUpperCase(), argument.argChoices);
}

function sidecarFlags(): CompletedFlag[] {
  return sidecarFlagList().map(({ name, placeholder, description }) => ({
    names: [name],
    allNames: [name],
    description: firstWords(description),
    value:
      placeholder === ''
        ? null
        : valueOf(placeholder, /^[a-z|-]+$/.test(placeholder) ? placeholder.split('|') : undefined),
  }));
}

const fileNames: ReadonlySet<string> = new Set(['FILE', 'PATH', 'LEFT', 'RIGHT']);

function valueOf(placeholder: string, words: readonly string[] | undefined): CompletedValue {
  if (words !== undefined) return { kind: 'words', words };
  if (fileNames.has(placeholder)) return { kind: 'file' };
  return { kind: placeholder === 'DIR' ? 'folder' : 'other' };
}

/** Shells show it on one line beside the word. */
function firstWords(description: string): string {
  const first = description.split(/[:;.] |[:;.]$/)[0]!;
  return first.length <= 70 ? first : `${first.slice(0, 69).trimEnd()}…`;
}
