/** Carries a plan of faults out on the mesh, and writes down when each began and when its part was well again. */
import type { ChaosMesh } from './chaos-mesh.ts';
import { type FaultPlan, groupsOf, type Layout, type PlannedFault } from './fault-plan.ts';
import type { ManagedProcess } from './managed-process.ts';
import type { PodNetwork } from './pod-network.ts';
import { type FaultRecord, nowMs, type Part } from './records.ts';

/** Slowed processes run for so long, then stand for so long. */
const runMs = 6;
const standMs = 44;
/** Of a slowed pod's network; a request and its answer are some 3 kbit, one in twenty posts 800. */
const slowKbitPerSecond = 512;
/** Longer than drainSeconds of the mesh. */
const restartGraceMs = 8_000;

export class FaultRunner {
  readonly #mesh: ChaosMesh;
  readonly #network: PodNetwork;
  readonly records: FaultRecord[] = [];
  readonly #busy = new Set<string>();

  constructor(mesh: ChaosMesh, network: PodNetwork) {
    this.#mesh = mesh;
    this.#network = network;
  }

  /** Resolves when the last fault is over. */
  async run(plan: FaultPlan, layout: Layout): Promise<void> {
    const startedMs = nowMs();
    await Promise.all(
      plan.map(async (lane) => {
        for (const fault of lane) {
          await pause(startedMs + fault.atMs - nowMs());
          await this.#carryOut(fault, groupsOf(fault, layout));
        }
      }),
    );
  }

  /** The plan keeps two faults of one group apart by the times it expects; a machine that is busy takes longer. */
  async #carryOut(fault: PlannedFault, groups: readonly string[]): Promise<void> {
    while (groups.some((group) => this.#busy.has(group))) await pause(50);
    for (const group of groups) this.#busy.add(group);
    try {
      await this.#act(fault);
    } finally {
      for (const group of groups) this.#busy.delete(group);
    }
  }

  async #act(fault: PlannedFault): Promise<void> {
    const { number, kind, part } = fault;
    const startMs = nowMs();
    await this.#actions[kind](part, fault.durationMs);
    this.records.push({ number, kind, part, startMs, endMs: nowMs() });
  }

  readonly #actions = {
    kill: async (part: Part, durationMs: number): Promise<void> => {
      const processes = this.#mesh.processesOf(part);
      await Promise.all(processes.map((each) => each.end(0)));
      await pause(durationMs);
      await startAll(processes);
    },
    restart: async (part: Part): Promise<void> => {
      const processes = this.#mesh.processesOf(part);
      // The sidecar of a pod ends first, as `outrigger run` has it: the application is there until its last request is done.
      for (const each of processes) await each.end(restartGraceMs);
      await startAll(processes);
    },
    stop: async (part: Part, durationMs: number): Promise<void> => {
      const processes = this.#mesh.processesOf(part);
      for (const each of processes) each.signal('SIGSTOP');
      await pause(durationMs);
      for (const each of processes) each.signal('SIGCONT');
    },
    slow: async (part: Part, durationMs: number): Promise<void> => {
      if (part.kind === 'link') {
        this.#network.slow(part.pod, slowKbitPerSecond);
        await pause(durationMs);
        this.#network.unslow(part.pod);
        return;
      }
      const processes = this.#mesh.processesOf(part);
      const untilMs = nowMs() + durationMs;
      while (nowMs() < untilMs) {
        for (const each of processes) each.signal('SIGSTOP');
        await pause(standMs);
        for (const each of processes) each.signal('SIGCONT');
        await pause(runMs);
      }
    },
    partition: async ({ pod, peer }: Part, durationMs: number): Promise<void> => {
      const other = peer === '' ? null : peer;
      this.#network.drop(pod, other);
      this.#network.drop(other, pod);
      await pause(durationMs);
      this.#network.pass(pod, other);
      this.#network.pass(other, pod);
    },
  };
}

async function startAll(processes: readonly ManagedProcess[]): Promise<void> {
  for (const each of processes) each.start();
  await Promise.all(processes.map((each) => each.ready()));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
