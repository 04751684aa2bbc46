/** deploy/man/outrigger.1: every command, its flags and an example, made of the program itself, in the macros of man(7). print-man.ts writes it. */
import type { Command, Option } from 'commander';
import { version } from '../sidecar/runtime/version.ts';
import { exampleOf } from './command-example.ts';
import { commandPath, listedCommands } from './commands-page.ts';
import { shownFlags } from './flag.ts';
import { sidecarHelp } from './sidecar-flags.ts';

export function manPage(root: Command): string {
  return `.\\" Made of the program by node cli/print-man.ts.
.TH OUTRIGGER 1 "" "outrigger ${version}" "Outrigger"
.SH NAME
outrigger \\- a service mesh: a light sidecar proxy beside every service, and a small control plane
.SH SYNOPSIS
.B outrigger
.I command
.RI [ options ]
.br
.B outrigger help
.I command
.SH DESCRIPTION
Every flag has an environment variable
.BR OUTRIGGER_ FLAG ;
a flag wins. An empty variable is none. Flags without a value are on by 1, true, yes or on, and off by 0, false, no or off. Data goes to stdout, all else to stderr.
.SH COMMANDS
${listedCommands(root).map(section).join('')}.SH EXIT STATUS
.TP
.B 0
Fine.
.TP
.B 1
A problem was found, or it failed.
.TP
.B 2
Wrong usage.
.PP
.B outrigger run
ends as its command does.
`;
}

function section(command: Command): string {
  const path = commandPath(command);
  if (path === 'sidecar') return `.SS outrigger sidecar\n${verbatim(sidecarHelp.trim().split('\n'))}`;
  const help = command.createHelp();
  const options = help.visibleOptions(command).filter(({ long }) => long !== '--help');
  return [
    `.SS outrigger ${text(path)}\n`,
    `${line(command.description())}\n`,
    ...command.registeredArguments.map((argument) =>
      entry(argument.name() + (argument.variadic ? '...' : ''), help.argumentDescription(argument)),
    ),
    ...options.map((option) => entry(shownFlags(option), optionText(option))),
    '.PP\nExample:\n',
    verbatim((exampleOf(command) ?? '').split('\n').map((each) => each.trim())),
  ].join('');
}

function optionText({ description, argChoices, defaultValue, mandatory, envVar }: Option): string {
  const notes = [
    ...(mandatory ? ['needed'] : []),
    ...(argChoices === undefined ? [] : [argChoices.join(', ')]),
    ...(defaultValue === undefined || typeof defaultValue === 'boolean' ? [] : [`default ${String(defaultValue)}`]),
    ...(envVar === undefined ? [] : [envVar]),
  ];
  return notes.length === 0 ? description : `${description} (${notes.join('; ')})`;
}

function entry(name: string, what: string): string {
  return `.TP\n.B ${text(name)}\n${line(what)}\n`;
}

function verbatim(lines: readonly string[]): string {
  return `.PP\n.nf\n${lines.map((each) => (each === '' ? '\\&' : line(each))).join('\n')}\n.fi\n`;
}

/** Of a line of its own: a point or an apostrophe at its beginning would be a request. */
function line(words: string): string {
  return text(words).replaceAll('\n', ' ').replace(/^[.']/, '\\&$&');
}

function text(words: string): string {
  return words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/[^\0-~]/gu, (each) => `\\[u${each.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}]`);
}
