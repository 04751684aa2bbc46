/**
 * Measures one scenario: all proxies are started and warmed up, then take turns, round by round, each alone with the load. Between turns the others idle.
 * A round in which a request failed is not a measurement: it carries the failure and no figures.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../../test/peers/free-port.ts';
import type { LoadResult } from '../load/load-result.ts';
import type { ContestantId, ProxyPeer, RunningProxy } from '../proxy.ts';
import type { Backends, Scenario } from '../scenarios.ts';
import { cpuMicros, residentBytes } from './process-figures.ts';
import { percentile } from './statistics.ts';

export interface RoundFigures {
  readonly cpuMicrosPerUnit: number;
  readonly requestsPerSecond: number;
  /** Share of the proxy's core that it used: 1 is saturated. */
  readonly coreShare: number;
  readonly residentStartBytes: number;
  readonly residentPeakBytes: number;
  readonly p50Micros: number | null;
  readonly p99Micros: number | null;
  readonly p999Micros: number | null;
}

export interface PeerResult {
  readonly peer: ContestantId;
  readonly rounds: readonly RoundFigures[];
  /** Why there are no figures; '' when there are. */
  readonly failure: string;
  readonly tool: string;
}

export interface Timing {
  readonly warmUpSeconds: number;
  readonly windowSeconds: number;
  readonly rounds: number;
}

const sampleIntervalMs = 100;

export async function runScenario(
  scenario: Scenario,
  peers: readonly ProxyPeer[],
  backends: Backends,
  timing: Timing,
  tell: (text: string) => void,
): Promise<PeerResult[]> {
  const contestants: Contestant[] = [];
  try {
    for (const peer of peers) contestants.push(await Contestant.start(scenario, peer, backends));
    for (const contestant of contestants) await contestant.take(timing.warmUpSeconds, false);
    for (let round = 0; round < timing.rounds; round++) {
      for (let turn = 0; turn < contestants.length; turn++) {
        const contestant = contestants[(turn + round) % contestants.length]!;
        await contestant.take(timing.windowSeconds, true);
        tell(`${scenario.id}: round ${round + 1} of ${timing.rounds}, ${contestant.peer.id} ${contestant.summary()}`);
      }
    }
    return contestants.map((contestant) => contestant.result());
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.stop()));
  }
}

class Contestant {
  readonly peer: ProxyPeer;
  readonly #scenario: Scenario;
  readonly #backends: Backends;
  readonly #port: number;
  /** In the order of the way; empty when the peer takes no part. */
  readonly #proxies: readonly RunningProxy[];
  readonly #rounds: RoundFigures[] = [];
  #failure: string;
  #tool = '';

  constructor(
    scenario: Scenario,
    peer: ProxyPeer,
    backends: Backends,
    port: number,
    proxies: readonly RunningProxy[],
    failure: string,
  ) {
    this.#scenario = scenario;
    this.peer = peer;
    this.#backends = backends;
    this.#port = port;
    this.#proxies = proxies;
    this.#failure = failure;
  }

