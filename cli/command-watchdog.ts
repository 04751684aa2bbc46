/**
 * Ends the command of `outrigger run` when `run` itself is gone without a word (`kill -9`). A shell that waits at a pipe, and costs next to nothing: the sidecar is no such watchdog, as it may be away just then.
 * Why a shell: bin/outrigger is one, so it is there.
 */
import { type ChildProcess, spawn } from 'node:child_process';

const killAfterS = 10;

// The end of the pipe is the end of run.
const script = `
read -r target || exit 0
[ "$target" = over ] && exit 0
read -r over && exit 0
kill -s TERM -- "$target" 2>/dev/null || exit 0
kill -s CONT -- "$target" 2>/dev/null
echo "outrigger: run is gone without a word: its command gets SIGTERM, and after $1 s SIGKILL" >&2
left=$1
while [ "$left" -gt 0 ]; do
  sleep 1
  kill -s 0 -- "$target" 2>/dev/null || exit 0
  left=$((left - 1))
done
kill -s KILL -- "$target" 2>/dev/null
`;

export class CommandWatchdog {
  readonly #shell: ChildProcess;

  /** Begins before the command, so that the command is never without. `drainTimeS`: so long may the command finish what it has in hand. */
  constructor(drainTimeS: number) {
    // A session of its own: what ends run and the command by the terminal does not end it.
    const shell = spawn('/bin/sh', ['-c', script, 'outrigger-watchdog', String(drainTimeS + killAfterS)], {
      stdio: ['pipe', 'ignore', 'inherit'],
      detached: true,
      cwd: '/',
      env: { PATH: process.env['PATH'] },
    });
    this.#shell = shell;
    shell.once('error', ({ message }) => {
      process.stderr.write(`outrigger: the command would stay when run is killed: /bin/sh: ${message}\n`);
    });
    shell.stdin!.on('error', () => {});
    shell.unref();
  }

  /** `target`: a pid, or a group's number with a minus. */
  watch(target: number): void {
    this.#shell.stdin!.write(`${target}\n`);
  }

  /** The command has ended. */
  over(): void {
    this.#shell.stdin!.end('over\n');
  }
}
