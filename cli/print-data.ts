/** Data on stdout: as a table for people, as JSON or YAML for programs. */
import { stringify } from 'yaml';

export type OutputFormat = 'table' | 'json' | 'yaml';

/** One column of a table: heading, and the cell of a row. */
export interface Column<Row> {
  readonly heading: string;
  readonly cell: (row: Row) => string;
}

/** Prints rows; JSON and YAML get the rows as they are. */
export function printData<Row>(rows: readonly Row[], columns: ReadonlyArray<Column<Row>>, format: OutputFormat): void {
  process.stdout.write(dataText(rows, columns, format));
}

export function dataText<Row>(rows: readonly Row[], columns: ReadonlyArray<Column<Row>>, format: OutputFormat): string {
  if (format === 'json') return `${JSON.stringify(rows, null, 2)}\n`;
  if (format === 'yaml') return stringify(rows);
  const lines = [
    columns.map((column) => column.heading.toUpperCase()),
    ...rows.map((row) => columns.map((column) => column.cell(row) || '-')),
  ];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join('   ')
          .trimEnd()}\n`,
    )
    .join('');
}
