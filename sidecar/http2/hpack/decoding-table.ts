/** The decoder's dynamic table (RFC 7541 2.3.2): a ring of entries, newest first by index. */
import type { FieldName } from './field-name.ts';
import { entryOverheadBytes } from './static-table.ts';

export class DecodingTable {
  #names: Array<FieldName | null>;
  #values: string[];
  /** 1 where the value may stand in a message. */
  #valid: Uint8Array;
  #sizes: Uint32Array;
  #mask: number;
  /** Ring position of the next insertion. */
  #next = 0;
  #bytes = 0;
  #maxBytes: number;
  /** Number of entries. */
  length = 0;
  /** Grows with every change of content: what was decoded at the same version has the same indices. */
  version = 0;

  constructor(maxBytes: number) {
    const capacity = 16;
    this.#names = Array.from<FieldName | null>({ length: capacity }).fill(null);
    this.#values = Array.from<string>({ length: capacity }).fill('');
    this.#valid = new Uint8Array(capacity);
    this.#sizes = new Uint32Array(capacity);
    this.#mask = capacity - 1;
    this.#maxBytes = maxBytes;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** `index` from 0, the newest; the caller has checked it against `length`. */
  name(index: number): FieldName {
    return this.#names[(this.#next - 1 - index) & this.#mask]!;
  }

  value(index: number): string {
    return this.#values[(this.#next - 1 - index) & this.#mask]!;
  }

  valid(index: number): boolean {
    return this.#valid[(this.#next - 1 - index) & this.#mask] === 1;
  }

  /** `nameBytes` is given because all invalid names share one object. */
  insert(name: FieldName, nameBytes: number, value: string, valid: boolean): void {
    this.version++;
    const size = nameBytes + value.length + entryOverheadBytes;
    this.#evictTo(this.#maxBytes - size);
    if (size > this.#maxBytes) return;
    if (this.length > this.#mask) this.#grow();
    const at = this.#next;
    this.#names[at] = name;
    this.#values[at] = value;
    this.#valid[at] = valid ? 1 : 0;
    this.#sizes[at] = size;
    this.#next = (at + 1) & this.#mask;
    this.#bytes += size;
    this.length++;
  }

  resize(maxBytes: number): void {
    this.version++;
    this.#maxBytes = maxBytes;
    this.#evictTo(maxBytes);
  }

  /** Bytes of the name of an entry, for entries that take over a name. */
  nameBytes(index: number): number {
    const at = (this.#next - 1 - index) & this.#mask;
    return this.#sizes[at]! - entryOverheadBytes - this.#values[at]!.length;
  }

  #evictTo(bytes: number): void {
    while (this.length > 0 && this.#bytes > bytes) {
      const oldest = (this.#next - this.length) & this.#mask;
      this.#bytes -= this.#sizes[oldest]!;
      this.#names[oldest] = null;
      this.#values[oldest] = '';
      this.length--;
    }
  }

  #grow(): void {
    const capacity = (this.#mask + 1) * 2;
    const names = Array.from<FieldName | null>({ length: capacity }).fill(null);
    const values = Array.from<string>({ length: capacity }).fill('');
    const valid = new Uint8Array(capacity);
    const sizes = new Uint32Array(capacity);
    for (let i = 0; i < this.length; i++) {
      const from = (this.#next - this.length + i) & this.#mask;
      names[i] = this.#names[from]!;
      values[i] = this.#values[from]!;
      valid[i] = this.#valid[from]!;
      sizes[i] = this.#sizes[from]!;
    }
    this.#names = names;
    this.#values = values;
    this.#valid = valid;
    this.#sizes = sizes;
    this.#mask = capacity - 1;
    this.#next = this.length;
  }
}
