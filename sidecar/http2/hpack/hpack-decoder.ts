/**
 * HPACK decoding (RFC 7541) of complete header blocks. Says what fields a block has and keeps the dynamic table in step;
 * whether the fields make a message is for request-fields.ts and response-fields.ts.
 */
import { ConnectionFault } from '../connection-fault.ts';
import { compressionError } from '../error-code.ts';
import { DecodingTable } from './decoding-table.ts';
import { FieldBlock } from './field-block.ts';
import { type FieldName, fieldName } from './field-name.ts';
import { decodeHuffman } from './huffman-decode.ts';
import { staticCount, staticTable } from './static-table.ts';

const staticNames: readonly FieldName[] = staticTable.map(([name]) => fieldName(name));
const staticValues: readonly string[] = staticTable.map(([, value]) => value);

/** What toString('latin1') ends in, without its checks; missing in the type declarations. */
const { latin1Slice } = Buffer.prototype as unknown as {
  latin1Slice(this: Buffer, start: number, end: number): string;
};

/** Decoded strings pass through here; grown when a longer one comes. */
let scratch = Buffer.allocUnsafeSlow(4096);

/** The table size that holds until a SETTINGS frame says otherwise (RFC 9113 6.5.2). */
const initialTableBytes = 4096;

export class HpackDecoder {
  readonly block: FieldBlock = new FieldBlock();
  readonly #table: DecodingTable;
  readonly #maxDecodedBytes: number;
  readonly #maxFields: number;
  /** What the peer may set the table to. */
  #allowedTableBytes = initialTableBytes;
  /** The peer acknowledged a smaller size and must say so at the start of its next block (RFC 7541 4.2). */
  #resizeDue = false;
  #bytes: Buffer = scratch;
  #at = 0;
  #end = 0;
  /** Bounds of the last string read by #readString, and whether its bytes may stand in a value. */
  #stringValid = true;

  /** Blocks that decode to more than `maxDecodedBytes` or `maxFields` are marked, not kept. */
  constructor(maxDecodedBytes: number, maxFields: number) {
    this.#table = new DecodingTable(initialTableBytes);
    this.#maxDecodedBytes = maxDecodedBytes;
    this.#maxFields = maxFields;
  }

  /** See {@link DecodingTable.version}. */
  get version(): number {
    return this.#table.version;
  }

  get tableBytes(): number {
    return this.#table.bytes;
  }

  /** No block may be taken from a memo: the peer owes a table size update. */
  get mustDecode(): boolean {
    return this.#resizeDue;
  }

