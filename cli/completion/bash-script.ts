/** Completion for bash, 3.2 too (macOS), without the package bash-completion. */
import type { CompletedCommand, CompletedValue } from './completion-tree.ts';
import { commandKeys, pattern, quoted, valueFlagKeys, valueKeys } from './shell-cases.ts';

export function bashScript(tree: readonly CompletedCommand[]): string {
  return `# bash completion for outrigger, made by: outrigger completion bash
_outrigger_add() {
  local line
  while IFS= read -r line; do COMPREPLY+=("$line"); done
}
_outrigger_words() { _outrigger_add < <(compgen -W "$1" -- "$cur"); }
_outrigger_files() {
  compopt -o filenames 2>/dev/null
  _outrigger_add < <(compgen "$1" -- "$cur")
}
_outrigger() {
  local cur=\${COMP_WORDS[COMP_CWORD]} at='' flag='' word i=1 n=0
  COMPREPLY=()
  # bash makes words of = and : too.
  while [ "$i" -lt "$COMP_CWORD" ]; do
    word=\${COMP_WORDS[i]}
    i=$((i + 1))
    case $word in
      =) continue ;;
      :) [ "$i" -eq "$COMP_CWORD" ] && return; i=$((i + 1)); continue ;;
    esac
    if [ -n "$flag" ]; then flag=''; continue; fi
    case $word in
      --)
        [ "$i" -eq "$COMP_CWORD" ] && _outrigger_add < <(compgen -c -- "$cur")
        _outrigger_files -f
        return ;;
    esac
    case "$at|$word" in
      ${pattern(valueFlagKeys(tree))}) flag=$word ;;
      ${pattern(commandKeys(tree))}) at="\${at:+$at }$word" n=0 ;;
      *'|'-*) ;;
      *) n=$((n + 1)) ;;
    esac
  done
  case $cur in
    =) cur='' ;;
    :) return ;;
  esac
  if [ -n "$flag" ]; then
    case "$at|$flag" in
${valueKeys(tree)
  .map(([value, keys]) => `      ${pattern(keys)}) ${completes(value)} ;;\n`)
  .join('')}    esac
    return
  fi
  case $cur in
    -*)
      case $at in
${tree.map(({ path, flags }) => `        ${quoted(path)}) _outrigger_words ${quoted(flags.flatMap(({ names }) => names).join(' '))} ;;\n`).join('')}      esac
      return ;;
  esac
  case "$at|$n" in
${tree.map(operands).join('')}  esac
}
complete -F _outrigger outrigger
`;
}

function completes(value: CompletedValue): string {
  if (value.kind === 'words') return `_outrigger_words ${quoted(value.words.join(' '))}`;
  return value.kind === 'folder' ? '_outrigger_files -d' : '_outrigger_files -f';
}

/** What may stand at each place behind the command. */
function operands({ path, commands, values, again }: CompletedCommand): string {
  const lines: string[] = [];
  const names = commands.map(({ name }) => name).join(' ');
  for (let i = 0; i < Math.max(values.length, names === '' ? 0 : 1); i++) {
    const value = values[i];
    const parts = [
      ...(i === 0 && names !== '' ? [`_outrigger_words ${quoted(names)}`] : []),
      ...(value === undefined || value.kind === 'other' ? [] : [completes(value)]),
    ];
    const place = again && i === values.length - 1 ? `${quoted(`${path}|`)}*` : quoted(`${path}|${i}`);
    if (parts.length > 0) lines.push(`    ${place}) ${parts.join('; ')} ;;\n`);
  }
  return lines.join('');
}
