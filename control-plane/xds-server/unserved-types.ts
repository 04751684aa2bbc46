/**
 * What one client is told of types that are not served here: that there is nothing. Without an answer it would wait for as long as it waits for anything, at its start. Each type, and each set of names,
 * is answered once; a client's ACK or NACK is not.
 */
import type { OutgoingResponse } from './subscription.ts';

/** Types that one client is answered for; the names of types are its own words. */
const maxTypes = 32;

interface Asked {
  nonces: number;
  names: string;
}

export class UnservedTypes {
  readonly #asked = new Map<string, Asked>();
  readonly #onFirst: (typeUrl: string) => void;

  /** `onFirst`: told once per type. */
  constructor(onFirst: (typeUrl: string) => void) {
    this.#onFirst = onFirst;
  }

  /** State of the world: an empty response. */
  sotw(typeUrl: string, names: readonly string[]): OutgoingResponse | null {
    const asked = this.#take(typeUrl);
    const text = JSON.stringify(names.toSorted());
    if (asked === null || asked.names === text) return null;
    asked.names = text;
    return { typeUrl, nonce: String(++asked.nonces), version: '0', resources: [], removed: [] };
  }

  /** Incremental: every name that is asked for does not exist. */
  delta(typeUrl: string, subscribe: readonly string[]): OutgoingResponse | null {
    const asked = this.#take(typeUrl);
    if (asked === null || (subscribe.length === 0 && asked.nonces > 0)) return null;
    const removed = subscribe.filter((name) => name !== '*');
    return { typeUrl, nonce: String(++asked.nonces), version: '', resources: [], removed };
  }

  #take(typeUrl: string): Asked | null {
    let asked = this.#asked.get(typeUrl);
    if (asked === undefined) {
      if (this.#asked.size >= maxTypes) return null;
      asked = { nonces: 0, names: '' };
      this.#asked.set(typeUrl, asked);
      this.#onFirst(typeUrl);
    }
    return asked;
  }
}
