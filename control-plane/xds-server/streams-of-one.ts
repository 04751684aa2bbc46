/**
 * How many xDS streams each identity has, ADS and SDS together: whoever has an identity must not fill the memory by them. The plain door has no identities: there it is what streams say of themselves, so that a process that
 * forgets its streams keeps no other out; what all of them cost is bounded by how many calls that door takes.
 */

/** Twice what the TLS door takes in connections of one identity: a proxy has one stream, and another one for a moment when it moves, or one for secrets. */
const maxStreamsOfOne = 2_048;
/** A gRPC process has one for each of its targets (gRFC A71). */
const maxStreamsOfNode = 128;

/** An identity; of who has none, what it says of itself. */
export type StreamOwner = string | { readonly cluster: string; readonly id: string };

function keyOf(owner: StreamOwner): string {
  return typeof owner === 'string' ? owner : JSON.stringify([owner.cluster, owner.id]);
}

export class StreamsOfOne {
  readonly #counts = new Map<string, number>();

  /** False: it has too many. */
  enter(owner: StreamOwner): boolean {
    const key = keyOf(owner);
    const count = this.#counts.get(key) ?? 0;
    if (count >= (typeof owner === 'string' ? maxStreamsOfOne : maxStreamsOfNode)) return false;
    this.#counts.set(key, count + 1);
    return true;
  }

  leave(owner: StreamOwner): void {
    const key = keyOf(owner);
    const rest = (this.#counts.get(key) ?? 1) - 1;
    if (rest <= 0) this.#counts.delete(key);
    else this.#counts.set(key, rest);
  }
}
