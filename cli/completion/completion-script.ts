/** Completion for a shell as the text of a script, made of the program's own commands and flags: nothing of ours runs while somebody presses Tab. */
import type { Command } from 'commander';
import { bashScript } from './bash-script.ts';
import { completionTree } from './completion-tree.ts';
import { fishScript } from './fish-script.ts';
import { zshScript } from './zsh-script.ts';

export type Shell = 'bash' | 'zsh' | 'fish';

export function completionScript(shell: Shell, root: Command): string {
  const tree = completionTree(root);
  if (shell === 'bash') return bashScript(tree);
  return shell === 'zsh' ? zshScript(tree) : fishScript(tree);
}
