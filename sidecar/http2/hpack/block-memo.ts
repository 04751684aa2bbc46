/**
 * Remembers what header blocks meant: the same bytes against the same state of the dynamic table are the same message. Peers repeat themselves,
 * so that most blocks are looked up and not decoded. Bounded; a block is kept from its second sight on, so that
 * blocks that never come again cost a hash and no memory.
 */

const slotCount = 64;
/** Longer blocks hold something that changes; hashing them would be wasted. */
const maxBlockBytes = 256;

/** Blocks that decode to more than this are not worth remembering: few bytes could make much memory (HPACK bomb). */
export const maxRememberedBytes = 4096;

export class BlockMemo<Message> {
  readonly #hashes = new Int32Array(slotCount);
  readonly #versions = new Float64Array(slotCount);
  readonly #keys: Array<Uint8Array | null> = Array.from<Uint8Array | null>({ length: slotCount }).fill(null);
  readonly #messages: Array<Message | null> = Array.from<Message | null>({ length: slotCount }).fill(null);
  #lastHash = 0;

  /** The message that these bytes meant when the table had this version, or null; then {@link remember} may follow. */
  find(bytes: Buffer, start: number, end: number, version: number): Message | null {
    const length = end - start;
    if (length > maxBlockBytes) {
      this.#lastHash = 0;
      return null;
    }
    let hash = Math.imul(version, 0x9e3779b1) ^ length;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    hash ^= hash >>> 15;
    if (hash === 0) hash = 1;
    this.#lastHash = hash;
    const slot = hash & (slotCount - 1);
    if (this.#hashes[slot] !== hash || this.#versions[slot] !== version) return null;
    const key = this.#keys[slot]!;
    if (key === null || key.length !== length) return null;
    for (let i = 0; i < length; i++) if (key[i] !== bytes[start + i]) return null;
    return this.#messages[slot]!;
  }

  /** After a `find` of the same bytes that found nothing. `message` must not be changed any more. */
  remember(bytes: Buffer, start: number, end: number, version: number, message: Message): void {
    const hash = this.#lastHash;
    if (hash === 0) return;
    const slot = hash & (slotCount - 1);
    if (this.#hashes[slot] === hash && this.#versions[slot] === version) {
      this.#keys[slot] = Uint8Array.prototype.slice.call(bytes, start, end);
      this.#messages[slot] = message;
      return;
    }
    this.#hashes[slot] = hash;
    this.#versions[slot] = version;
    this.#keys[slot] = null;
    this.#messages[slot] = null;
  }
}
