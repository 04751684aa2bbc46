import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { Acknowledgements } from '../transport/peer-liveness.ts';
import { outlierConfig } from './outlier/test/outlier-config.ts';
import { RunningCluster } from './running-cluster.ts';
import {
  assignment,
  clusterConfig,
  endpoint,
  locality,
  ScriptedRequest,
  ScriptedUpstream,
} from './test/scripted-upstream.ts';

const outlierDetection = outlierConfig({ splitLocalOrigin: true, maxEjectionPercent: 50 });

/** What a kernel knows of one connection: a living host acknowledges what is sent it, at once; a probe is due when nothing came for a second. */
class Path {
  readonly #upstream: ScriptedUpstream;
  #ackMs: number;
  #probing = false;
  #brokenMs = Infinity;

  constructor(upstream: ScriptedUpstream) {
    this.#upstream = upstream;
    this.#ackMs = upstream.now;
  }

  /** Nothing that is sent from now on arrives. */
  break(): void {
    this.#settle();
    this.#brokenMs = this.#upstream.now;
  }

  /** It arrives again, with what is sent next: at twice the time that it was broken for, as kernels back off. */
  mend(): void {
    const { now } = this.#upstream;
    this.#ackMs = 2 * now - this.#brokenMs;
    this.#brokenMs = Infinity;
  }

  probe(probing: boolean): void {
    this.#settle();
    this.#probing = probing;
  }

