/** SIGTERM and SIGINT for a program that takes its time to end: the first begins it, one after that ends it at once. */
export interface StopSignalsOptions {
  readonly nowMs: () => number;
  /** It ends already, whoever told it. */
  readonly stopping: () => boolean;
  readonly stop: (signal: NodeJS.Signals) => void;
  /** At once. */
  readonly quit: (signal: NodeJS.Signals) => void;
}

/** `timeout` signals its child and then the child's group, and so do others: who wants an end at once takes longer than that. */
export const sameSignalMs = 250;

export class StopSignals {
  readonly #options: StopSignalsOptions;
  #firstMs = -Infinity;

  constructor(options: StopSignalsOptions) {
    this.#options = options;
  }

  onSignal(signal: NodeJS.Signals): void {
    const { nowMs, stopping, stop, quit } = this.#options;
    if (!stopping()) {
      this.#firstMs = nowMs();
      stop(signal);
    } else if (nowMs() - this.#firstMs >= sameSignalMs) quit(signal);
  }
}
