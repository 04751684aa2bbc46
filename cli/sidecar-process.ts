/**
 * Starts the built sidecar program as a child process and waits until it is ready. The two talk over Node's IPC channel: the child says
 * which addresses it really listens on, as ports may be 0.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { sidecarVariables } from './sidecar-flags.ts';
import { startUpCompilerFlags } from './start-up-compilers.ts';
import { UserError } from './user-error.ts';

/** What the sidecar says once, when it serves. */
export interface SidecarReady {
  readonly ready: true;
  /** `host:port` by listener name. */
  readonly listeners: Readonly<Record<string, string>>;
  readonly admin: string;
  /** What is wrong with upstreams that it was told of, by name of their listener. */
  readonly upstreamProblems: Readonly<Record<string, string>>;
}

/** What it says every 10 s until it serves. */
export interface SidecarWaiting {
  /** The control plane's `host:port`. */
  readonly waitingFor: string;
  readonly why: string;
}

/** What it says in the place of a line on stderr when it ends by a mistake of the user's. */
interface SidecarFault {
  readonly fault: string;
  readonly exitCode: 1 | 2;
}

/** It ended before it served, and said nothing of it here. What it could say itself is on its stderr. */
export class SidecarEnded extends UserError {
  readonly code: number;

  constructor(code: number) {
    super(`the sidecar ended with exit code ${code} before it was ready`);
    this.code = code;
  }
}

export interface SidecarProcess {
  readonly child: ChildProcess;
  /** Resolves when it serves; rejects with a UserError when it ends before. */
  readonly ready: Promise<SidecarReady>;
  /** Resolves with its exit code when it ended. */
  readonly ended: Promise<number>;
  /** The application is about to end: the sidecar leaves the registry, tells callers, and finishes what they have in hand. Resolves when that is done, or the sidecar is gone. */
  leave(): Promise<void>;
  /** The application is gone: the sidecar leaves the registry, finishes what is in hand, and ends; it waits for no idle connection. */
  applicationEnded(): void;
  /** The application is stopped (Ctrl-Z), or goes on: it is out of the registry meanwhile. */
  applicationPaused(paused: boolean): void;
}

/** What bin/outrigger gives the sidecar too, for its memory: docs/adr/0003-sidecar-memory.md. The warning would be of node:ffi (transport/peer-liveness.ts). */
export const sidecarNodeFlags: readonly string[] = [
  '--disable-warning=ExperimentalWarning',
  '--max-semi-space-size=1',
  '--expose-gc',
  ...startUpCompilerFlags,
];
export const sidecarEnvironment: Readonly<Record<string, string>> = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '30000',
};

/** `environment`: what differs from our own; undefined: not there. Of the variables of a sidecar's flags it gets proofs only: the rest is in `flags`, and what is not there is not wanted. `output`: whether it writes to our stderr, or to us. `before`: words that start it elsewhere or as somebody else, as `nsenter …`. */
export function startSidecar(
  flags: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
  output: 'inherit' | 'pipe' = 'inherit',
  onWaiting: (waiting: SidecarWaiting) => void = () => {},
  before: readonly string[] = [],
): SidecarProcess {
  const program = join(import.meta.dirname, 'sidecar.js');
  // A group of its own: Ctrl-C in a terminal must not stop it before the application is done.
  const [first = '', ...words] = [...before, process.execPath, ...sidecarNodeFlags, program, 'sidecar', ...flags];
  // What the sidecar writes is no part of what the command writes.
  const to = output === 'inherit' ? 2 : output;
  const child = spawn(first, words, {
    stdio: ['ignore', to, to, 'ipc'],
    detached: true,
    env: {
      ...process.env,
      ...Object.fromEntries(sidecarVariables.map((name) => [name, undefined])),
      ...environment,
      ...sidecarEnvironment,
    },
  });
  let spawnFault: Error | null = null;
  const ended = new Promise<number>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
    // It could not even be started: then no 'exit' follows.
    child.once('error', (error) => {
      spawnFault = error;
      if (child.pid === undefined) resolve(1);
    });
  });
  const ready = new Promise<SidecarReady>((resolve, reject) => {
    child.on('message', (message) => {
      const said = message as Partial<SidecarReady & SidecarFault & SidecarWaiting>;
      if (said.ready === true) resolve(said as SidecarReady);
      else if (said.waitingFor !== undefined) onWaiting(said as SidecarWaiting);
      else if (said.fault !== undefined) reject(new UserError(said.fault, said.exitCode));
    });
    void ended.then(async (code) => {
      // What it said last may still be on its way.
      if (child.connected && child.pid !== undefined) await once(child, 'disconnect');
      reject(
        spawnFault === null
          ? new SidecarEnded(code)
          : new UserError(`the sidecar could not be started: ${(spawnFault as Error).message}`),
      );
    });
  });
  ready.catch(() => {
    // Whoever waits for it hears; a caller that only waits for the end does not.
  });
  const applicationEnded = (): void => {
    if (child.connected) child.send({ applicationEnded: true }, () => {});
    else child.kill('SIGTERM');
  };
  const applicationPaused = (paused: boolean): void => {
    if (child.connected) child.send({ applicationPaused: paused }, () => {});
  };
  const leave = async (): Promise<void> => {
    if (!child.connected) return;
    const left = new Promise<void>((resolve) => {
      child.on('message', (message) => {
        if ((message as { left?: boolean }).left === true) resolve();
      });
    });
    child.send({ leave: true }, () => {});
    await Promise.race([left, ended]);
  };
  return { child, ready, ended, leave, applicationEnded, applicationPaused };
}
