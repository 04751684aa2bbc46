/**
 * HPACK encoding (RFC 7541). A field that comes a second time is put into the dynamic table, so that from then on it is one byte; fields
 * that never repeat (request ids) do not push the others out. Literals go as they are, only what enters the table is Huffman coded: that is done once.
 */
import { fingerprint } from './fingerprint.ts';
import { encodeHuffman, huffmanLength } from './huffman-encode.ts';
import { entryOverheadBytes, staticCount, staticTable } from './static-table.ts';

/** What write('latin1') and toString('latin1') end in, without their checks; missing in the type declarations. */
const { latin1Write, latin1Slice } = Buffer.prototype as unknown as {
  latin1Write(this: Buffer, text: string, at: number, length: number): number;
  latin1Slice(this: Buffer, start: number, end: number): string;
};

/** An entry of the table. Nothing that lives leads to one that was evicted: the chains are cut where one goes. */
class EncodedEntry {
  readonly state: NameState;
  /** A string of its own: what we are given is often a piece of a whole head, and would keep that. */
  readonly value: string;
  readonly bytes: number;
  /** Number of the insertion, from 1. */
  readonly serial: number;
  /** Of the same name, before and after this one. */
  older: EncodedEntry | null;
  newer: EncodedEntry | null = null;
  /** Inserted after this one, whatever its name. */
  next: EncodedEntry | null = null;

  constructor(state: NameState, value: string, bytes: number, serial: number) {
    this.state = state;
    this.value = value;
    this.bytes = bytes;
    this.serial = serial;
    this.older = state.newest;
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
  /**
   * Fingerprints of values sent as literals lately: the next time they are worth an entry. One that is taken for another gets its entry the first time. The
   * values themselves would keep the heads that they are pieces of.
   */
  readonly recent: number[] = [];
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
  /** The ends of the table: the entry that goes next, and the one that came last. */
  #oldest: EncodedEntry | null = null;
  #newest: EncodedEntry | null = null;
  #bytes = 0;
  #maxBytes = 4096;
  readonly #limitBytes: number;
  /** Insertions so far. */
  #inserted = 0;
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

  /** How many entries can be reached from here by any way; for tests. */
  countReachable(): number {
    const seen = new Set<EncodedEntry>();
    const found = [this.#oldest, this.#newest, ...Array.from(this.#names.values(), ({ newest }) => newest)];
    for (let entry = found.pop(); entry !== undefined; entry = found.pop()) {
      if (entry === null || seen.has(entry)) continue;
      seen.add(entry);
      found.push(entry.older, entry.newer, entry.next, entry.state.newest);
    }
    return seen.size;
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
    for (let entry = state.newest; entry !== null; entry = entry.older) {
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
    return newest === null ? 0 : staticCount + 1 + this.#inserted - newest.serial;
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
    } else {
      const start = this.#at;
      this.#writeLiteral(0, 0x0f, nameIndex, state.name, value, false);
      const { buffer } = blockScratch;
      const valueAt = this.#at - value.length;
      if (nameIndex !== 0) {
        const print = fingerprint(buffer, valueAt, this.#at);
        if (!state.recent.includes(print)) {
          state.recent[state.recentAt] = print;
          state.recentAt = (state.recentAt + 1) % recentCount;
          return;
        }
      }
      // Worth an entry: written once more, over the literal, which gives our own copy of the value.
      const own = latin1Slice.call(buffer, valueAt, this.#at);
      // Characters beyond a byte do not pass through it, and would never be found again.
      if (own !== value) return;
      this.#at = start;
      this.#writeLiteral(0x40, 0x3f, nameIndex, state.name, own, true);
      this.#insert(state, own, bytes);
    }
  }

  #insert(state: NameState, value: string, bytes: number): void {
    this.#evictTo(this.#maxBytes - bytes);
    const entry = new EncodedEntry(state, value, bytes, ++this.#inserted);
    if (entry.older !== null) entry.older.newer = entry;
    state.newest = entry;
    if (this.#newest === null) this.#oldest = entry;
    else this.#newest.next = entry;
    this.#newest = entry;
    this.#bytes += bytes;
  }

  #evictTo(bytes: number): void {
    while (this.#bytes > bytes && this.#oldest !== null) {
      const gone = this.#oldest;
      this.#bytes -= gone.bytes;
      this.#oldest = gone.next;
      if (gone.next === null) this.#newest = null;
      // The oldest of all is the oldest of its name.
      if (gone.newer === null) gone.state.newest = null;
      else gone.newer.older = null;
      // A dead object in the old generation keeps what it leads to from young collections.
      gone.newer = null;
      gone.next = null;
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
