/**
 * A control plane that is restarted in the middle of a root rotation, then certificates of 4 s for a minute with another root rotation, while as many requests as the sidecars can carry go from application to
 * application by mTLS: HTTP/1.1 and gRPC at once, real processes all. Not one of them may fail.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runGhz } from '../../bench/load/ghz.ts';
import { runWrk } from '../../bench/load/wrk.ts';
import { freePorts } from '../peers/free-port.ts';
import { waitFor } from '../peers/started-program.ts';
import { service } from './mesh-configuration.ts';
import { counted, MeshWithIdentities, type ServiceProxy } from './mesh-with-identities.ts';
import { peer, Stage } from './programs.ts';

/** Before the restart: half of it is longer than any restart takes on a machine without a core to spare. */
const firstLifetime = '24s';
/** After it: leaves are renewed about every 2 s. */
const lifetime = '4s';
const lifetimeMs = 4_000;
/** 4 s for the restart, 12 s for the last certificates of before, a minute with the short ones. */
const loadSeconds = 78;
const answerBytes = 512;

/** What one sidecar was, as often as it was looked at. */
class Watched {
  readonly name: string;
  readonly sidecar: ServiceProxy;
  readonly serials = new Set<string>();
  readonly authorities = new Set<string>();
  /** The shortest that a certificate in use still had to live. */
  leastLeftMs = Infinity;
  leftMs = Infinity;
  /** The certificates are of the shorter kind. */
  get short(): boolean {
    return this.leftMs <= lifetimeMs;
  }

  constructor(name: string, sidecar: ServiceProxy) {
    this.name = name;
    this.sidecar = sidecar;
  }

  async look(): Promise<void> {
    const { identity } = JSON.parse(await this.sidecar.proxy.admin('/server_info')) as {
      readonly identity: {
        readonly serial_number: string;
        readonly authority_id: string;
        readonly expiration_time: string;
      };
    };
    this.serials.add(identity.serial_number);
    this.authorities.add(identity.authority_id);
    this.leftMs = Date.parse(identity.expiration_time) - Date.now();
    this.leastLeftMs = Math.min(this.leastLeftMs, this.leftMs);
  }
}

