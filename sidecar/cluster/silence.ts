/**
 * One connection whose requests wait for an answer: is the host still there? A host that dies without closing (power, network) lets them wait, and TCP is patient for a quarter of an hour. Told what came, and the time; asks the
 * kernel only after some silence.
 *
 *   no byte for `askAfterMs` ─▶ asked: the kernel probes, if nothing else is under way ─▶ acknowledged since: it is there, and asked again after twice the time, at most `longestMs`
 *                                                                                      └▶ what was sent stays without: suspected ─▶ nothing acknowledged for `limitMs`: silent
 */
import type { Acknowledgements } from '../transport/peer-liveness.ts';

/** What a {@link Silence} asks of its connection. */
export interface SilentPeer {
  /** Null: it is not known. */
  acknowledgements(): Acknowledgements | null;
  /** The kernel asks the peer when nothing came for a second; `false`: no more than it was told to. */
  probe(probing: boolean): void;
}

/** `suspected`: what was sent is not acknowledged yet. `silent`: nothing was for the limit. */
export type Verdict = 'well' | 'suspected' | 'silent';

const askAfterMs = 400;
const longestMs = 30_000;
/** So long an answer may be under way. */
const answerMs = 1_000;

export class Silence {
  #bytes = -1;
  /** From when on it is silent; set before the first look. */
  #sinceMs: number;
  #askAtMs: number;
  #waitMs = askAfterMs;
  #askedMs = -1;
  /** When it was first seen that what was sent is without an answer; -1: it is not. */
  suspectedMs = -1;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
    this.#askAtMs = nowMs + askAfterMs;
  }

  /** It is asked after. */
  get asking(): boolean {
    return this.#askedMs >= 0;
  }

  /** `bytes`: received until now. `idleSinceMs`: when it was last without a request. */
  look(nowMs: number, bytes: number, idleSinceMs: number, limitMs: number, peer: SilentPeer): Verdict {
    if (bytes !== this.#bytes || idleSinceMs > this.#sinceMs) {
      this.#bytes = bytes;
      this.#sinceMs = nowMs;
      this.#waitMs = askAfterMs;
      this.#rest(nowMs, peer);
      return 'well';
    }
    if (nowMs < this.#askAtMs) return 'well';
    if (this.#askedMs < 0) {
      this.#askedMs = nowMs;
      peer.probe(true);
      return 'well';
    }
    const known = peer.acknowledgements();
    if (known === null || known.lastMs < nowMs - this.#askedMs) {
      this.#waitMs = Math.min(this.#waitMs * 2, longestMs);
      this.#rest(nowMs, peer);
      return 'well';
    }
    if (known.unanswered === 0) return 'well';
    if (this.suspectedMs < 0) this.suspectedMs = nowMs;
    const silentMs = Math.min(known.lastMs, nowMs - this.#sinceMs);
    return silentMs >= limitMs && nowMs - this.#askedMs >= answerMs ? 'silent' : 'suspected';
  }

  #rest(nowMs: number, peer: SilentPeer): void {
    this.#askAtMs = nowMs + this.#waitMs;
    if (this.#askedMs < 0) return;
    this.#askedMs = -1;
    this.suspectedMs = -1;
    peer.probe(false);
  }
}
