/** A member of the JSON objects that lines are, by name. Who calls, whom, and how it went are mostly the same as in the line before: a value that came twice is kept as it was written, and copied as long as it comes. */
import type { LineBuffer } from './line-buffer.ts';
import { LineText } from './line-text.ts';

/** Longer ones are written anew each time. */
const longestKept = 512;
const nullText = new LineText('null');

export class LineMember {
  readonly #name: LineText;
  #last = '';
  #keptValue: string | null = null;
  readonly #kept = new LineText();

  /** `name`: as it stands in the line, with a comma before it and the colon. */
  constructor(name: string) {
    this.#name = new LineText(name);
  }

  string(out: LineBuffer, value: string): void {
    if (value === this.#keptValue) {
      out.text(this.#kept);
      return;
    }
    const from = out.length;
    out.text(this.#name);
    out.quoted(value);
    if (value.length > longestKept) return;
    if (value === this.#last) {
      out.keepIn(this.#kept, from);
      this.#keptValue = value;
    } else this.#last = value;
  }

  number(out: LineBuffer, value: number): void {
    out.text(this.#name);
    out.number(value);
  }

  /** To three decimal places. */
  decimal(out: LineBuffer, value: number): void {
    out.text(this.#name);
    out.decimal(value);
  }

  /** Of any other kind, as JSON. */
  json(out: LineBuffer, json: string): void {
    out.text(this.#name);
    out.raw(json);
  }

  null(out: LineBuffer): void {
    out.text(this.#name);
    out.text(nullText);
  }
}