describe('certificates of 4 s, root rotations and a restart of the control plane under full load', () => {
  const stage = new Stage();
  let mesh: MeshWithIdentities;
  let watched: readonly Watched[];
  let toOrders = 0;
  let toQuotes = 0;

  beforeAll(async () => {
    for (const name of ['wrk', 'ghz'] as const) peer(name);
    const app = await stage.backend('app');
    const ports = (await freePorts(2)) as [number, number];
    [toOrders, toQuotes] = ports;
    const services = [service('storefront', []), service('orders', []), service('quotes', [], 'grpc')];
    mesh = await MeshWithIdentities.start(stage, services, firstLifetime);
    const upstreams = [`orders:80=${toOrders}`, `quotes:80=${toQuotes}`];
    watched = [
      new Watched('orders', await mesh.sidecar('orders', app.httpPort)),
      new Watched('quotes', await mesh.sidecar('quotes', app.grpcPort)),
      new Watched('storefront', await mesh.sidecar('storefront', app.httpPort, upstreams)),
    ];
    // Every path is there before it is loaded.
    await waitFor('both services to answer', 20_000, async () => {
      const [http1, grpc] = await Promise.all([loadHttp1(1), loadGrpc(1)].map((load) => load.catch(() => null)));
      return http1?.failures === 0 && grpc?.failures === 0;
    });
  }, 60_000);
  afterAll(async () => {
    mesh.close();
    await stage.stop();
  });

  const loadHttp1 = (seconds: number): ReturnType<typeof runWrk> =>
    runWrk({
      url: `http://127.0.0.1:${toOrders}/bytes/${answerBytes}`,
      connections: 16,
      seconds,
      method: 'GET',
      bodyBytes: 0,
      answerBytes,
    });
  const loadGrpc = (seconds: number): ReturnType<typeof runGhz> =>
    runGhz({
      target: `127.0.0.1:${toQuotes}`,
      call: 'grpc.testing.TestService/UnaryCall',
      message: { response_size: answerBytes },
      concurrency: 16,
      connections: 4,
      seconds,
    });

  async function authority(): Promise<{ readonly phase: string; readonly roots: readonly string[] }> {
    const response = await fetch(`http://127.0.0.1:${mesh.adminPort}/api/v1/authority`);
    return (await response.json()) as { phase: string; roots: string[] };
  }

  const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

  async function beginRotation(): Promise<void> {
    const { how, output } = await stage.outrigger([
      ...['identity', 'rotate', '--admin', `127.0.0.1:${mesh.adminPort}`, '--data-dir', mesh.dataDir],
    ]);
    expect([how, output]).toEqual(['exit code 0', expect.stringContaining('is being made known')]);
  }

  /** The phases that were seen until the rotation was over. */
  async function rotationEnds(): Promise<readonly string[]> {
    const phases: string[] = [];
    await waitFor(
      'the root rotation to end',
      40_000,
      async () => {
        const { phase } = await authority();
        if (phases.at(-1) !== phase) phases.push(phase);
        return phase === 'steady';
      },
      50,
    );
    return phases;
  }

  /** What the operator does meanwhile. */
  async function meanwhile(): Promise<Meanwhile> {
    const startedMs = performance.now();
    await beginRotation();
    const stoppedMs = performance.now();
    await mesh.restartControlPlane(lifetime);
    const awayMs = Math.round(performance.now() - stoppedMs);
    const interrupted = await rotationEnds();
    await waitFor('certificates of the new lifetime', 20_000, () => watched.every(({ short }) => short));
    const before = await Promise.all(watched.map(figures));
    await pause(8_000);
    await beginRotation();
    const whole = await rotationEnds();
    await pause(loadSeconds * 1000 - (performance.now() - startedMs));
    const after = await Promise.all(watched.map(figures));
    return {
      awayMs,
      rotations: [interrupted, whole],
      changes: after.map(({ atMs, renewals, streams }, i) => ({
        seconds: (atMs - before[i]!.atMs) / 1000,
        renewals: renewals - before[i]!.renewals,
        streams: streams - before[i]!.streams,
      })),
    };
  }

  it('fails no request', async () => {
    const rootsBefore = (await authority()).roots;
    const bundleBefore = readFileSync(mesh.trustBundle, 'utf8');
    let over = false;
    const watching = (async () => {
      while (!over) {
        await Promise.all(watched.map((each) => each.look()));
        await pause(200);
      }
    })();
    const [http1, grpc, { rotations, awayMs, changes }] = await Promise.all([
      loadHttp1(loadSeconds),
      loadGrpc(loadSeconds),
      meanwhile(),
    ]);
    over = true;
    await watching;
    console.log(
      [
        `HTTP/1.1: ${http1.requests} requests, ${http1.failures} failed (${http1.failureText})`,
        `gRPC: ${grpc.requests} requests, ${grpc.failures} failed (${grpc.failureText})`,
        `root rotations: ${rotations.map((phases) => phases.join(' → ')).join(', then ')}; the control plane was away for ${awayMs} ms of the first`,
        ...watched.map(
          ({ name, serials, authorities, leastLeftMs }, i) =>
            `${name}: ${serials.size} certificates seen of ${authorities.size} authorities, one in use had ${leastLeftMs} ms left at least; with short ones, in ${changes[i]!.seconds.toFixed(0)} s, ${changes[i]!.renewals} renewals and ${changes[i]!.streams} xDS streams opened`,
        ),
      ].join('\n'),
    );
    expect([http1.failures, http1.failureText, grpc.failures, grpc.failureText]).toEqual([0, '', 0, '']);
    expect(Math.min(http1.requests, grpc.requests)).toBeGreaterThan(5_000);
    for (const phases of rotations) expect(phases).toEqual(['distributing', 'draining', 'steady']);
    const rootsAfter = (await authority()).roots;
    expect(rootsAfter).toHaveLength(1);
    expect(rootsAfter).not.toEqual(rootsBefore);
    expect(readFileSync(mesh.trustBundle, 'utf8')).not.toBe(bundleBefore);
    for (const { serials, authorities, leastLeftMs } of watched) {
      expect(serials.size).toBeGreaterThan(25);
      expect(authorities.size).toBe(3);
      expect(leastLeftMs).toBeGreaterThan(0);
    }
    for (const { seconds, renewals } of changes) expect(seconds / renewals).toBeLessThan(2.5);
  });
});

interface Meanwhile {
  /** How long there was no control plane. */
  readonly awayMs: number;
  /** Phases of the root rotation that the restart fell into, and of the one with short certificates, as they were seen. */
  readonly rotations: ReadonlyArray<readonly string[]>;
  /** For each sidecar, from its first certificate of the shorter kind on. */
  readonly changes: ReadonlyArray<{ readonly seconds: number; readonly renewals: number; readonly streams: number }>;
}

async function figures({
  sidecar: { proxy },
}: Watched): Promise<{ readonly atMs: number; readonly renewals: number; readonly streams: number }> {
  const metrics = await proxy.admin('/stats/prometheus');
  const renewals = /^outrigger_identity_renewals_total\{[^}]*result="ok"[^}]*\} (\d+)/m.exec(metrics)?.[1];
  return {
    atMs: performance.now(),
    renewals: Number(renewals ?? 0),
    streams: await counted(proxy, 'control_plane.connect_attempts'),
  };
}
