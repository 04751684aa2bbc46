/**
 * Starts the built sidecar program as a child process and waits until it is ready. The two talk over Node's IPC channel: the child says
 * which addresses it really listens on, as ports may be 0.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { sidecarVariables } from './sidecar-flags.ts';

/** What the sidecar says once, when it serves. */
export interface SidecarReady {
  readonly ready: true;
  /** `host:port` by listener name. */
  readonly listeners: Readonly<Record<string, string>>;
  readonly admin: string;
  /** What is wrong with upstreams that it was told of, by name of their listener. */
  readonly upstreamProblems: Readonly<Record<string, string>>;
}

export interface SidecarProcess {
  readonly child: ChildProcess;
  /** Resolves when it serves; rejects when it ends before. */
  readonly ready: Promise<SidecarReady>;
  /** Resolves with its exit code when it ended. */
  readonly ended: Promise<number>;
  /** The application is gone: the sidecar leaves the registry, finishes what is in hand, and ends; it waits for no idle connection. */
  applicationEnded(): void;
  /** Its process: when we are gone without a word, the sidecar tells it to end, as calls would no longer be carried. */
  applicationStarted(pid: number): void;
}

/** What bin/outrigger gives the sidecar too, for its memory: docs/adr/0003-sidecar-memory.md. */
export const sidecarNodeFlags: readonly string[] = ['--max-semi-space-size=1', '--no-node-snapshot', '--expose-gc'];
export const sidecarEnvironment: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '1' };

/** `environment`: what differs from our own; undefined: not there. Of the variables of a sidecar's flags it gets proofs only: the rest is in `flags`, and what is not there is not wanted. `output`: whether it writes where we do, or to us. */
export function startSidecar(
  flags: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
  output: 'inherit' | 'pipe' = 'inherit',
): SidecarProcess {
  const program = join(import.meta.dirname, 'sidecar.js');
  // A group of its own: Ctrl-C in a terminal must not stop it before the application is done.
  const child = spawn(process.execPath, [...sidecarNodeFlags, program, 'sidecar', ...flags], {
    stdio: ['ignore', output, output, 'ipc'],
    detached: true,
    env: {
      ...process.env,
      ...Object.fromEntries(sidecarVariables.map((name) => [name, undefined])),
      ...environment,
      ...sidecarEnvironment,
    },
  });
  const ended = new Promise<number>((resolve) =>
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128))),
  );
  const ready = new Promise<SidecarReady>((resolve, reject) => {
    child.on('message', (message) => {
      const said = message as Partial<SidecarReady>;
      if (said.ready === true) resolve(said as SidecarReady);
    });
    void ended.then((code) => reject(new Error(`the sidecar ended with exit code ${code} before it was ready`)));
  });
  ready.catch(() => {
    // Whoever waits for it hears; a caller that only waits for the end does not.
  });
  const applicationEnded = (): void => {
    if (child.connected) child.send({ applicationEnded: true }, () => {});
    else child.kill('SIGTERM');
  };
  const applicationStarted = (pid: number): void => {
    if (child.connected) child.send({ applicationPid: pid }, () => {});
  };
  return { child, ready, ended, applicationEnded, applicationStarted };
}