  /** Our SETTINGS_HEADER_TABLE_SIZE was acknowledged. */
  allowTableBytes(bytes: number): void {
    this.#allowedTableBytes = bytes;
    if (bytes < this.#table.maxBytes) this.#resizeDue = true;
  }

  /** Decodes `bytes[start, end)` into {@link block}. Throws ConnectionFault COMPRESSION_ERROR: after that the connection is lost. */
  decode(bytes: Buffer, start: number, end: number): FieldBlock {
    const { block } = this;
    block.clear();
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#readSizeUpdates();
    while (this.#at < this.#end) {
      const first = bytes[this.#at]!;
      if (first >= 0x80) this.#readIndexed(first);
      else if (first >= 0x40) this.#readLiteral(first & 0x3f, 0x3f, true, false);
      else if (first >= 0x20) throw fault('a table size update after a field');
      else this.#readLiteral(first & 0x0f, 0x0f, false, first >= 0x10);
    }
    // The read buffer must not stay alive for the decoder's sake.
    this.#bytes = scratch;
    return block;
  }

  #readSizeUpdates(): void {
    for (let updates = 0; this.#at < this.#end; updates++) {
      const first = this.#bytes[this.#at]!;
      if (first < 0x20 || first >= 0x40) break;
      if (updates === 2) throw fault('more than two table size updates in a row');
      const size = this.#readInteger(first & 0x1f, 0x1f);
      if (size > this.#allowedTableBytes)
        throw fault(`table size ${size} is above the limit ${this.#allowedTableBytes}`);
      this.#table.resize(size);
      this.#resizeDue = false;
    }
    if (this.#resizeDue) throw fault('the lowered table size was not confirmed');
  }

  #readIndexed(first: number): void {
    const index = this.#readInteger(first & 0x7f, 0x7f);
    if (index <= staticCount) {
      if (index === 0) throw fault('index 0');
      this.#add(staticNames[index - 1]!, staticNames[index - 1]!.name.raw.length, staticValues[index - 1]!, true);
      return;
    }
    const at = index - staticCount - 1;
    const table = this.#table;
    if (at >= table.length) throw fault(`index ${index} is beyond the table`);
    this.#add(table.name(at), table.nameBytes(at), table.value(at), table.valid(at));
  }

  #readLiteral(prefix: number, mask: number, insert: boolean, neverIndexed: boolean): void {
    const index = this.#readInteger(prefix, mask);
    let name: FieldName;
    let nameBytes: number;
    if (index === 0) {
      const text = this.#readString();
      name = fieldName(text);
      nameBytes = text.length;
    } else if (index <= staticCount) {
      name = staticNames[index - 1]!;
      nameBytes = name.name.raw.length;
    } else {
      const at = index - staticCount - 1;
      if (at >= this.#table.length) throw fault(`name index ${index} is beyond the table`);
      name = this.#table.name(at);
      nameBytes = this.#table.nameBytes(at);
    }
    const value = this.#readString();
    const valid = this.#stringValid;
    if (insert) this.#table.insert(name, nameBytes, value, valid);
    this.#add(neverIndexed ? name.asNeverIndexed() : name, nameBytes, value, valid);
  }

  #add(name: FieldName, nameBytes: number, value: string, valid: boolean): void {
    const { block } = this;
    block.fieldCount++;
    block.decodedBytes += nameBytes + value.length;
    if (block.decodedBytes > this.#maxDecodedBytes || block.fieldCount > this.#maxFields) {
      block.tooLarge = true;
      return;
    }
    if (!valid) block.hasInvalidValue = true;
    block.names.push(name);
    block.values.push(value);
  }

  #readInteger(prefix: number, mask: number): number {
    this.#at++;
    if (prefix < mask) return prefix;
    let value = mask;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#at >= this.#end) throw fault('an integer is cut off');
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw fault('an integer is too large');
  }

  #readString(): string {
    if (this.#at >= this.#end) throw fault('a string is missing');
    const bytes = this.#bytes;
    const first = bytes[this.#at]!;
    const length = this.#readInteger(first & 0x7f, 0x7f);
    const start = this.#at;
    const end = start + length;
    if (end > this.#end) throw fault('a string is longer than its block');
    this.#at = end;
    if (first < 0x80) {
      this.#stringValid = isValidValue(bytes, start, end);
      return length === 0 ? '' : latin1Slice.call(bytes, start, end);
    }
    if (length * 2 > scratch.length) scratch = Buffer.allocUnsafeSlow(length * 2);
    const written = decodeHuffman(bytes, start, end, scratch);
    if (written < 0) throw fault('a string is not valid Huffman code');
    this.#stringValid = isValidValue(scratch, 0, written);
    return latin1Slice.call(scratch, 0, written);
  }
}

/** RFC 9113 8.2.1: no control characters (tab may stand inside), no white space at either end. */
function isValidValue(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    if ((byte < 0x20 && byte !== 0x09) || byte === 0x7f) return false;
  }
  if (start === end) return true;
  const first = bytes[start]!;
  const last = bytes[end - 1]!;
  return first !== 0x20 && first !== 0x09 && last !== 0x20 && last !== 0x09;
}

function fault(what: string): ConnectionFault {
  return new ConnectionFault(compressionError, 'http2.hpack_error', `HPACK: ${what}`);
}
