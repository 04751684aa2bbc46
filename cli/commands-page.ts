/** docs/commands.md: every command, its flags and an example, made of the program itself. print-commands.ts writes it. */
import type { Argument, Command, Option } from 'commander';
import { exampleOf } from './command-example.ts';
import { shownFlags } from './flag.ts';
import { sidecarHelp } from './sidecar-flags.ts';

/** Commands that are listed, depth first; the root is not among them. */
export function listedCommands(command: Command): Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => child.name() !== 'help')
    .flatMap((child) => [child, ...listedCommands(child)]);
}

/** `identity token create`. */
export function commandPath(command: Command): string {
  const parent = command.parent === null || command.parent.parent === null ? '' : `${commandPath(command.parent)} `;
  return parent + command.name();
}

export function commandsPage(root: Command): string {
  const commands = listedCommands(root);
  const links = commands.map(
    (command) => `[${commandPath(command)}](#outrigger-${commandPath(command).replaceAll(' ', '-')})`,
  );
  return `# Commands

Made of the program by \`node cli/print-commands.ts\`; \`outrigger <command> --help\` says the same.

${links.join(' · ')}

Every flag has an environment variable \`OUTRIGGER_<FLAG>\`; a flag wins. Data goes to stdout, the rest to stderr; exit 0 fine, 1 a problem found or a failure, 2 wrong usage.

Ports have one name everywhere: \`--admin\`, in full \`--sidecar-admin\`, is the admin port of the sidecar that a command is about (variable \`OUTRIGGER_ADMIN\`, as the sidecar's own flag); \`--control-plane-admin\` is the control plane's admin port,
\`--control-plane\` and \`--control-plane-tls\` are its gRPC ports. Old names go on working: \`--admin\` for \`--control-plane-admin\` in \`get\`, \`check\` and \`identity\`, and \`check --sidecar\` for \`--sidecar-admin\`.

Completion: \`source <(outrigger completion bash)\`, likewise zsh; \`outrigger completion fish | source\`.
${commands.map(section).join('')}`;
}

function section(command: Command): string {
  const path = commandPath(command);
  if (path === 'sidecar') return `\n## outrigger sidecar\n\n\`\`\`\n${sidecarHelp.trim()}\n\`\`\`\n`;
  const help = command.createHelp();
  const rows = [
    ...command.registeredArguments.map((argument) => row(argumentText(argument), help.argumentDescription(argument))),
    ...help
      .visibleOptions(command)
      .filter(({ long }) => long !== '--help')
      .map((option) => row(shownFlags(option), optionText(option))),
  ];
  const table = rows.length === 0 ? '' : `\n| | |\n|---|---|\n${rows.join('')}`;
  const example = exampleOf(command) ?? '';
  const lines = example.split('\n').map((line) => line.trim());
  return `\n## outrigger ${path}\n\n${command.description()}\n${table}\n\`\`\`\n${lines.join('\n')}\n\`\`\`\n`;
}

function argumentText(argument: Argument): string {
  const name = argument.name() + (argument.variadic ? '...' : '');
  return argument.required ? `<${name}>` : `[${name}]`;
}

function optionText({ description, argChoices, defaultValue, mandatory }: Option): string {
  const notes = [
    ...(mandatory ? ['needed'] : []),
    ...(argChoices === undefined ? [] : [argChoices.join(', ')]),
    ...(defaultValue === undefined || typeof defaultValue === 'boolean' ? [] : [`default ${String(defaultValue)}`]),
  ];
  return notes.length === 0 ? description : `${description} (${notes.join('; ')})`;
}

function row(name: string, text: string): string {
  const cell = (content: string): string => content.replaceAll('|', '\\|').replaceAll('\n', ' ');
  return `| \`${cell(name)}\` | ${cell(text).replaceAll('<', '&lt;')} |\n`;
}
