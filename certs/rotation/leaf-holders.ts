/**
 * Who holds leaves of ours that have not expired, whether it is seen or not: what a root rotation has to wait for. A holder is one key after another of the same proxy: a leaf that was proven by the one before
 * belongs to the same holder, and so does one for the same key. Replicas of one identity are different holders. Knows no streams and no files; the issuing log brings it back after a restart.
 */

export interface HeldLeaf {
  readonly holder: string;
  /** SPIFFE ID. */
  readonly identity: string;
  readonly serial: string;
  readonly notAfterMs: number;
  /** Who signed. */
  readonly authorityId: string;
}

/** What a holder has said of itself. */
export interface HolderReport {
  /** The sequence of the trust bundle in use. 0: none said. */
  readonly appliedSequence: number;
  /** Who signed the certificate in use. Empty: not said. */
  readonly certificateAuthorityId: string;
}

export interface LeafHolder {
  readonly id: string;
  readonly identity: string;
  /** When its last leaf ends. */
  readonly untilMs: number;
  /** Its last word; null: it has said nothing since this started. */
  readonly report: HolderReport | null;
  /** Whether it may use a leaf that somebody else than this authority signed. */
  mayUseOther(authorityId: string): boolean;
}

export interface LeafHolderLimits {
  /** Holders that are known one by one. Default 100,000. */
  readonly maxHolders?: number;
  /** Leaves by whose serial number their holder is found. Default 400,000. */
  readonly maxLeaves?: number;
}

interface Held {
  readonly identity: string;
  /** It has said that it ends, and nothing was seen of it since. */
  departed: boolean;
  /** When the last leaf of each authority ends. */
  readonly untilMs: Map<string, number>;
  report: HolderReport | null;
}

/** To look through all for what has expired is not for each leaf. */
const prunePeriodMs = 10_000;

export class LeafHolders {
  readonly #nowMs: () => number;
  readonly #maxHolders: number;
  readonly #maxLeaves: number;
  readonly #holders = new Map<string, Held>();
  readonly #holderOf = new Map<string, { readonly holder: string; readonly notAfterMs: number }>();
  #prunedMs = 0;
  #unknownUntilMs = 0;

  constructor(nowMs: () => number, { maxHolders = 100_000, maxLeaves = 400_000 }: LeafHolderLimits = {}) {
    this.#nowMs = nowMs;
    this.#maxHolders = maxHolders;
    this.#maxLeaves = maxLeaves;
  }

  /** Until then there may be holders that are not known here: there were too many, or they are from before what is remembered. */
  get unknownUntilMs(): number {
    return this.#unknownUntilMs;
  }

  /** Whose leaf this is; null: not known. */
  holderOf(serial: string): string | null {
    return this.#holderOf.get(serial)?.holder ?? null;
  }

  has(holder: string): boolean {
    return this.#holders.has(holder);
  }

  issued({ holder, identity, serial, notAfterMs, authorityId }: HeldLeaf): void {
    const nowMs = this.#nowMs();
    if (notAfterMs <= nowMs) return;
    if (this.#holders.size >= this.#maxHolders || this.#holderOf.size >= this.#maxLeaves) this.#pruneNowAndThen(nowMs);
    // Without it a renewal would be taken for somebody new, and both be waited for: slower, and safe.
    if (this.#holderOf.size < this.#maxLeaves) this.#holderOf.set(serial, { holder, notAfterMs });
    this.keep(holder, identity, authorityId, notAfterMs);
  }

  /** Waits for this holder until then, at least. */
  keep(holder: string, identity: string, authorityId: string, untilMs: number): void {
    let held = this.#holders.get(holder);
    if (held === undefined) {
      if (this.#holders.size >= this.#maxHolders) {
        this.unknownUntil(untilMs);
        return;
      }
      held = { identity, departed: false, untilMs: new Map(), report: null };
      this.#holders.set(holder, held);
    }
    held.departed = false;
    held.untilMs.set(authorityId, Math.max(untilMs, held.untilMs.get(authorityId) ?? 0));
  }

  /** It has said goodbye: nobody waits for it, until something of it is seen. */
  departed(holder: string): void {
    const held = this.#holders.get(holder);
    if (held !== undefined) held.departed = true;
  }

  /** The holder of this leaf has shown it, so it is there, whatever it has said. */
  seen(serial: string): void {
    this.returned(this.holderOf(serial) ?? serial);
  }

  returned(holder: string): void {
    const held = this.#holders.get(holder);
    if (held !== undefined) held.departed = false;
  }

  unknownUntil(untilMs: number): void {
    this.#unknownUntilMs = Math.max(this.#unknownUntilMs, untilMs);
  }

  /** Its last word, before it was seen no more. */
  reported(holder: string, report: HolderReport): void {
    const held = this.#holders.get(holder);
    if (held !== undefined) held.report = report;
  }

  /** Leaves of this authority are good for nothing any more. */
  forgetAuthority(authorityId: string): void {
    for (const [id, held] of this.#holders)
      if (held.untilMs.delete(authorityId) && held.untilMs.size === 0) this.#holders.delete(id);
  }

  /** All whose leaves have not expired, but for those that have said goodbye. */
  *[Symbol.iterator](): Generator<LeafHolder> {
    const nowMs = this.#nowMs();
    this.#pruneNowAndThen(nowMs);
    for (const [id, { identity, departed, untilMs, report }] of this.#holders) {
      if (departed) continue;
      const lastMs = Math.max(...untilMs.values());
      if (lastMs <= nowMs) continue;
      yield {
        id,
        identity,
        untilMs: lastMs,
        report,
        mayUseOther: (authorityId) => [...untilMs].some(([signer, endMs]) => signer !== authorityId && endMs > nowMs),
      };
    }
  }

  #pruneNowAndThen(nowMs: number): void {
    if (Math.abs(nowMs - this.#prunedMs) < prunePeriodMs) return;
    this.#prunedMs = nowMs;
    for (const [serial, { notAfterMs }] of this.#holderOf) if (notAfterMs <= nowMs) this.#holderOf.delete(serial);
    for (const [id, { untilMs }] of this.#holders) {
      for (const [authorityId, endMs] of untilMs) if (endMs <= nowMs) untilMs.delete(authorityId);
      if (untilMs.size === 0) this.#holders.delete(id);
    }
  }
}
