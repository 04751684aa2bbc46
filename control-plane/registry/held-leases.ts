/**
 * Leases that have run out while nothing at all was heard of any instance: then it is this control plane that is cut off, or stood still, and not its instances that are gone. They are kept until somebody is heard again, and each has its whole time
 * once more from then on; once, until it is renewed. Pure; the registry asks at its sweeps.
 *
 * It takes two: of one instance alone nobody can tell, and that it is gone is likelier.
 */
export interface HeldLease {
  readonly ttlSeconds: number;
  /** When it was made, renewed, or read from the store. */
  renewedMs: number;
  expiresMs: number;
  /** Was held since it was renewed: it is not again. */
  reprieved: boolean;
}

/** Heartbeats come at a third of a lease's life: by then two are missing. */
const overdueShare = 2 / 3;

export class HeldLeases {
  readonly #held = new Set<HeldLease>();
  readonly #onHeld: (held: boolean) => void;
  /** Of any instance. */
  #heardMs: number;

  /** `onHeld` is told when some begin to be held, and when none is any more. */
  constructor(nowMs: number, onHeld: (held: boolean) => void) {
    this.#heardMs = nowMs;
    this.#onHeld = onHeld;
  }

  /** An instance was heard of; of `lease`, when it is about one that was there. */
  heard(nowMs: number, lease?: HeldLease): void {
    this.#heardMs = nowMs;
    if (this.#held.size === 0) return;
    if (lease !== undefined) this.#held.delete(lease);
    for (const each of this.#held) {
      each.expiresMs = nowMs + each.ttlSeconds * 1000;
      each.reprieved = true;
    }
    this.#held.clear();
    this.#onHeld(false);
  }

  /** It is gone. */
  forget(lease: HeldLease): void {
    if (this.#held.delete(lease) && this.#held.size === 0) this.#onHeld(false);
  }

  /** Which of `over`, whose time is over, are kept; `all`: every lease that there is. */
  hold(over: readonly HeldLease[], all: readonly HeldLease[], nowMs: number): ReadonlySet<HeldLease> {
    const overdue = all.filter((lease) => isOverdue(lease, lease.renewedMs, nowMs));
    if (overdue.length < 2) return this.#held;
    const before = this.#held.size;
    for (const lease of over) if (!lease.reprieved && isOverdue(lease, this.#heardMs, nowMs)) this.#held.add(lease);
    if (before === 0 && this.#held.size > 0) this.#onHeld(true);
    return this.#held;
  }
}

function isOverdue({ ttlSeconds }: HeldLease, sinceMs: number, nowMs: number): boolean {
  return nowMs - sinceMs > ttlSeconds * 1000 * overdueShare;
}
