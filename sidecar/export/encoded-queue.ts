/**
 * Encoded items that wait to be sent, within bounds in number and bytes: past them an item is turned away, never kept. What waits is bytes, side by side in one piece of memory: objects would be moved by the garbage collector,
 * and would hold on to what peers sent; a buffer for each would have it look through the whole heap, again and again.
 */
import { ByteRing } from './byte-ring.ts';

export interface QueueBounds {
  readonly maxItems: number;
  readonly maxBytes: number;
}

export interface Taken {
  readonly items: number;
  /** The items one behind the other, in pieces that may begin and end within one; good until the next push(). */
  readonly pieces: readonly Buffer[];
}

export class EncodedQueue {
  readonly #bounds: QueueBounds;
  readonly #encoded = new ByteRing();
  /** Of each item, oldest first, from `#head` on: what is before it was taken. */
  #lengths: number[] = [];
  #head = 0;

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds;
  }

  get items(): number {
    return this.#lengths.length - this.#head;
  }

  get bytes(): number {
    return this.#encoded.length;
  }

  get full(): boolean {
    const { maxItems, maxBytes } = this.#bounds;
    return this.items >= maxItems || this.#encoded.length >= maxBytes;
  }

  /** Copies it. False: there is no room. */
  push(item: Uint8Array): boolean {
    if (this.full || this.#encoded.length + item.length > this.#bounds.maxBytes) return false;
    this.#encoded.push(item);
    this.#lengths.push(item.length);
    return true;
  }

  /** The oldest ones, as many as fit, but one at least where there is one. */
  take(maxItems: number, maxBytes: number): Taken {
    const lengths = this.#lengths;
    let at = this.#head;
    const end = Math.min(lengths.length, at + maxItems);
    let bytes = 0;
    while (at < end) {
      const length = lengths[at]!;
      if (at > this.#head && bytes + length > maxBytes) break;
      bytes += length;
      at++;
    }
    const items = at - this.#head;
    this.#head = at;
    // Moves no more than were taken since the last time.
    if (at * 2 >= lengths.length) {
      this.#lengths = lengths.slice(at);
      this.#head = 0;
    }
    return { items, pieces: this.#encoded.shift(bytes) };
  }
}
