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
  /** Of each item, oldest first. */
  #lengths: number[] = [];

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds;
  }

  get items(): number {
    return this.#lengths.length;
  }

  get bytes(): number {
    return this.#encoded.length;
  }

  get full(): boolean {
    const { maxItems, maxBytes } = this.#bounds;
    return this.#lengths.length >= maxItems || this.#encoded.length >= maxBytes;
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
    let items = 0;
    let bytes = 0;
    while (items < lengths.length && items < maxItems) {
      const length = lengths[items]!;
      if (items > 0 && bytes + length > maxBytes) break;
      bytes += length;
      items++;
    }
    this.#lengths = items === lengths.length ? [] : lengths.slice(items);
    return { items, pieces: this.#encoded.shift(bytes) };
  }
}
