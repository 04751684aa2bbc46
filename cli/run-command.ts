/**
 * The command of `outrigger run` as a process. It has a session of its own, so that a terminal's Ctrl-C reaches `run` alone, which hands it on when it is time; what else a terminal says to its foreground
 * group (size, stop, continue, hang-up) is handed on too. `foreground`: it stays in our group, for a command that needs the terminal as its own (job control, /dev/tty): then Ctrl-C reaches it at once.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { CommandWatchdog } from './command-watchdog.ts';
import { endLeftBehind } from './left-behind.ts';
import { sessionProcesses } from './session-processes.ts';
import { startFault } from './start-fault.ts';

/** A stop by SIGTSTP has begun by then, or does not come. */
const stopTakesMs = 100;

export interface RunCommandOptions {
  readonly foreground: boolean;
  readonly drainTimeS: number;
  /** The command has ended, and left processes behind. Resolves when callers have nothing in hand with them. */
  readonly leave: () => Promise<void>;
  /** Ctrl-Z: it is about to be stopped, or goes on. */
  readonly onPaused: (paused: boolean) => void;
  /** Lines for the user. */
  readonly tell: (line: string) => void;
}

export class RunCommand {
  readonly #app: ChildProcess;
  readonly #options: RunCommandOptions;
  /** Our descriptors that were a terminal when it began. */
  readonly #terminals: readonly number[];
  /** All of its group got a signal that ends. */
  #groupTold = false;
  /** Its exit code; 128 + the signal's number when a signal ended it; 126 or 127 when it could not be started. What it left behind has ended too. */
  readonly ended: Promise<number>;

  constructor(words: readonly string[], environment: NodeJS.ProcessEnv, options: RunCommandOptions) {
    const [command = '', ...args] = words;
    const { foreground, drainTimeS, tell } = options;
    this.#options = options;
    this.#terminals = [0, 1, 2].filter(isatty);
    const watchdog = new CommandWatchdog(drainTimeS);
    const app = spawn(command, args, { stdio: 'inherit', env: environment, detached: !foreground });
    this.#app = app;
    if (app.pid !== undefined) watchdog.watch(foreground ? app.pid : -app.pid);
    const exited = new Promise<number>((resolve) => {
      app.once('error', (error: NodeJS.ErrnoException) => {
        tell(`cannot start ${JSON.stringify(command)}: ${startFault(command, error)}`);
        resolve(error.code === 'ENOENT' ? 127 : 126);
      });
      app.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
    });
    this.ended = exited.then(async (code) => {
      // In the foreground its session is ours, and the user's shell's.
      if (!foreground && app.pid !== undefined) await this.#endLeftBehind(app.pid);
      watchdog.over();
      return code;
    });
    this.#followTerminal();
  }

  /** To the command alone, as who signals a process does; to its whole group what a terminal would tell all of it. After its end: to what it left behind. */
  signal(signal: NodeJS.Signals): void {
    if (this.#options.foreground) this.#app.kill(signal);
    else if (this.#exited) for (const { pid } of this.#members()) signalProcess(pid, signal);
    else if (this.#isTerminals(signal)) {
      this.#groupTold = true;
      this.#signalGroup(signal);
    } else this.#app.kill(signal);
  }

  #isTerminals(signal: NodeJS.Signals): boolean {
    if (signal === 'SIGQUIT') return this.#terminals.length > 0;
    // Otherwise it asks to read a configuration again, which is the command's own affair.
    if (signal === 'SIGHUP') return this.#terminals.length > 0 && !this.#terminals.some(isatty);
    return signal === 'SIGINT';
  }

  async #endLeftBehind(leader: number): Promise<void> {
    const { leave, tell } = this.#options;
    await endLeftBehind(this.#groupTold, {
      members: () => sessionProcesses(leader),
      signal: signalProcess,
      leave,
      sleep,
      tell,
    });
  }

  #followTerminal(): void {
    const { foreground, onPaused } = this.#options;
    const group = (signal: NodeJS.Signals): void => {
      if (!foreground) this.#signalGroup(signal);
    };
    const goOn = (): void => {
      group('SIGCONT');
      onPaused(false);
    };
    const stop = (): void => {
      onPaused(true);
      // SIGTSTP itself does nothing in a session without a shell.
      group('SIGSTOP');
      // As without a handler: where no shell is there to say go on, the system does not stop us, and the command is not to stay stopped.
      process.off('SIGTSTP', stop);
      process.kill(process.pid, 'SIGTSTP');
      setTimeout(() => {
        process.on('SIGTSTP', stop);
        goOn();
      }, stopTakesMs);
    };
    process.on('SIGTSTP', stop);
    process.on('SIGCONT', goOn);
    process.on('SIGWINCH', () => group('SIGWINCH'));
  }

  get #exited(): boolean {
    const { pid, exitCode, signalCode } = this.#app;
    return pid === undefined || exitCode !== null || signalCode !== null;
  }

  #members(): ReturnType<typeof sessionProcesses> {
    return this.#app.pid === undefined ? [] : sessionProcesses(this.#app.pid);
  }

  #signalGroup(signal: NodeJS.Signals): void {
    if (!this.#exited) signalProcess(-this.#app.pid!, signal);
  }
}

/** Negative: a group. */
function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended meanwhile.
  }
}
