/** Patterns `COMMAND|WORD` of the scripts' case statements, which find out what command the words before the cursor name. bash and zsh read them alike. */
import type { CompletedCommand, CompletedValue } from './completion-tree.ts';

export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Flags that take a value, by command; also under their old names. */
export function valueFlagKeys(tree: readonly CompletedCommand[]): string[] {
  return tree.flatMap(({ path, flags }) =>
    flags.flatMap(({ allNames, value }) => (value === null ? [] : allNames.map((name) => `${path}|${name}`))),
  );
}

/** Words that lead to a command below another. */
export function commandKeys(tree: readonly CompletedCommand[]): string[] {
  return tree.flatMap(({ path, commands }) => commands.map(({ name }) => `${path}|${name}`));
}

/** What stands behind each flag, flags of the same together. */
export function valueKeys(
  tree: readonly CompletedCommand[],
): ReadonlyArray<readonly [CompletedValue, readonly string[]]> {
  const found = new Map<string, [CompletedValue, string[]]>();
  for (const { path, flags } of tree)
    for (const { allNames, value } of flags) {
      if (value === null || value.kind === 'other') continue;
      const key = JSON.stringify(value);
      const group = found.get(key) ?? [value, []];
      found.set(key, group);
      group[1].push(...allNames.map((name) => `${path}|${name}`));
    }
  return [...found.values()];
}

export function pattern(keys: readonly string[]): string {
  return keys.map(quoted).join('|');
}
