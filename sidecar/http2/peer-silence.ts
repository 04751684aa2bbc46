/**
 * Whether a peer that owes answers says anything at all. A process that hangs takes requests without end on an HTTP/2 connection, as its kernel acknowledges them, and each waits for its own time limit; by HTTP/1 each needs a new connection, which is given up
 * soon. Where nothing came for {@link silenceMs} while streams were under way, the next stream that begins has a PING beside it; where nothing comes for {@link answerMs} more, the connection gets no more streams.
 *
 * Nobody's streams are cut, as the peer may go on: that is what Envoy's `connection_keepalive` is for, which is beside it. It is looked at when a stream begins, without a timer: a connection without requests costs nothing. Hosts that are gone
 * altogether are found by their kernels' silence, and lose their streams (transport/peer-liveness.ts).
 */
const silenceMs = 300;
/** A peer that is alive answers a PING in its next turn. */
const answerMs = 700;

/** `ask`: send a PING. `gone`: begin no more streams. */
export type Silence = 'none' | 'ask' | 'gone';

export class PeerSilence {
  /** Of the last read that was seen. */
  #readMs = -1;
  /** Since when something has been owed and nothing came. */
  #sinceMs = 0;
  /** When the PING was sent; -1: none is out. */
  #askedMs = -1;

  /** A stream begins. `readMs`: when something was read last; `alone`: no other is under way; the clock is asked only then, and when nothing came since the stream before. */
  onBegin(readMs: number, alone: boolean, clock: { nowMs(): number }): Silence {
    if (alone || readMs !== this.#readMs) {
      this.#readMs = readMs;
      this.#sinceMs = alone ? clock.nowMs() : readMs;
      this.#askedMs = -1;
      return 'none';
    }
    const now = clock.nowMs();
    if (now - this.#sinceMs < silenceMs) return 'none';
    if (this.#askedMs < 0) {
      this.#askedMs = now;
      return 'ask';
    }
    return now - this.#askedMs < answerMs ? 'none' : 'gone';
  }
}
