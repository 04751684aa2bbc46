/** How many xDS streams each identity has, ADS and SDS together: whoever has an identity must not fill the memory by them. The plain door has no identities, and serves this machine only. */

/** Twice what the TLS door takes in connections of one identity: a proxy has one stream, and another one for a moment when it moves, or one for secrets. */
const maxStreamsOfOne = 2_048;

export class StreamsOfOne {
  readonly #counts = new Map<string, number>();

  /** False: this identity has too many. */
  enter(identity: string): boolean {
    const count = this.#counts.get(identity) ?? 0;
    if (count >= maxStreamsOfOne) return false;
    this.#counts.set(identity, count + 1);
    return true;
  }

  leave(identity: string): void {
    const rest = (this.#counts.get(identity) ?? 1) - 1;
    if (rest <= 0) this.#counts.delete(identity);
    else this.#counts.set(identity, rest);
  }
}
