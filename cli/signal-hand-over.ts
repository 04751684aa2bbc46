/**
 * What `outrigger run` does with a signal: SIGTERM and SIGINT reach the command when callers have heard that the instance goes and nothing of theirs is in hand, a second one at once; others are handed
 * on as they come.
 */
import { sameSignalMs } from './stop-signals.ts';

/**
 * What a command may want to hear. Not among them: what cannot be caught, the real-time signals too as far as Node goes; what says that a program is broken; what Node needs for itself; and a terminal's
 * stop, continue and size, which RunCommand follows.
 */
export const handedOnSignals: readonly NodeJS.Signals[] = [
  ...(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const),
  ...(['SIGALRM', 'SIGVTALRM', 'SIGABRT', 'SIGIO', 'SIGURG', 'SIGPWR'] as const),
];

export interface SignalHandOverOptions {
  readonly nowMs: () => number;
  /** Resolves when the command may end. */
  readonly leave: () => Promise<void>;
  readonly handOn: (signal: NodeJS.Signals) => void;
  /** Leaving takes a while: somebody may wait for it. */
  readonly onSlow: (signal: NodeJS.Signals) => void;
  /** Runs later, unless the answer is called first. */
  readonly after: (delayMs: number, callback: () => void) => () => void;
}

const slowMs = 2_000;

export class SignalHandOver {
  readonly #options: SignalHandOverOptions;
  #leaving = false;
  #firstMs = -Infinity;
  /** One was handed on. */
  #handed = false;

  constructor(options: SignalHandOverOptions) {
    this.#options = options;
  }

  /** The command is told to end. */
  get stopping(): boolean {
    return this.#leaving;
  }

  onSignal(signal: NodeJS.Signals): void {
    if (signal === 'SIGTERM' || signal === 'SIGINT') this.#stop(signal);
    else this.#options.handOn(signal);
  }

  #stop(signal: NodeJS.Signals): void {
    const nowMs = this.#options.nowMs();
    if (this.#leaving) {
      // Twice from one sender is once.
      if (nowMs - this.#firstMs < sameSignalMs) return;
      this.#handed = true;
      this.#options.handOn(signal);
      return;
    }
    this.#leaving = true;
    this.#firstMs = nowMs;
    const { leave, handOn, onSlow, after } = this.#options;
    const forget = after(slowMs, () => {
      if (!this.#handed) onSlow(signal);
    });
    void leave().then(() => {
      forget();
      if (!this.#handed) handOn(signal);
      this.#handed = true;
    });
  }
}
