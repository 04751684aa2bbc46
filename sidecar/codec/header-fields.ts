/**
 * An ordered list of header or trailer fields, as received: order, repeats and the spelling of names
 * are kept. Values are strings of bytes (latin1), so that nothing is lost between two codecs.
 * Not a map: a message has about ten fields, and walking two flat arrays beats hashing.
 */
import { type HeaderName, headerName } from './header-name.ts';

export class HeaderFields {
  /** Parallel arrays; codecs walk them directly. Keep both the same length. */
  readonly names: HeaderName[];
  readonly values: string[];

  constructor(names: HeaderName[] = [], values: string[] = []) {
    this.names = names;
    this.values = values;
  }

  /** From `[name, value]` pairs, for tests and for configuration. */
  static of(...pairs: ReadonlyArray<readonly [string, string]>): HeaderFields {
    const fields = new HeaderFields();
    for (const [name, value] of pairs) fields.append(headerName(name), value);
    return fields;
  }

  get length(): number {
    return this.names.length;
  }

  /** The first value of a name given in lower case, or undefined. */
  get(lower: string): string | undefined {
    const { names } = this;
    for (let i = 0; i < names.length; i++) if (names[i]!.lower === lower) return this.values[i];
    return undefined;
  }

  /** All values of a name given in lower case, in order. */
  getAll(lower: string): string[] {
    const found: string[] = [];
    for (let i = 0; i < this.names.length; i++) if (this.names[i]!.lower === lower) found.push(this.values[i]!);
    return found;
  }

  has(lower: string): boolean {
    return this.get(lower) !== undefined;
  }

  append(name: HeaderName, value: string): void {
    this.names.push(name);
    this.values.push(value);
  }

  /** Replaces the first field of that name in place, drops further ones, or appends. */
  set(name: HeaderName, value: string): void {
    let at = -1;
    for (let i = 0; i < this.names.length; i++) {
      if (this.names[i]!.lower === name.lower) {
        at = i;
        break;
      }
    }
    if (at < 0) {
      this.append(name, value);
      return;
    }
    this.values[at] = value;
    this.#deleteFrom(at + 1, name.lower);
  }

  /** Removes every field of that name (lower case). */
  delete(lower: string): void {
    this.#deleteFrom(0, lower);
  }

  clone(): HeaderFields {
    return new HeaderFields(this.names.slice(), this.values.slice());
  }

  /** `[name, value]` pairs with the names as spelt; for tests and dumps, not for the data path. */
  pairs(): Array<[string, string]> {
    return this.names.map((name, i) => [name.raw, this.values[i]!]);
  }

  #deleteFrom(start: number, lower: string): void {
    const { names, values } = this;
    let to = start;
    for (let from = start; from < names.length; from++) {
      if (names[from]!.lower === lower) continue;
      if (to !== from) {
        names[to] = names[from]!;
        values[to] = values[from]!;
      }
      to++;
    }
    if (to < names.length) {
      names.length = to;
      values.length = to;
    }
  }
}
