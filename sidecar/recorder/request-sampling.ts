/**
 * Which of the ordinary requests a record is kept of: up to a rate all, above it a share by their request ids, so that every sidecar that a request passes decides alike: the share is one of halves of halves, and who has more to do keeps
 * some of what the others keep. Two numbers a request, and a few steps over its id where there is much to do; nothing is made.
 */

const windowMs = 1_000;
/** Of an id: what is random stands at its end, in a UUID as in a number that is counted up. */
const hashedLength = 16;
/** Of 32 bits of hash. */
const mostHalvings = 24;
/** Where ids are all alike there is one of so many times the share. */
const drought = 64;

export class RequestSampling {
  readonly #mostPerSecond: number;
  #windowFromMs = -Infinity;
  #inWindow = 0;
  /** One of 2 to the power of it is kept. */
  #halvings = 0;
  /** As many in a window mean another halving. */
  #nextAt: number;
  #sinceLast = 0;
  /** Kept in this window. */
  #kept = 0;

  /** `mostPerSecond`: up to it all are kept; above it half as many or more, twice as many for a moment. */
  constructor(mostPerSecond: number) {
    this.#mostPerSecond = mostPerSecond;
    this.#nextAt = Math.max(1, mostPerSecond);
  }

  /** `requestId`: '' where it has none: it is counted then. */
  chooses(requestId: string, nowMs: number): boolean {
    if (nowMs - this.#windowFromMs >= windowMs) this.#openWindow(nowMs);
    if (++this.#inWindow > this.#nextAt && this.#halvings < mostHalvings) {
      this.#halvings++;
      this.#nextAt *= 2;
    }
    if (this.#kept >= 2 * this.#mostPerSecond) return false;
    if (this.#halvings > 0 && !this.#isOfShare(requestId)) return false;
    this.#sinceLast = 0;
    this.#kept++;
    return true;
  }

  /** The share for as many as there were in the second before. */
  #openWindow(nowMs: number): void {
    const before = nowMs - this.#windowFromMs < 2 * windowMs ? this.#inWindow : 0;
    this.#windowFromMs = nowMs;
    this.#inWindow = 0;
    this.#kept = 0;
    this.#halvings = 0;
    this.#nextAt = Math.max(1, this.#mostPerSecond);
    while (before > this.#nextAt && this.#halvings < mostHalvings) {
      this.#halvings++;
      this.#nextAt *= 2;
    }
  }

  #isOfShare(requestId: string): boolean {
    const mask = (1 << this.#halvings) - 1;
    this.#sinceLast++;
    if (requestId === '') return (this.#sinceLast & mask) === 0;
    return (hashOf(requestId) & mask) === 0 || this.#sinceLast >= drought * (mask + 1);
  }
}

/** FNV-1a, and its bits mixed (as MurmurHash3 ends): each bit of it depends on every character. */
function hashOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let at = Math.max(0, id.length - hashedLength); at < id.length; at++)
    hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
