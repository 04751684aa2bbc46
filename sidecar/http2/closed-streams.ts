/**
 * How the streams closed last came to their end, so that a late frame is judged rightly: after a reset of ours the peer may still be
 * sending, after its own end it may not (RFC 9113 5.1, "closed"). Bounded: one slot for 256 ids, the newest wins.
 */

export const closedUnknown = 0;
/** We sent RST_STREAM: what comes late is ignored. */
export const closedByUs = 1;
/** The peer sent RST_STREAM or END_STREAM: nothing may follow. */
export const closedByPeer = 2;

const slotCount = 256;

export class ClosedStreams {
  readonly #ids = new Uint32Array(slotCount);
  readonly #reasons = new Uint8Array(slotCount);

  add(id: number, reason: number): void {
    const slot = (id >>> 1) & (slotCount - 1);
    this.#ids[slot] = id;
    this.#reasons[slot] = reason;
  }

  reason(id: number): number {
    const slot = (id >>> 1) & (slotCount - 1);
    return this.#ids[slot] === id ? this.#reasons[slot]! : closedUnknown;
  }
}
