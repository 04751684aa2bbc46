/** The table of operators in docs/observability.md, made of what the code takes: `node sidecar/access-log/operator-table.ts` writes it there. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { logOperators } from './log-operators.ts';

const file = join(import.meta.dirname, '../../docs/observability.md');
const begin = '<!-- operators -->';
const end = '<!-- end of operators -->';

/** The document with the table as it should be. */
export function withOperatorTable(document: string): string {
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${file} has no ${begin} … ${end}`);
  const rows = Object.entries(logOperators).map(([name, { takes, says }]) => {
    const argument = takes === '' ? '' : `(${takes.replace(/\?$/, '')})`;
    return `| \`%${name}${argument}%\`${takes.endsWith('?') ? ', also without' : ''} | ${says} |`;
  });
  return `${document.slice(0, from + begin.length)}\n| operator | says |\n|---|---|\n${rows.join('\n')}\n${document.slice(to)}`;
}

export function readDocument(): string {
  return readFileSync(file, 'utf8');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(file, withOperatorTable(readDocument()));
