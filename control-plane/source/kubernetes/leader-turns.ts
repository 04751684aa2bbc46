/** What tasks of the leader have in common: what they watch, and when they have their turns: soon after something has changed, and again after what the last turn says. One at a time, and none when this control plane does not lead. */
import type { Reflector } from './reflector.ts';
import type { Kept } from './watched-kind.ts';

export interface LeaderTurnsOptions {
  /** Begin with the first lead, and go on until the end. */
  readonly watches: ReadonlyArray<Pick<Reflector<Kept>, 'run' | 'close'>>;
  readonly after: (delayMs: number, callback: () => void) => () => void;
  /** One turn, which never rejects: milliseconds until the next, when nothing changes meanwhile. */
  readonly turn: () => Promise<number>;
}

/** After what changed: more of it may come. */
const settleMs = 50;

export class LeaderTurns {
  readonly #options: LeaderTurnsOptions;
  #watching = false;
  #leading = false;
  #busy = false;
  #changedMeanwhile = false;
  #cancel: (() => void) | null = null;

  constructor(options: LeaderTurnsOptions) {
    this.#options = options;
  }

  get leading(): boolean {
    return this.#leading;
  }

  start(): void {
    if (!this.#watching) for (const each of this.#options.watches) void each.run();
    this.#watching = true;
    this.#leading = true;
    this.changed();
  }

  stop(): void {
    this.#leading = false;
    this.#cancel?.();
    this.#cancel = null;
  }

  close(): void {
    this.stop();
    for (const each of this.#options.watches) each.close();
  }

  changed(): void {
    if (this.#busy) this.#changedMeanwhile = true;
    else if (this.#leading) this.#arm(settleMs);
  }

  #arm(delayMs: number): void {
    this.#cancel?.();
    this.#cancel = this.#options.after(delayMs, () => void this.#turn());
  }

  async #turn(): Promise<void> {
    this.#busy = true;
    this.#changedMeanwhile = false;
    const nextMs = await this.#options.turn();
    this.#busy = false;
    if (this.#leading) this.#arm(this.#changedMeanwhile ? settleMs : nextMs);
  }
}
