/**
 * The sidecar of `outrigger run` over the command's life: started, and started again on the same ports when it ends while the command runs, as the command has their numbers. Later from one end to the
 * next, and a few times only: then the command is to stop, as its calls would go nowhere.
 */
import type { SidecarProcess, SidecarReady } from './sidecar-process.ts';

const mostRestarts = 5;
const firstDelayMs = 250;
const maxDelayMs = 2_000;
/** One that served for this long begins anew. */
const forgetMs = 60_000;

export interface KeptSidecarOptions {
  /** Starts one; `before`: on the ports that this one had. */
  readonly start: (before: SidecarReady | null) => SidecarProcess;
  readonly nowMs: () => number;
  /** Runs later, unless the answer is called first. */
  readonly after: (delayMs: number, callback: () => void) => () => void;
  /** Lines for the user. */
  readonly tell: (line: string) => void;
  /** It does not stay. */
  readonly onLost: () => void;
}

export class KeptSidecar {
  readonly #options: KeptSidecarOptions;
  #process: SidecarProcess;
  #first: SidecarReady | null = null;
  #readyMs = 0;
  #restarts = 0;
  #cancelRestart: () => void = () => {};
  #stopping = false;

  constructor(options: KeptSidecarOptions) {
    this.#options = options;
    this.#process = options.start(null);
  }

  /** Resolves when the first one serves; rejects when it ends before. It is kept from then on. */
  async ready(): Promise<SidecarReady> {
    const sidecar = this.#process;
    const ready = await sidecar.ready;
    this.#first = ready;
    this.#watch(sidecar);
    return ready;
  }

  /** See SidecarProcess. */
  applicationPaused(paused: boolean): void {
    this.#process.applicationPaused(paused);
  }

  /** The command is about to end; see SidecarProcess. */
  leave(): Promise<void> {
    this.#stop();
    return this.#process.leave();
  }

  /** The command has ended. Resolves when the sidecar has. */
  async end(): Promise<void> {
    this.#stop();
    this.#process.applicationEnded();
    await this.#process.ended;
  }

  /** Nobody waits for it any more: before it is ready, or when it ends already, which it then does at once. */
  abandon(): void {
    this.#stop();
    this.#process.child.kill('SIGTERM');
  }

  #stop(): void {
    this.#stopping = true;
    this.#cancelRestart();
  }

  #watch(sidecar: SidecarProcess): void {
    this.#readyMs = this.#options.nowMs();
    void sidecar.ended.then(() => {
      const { signalCode, exitCode } = sidecar.child;
      this.#onEnd(signalCode ?? `exit code ${exitCode}`);
    });
  }

  #onEnd(how: string): void {
    if (this.#stopping) return;
    const { nowMs, after, tell, onLost } = this.#options;
    if (nowMs() - this.#readyMs >= forgetMs) this.#restarts = 0;
    if (this.#restarts === mostRestarts) {
      tell(`the sidecar ended again (${how}), after ${mostRestarts} restarts: the command is stopped`);
      this.#stop();
      onLost();
      return;
    }
    const delayMs = Math.min(maxDelayMs, firstDelayMs * 2 ** this.#restarts);
    this.#restarts++;
    tell(
      `the sidecar ended (${how}) while the command runs; starting it again on the same ports in ${delayMs / 1000} s (${this.#restarts} of ${mostRestarts})`,
    );
    this.#cancelRestart = after(delayMs, () => void this.#restart());
  }

  async #restart(): Promise<void> {
    const sidecar = this.#options.start(this.#first);
    this.#process = sidecar;
    try {
      await sidecar.ready;
    } catch (error) {
      await sidecar.ended;
      this.#readyMs = this.#options.nowMs();
      this.#onEnd((error as Error).message);
      return;
    }
    if (!this.#stopping) this.#options.tell('the sidecar is ready again');
    this.#watch(sidecar);
  }
}
