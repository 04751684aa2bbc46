/**
 * Faults at random under load: services, their sidecars, callers' sidecars and the control plane are killed, stopped, cut off, slowed and restarted, one or two at a time, in network namespaces of the test's own. What every part wrote down is joined
 * at the end by check-chaos.ts, which says what is proved. `OUTRIGGER_CHAOS_SEED` replays a script (the same faults; the machine's timing is its own), `OUTRIGGER_CHAOS_SECONDS` makes it longer or shorter.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../peers/started-program.ts';
import { ChaosMesh } from './chaos/chaos-mesh.ts';
import { chaosReport } from './chaos/chaos-report.ts';
import { checkChaos } from './chaos/check-chaos.ts';
import { type Layout, planFaults } from './chaos/fault-plan.ts';
import { FaultRunner } from './chaos/fault-runner.ts';
import { PodNetwork } from './chaos/pod-network.ts';
import type { ClientRecord } from './chaos/records.ts';
import { StarvationWatch } from './chaos/starvation-watch.ts';

const seconds = Number(process.env['OUTRIGGER_CHAOS_SECONDS'] ?? 85);
const seed = Number(process.env['OUTRIGGER_CHAOS_SEED'] ?? Math.floor(Math.random() * 1e9));
const requestsPerSecond = 60;
/** Of a sidecar or the control plane; a healthy one is at 60 to 120. */
const mostMib = 256;

const layout: Layout = {
  controlPlane: 'control-plane',
  callers: ['caller-a', 'caller-b'],
  services: new Map([
    ['orders', ['orders-1', 'orders-2', 'orders-3', 'orders-4']],
    ['payments', ['payments-1', 'payments-2', 'payments-3']],
  ]),
};
const pods = [layout.controlPlane, ...layout.callers, ...[...layout.services.values()].flat()];
/** One of the two multiplexes, the other takes a connection for each request that is under way. */
const protocols = new Map([
  ['orders', 'http'],
  ['payments', 'http2'],
] as const);

describe('chaos', () => {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-chaos-'));
  let network: PodNetwork;
  let mesh: ChaosMesh;
  let rounds = 0;

  beforeAll(async () => {
    network = new PodNetwork(pods);
    mesh = new ChaosMesh(folder, network, layout, protocols);
    await mesh.start();
  }, 120_000);
  afterAll(async () => {
    await mesh?.stop();
    network?.remove();
    if (process.env['OUTRIGGER_CHAOS_KEEP'] === undefined) rmSync(folder, { recursive: true, force: true });
  });

  it(`${seconds} s of faults (OUTRIGGER_CHAOS_SEED=${seed}): only what was on its way through a part that was hit fails, and no POST runs twice`, {
    timeout: (seconds * 2 + 180) * 1000,
  }, async () => {
    console.log(`chaos in ${folder}: OUTRIGGER_CHAOS_SEED=${seed} OUTRIGGER_CHAOS_SECONDS=${seconds}`);
    await allWell('before');
    const sampling = setInterval(() => {
      for (const each of mesh.processes) each.rssMib();
    }, 1_000);
    const faults = new FaultRunner(mesh, network);
    const starvation = new StarvationWatch(mesh.partsOfRequests);
    const loads = layout.callers.map((caller, i) => mesh.startLoad(caller, 'chaos', seed + i, requestsPerSecond));
    // A host that vanished is found by requests that are sent there: they come first.
    await Promise.all(loads.map((load) => load.line(/running/)));
    await pause(1_000);
    try {
      await faults.run(planFaults(seed, seconds, layout), layout);
    } finally {
      clearInterval(sampling);
    }
    await Promise.all(loads.map((load) => load.stop(40_000)));
    starvation.stop();
    const { clients, services, accesses } = {
      clients: mesh.clientRecords(),
      services: mesh.serviceRecords(),
      accesses: mesh.accessRecords(),
    };
    const result = checkChaos({
      layout,
      clients,
      services,
      accesses,
      faults: [...faults.records, ...starvation.records],
    });
    console.log(chaosReport(result, mesh.processes));
    expect(result.violations).toEqual([]);
    expect(mesh.crashes).toEqual([]);
    await allWell('after');
    expect(mesh.crashes).toEqual([]);
    for (const each of mesh.processes) expect(each.peakRssMib, each.name).toBeLessThan(mostMib);
  });

  /** Every instance answers every caller, and of some hundred requests none fails. Hosts that were ejected are back by then. */
  async function allWell(when: string): Promise<void> {
    const before = rounds;
    await waitFor(
      'every instance to answer every caller, without a failure',
      90_000,
      async () => {
        const run = `well${++rounds}`;
        const loads = layout.callers.map((caller) => mesh.startLoad(caller, run, rounds, 100));
        await pause(2_000);
        await Promise.all(loads.map((load) => load.stop(40_000)));
        const records = mesh.clientRecords().filter(({ id }) => id.includes(`-${run}-`));
        return everyPath(records) && records.every(({ status }) => status === 200);
      },
      500,
    );
    console.log(`all is well ${when}, in round ${rounds - before}`);
  }

  function everyPath(records: readonly ClientRecord[]): boolean {
    const paths = new Set(records.map(({ caller, instance }) => `${caller} ${instance}`));
    return paths.size >= layout.callers.length * [...layout.services.values()].flat().length;
  }
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
