/** A member of the JSON objects that lines are, by name. Who calls, whom, and how it went are mostly the same as in the line before: a value that came twice is kept as it was written, and copied as long as it comes. */
import type { LineBuffer } from './line-buffer.ts';
import { LineText } from './line-text.ts';

/** Longer ones are written anew each time. */
const longestKept = 512;
/** After so many changes in a row a value is compared in one line of 64 only: ids never come again, and to find out that two long strings differ costs as much as to write one. */
const patience = 16;
const retryMask = 63;
const nullText = new LineText('null');

export class LineMember {
  readonly #name: LineText;
  #last = '';
  #keptValue: string | null = null;
  readonly #kept = new LineText();
  /** In a row. */
  #changes = 0;
  #lines = 0;

  /** `name`: as it stands in the line, with a comma before it and the colon. */
  constructor(name: string) {
    this.#name = new LineText(name);
  }

  string(out: LineBuffer, value: string): void {
    const looks = this.#changes < patience || (++this.#lines & retryMask) === 0;
    if (looks && value === this.#keptValue) {
      this.#changes = 0;
      out.text(this.#kept);
      return;
    }
    const from = out.length;
    out.text(this.#name);
    out.quoted(value);
    if (looks) this.#look(out, value, from);
  }

  /** Whether what was written from `from` on is worth to be kept. */
  #look(out: LineBuffer, value: string, from: number): void {
    this.#changes++;
    if (value.length > longestKept) return;
    if (value === this.#last) {
      out.keepIn(this.#kept, from);
      this.#keptValue = value;
      this.#changes = 0;
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
