/**
 * Ends what a command leaves behind in its session when it ends, as a shell that SIGTERM stops leaves the server that it runs: nobody else would, its port would stay taken, and no sidecar is there for it.
 * What made a session of its own (a daemon) is not among it.
 */
import type { SessionProcess } from './session-processes.ts';

const lookMs = 50;
/** What follows the command to its end by itself, as the last of a pipe does. */
const graceMs = 500;
/** They were told with the command. */
const toldGraceMs = 3_000;
const killAfterMs = 10_000;
/** One that not even SIGKILL ends waits for a device. */
const giveUpMs = 1_000;

export interface LeftBehindOptions {
  readonly members: () => readonly SessionProcess[];
  readonly signal: (pid: number, signal: NodeJS.Signals) => void;
  /** Takes the instance out; resolves when callers have nothing in hand: what is left may be what serves them. */
  readonly leave: () => Promise<void>;
  readonly sleep: (ms: number) => Promise<unknown>;
  /** Lines for the user. */
  readonly tell: (line: string) => void;
}

/** Resolves when nothing is left, 15 s after at most and what `leave` takes. `told`: they got the signal that ended the command, and take time by right. */
export async function endLeftBehind(told: boolean, options: LeftBehindOptions): Promise<void> {
  const { members, signal, leave, sleep, tell } = options;
  const waitedFor = async (limitMs: number): Promise<readonly SessionProcess[]> => {
    let left = members();
    for (let waitedMs = 0; left.length > 0 && waitedMs < limitMs; waitedMs += lookMs) {
      await sleep(lookMs);
      left = members();
    }
    return left;
  };
  const stay = await waitedFor(told ? toldGraceMs : graceMs);
  if (stay.length === 0) return;
  tell(
    `the command has ended and left ${listed(stay)} behind: SIGTERM, and after ${killAfterMs / 1000} s SIGKILL (what is to stay wants a session of its own: setsid)`,
  );
  await leave();
  for (const { pid } of members()) {
    signal(pid, 'SIGTERM');
    // One that is stopped would not hear of it.
    signal(pid, 'SIGCONT');
  }
  const deaf = await waitedFor(killAfterMs);
  if (deaf.length === 0) return;
  tell(`${listed(deaf)} did not end by SIGTERM in ${killAfterMs / 1000} s: SIGKILL`);
  for (const { pid } of deaf) signal(pid, 'SIGKILL');
  await waitedFor(giveUpMs);
}

function listed(processes: readonly SessionProcess[]): string {
  return processes
    .map(({ pid, command }) =>
      pid < 0 ? `process group ${-pid}` : `pid ${pid}${command === '' ? '' : ` (${command})`}`,
    )
    .join(', ');
}
