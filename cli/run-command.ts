/**
 * The command of `outrigger run` as a process. It has a session of its own, so that a terminal's Ctrl-C reaches `run` alone, which hands it on when it is time; what else a terminal says to its foreground
 * group (size, stop, continue) is handed on too. `foreground`: it stays in our group, for a command that needs the terminal as its own (job control, /dev/tty): then Ctrl-C reaches it at once.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { startFault } from './start-fault.ts';

export class RunCommand {
  readonly #app: ChildProcess;
  readonly #foreground: boolean;
  /** Its exit code; 128 + the signal's number when a signal ended it; 126 or 127 when it could not be started. */
  readonly ended: Promise<number>;

  constructor(words: readonly string[], environment: NodeJS.ProcessEnv, foreground: boolean) {
    const [command = '', ...args] = words;
    this.#foreground = foreground;
    const app = spawn(command, args, { stdio: 'inherit', env: environment, detached: !foreground });
    this.#app = app;
    this.ended = new Promise((resolve) => {
      app.once('error', (error: NodeJS.ErrnoException) => {
        process.stderr.write(`outrigger: cannot start ${JSON.stringify(command)}: ${startFault(command, error)}\n`);
        resolve(error.code === 'ENOENT' ? 127 : 126);
      });
      app.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
    });
    if (!foreground) this.#followTerminal();
  }

  /** undefined: it could not be started. */
  get pid(): number | undefined {
    return this.#app.pid;
  }

  /** SIGINT reaches its whole group, as a terminal's Ctrl-C does; others the command alone. */
  signal(signal: NodeJS.Signals): void {
    if (signal === 'SIGINT' && !this.#foreground) this.#signalGroup(signal);
    else this.#app.kill(signal);
  }

  #followTerminal(): void {
    process.on('SIGWINCH', () => this.#signalGroup('SIGWINCH'));
    process.on('SIGTSTP', () => {
      // SIGTSTP itself does nothing in a session without a shell.
      this.#signalGroup('SIGSTOP');
      process.kill(process.pid, 'SIGSTOP');
    });
    process.on('SIGCONT', () => this.#signalGroup('SIGCONT'));
  }

  #signalGroup(signal: NodeJS.Signals): void {
    const { pid, exitCode, signalCode } = this.#app;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // It ended meanwhile.
    }
  }
}
