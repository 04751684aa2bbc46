/** The demo's processes: starts them, hears when one ends, and ends them all. Knows nothing of what they are. */
import { type ChildProcess, spawn } from 'node:child_process';

/** Why a process ended, for people: `SIGKILL` or `exit code 1`. */
export type EndReason = string;

export class Supervisor {
  readonly #running = new Set<ChildProcess>();
  readonly #onUnexpectedEnd: (name: string, reason: EndReason) => void;
  #stopping = false;

  /** `onUnexpectedEnd`: a process ended that was not told to. */
  constructor(onUnexpectedEnd: (name: string, reason: EndReason) => void) {
    this.#onUnexpectedEnd = onUnexpectedEnd;
  }

  get running(): readonly ChildProcess[] {
    return [...this.#running];
  }

  /** Starts a process in a group of its own, so that Ctrl-C reaches only this one, which then stops the others in order. `environment`: what differs from ours; undefined: not there. */
  spawn(
    name: string,
    command: string,
    args: readonly string[],
    environment: Readonly<Record<string, string | undefined>> = {},
  ): ChildProcess {
    const child = spawn(command, args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
      env: { ...process.env, ...environment },
    });
    this.watch(name, child);
    return child;
  }

  /** Takes over a process that somebody else started. */
  watch(name: string, child: ChildProcess): void {
    this.#running.add(child);
    const ended = (reason: EndReason): void => {
      if (this.#running.delete(child) && !this.#stopping) this.#onUnexpectedEnd(name, reason);
    };
    child.once('exit', (code, signal) => ended(signal ?? `exit code ${code}`));
    // It could not be started at all; 'exit' does not come then.
    child.once('error', (error) => ended(error.message));
  }

  /**
   * Tells all processes but `last` to end, then, when they are gone, `last`: what the others need to end well. Each step takes at most `limitMs`; who is
   * there after that is killed. Resolves when all are gone. Ends are expected from now on.
   */
  async stop(last: ChildProcess | null, limitMs: number): Promise<void> {
    this.#stopping = true;
    await this.#end(
      this.running.filter((child) => child !== last),
      limitMs,
    );
    if (last !== null) await this.#end([last], limitMs);
  }

  async #end(children: readonly ChildProcess[], limitMs: number): Promise<void> {
    const running = children.filter((child) => this.#running.has(child));
    const gone = Promise.all(running.map((child) => new Promise((resolve) => child.once('exit', resolve))));
    for (const child of running) child.kill('SIGTERM');
    const timer = setTimeout(() => {
      for (const child of running) if (this.#running.has(child)) child.kill('SIGKILL');
    }, limitMs);
    await gone;
    clearTimeout(timer);
  }
}