  acknowledgements(): Acknowledgements {
    this.#settle();
    const lastMs = this.#upstream.now - Math.min(this.#ackMs, this.#upstream.now);
    return { lastMs, unanswered: this.#brokenMs === Infinity && this.#ackMs <= this.#upstream.now ? 0 : 1 };
  }

  #settle(): void {
    const { now } = this.#upstream;
    if (this.#probing && this.#brokenMs === Infinity && now - this.#ackMs >= 1_000) this.#ackMs = now;
  }
}

/** Hosts that are asked in turn. */
function bench(more: Partial<ClusterConfig> = {}, hostCount = 2) {
  const upstream = new ScriptedUpstream();
  const paths = new Map<Socket, Path>();
  const context = {
    ...upstream.context,
    createCodec: (...given: Parameters<typeof upstream.context.createCodec>) => {
      paths.set(given[1], new Path(upstream));
      return upstream.context.createCodec(...given);
    },
    liveness: {
      acknowledgements: (socket: Socket): Acknowledgements => paths.get(socket)!.acknowledgements(),
      probe: (socket: Socket, probing: boolean) => paths.get(socket)!.probe(probing),
    },
  };
  const config = clusterConfig({ outlierDetection, connectTimeoutMs: 1_000, ...more });
  const cluster = new RunningCluster(config, context, () => {});
  const hosts = Array.from({ length: hostCount }, (_, i) => endpoint(`10.0.0.${i + 1}:80`));
  cluster.setAssignment(assignment(locality(hosts)));
  return {
    upstream,
    cluster,
    ask: () => new ScriptedRequest(cluster).ask(),
    /** The path of the n-th connection that was made breaks: nothing more is acknowledged on it. */
    dies: (n: number) => [...paths.values()][n]!.break(),
    /** All paths are broken for so long. */
    ownNetworkAway: (ms: number) => {
      for (const path of paths.values()) path.break();
      upstream.pass(ms);
      for (const path of paths.values()) path.mend();
    },
    ejected: () => upstream.gauge('cluster.payments.outlier_detection.ejections_active'),
  };
}

describe('a host that is gone without a word', () => {
  it('loses its connections, those at rest too, and its requests; and is ejected at once', () => {
    const { upstream, ask, dies, ejected } = bench();
    const first = [ask(), ask(), ask(), ask()];
    upstream.connectAll();
    // Both hosts have a connection that rests and one with a request.
    for (const request of first.slice(2)) request.stream!.finish();
    const [waiting, other] = first;
    const onHost = (request: ScriptedRequest | undefined) => request!.host!.address === waiting!.host!.address;
    first.forEach((request, n) => {
      if (onHost(request)) dies(n);
    });
    upstream.pass(1_400);
    expect([waiting!.error, ejected()]).toEqual([null, 0]);
    upstream.pass(300);
    expect(waiting!.error).toMatchObject({ flag: 'UC', retry: 'idempotent', source: 'upstream' });
    expect(waiting!.error!.message).toContain('acknowledged nothing for 1500 ms');
    expect(other!.error).toBeNull();
    expect(ejected()).toBe(1);
    expect(upstream.codecs.filter(({ closed }) => closed)).toHaveLength(2);
    expect(onHost(ask())).toBe(false);
  });

  it('is not taken for gone when another of its connections lives: only that one ends', () => {
    const { upstream, ask, dies, ejected } = bench();
    const requests = [ask(), ask(), ask(), ask()];
    upstream.connectAll();
    dies(0);
    upstream.pass(2_000);
    expect(requests.map(({ error }) => error?.flag ?? '')).toEqual(['UC', '', '', '']);
    expect(ejected()).toBe(0);
  });

  it('is not taken for gone when only one path breaks, beside a quiet request and connections at rest', () => {
    const { upstream, ask, dies, ejected } = bench({}, 1);
    const [quiet, rests] = [ask(), ask()];
    upstream.connectAll();
    rests.stream!.finish();
    upstream.pass(20_000);
    const broken = ask();
    dies(1);
    upstream.pass(3_000);
    expect([quiet.error, broken.error?.flag, ejected()]).toEqual([null, 'UC', 0]);
    upstream.pass(120_000);
    expect(quiet.error).toBeNull();
  });

  it('is told from a living one by a connection at rest that is answered', () => {
    const { upstream, ask, dies, ejected } = bench({}, 2);
    const requests = [ask(), ask(), ask(), ask()];
    upstream.connectAll();
    for (const request of requests.slice(1)) request.stream!.finish();
    upstream.pass(300);
    dies(0);
    upstream.pass(3_000);
    expect([requests[0]!.error?.flag, ejected()]).toEqual(['UC', 0]);
    expect(upstream.codecs.filter(({ closed }) => closed)).toHaveLength(1);
  });

  it.each([1_000, 1_400, 1_900, 3_100])(
    'is not taken for gone when our own network is away for %d ms: nothing ends',
    (ms) => {
      const { upstream, ask, ownNetworkAway, ejected } = bench({}, 4);
      const requests = [ask(), ask(), ask(), ask()];
      upstream.connectAll();
      upstream.pass(250);
      ownNetworkAway(ms);
      upstream.pass(60_000);
      expect(requests.map(({ error }) => error)).toEqual([null, null, null, null]);
      expect(ejected()).toBe(0);
    },
  );

  it('is not ejected when all are silent; after several limits their requests end', () => {
    const { upstream, ask, dies } = bench({}, 4);
    const requests = [ask(), ask(), ask(), ask()];
    upstream.connectAll();
    for (const n of requests.keys()) dies(n);
    upstream.pass(7_400);
    expect(requests.map(({ error }) => error)).toEqual([null, null, null, null]);
    upstream.pass(1_500);
    expect(requests.map(({ error }) => error?.flag)).toEqual(['UC', 'UC', 'UC', 'UC']);
    expect(requests[0]!.error!.message).toContain('acknowledged nothing for 7500 ms');
  });

  it('is waited for longer where connecting may take longer', () => {
    const { upstream, ask, dies } = bench({ connectTimeoutMs: 5_000 });
    const request = ask();
    upstream.connectAll();
    dies(0);
    upstream.pass(5_300);
    expect(request.error).toBeNull();
    upstream.pass(400);
    expect(request.error).not.toBeNull();
  });

  it('is not looked for without outlier detection', () => {
    const { upstream, ask, dies } = bench({ outlierDetection: null });
    const request = ask();
    upstream.connectAll();
    dies(0);
    upstream.pass(14_000);
    expect(request.error).toBeNull();
  });
});
