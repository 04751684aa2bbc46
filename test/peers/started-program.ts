/**
 * A program of ours or a peer, started for a test or a benchmark: found by pid, stopped by pid, and gone when the process that started it ends.
 * It says what the program wrote last when something goes wrong. No shell, no process groups, no names.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Whole output, for looking at afterwards. */
  readonly logFile?: string;
}

const keptCharacters = 8000;
const alive = new Set<StartedProgram>();
let watching = false;

export class StartedProgram {
  readonly name: string;
  readonly exited: Promise<string>;
  /** Resolves when the program has ended and its log file holds all it wrote. */
  readonly logged: Promise<void>;
  #child: ChildProcess;
  #tail = '';
  #ended: string | null = null;

  constructor(name: string, command: readonly string[], options: StartOptions = {}) {
    this.name = name;
    this.#child = spawn(command[0]!, command.slice(1), {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const log = options.logFile === undefined ? null : createWriteStream(options.logFile);
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on('data', (bytes: Buffer) => {
        log?.write(bytes);
        this.#tail = (this.#tail + bytes.toString('latin1')).slice(-keptCharacters);
      });
    }
    this.logged = log === null ? Promise.resolve() : new Promise((resolve) => log.on('close', resolve));
    // A program that closes its standard input early is no error of ours.
    this.#child.stdin!.on('error', () => {});
    this.exited = new Promise((resolve) => {
      const end = (how: string): void => {
        if (this.#ended !== null) return;
        this.#ended = how;
        alive.delete(this);
        resolve(how);
      };
      // Output may still come after 'exit'; 'close' is behind the last of it.
      this.#child.on('close', () => log?.end());
      this.#child.on('error', (error) => end(error.message));
      this.#child.on('exit', (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`));
    });
    alive.add(this);
    watch();
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** How it ended, or null while it runs. */
  get ended(): string | null {
    return this.#ended;
  }

  /** The last few thousand characters of its output. */
  get output(): string {
    return this.#tail;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#ended === null) this.#child.kill(signal);
  }

  /** SIGTERM, then SIGKILL when it has not ended after `graceMs`. */
  async stop(graceMs = 3000): Promise<void> {
    if (this.#ended !== null) return;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    await this.exited;
    clearTimeout(timer);
  }

  /** Resolves with the first line of output that matches. Fails when the program ends or `timeoutMs` pass before. */
  async line(pattern: RegExp, timeoutMs = 20_000): Promise<RegExpExecArray> {
    return waitFor(`${this.name} to print ${pattern}`, timeoutMs, () => {
      const found = pattern.exec(this.#tail);
      if (found === null) this.failIfEnded();
      return found;
    });
  }

  failIfEnded(): void {
    if (this.#ended !== null) throw new Error(`${this.name} ended (${this.#ended}):\n${this.#tail.slice(-2000)}`);
  }
}

/** Asks again and again until the answer is neither null nor false. An error of `condition` ends the wait at once. */
export async function waitFor<T>(
  what: string,
  timeoutMs: number,
  condition: () => T | Promise<T>,
  intervalMs = 20,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await condition();
    if (answer !== null && answer !== undefined && answer !== false) return answer as NonNullable<T>;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs / 1000} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}

/** Stops what is still running. For the ends of a benchmark and for signal handlers. */
export async function stopAll(): Promise<void> {
  await Promise.all([...alive].map((program) => program.stop()));
}

function watch(): void {
  if (watching) return;
  watching = true;
  process.on('exit', () => {
    for (const program of alive) program.signal('SIGKILL');
  });
}
