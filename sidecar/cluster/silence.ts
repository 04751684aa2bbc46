/**
 * One connection whose requests wait for an answer: is the host still there? A host that dies without closing (power, network) lets them wait, and TCP is patient for a quarter of an hour. Told what came, and the time; asks the
 * kernel only after some silence.
 *
 *   no byte for `askAfterMs` ─▶ asked: the kernel probes, if nothing else is under way ─▶ acknowledged since: it is there, and asked again after twice the time, at most `longestMs`
 *                                                                                      └▶ nothing acknowledged for `limitMs`, with something sent that should have been: it is gone
 */
import type { Acknowledgements } from '../transport/peer-liveness.ts';

/** What a {@link Silence} asks of its connection. */
export interface SilentPeer {
  /** Null: it is not known. */
  acknowledgements(): Acknowledgements | null;
  /** The kernel asks the peer when nothing came for a second; `false`: no more than it was told to. */
  probe(probing: boolean): void;
}

const askAfterMs = 400;
const longestMs = 30_000;

export class Silence {
  #bytes = -1;
  /** From when on it is silent; set before the first look. */
  #sinceMs: number;
  #askAtMs: number;
  #waitMs = askAfterMs;
  #askedMs = -1;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
    this.#askAtMs = nowMs + askAfterMs;
  }

  /** `bytes`: received until now. `idleSinceMs`: when it was last without a request. True: the peer is gone. */
  look(nowMs: number, bytes: number, idleSinceMs: number, limitMs: number, peer: SilentPeer): boolean {
    if (bytes !== this.#bytes || idleSinceMs > this.#sinceMs) {
      this.#bytes = bytes;
      this.#sinceMs = nowMs;
      this.#waitMs = askAfterMs;
      this.#rest(nowMs, peer);
      return false;
    }
    if (nowMs < this.#askAtMs) return false;
    if (this.#askedMs < 0) {
      this.#askedMs = nowMs;
      peer.probe(true);
      return false;
    }
    const known = peer.acknowledgements();
    if (known === null || known.lastMs < nowMs - this.#askedMs) {
      this.#waitMs = Math.min(this.#waitMs * 2, longestMs);
      this.#rest(nowMs, peer);
      return false;
    }
    return known.unanswered > 0 && known.lastMs >= limitMs && nowMs - this.#sinceMs >= limitMs;
  }

  #rest(nowMs: number, peer: SilentPeer): void {
    this.#askAtMs = nowMs + this.#waitMs;
    if (this.#askedMs < 0) return;
    this.#askedMs = -1;
    peer.probe(false);
  }
}
