/** How many calls there were lately, and how many of them failed or were slow: a ring of ten buckets, so that memory and work do not grow with the calls. Decides nothing. */

const bucketCount = 10;

export class SlidingWindow {
  readonly #bucketMs: number;
  readonly #calls = new Float64Array(bucketCount);
  readonly #failures = new Float64Array(bucketCount);
  readonly #slow = new Float64Array(bucketCount);
  /** Number of the newest bucket, counted from the clock's start. */
  #newest: number;
  calls = 0;
  failures = 0;
  slow = 0;

  /** Its oldest bucket is dropped as a whole: what it shows is of the last nine to ten tenths of `windowMs`. */
  constructor(windowMs: number, nowMs: number) {
    this.#bucketMs = windowMs / bucketCount;
    this.#newest = Math.floor(nowMs / this.#bucketMs);
  }

  /** Forgets what is too old by now. A clock that goes back changes nothing. */
  advance(nowMs: number): void {
    const bucket = Math.floor(nowMs / this.#bucketMs);
    if (bucket <= this.#newest) return;
    if (bucket - this.#newest >= bucketCount) this.clear();
    else for (let each = this.#newest + 1; each <= bucket; each++) this.#drop(each % bucketCount);
    this.#newest = bucket;
  }

  add(nowMs: number, calls: number, failures: number, slow: number): void {
    this.advance(nowMs);
    const at = this.#newest % bucketCount;
    this.#calls[at]! += calls;
    this.#failures[at]! += failures;
    this.#slow[at]! += slow;
    this.calls += calls;
    this.failures += failures;
    this.slow += slow;
  }

  clear(): void {
    this.#calls.fill(0);
    this.#failures.fill(0);
    this.#slow.fill(0);
    this.calls = 0;
    this.failures = 0;
    this.slow = 0;
  }

  #drop(at: number): void {
    this.calls -= this.#calls[at]!;
    this.failures -= this.#failures[at]!;
    this.slow -= this.#slow[at]!;
    this.#calls[at] = 0;
    this.#failures[at] = 0;
    this.#slow[at] = 0;
  }
}
