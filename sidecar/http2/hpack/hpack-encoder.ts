/**
 * HPACK encoding (RFC 7541). A field that comes a second time is put into the dynamic table, so that from then on it is one byte; fields
 * that never repeat (request ids) do not push the others out. Literals go as they are, only what enters the table is Huffman coded: that is done once.
 */
import { encodeHuffman, huffmanLength } from './huffman-encode.ts';
import { entryOverheadBytes, staticCount, staticTable } from './static-table.ts';

/** What write('latin1') ends in, without its checks; missing in the type declarations. */
const { latin1Write } = Buffer.prototype as unknown as {
  latin1Write(this: Buffer, text: string, at: number, length: number): number;
};

class EncodedEntry {
  readonly value: string;
  readonly bytes: number;
  /** Number of the insertion, from 1. */
  readonly serial: number;
  /** The entry of the same name before this one; dead when its serial is too old. */
  readonly older: EncodedEntry | null;

  constructor(value: string, bytes: number, serial: number, older: EncodedEntry | null) {
    this.value = value;
    this.bytes = bytes;
    this.serial = serial;
    this.older = older;
  }
}

/**
 * Not indexed, so that its value cannot be guessed by trying (RFC 7541 7.1.3), also when it came by HTTP/1 or its sender did not ask for it. Fields whose sender did ask
 * come by addNeverIndexed; of pseudo-headers, for which heads have no place, that wish is not carried.
 */
const neverIndexedNames: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization']);
/** Short cookies are guessable too; the bound is nghttp2's. */
const minIndexedCookieLength = 20;

const recentCount = 4;

/** What the encoder knows about a name. */
class NameState {
  readonly name: string;
  /** Static index of the name, 0 for none. */
  readonly staticIndex: number;
  readonly staticValues: readonly string[];
  readonly neverIndexed: boolean;
  readonly isCookie: boolean;
  newest: EncodedEntry | null = null;
  /** Values sent as literals lately: the next time they are worth an entry. */
  readonly recent: string[] = [];
  recentAt = 0;

  constructor(name: string) {
    this.name = name;
    this.staticIndex = staticTable.findIndex(([known]) => known === name) + 1;
    this.staticValues =
      this.staticIndex === 0 ? [] : staticTable.filter(([known]) => known === name).map(([, value]) => value);
    this.neverIndexed = neverIndexedNames.has(name);
    this.isCookie = name === 'cookie';
  }
}

/** Names that a connection's encoder keeps; more are encoded without memory of them. */
const maxNames = 256;

/** Where blocks are built, one at a time, for all connections of this event loop. */
export const blockScratch = { buffer: Buffer.allocUnsafeSlow(16 * 1024) };

export class HpackEncoder {
  readonly #names = new Map<string, NameState>();
  /** Live entries, oldest first from #firstLive. */
  #entries: EncodedEntry[] = [];
  #firstLive = 0;
  #bytes = 0;
  #maxBytes = 4096;
  readonly #limitBytes: number;
  /** Insertions so far, and how many of them are gone. */
  #inserted = 0;
  #evicted = 0;
  /** Smallest and last size that the decoder must be told of, -1 for none. */
  #pendingMin = -1;
  #pendingSize = -1;
  #at = 0;

