/** What holds for every command of the program: help with an example, flags with a variable, names of ports; and the page that is made of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { exampleOf } from './command-example.ts';
import { commandPath, commandsPage, listedCommands } from './commands-page.ts';
import { environmentName } from './environment.ts';
import { shownFlags, shownNames } from './flag.ts';
import { program } from './program.ts';

const commands = listedCommands(program());

/** As `outrigger COMMAND --help` prints it. */
function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
  return text;
}

test('there are the commands of docs/commands.md (else: node cli/print-commands.ts)', () => {
  expect(commands.map(commandPath)).toContain('logs level');
  expect(readFileSync(join(import.meta.dirname, '../docs/commands.md'), 'utf8')).toBe(commandsPage(program()));
});

describe.each(commands.map((command) => [commandPath(command), command] as const))('%s --help', (path, command) => {
  test('says what the command does, and ends with an example of it (interfaces.md)', () => {
    const text = helpOf(command);
    expect(text).toMatch(/^Usage: outrigger /);
    const example = text.slice(text.lastIndexOf('Example:\n  '));
    // Of a group it is one of its commands.
    expect(example).toMatch(new RegExp(`^Example:\\n  outrigger ${path}\\b`));
    expect(text.trimEnd().endsWith(example.trimEnd())).toBe(true);
    if (path === 'sidecar') return;
    expect(command.description()).toMatch(/^[A-Z].*\.$/);
    for (const option of command.options) expect(text).toContain(shownFlags(option));
    for (const argument of command.registeredArguments) expect(argument.description, argument.name()).not.toBe('');
  });

  test('has an example whose flags there are', () => {
    for (const line of (exampleOf(command) ?? '').split('\n')) {
      const words = line.split(/ {4,}/)[0]!.trim().split(' | ')[0]!.split(/\s+/).slice(1);
      let at = program();
      let child: Command | undefined;
      while ((child = at.commands.find((each) => each.name() === words[0])) !== undefined) {
        at = child;
        words.shift();
      }
      const own = words.includes('--') ? words.slice(0, words.indexOf('--')) : words;
      for (const word of own.filter((each) => each.startsWith('-')))
        expect(
          at.options.flatMap(({ short, long }) => [short, long]),
          `${commandPath(at)} ${word}`,
        ).toContain(word);
    }
  });

  test('has flags of which each has its variable and a text, and ports of one name', () => {
    for (const option of command.options) {
      expect(option.description, option.flags).not.toBe('');
      const variables = [option.long!, option.short ?? '']
        .filter((name) => name.startsWith('--'))
        .map((name) => environmentName(name.slice(2).replace(/^no-/, option.negate ? 'no-' : '')));
      expect(variables.concat(environmentName(option.name())), option.flags).toContain(option.envVar);
      const names = shownNames(option);
      if (option.description.startsWith("the control plane's admin")) expect(names).toEqual(['--control-plane-admin']);
      if (option.description.startsWith("the sidecar's admin port") && path !== 'run')
        expect(names).toEqual(['--admin', '--sidecar-admin']);
    }
  });
});
