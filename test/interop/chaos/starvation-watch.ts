/**
 * What the machine does to the parts by itself: a process that is ready to run and gets no core is stopped, as by SIGSTOP, and time limits run out on it though nothing is wrong in the mesh. The system counts how long each process waits for a core
 * (`/proc/PID/schedstat`); where that is a large share of the time it is written down as a fault, so that a machine that is busy otherwise does not fail the test, and the report says how often it was.
 */
import { readFileSync } from 'node:fs';
import type { ManagedProcess } from './managed-process.ts';
import { type FaultRecord, nowMs, type Part } from './records.ts';

const sampleMs = 250;
/** A process that waits for two fifths of the time that it could run is at half speed or less. */
const starvedShare = 0.4;
/** Shorter breaks do not end it: what has piled up is not done yet. */
const breakMs = 1_000;

interface Watched {
  readonly process: ManagedProcess;
  readonly part: Part;
  pid: number;
  waitedMs: number;
  current: { readonly startMs: number; endMs: number } | null;
}

export class StarvationWatch {
  readonly records: FaultRecord[] = [];
  readonly #watched: readonly Watched[];
  readonly #timer: NodeJS.Timeout;
  #sampledMs = nowMs();

  constructor(processes: ReadonlyArray<readonly [ManagedProcess, Part]>) {
    this.#watched = processes.map(([process, part]) => ({ process, part, pid: -1, waitedMs: 0, current: null }));
    this.#timer = setInterval(() => this.#sample(), sampleMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const each of this.#watched) this.#end(each);
  }

  #sample(): void {
    const now = nowMs();
    const passedMs = now - this.#sampledMs;
    for (const each of this.#watched) {
      const { pid } = each.process;
      const waitedMs = pid < 0 ? null : waitedForCore(pid);
      if (waitedMs === null || pid !== each.pid) {
        each.pid = waitedMs === null ? -1 : pid;
        each.waitedMs = waitedMs ?? 0;
        continue;
      }
      const starved = waitedMs - each.waitedMs >= passedMs * starvedShare;
      each.waitedMs = waitedMs;
      if (starved && each.current === null) each.current = { startMs: this.#sampledMs, endMs: now };
      else if (starved) each.current!.endMs = now;
      else if (each.current !== null && now - each.current.endMs > breakMs) this.#end(each);
    }
    this.#sampledMs = now;
  }

  #end(each: Watched): void {
    if (each.current === null) return;
    this.records.push({ number: 0, kind: 'starved', part: each.part, ...each.current });
    each.current = null;
  }
}

/** Of the process' first thread, which is its event loop; null when it is gone. */
function waitedForCore(pid: number): number | null {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[1]) / 1e6;
  } catch {
    return null;
  }
}
