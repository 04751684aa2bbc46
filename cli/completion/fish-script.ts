/** Completion for fish: a line for each command, flag and argument, under the condition that its command is the one before the cursor. */
import type { CompletedCommand, CompletedFlag, CompletedValue } from './completion-tree.ts';
import { commandKeys, valueFlagKeys } from './shell-cases.ts';

/** In fish's single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

export function fishScript(tree: readonly CompletedCommand[]): string {
  return `# fish completion for outrigger, made by: outrigger completion fish
function __outrigger_at
    set -l at ''
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        if test "$word" = --
            echo "$at --"
            return
        end
        switch "$at|$word"
            case ${valueFlagKeys(tree).map(quoted).join(' ')}
                set skip 1
            case ${commandKeys(tree).map(quoted).join(' ')}
                set at (string trim -- "$at $word")
        end
    end
    echo "$at"
end
function __outrigger_is
    test (__outrigger_at) = "$argv[1]"
end
complete -c outrigger -e
complete -c outrigger -f
complete -c outrigger -n "__outrigger_is 'run --'" -F
${tree.flatMap(commandLines).join('\n')}
`;
}

function commandLines({ path, commands, flags, values }: CompletedCommand): string[] {
  const when = `complete -c outrigger -n ${quoted(`__outrigger_is ${quoted(path)}`)}`;
  return [
    ...commands.map(({ name, description }) => `${when} -a ${quoted(name)} -d ${quoted(description)}`),
    ...flags.flatMap((flag) => flagLines(flag).map((line) => `${when} ${line}`)),
    ...values.flatMap((value) => (value.kind === 'other' ? [] : [`${when} ${completes(value)}`])),
  ];
}

function flagLines({ names, description, value }: CompletedFlag): string[] {
  const argument =
    value === null ? '' : value.kind === 'file' ? ' -r -F' : ` -x ${value.kind === 'other' ? '' : completes(value)}`;
  return names.map((name) => {
    const kind = name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`;
    return `${kind}${argument.trimEnd()} -d ${quoted(description)}`;
  });
}

function completes(value: CompletedValue): string {
  if (value.kind === 'words') return `-a ${quoted(value.words.join(' '))}`;
  return value.kind === 'folder' ? "-a '(__fish_complete_directories)'" : '-F';
}