  static async start(scenario: Scenario, peer: ProxyPeer, backends: Backends): Promise<Contestant> {
    const [listenPort, adminPort, secondPort, secondAdminPort] = (await freePorts(4)) as [
      number,
      number,
      number,
      number,
    ];
    const wanted = scenario.setup(backends);
    const { between } = scenario;
    const refusal = peer.refuses(between === null ? wanted : { ...wanted, listenTls: backends.meshTls });
    if (refusal !== null) return new Contestant(scenario, peer, backends, listenPort, [], refusal);
    // A peer without an HTTP/2 client meets the same answers over HTTP/1.1.
    const fallsBack = peer.id === 'nginx' && wanted.upstream === 'http2';
    const setup = {
      ...wanted,
      ...(fallsBack ? { upstream: 'http1' as const, upstreamPort: backends.nginx.http1Port } : {}),
      listenPort,
      adminPort,
      folder: backends.folder,
    };
    const first =
      between === null
        ? setup
        : {
            ...setup,
            upstream: between,
            upstreamPort: secondPort,
            tls: backends.meshTls,
            folder: join(setup.folder, 'first'),
          };
    const second = {
      ...setup,
      downstream: between ?? setup.downstream,
      listenTls: backends.meshTls,
      listenPort: secondPort,
      adminPort: secondAdminPort,
    };
    mkdirSync(first.folder, { recursive: true });
    const proxies: RunningProxy[] = [];
    try {
      proxies.push(await peer.start(first));
      if (between !== null) proxies.push(await peer.start(second));
      return new Contestant(scenario, peer, backends, listenPort, proxies, '');
    } catch (error) {
      await Promise.all(proxies.map(({ program }) => program.stop()));
      return new Contestant(scenario, peer, backends, listenPort, [], `did not start: ${(error as Error).message}`);
    }
  }

  /** One window of load. After a failure the peer takes no further part in the scenario. */
  async take(seconds: number, counts: boolean): Promise<void> {
    if (this.#proxies.length === 0 || this.#failure !== '') return;
    const sum = (figure: (pid: number) => number): number =>
      this.#proxies.reduce((all, { program }) => all + figure(program.pid), 0);
    const residentStartBytes = sum(residentBytes);
    let residentPeakBytes = residentStartBytes;
    const sampler = setInterval(() => {
      residentPeakBytes = Math.max(residentPeakBytes, sum(residentBytes));
    }, sampleIntervalMs);
    const cpuBefore = sum(cpuMicros);
    const startedMs = performance.now();
    let load: LoadResult;
    try {
      load = await this.#scenario.load(this.#port, seconds, this.#backends);
    } catch (error) {
      this.#failure = (error as Error).message;
      return;
    } finally {
      clearInterval(sampler);
    }
    const elapsedMicros = (performance.now() - startedMs) * 1000;
    const cpu = sum(cpuMicros) - cpuBefore;
    this.#tool = load.tool;
    const dead = this.#proxies.find(({ program }) => program.ended !== null)?.program;
    if (dead !== undefined) this.#failure = `the proxy ended (${dead.ended}): ${dead.output.slice(-300)}`;
    else if (load.failures > 0)
      this.#failure = `${load.failures} of ${load.requests} requests failed: ${load.failureText}`;
    else if (load.requests === 0) this.#failure = 'no request was answered';
    if (this.#failure !== '' || !counts) return;
    const sorted = load.latenciesMicros.toSorted();
    this.#rounds.push({
      cpuMicrosPerUnit: cpu / load.requests / this.#scenario.unitsPerRequest,
      requestsPerSecond: load.requests / load.seconds,
      coreShare: cpu / elapsedMicros,
      residentStartBytes,
      residentPeakBytes,
      p50Micros: percentile(sorted, 0.5),
      p99Micros: percentile(sorted, 0.99),
      p999Micros: percentile(sorted, 0.999),
    });
  }

  summary(): string {
    if (this.#failure !== '') return `FAILED: ${this.#failure}`;
    const last = this.#rounds.at(-1)!;
    const latency =
      last.p99Micros === null || this.#scenario.kind !== 'latency'
        ? ''
        : `, p50 ${last.p50Micros} µs, p99 ${last.p99Micros} µs`;
    return `${last.cpuMicrosPerUnit.toFixed(1)} µs of CPU per ${this.#scenario.unit}, ${Math.round(last.requestsPerSecond)} requests/s, core ${Math.round(last.coreShare * 100)} %${latency}`;
  }

  result(): PeerResult {
    return {
      peer: this.peer.id,
      rounds: this.#failure === '' ? this.#rounds : [],
      failure: this.#failure,
      tool: this.#tool,
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#proxies.map(({ program }) => program.stop()));
  }
}
