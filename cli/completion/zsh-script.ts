/** Completion for zsh: to be sourced, or put as _outrigger where $fpath leads. */
import type { CompletedCommand, CompletedValue } from './completion-tree.ts';
import { commandKeys, pattern, quoted, valueFlagKeys, valueKeys } from './shell-cases.ts';

export function zshScript(tree: readonly CompletedCommand[]): string {
  return `#compdef outrigger
# zsh completion for outrigger, made by: outrigger completion zsh
_outrigger_described() {
  local -a found=("\${@:2}")
  _describe -t "$1" "$1" found
}
_outrigger() {
  local at='' flag='' word i n=0
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
    if [[ -n $flag ]]; then flag=''; continue; fi
    if [[ $word == -- ]]; then
      ((i == CURRENT - 1)) && _command_names -e
      _files
      return
    fi
    case "$at|$word" in
      ${pattern(valueFlagKeys(tree))}) flag=$word ;;
      ${pattern(commandKeys(tree))}) at="\${at:+$at }$word" n=0 ;;
      *'|'-*) ;;
      *) n=$((n + 1)) ;;
    esac
  done
  if [[ -z $flag && $PREFIX == --*=* ]]; then
    flag=\${PREFIX%%=*}
    compset -P '*='
  fi
  if [[ -n $flag ]]; then
    case "$at|$flag" in
${valueKeys(tree)
  .map(([value, keys]) => `      ${pattern(keys)}) ${completes(value)} ;;\n`)
  .join('')}    esac
    return
  fi
  if [[ $PREFIX == -* ]]; then
    case $at in
${tree.map(flags).join('')}    esac
    return
  fi
  case "$at|$n" in
${tree.map(operands).join('')}  esac
}
if [[ \${funcstack[1]} == _outrigger ]]; then _outrigger "$@"; else compdef _outrigger outrigger; fi
`;
}

function flags({ path, flags: all }: CompletedCommand): string {
  const words = all.flatMap(({ names, description }) => names.map((name) => quoted(`${name}:${description}`)));
  return `      ${quoted(path)}) _outrigger_described flags ${words.join(' ')} ;;\n`;
}

function completes(value: CompletedValue): string {
  if (value.kind === 'words') return `compadd -- ${value.words.map(quoted).join(' ')}`;
  return value.kind === 'folder' ? '_files -/' : '_files';
}

function operands({ path, commands, values, again }: CompletedCommand): string {
  const lines: string[] = [];
  for (let i = 0; i < Math.max(values.length, commands.length === 0 ? 0 : 1); i++) {
    const value = values[i];
    const words = commands.map(({ name, description }) => quoted(`${name}:${description}`));
    const parts = [
      ...(i === 0 && words.length > 0 ? [`_outrigger_described commands ${words.join(' ')}`] : []),
      ...(value === undefined || value.kind === 'other' ? [] : [completes(value)]),
    ];
    const place = again && i === values.length - 1 ? `${quoted(`${path}|`)}*` : quoted(`${path}|${i}`);
    if (parts.length > 0) lines.push(`    ${place}) ${parts.join('; ')} ;;\n`);
  }
  return lines.join('');
}
