/** The demo's processes: starts them, hears what they say and when one ends, and ends them all. Knows nothing of what they are. */
import { type ChildProcess, spawn } from 'node:child_process';
import { eachLine } from './child-lines.ts';

/** Why a process ended, for people: `SIGKILL` or `exit code 1`. */
export type EndReason = string;

export class Supervisor {
  readonly #running = new Set<ChildProcess>();
  readonly #onUnexpectedEnd: (name: string, reason: EndReason) => void;
  #stopping = false;

  readonly #onLine: (name: string, stream: 'stdout' | 'stderr', line: string) => void;

  /** `onUnexpectedEnd`: a process ended that was not told to. `onLine`: one wrote a line. */
  constructor(
    onUnexpectedEnd: (name: string, reason: EndReason) => void,
    onLine: (name: string, stream: 'stdout' | 'stderr', line: string) => void,
  ) {
    this.#onUnexpectedEnd = onUnexpectedEnd;
    this.#onLine = onLine;
  }

  get running(): readonly ChildProcess[] {
    return [...this.#running];
  }

  /**
   * Starts a process in a group of its own, so that Ctrl-C reaches only this one, which then stops the others in order. It has an IPC channel, by whose end it knows that this process is
   * gone. `environment`: what differs from ours; undefined: not there.
   */
  spawn(
    name: string,
    command: string,
    args: readonly string[],
    environment: Readonly<Record<string, string | undefined>> = {},
  ): ChildProcess {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
      env: { ...process.env, ...environment },
    });
    this.watch(name, child);
    return child;
  }

  /** Takes over a process that somebody else started; hears what it says when its output comes by pipes. */
  watch(name: string, child: ChildProcess): void {
    this.#running.add(child);
    for (const stream of ['stdout', 'stderr'] as const) {
      const output = child[stream];
      if (output !== null) eachLine(output, (line) => this.#onLine(name, stream, line));
    }
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
