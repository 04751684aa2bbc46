/** A process of the chaos test that is killed, stopped and started again: one after the other under one name. Tells an end that nobody asked for. */
import { readFileSync } from 'node:fs';
import type { StartedProgram } from '../../peers/started-program.ts';

export interface ManagedProcessOptions {
  readonly name: string;
  readonly start: () => StartedProgram;
  /** What it writes once it serves. */
  readonly readyLine: RegExp;
  /** Told when it ended by itself. */
  readonly onCrash: (text: string) => void;
}

/** With the start of its neighbours, on a machine that has other things to do; and nobody is ready without a control plane, which may be away for 19 s. */
const readyTimeoutMs = 60_000;

export class ManagedProcess {
  readonly name: string;
  readonly #options: ManagedProcessOptions;
  #program: StartedProgram | null = null;
  #endWanted = false;
  /** Most resident memory that was seen, of any of them. */
  peakRssMib = 0;
  starts = 0;

  constructor(options: ManagedProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  start(): void {
    const program = this.#options.start();
    this.#program = program;
    this.#endWanted = false;
    this.starts++;
    void program.exited.then((how) => {
      if (this.#program === program && !this.#endWanted)
        this.#options.onCrash(`${this.name} ended by itself: ${how}\n${program.output.slice(-2_000)}`);
    });
  }

  async ready(): Promise<void> {
    await this.#program!.line(this.#options.readyLine, readyTimeoutMs);
  }

  /** SIGKILL, or SIGTERM with `graceMs` before that. Resolves when it is gone. */
  async end(graceMs: number): Promise<void> {
    const program = this.#program;
    if (program === null) return;
    this.#endWanted = true;
    if (graceMs > 0) await program.stop(graceMs);
    else {
      program.signal('SIGKILL');
      await program.exited;
    }
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#program?.signal(signal);
  }

  /** -1 when it does not run. */
  get pid(): number {
    return this.#program === null || this.#program.ended !== null ? -1 : this.#program.pid;
  }

  /** MiB; 0 when it does not run. */
  rssMib(): number {
    const program = this.#program;
    if (program === null || program.ended !== null) return 0;
    try {
      const pages = Number(readFileSync(`/proc/${program.pid}/statm`, 'latin1').split(' ')[1]);
      const mib = (pages * 4096) / 2 ** 20;
      this.peakRssMib = Math.max(this.peakRssMib, mib);
      return mib;
    } catch {
      return 0;
    }
  }
}
