/**
 * Windows are cut by wall clocks, and those of control planes differ. Counts of different windows are never added up, so with clocks a second apart a limit per second would hold for each control plane alone. So all go by the clock that
 * is furthest ahead: what others write says when they wrote it, and a clock that is ahead of ours, by at most `maxLeadMs`, leads ours from then on. Our own never goes back for it.
 */

/** Further ahead it is a clock that somebody has to set right. */
export const maxLeadMs = 5_000;

export class LeadingClock {
  #leadMs = 0;
  readonly #tooFarAhead = new Map<string, number>();

  /** How far the leading clock is ahead of our own. */
  get leadMs(): number {
    return this.#leadMs;
  }

  /** Others whose clock nobody follows, and how far ahead each was. */
  get tooFarAhead(): ReadonlyMap<string, number> {
    return this.#tooFarAhead;
  }

  /** Something has just come in that another wrote at `writtenMs` of its clock. The way here took time, so that it seems less far ahead than it is, never more. */
  heard(writer: string, writtenMs: number, wallMs: number): void {
    const aheadMs = writtenMs - wallMs;
    if (aheadMs > maxLeadMs) {
      this.#tooFarAhead.set(writer, aheadMs);
      return;
    }
    this.#tooFarAhead.delete(writer);
    if (aheadMs > this.#leadMs) this.#leadMs = aheadMs;
  }

  gone(writer: string): void {
    this.#tooFarAhead.delete(writer);
  }
}
