/**
 * A terminal with a table that stays at its bottom: lines are printed above it, and it is drawn again below them. Nobody else may write there. Keeps the table only; lines are the
 * terminal's. When it is no terminal, lines and tables follow each other.
 */

export interface ScreenOutput {
  readonly isTTY?: boolean;
  /** Of the terminal; it may change. */
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

export class Screen {
  readonly #out: ScreenOutput;
  /** As drawn: cut to the width that the terminal had. */
  #table: readonly string[] = [];

  constructor(out: ScreenOutput) {
    this.#out = out;
  }

  get isTerminal(): boolean {
    return this.#out.isTTY === true;
  }

  /** One line or several. */
  print(text: string): void {
    this.#out.write(`${this.#erase()}${text}\n${this.#drawn()}`);
  }

  /** Takes the place of the table before. */
  show(lines: readonly string[]): void {
    const erase = this.#erase();
    // Taller than the terminal, it could not be taken away again.
    if (this.isTerminal)
      this.#table = lines.slice(0, Math.max(1, (this.#out.rows ?? 24) - 1)).map((line) => cut(line, this.columns));
    this.#out.write(`${erase}${this.isTerminal ? this.#drawn() : `${lines.join('\n')}\n`}`);
  }

  /** The table stays where it is; what is printed from now on follows it. */
  leave(): void {
    this.#table = [];
  }

  get columns(): number {
    return Math.max(1, this.#out.columns ?? 80);
  }

  #drawn(): string {
    return this.#table.map((line) => `${line}\n`).join('');
  }

  #erase(): string {
    if (this.#table.length === 0) return '';
    // A terminal that was made narrower has wrapped them.
    const rows = this.#table.reduce((sum, line) => sum + Math.max(1, Math.ceil(width(line) / this.columns)), 0);
    return `\u001b[${rows}A\r\u001b[J`;
  }
}

function width(line: string): number {
  return [...line].length;
}

function cut(line: string, columns: number): string {
  const chars = [...line];
  return chars.length <= columns ? line : `${chars.slice(0, columns - 1).join('')}…`;
}