  /** `limitBytes`: the most that we use of the table size that the peer allows. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
    if (limitBytes < this.#maxBytes) this.setPeerTableBytes(this.#maxBytes);
  }

  get tableBytes(): number {
    return this.#bytes;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. Takes effect, and is confirmed, at the start of the next block (RFC 7541 4.2). */
  setPeerTableBytes(bytes: number): void {
    const size = Math.min(bytes, this.#limitBytes);
    if (size === this.#maxBytes) return;
    this.#pendingMin = this.#pendingMin < 0 ? size : Math.min(this.#pendingMin, size);
    this.#pendingSize = size;
    this.#maxBytes = size;
    this.#evictTo(size);
  }

  /** Begins a block in {@link blockScratch}. */
  begin(): void {
    this.#at = 0;
    if (this.#pendingSize >= 0) {
      if (this.#pendingMin < this.#pendingSize) this.#writeInteger(0x20, 0x1f, this.#pendingMin);
      this.#writeInteger(0x20, 0x1f, this.#pendingSize);
      this.#pendingMin = -1;
      this.#pendingSize = -1;
    }
  }

  /** Ends the block: its length. */
  end(): number {
    return this.#at;
  }

  /** Appends an entry of the static table by its index. */
  addStatic(index: number): void {
    if (this.#at + 1 > blockScratch.buffer.length) grow(this.#at, 1);
    blockScratch.buffer[this.#at++] = 0x80 | index;
  }

  /** Appends a field; `name` in lower case. */
  add(name: string, value: string): void {
    const state = this.#names.get(name) ?? this.#newName(name);
    for (let entry = state.newest; entry !== null && entry.serial > this.#evicted; entry = entry.older) {
      if (entry.value === value) {
        const index = staticCount + 1 + this.#inserted - entry.serial;
        if (this.#at + 4 > blockScratch.buffer.length) grow(this.#at, 4);
        if (index < 0x7f) blockScratch.buffer[this.#at++] = 0x80 | index;
        else this.#writeInteger(0x80, 0x7f, index);
        return;
      }
    }
    this.#addUnindexed(state, value);
  }

  /** Appends a field that neither we nor any hop behind us may index; `name` in lower case. */
  addNeverIndexed(name: string, value: string): void {
    const state = this.#names.get(name) ?? this.#newName(name);
    const needed = name.length + value.length + 24;
    if (this.#at + needed > blockScratch.buffer.length) grow(this.#at, needed);
    this.#writeLiteral(0x10, 0x0f, this.#nameIndex(state), name, value, false);
  }

  #newName(name: string): NameState {
    const state = new NameState(name);
    if (this.#names.size < maxNames) this.#names.set(name, state);
    return state;
  }

  /** Where the name stands in a table, 0 for nowhere. */
  #nameIndex(state: NameState): number {
    if (state.staticIndex !== 0) return state.staticIndex;
    const { newest } = state;
    return newest !== null && newest.serial > this.#evicted ? staticCount + 1 + this.#inserted - newest.serial : 0;
  }

  #addUnindexed(state: NameState, value: string): void {
    const { staticValues } = state;
    for (let i = 0; i < staticValues.length; i++) {
      if (staticValues[i] === value && value !== '') {
        this.addStatic(state.staticIndex + i);
        return;
      }
    }
    // Names and values in both forms, with two length integers and the first.
    const needed = state.name.length + value.length + 24;
    if (this.#at + needed > blockScratch.buffer.length) grow(this.#at, needed);
    const nameIndex = this.#nameIndex(state);
    const bytes = state.name.length + value.length + entryOverheadBytes;
    if (state.neverIndexed || (state.isCookie && value.length < minIndexedCookieLength)) {
      this.#writeLiteral(0x10, 0x0f, nameIndex, state.name, value, false);
    } else if (bytes * 4 > this.#maxBytes) {
      this.#writeLiteral(0, 0x0f, nameIndex, state.name, value, false);
    } else if (nameIndex === 0 || state.recent.includes(value)) {
      this.#writeLiteral(0x40, 0x3f, nameIndex, state.name, value, true);
      this.#insert(state, value, bytes);
    } else {
      state.recent[state.recentAt] = value;
      state.recentAt = (state.recentAt + 1) % recentCount;
      this.#writeLiteral(0, 0x0f, nameIndex, state.name, value, false);
    }
  }

  #insert(state: NameState, value: string, bytes: number): void {
    this.#evictTo(this.#maxBytes - bytes);
    const alive = state.newest !== null && state.newest.serial > this.#evicted;
    const entry = new EncodedEntry(value, bytes, ++this.#inserted, alive ? state.newest : null);
    state.newest = entry;
    this.#entries.push(entry);
    this.#bytes += bytes;
  }

  #evictTo(bytes: number): void {
    while (this.#bytes > bytes && this.#firstLive < this.#entries.length) {
      this.#bytes -= this.#entries[this.#firstLive++]!.bytes;
      this.#evicted++;
    }
    if (this.#firstLive >= 128) {
      this.#entries = this.#entries.slice(this.#firstLive);
      this.#firstLive = 0;
    }
  }

  #writeLiteral(flags: number, mask: number, index: number, name: string, value: string, huffman: boolean): void {
    this.#writeInteger(flags, mask, index);
    if (index === 0) this.#writeString(name, huffman);
    this.#writeString(value, huffman);
  }

  #writeString(text: string, huffman: boolean): void {
    const { buffer } = blockScratch;
    const { length } = text;
    if (huffman) {
      const coded = huffmanLength(text);
      if (coded < length) {
        this.#writeInteger(0x80, 0x7f, coded);
        this.#at = encodeHuffman(text, buffer, this.#at);
        return;
      }
    }
    this.#writeInteger(0, 0x7f, length);
    const at = this.#at;
    if (length < 24) for (let i = 0; i < length; i++) buffer[at + i] = text.charCodeAt(i);
    else latin1Write.call(buffer, text, at, length);
    this.#at = at + length;
  }

  #writeInteger(flags: number, mask: number, value: number): void {
    const { buffer } = blockScratch;
    if (value < mask) {
      buffer[this.#at++] = flags | value;
      return;
    }
    buffer[this.#at++] = flags | mask;
    let rest = value - mask;
    while (rest >= 0x80) {
      buffer[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[this.#at++] = rest;
  }
}

function grow(used: number, needed: number): void {
  const larger = Buffer.allocUnsafeSlow((used + needed) * 2);
  blockScratch.buffer.copy(larger, 0, 0, used);
  blockScratch.buffer = larger;
}
