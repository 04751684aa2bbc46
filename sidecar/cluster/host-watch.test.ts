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

/** Two hosts, asked in turn; `silentSinceMs` says since when a socket's host acknowledges nothing. */
function bench(more: Partial<ClusterConfig> = {}) {
  const upstream = new ScriptedUpstream();
  const silent = new Map<number, number>();
  const sockets = new Map<Socket, number>();
  const context = {
    ...upstream.context,
    createCodec: (...given: Parameters<typeof upstream.context.createCodec>) => {
      sockets.set(given[1], sockets.size);
      return upstream.context.createCodec(...given);
    },
    liveness: {
      acknowledgements: (socket: Socket): Acknowledgements => {
        const lastMs = upstream.now - (silent.get(sockets.get(socket)!) ?? upstream.now);
        return { lastMs, unanswered: Math.floor(lastMs / 1_000) };
      },
      probe: () => {},
    },
  };
  const config = clusterConfig({ outlierDetection, connectTimeoutMs: 1_000, ...more });
  const cluster = new RunningCluster(config, context, () => {});
  cluster.setAssignment(assignment(locality([endpoint('10.0.0.1:80'), endpoint('10.0.0.2:80')])));
  return {
    upstream,
    cluster,
    ask: () => new ScriptedRequest(cluster).ask(),
    /** The host of the n-th connection that was made dies, as far as that can be told from it. */
    dies: (n: number) => silent.set(n, upstream.now),
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
