/** The beginnings of a request's and an answer's body, while somebody taps them. Copies: what codecs hand over is read into again. */

/** What the bodies of all requests under way may take together: there may be thousands, whatever few a tap looks for. */
export class BodyBudget {
  left: number;

  constructor(bytes: number) {
    this.left = bytes;
  }

  /** Says how many of them there were. */
  take(bytes: number): number {
    const taken = Math.min(bytes, this.left);
    this.left -= taken;
    return taken;
  }
}

/** Room is taken in such steps at least, then as much again as there is. */
const leastBytes = 1_024;
const empty = Buffer.alloc(0);

/** One buffer, that small pieces cost no more than their bytes. */
class Beginning {
  /** 0 when there is no more to come. */
  #wanted: number;
  #length = 0;
  #buffer: Buffer = empty;
  readonly #budget: BodyBudget;

  constructor(mostBytes: number, budget: BodyBudget) {
    this.#wanted = mostBytes;
    this.#budget = budget;
  }

  add(chunk: Buffer): void {
    if (this.#wanted === 0 || chunk.length === 0) return;
    const size = Math.min(chunk.length, this.#wanted);
    this.#makeRoom(size);
    const copied = chunk.copy(this.#buffer, this.#length, 0, size);
    this.#length += copied;
    // After a gap nothing is kept: it would be another body.
    this.#wanted = copied < size ? 0 : this.#wanted - copied;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  release(): void {
    this.#budget.left += this.#buffer.length;
    this.#buffer = empty;
    this.#length = 0;
    this.#wanted = 0;
  }

  /** As far as the budget goes. */
  #makeRoom(size: number): void {
    const before = this.#buffer;
    if (this.#length + size <= before.length) return;
    const most = this.#length + this.#wanted;
    const length = Math.min(most, Math.max(this.#length + size, 2 * before.length, leastBytes));
    const taken = this.#budget.take(length - before.length);
    if (taken === 0) return;
    this.#buffer = Buffer.allocUnsafeSlow(before.length + taken);
    before.copy(this.#buffer, 0, 0, this.#length);
  }
}

export class TappedBodies {
  readonly request: Beginning;
  readonly response: Beginning;

  constructor(mostBytes: number, budget: BodyBudget) {
    this.request = new Beginning(mostBytes, budget);
    this.response = new Beginning(mostBytes, budget);
  }

  /** The request has ended, and everybody has heard of it. */
  release(): void {
    this.request.release();
    this.response.release();
  }
}
