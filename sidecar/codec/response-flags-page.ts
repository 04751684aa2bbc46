/** The table of docs/response-flags.md, made of the list of flags. print-response-flags.ts writes it into the page. */
import { type FlagFacts, responseFlags } from './response-flag.ts';

const begin = '<!-- table: node sidecar/codec/print-response-flags.ts -->\n';
const end = '<!-- end of table -->\n';

/** `page` with the table as it is now. */
export function withTable(page: string): string {
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error('docs/response-flags.md has no place for the table');
  return `${page.slice(0, from)}${begin}\n${table()}\n${page.slice(to)}`;
}

function table(): string {
  const rows = Object.entries(responseFlags).map(([flag, facts]) => row(flag, facts));
  return `| flag | means | status | gRPC | provoked by | what next |\n|---|---|---|---|---|---|\n${rows.join('')}`;
}

function row(flag: string, { meaning, of, status, grpcStatus, answer, provokedBy, next }: FlagFacts): string {
  const scope = of === 'both' ? '' : ` (${of})`;
  const answered = [status === null ? '' : String(status), answer].filter((part) => part !== '').join('; ');
  const cells = [
    `\`${flag}\``,
    meaning + scope,
    answered,
    grpcStatus === null ? '' : String(grpcStatus),
    provokedBy,
    next,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
}
