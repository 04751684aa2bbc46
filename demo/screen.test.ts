import { expect, test } from 'vitest';
import { Screen } from './screen.ts';

/** As much of a terminal as the screen uses: wraps, goes up, erases below. Keeps everything that scrolled away. */
class Terminal {
  readonly isTTY = true;
  columns = 20;
  rows = 10;
  #lines: string[] = [''];
  #row = 0;

  write(text: string): void {
    for (const [part] of text.matchAll(/\p{Cc}\[\d*[AJ]|[^]/gu)) {
      const up = /\[(\d+)A$/.exec(part);
      if (up !== null) {
        // A terminal goes no further than its first row.
        const top = Math.max(0, this.#lines.length - this.rows);
        this.#row = Math.max(top, this.#row - Number(up[1]));
      } else if (part === '\u001b[J') {
        this.#lines.length = this.#row + 1;
        this.#lines[this.#row] = '';
      } else if (part === '\n') this.#next();
      else if (part !== '\r') {
        if ([...this.#lines[this.#row]!].length === this.columns) this.#next();
        this.#lines[this.#row] += part;
      }
    }
  }

  #next(): void {
    this.#row++;
    this.#lines[this.#row] ??= '';
  }

  get text(): string {
    return this.#lines.join('\n');
  }
}

test('lines stand above the table, which is drawn again below them', () => {
  const terminal = new Terminal();
  const screen = new Screen(terminal);
  screen.print('welcome');
  screen.show(['edge', 'a 1']);
  screen.print('a line that is longer than the terminal is wide');
  screen.show(['edge', 'a 2', 'b 1']);
  screen.print('another');
  screen.show(['edge', 'a 3']);
  expect(terminal.text).toBe('welcome\na line that is longe\nr than the terminal \nis wide\nanother\nedge\na 3\n');
});

test('rows of the table that are too long are cut, and leave nothing behind', () => {
  const terminal = new Terminal();
  const screen = new Screen(terminal);
  for (let i = 0; i < 3; i++) screen.show([`→ ${'x'.repeat(60)}`, String(i)]);
  expect(terminal.text).toBe(`→ ${'x'.repeat(17)}…\n2\n`);
});

test('a table that is taller than the terminal is cut, and tears nothing', () => {
  const terminal = new Terminal();
  terminal.rows = 4;
  const screen = new Screen(terminal);
  screen.print('before');
  for (let i = 0; i < 3; i++) screen.show(['a', 'b', 'c', 'd', 'e'].map((name) => `${name} ${i}`));
  expect(terminal.text).toBe('before\na 2\nb 2\nc 2\n');
});

test('a terminal that was made narrower has wrapped the table: all of its rows are taken away', () => {
  const written: string[] = [];
  const out = { isTTY: true, columns: 20, write: (text: string) => written.push(text) };
  const screen = new Screen(out);
  screen.show(['x'.repeat(20), 'y']);
  out.columns = 8;
  screen.print('line');
  expect(written.at(-1)!.startsWith('\u001b[4A\r\u001b[Jline\n')).toBe(true);
});

test('after the end the table stays, and what follows stands below', () => {
  const terminal = new Terminal();
  const screen = new Screen(terminal);
  screen.show(['edge']);
  screen.leave();
  screen.print('10 purchases');
  expect(terminal.text).toBe('edge\n10 purchases\n');
});

test('what is no terminal gets no escape sequences', () => {
  let text = '';
  const screen = new Screen({ write: (more) => (text += more) });
  screen.show(['edge', 'a 1']);
  screen.print('line');
  screen.show(['edge', 'x'.repeat(100)]);
  expect(text).toBe(`edge\na 1\nline\nedge\n${'x'.repeat(100)}\n`);
});
