/** Bytes in the order in which they came, in one piece of memory that is used over and over: what waits shortly and goes must not be an object each time, nor memory outside of the heap, for which V8 looks through all of the heap. */
const leastBytes = 16_384;
/** More than as much is given back when it is empty. */
const keptBytes = 262_144;

export class ByteRing {
  #memory: Buffer | null = null;
  /** Where the oldest byte stands. */
  #from = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Copies `bytes` behind all others. */
  push(bytes: Uint8Array): void {
    const wanted = this.#length + bytes.length;
    if (this.#memory === null || wanted > this.#memory.length) this.#grow(wanted);
    const memory = this.#memory!;
    const to = (this.#from + this.#length) % memory.length;
    const first = Math.min(bytes.length, memory.length - to);
    memory.set(first === bytes.length ? bytes : bytes.subarray(0, first), to);
    if (first < bytes.length) memory.set(bytes.subarray(first), 0);
    this.#length = wanted;
  }

  /** Takes the oldest `length` bytes, in one piece or two, which are good until the next push(). No more than there are. */
  shift(length: number): readonly Buffer[] {
    const memory = this.#memory;
    if (memory === null || length === 0) return [];
    const from = this.#from;
    const first = Math.min(length, memory.length - from);
    const pieces = [memory.subarray(from, from + first)];
    if (first < length) pieces.push(memory.subarray(0, length - first));
    this.#from = (from + length) % memory.length;
    this.#length -= length;
    if (this.#length === 0) {
      this.#from = 0;
      if (memory.length > keptBytes) this.#memory = null;
    }
    return pieces;
  }

  #grow(wanted: number): void {
    let capacity = this.#memory === null ? leastBytes : this.#memory.length;
    while (capacity < wanted) capacity *= 2;
    const larger = Buffer.allocUnsafeSlow(capacity);
    const length = this.#length;
    let at = 0;
    for (const piece of this.shift(length)) {
      larger.set(piece, at);
      at += piece.length;
    }
    this.#memory = larger;
    this.#from = 0;
    this.#length = length;
  }
}
