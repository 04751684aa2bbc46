/** Findings for people: by group, the worst first to the eye, each with what to do next; and for programs as they are. */
import { escapeControls } from '../../sidecar/runtime/log.ts';
import { dataText, type OutputFormat } from '../print-data.ts';
import { counted, type Finding } from './findings.ts';

export function findingsText(findings: readonly Finding[], format: OutputFormat): string {
  if (format !== 'table') return dataText(findings, [], format);
  const groupWidth = Math.max(...findings.map(({ group }) => group.length));
  const levelWidth = Math.max(...findings.map(({ level }) => level.length));
  const lines: string[] = [];
  let before = '';
  for (const { group, level, text, next } of findings) {
    const shown = group === before ? '' : group;
    before = group;
    lines.push(`${shown.padEnd(groupWidth)}   ${level.padEnd(levelWidth)}   ${escapeControls(text)}`);
    if (next !== '') lines.push(`${' '.repeat(groupWidth + levelWidth + 6)}next: ${escapeControls(next)}`);
  }
  return `${lines.join('\n')}\n\n${summary(findings)}\n`;
}

function summary(findings: readonly Finding[]): string {
  const count = (wanted: Finding['level']): number => findings.filter(({ level }) => level === wanted).length;
  const parts = [
    ...(count('problem') > 0 ? [counted(count('problem'), 'problem', 'problems')] : []),
    ...(count('warning') > 0 ? [counted(count('warning'), 'warning', 'warnings')] : []),
    ...(count('skipped') > 0 ? [`${count('skipped')} not looked at`] : []),
  ];
  return count('problem') + count('warning') === 0 ? ['nothing is wrong', ...parts].join('; ') : parts.join(', ');
}
