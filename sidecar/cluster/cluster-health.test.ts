import { describe, expect, it } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { ResponseHead } from '../codec/message-head.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import { Log } from '../runtime/log.ts';
import { clusterStatus, clustersText } from './cluster-status.ts';
import { outlierConfig } from './outlier/test/outlier-config.ts';
import { RunningCluster } from './running-cluster.ts';
import type { RunningHost } from './running-host.ts';
import {
  assignment,
  clusterConfig,
  endpoint,
  locality,
  ScriptedRequest,
  ScriptedUpstream,
} from './test/scripted-upstream.ts';

interface Bench {
  readonly upstream: ScriptedUpstream;
  readonly cluster: RunningCluster;
  readonly lines: string[];
  host(index: number): RunningHost;
  /** Which hosts get the next `count` requests. */
  taken(count: number): Record<string, number>;
  answer(index: number, status: number, times?: number): void;
}

function bench(hosts: number, more: Partial<ClusterConfig> = {}): Bench {
  const upstream = new ScriptedUpstream();
  const lines: string[] = [];
  const log = new Log(upstream.clock, 'info', false, (line) => lines.push(line.slice(19).trim()));
  const endpoints = Array.from({ length: hosts }, (_, i) => endpoint(`10.0.0.${i}:80`));
  const config = clusterConfig({ discovery: { kind: 'eds', serviceName: 'payments' }, ...more });
  const cluster = new RunningCluster(config, { ...upstream.context, log }, () => {});
  cluster.setAssignment(assignment(locality(endpoints)));
  const host = (index: number): RunningHost => cluster.hosts.byAddress.get(`10.0.0.${index}:80`)!;
  return {
    upstream,
    cluster,
    lines,
    host,
    taken(count) {
      const taken: Record<string, number> = {};
      for (let i = 0; i < count; i++) {
        const request = new ScriptedRequest(cluster).ask();
        upstream.connectAll();
        const address = request.host?.address ?? request.error?.flag ?? '';
        taken[address] = (taken[address] ?? 0) + 1;
        request.stream?.finish();
      }
      return taken;
    },
    answer(index, status, times = 1) {
      for (let i = 0; i < times; i++)
        cluster.onResponseHead(host(index), new ResponseHead(status, new HeaderFields()), false);
    },
  };
}

const outlierDetection = outlierConfig({ maxEjectionPercent: 50, baseEjectionTimeMs: 10_000 });

describe('outlier detection of a cluster', () => {
  it('an ejected host gets nothing until it returns; both are shown and logged, with the reason', () => {
    const { upstream, cluster, lines, host, taken, answer } = bench(3, { outlierDetection });
    answer(1, 503, 5);
    expect(taken(30)).toEqual({ '10.0.0.0:80': 15, '10.0.0.2:80': 15 });
    expect(clustersText([clusterStatus(cluster, true)])).toContain(
      'payments::10.0.0.1:80::health_flags::/failed_outlier_check\n',
    );
    cluster.collect();
    expect(upstream.gauge('cluster.payments.membership_healthy')).toBe(2);
    expect(upstream.gauge('cluster.payments.outlier_detection.ejections_active')).toBe(1);
    expect(
      upstream.stats.gauges.get('cluster.payments.outrigger.outlier_ejections_active\0cluster=payments')?.value,
    ).toBe(1);
    upstream.pass(10_100);
    expect(host(1).healthy).toBe(true);
    expect(taken(30)['10.0.0.1:80']).toBe(10);
    expect(lines).toEqual([
      'cluster payments: host 10.0.0.1:80 ejected for 10 s (5 consecutive 5xx; consecutive_5xx)',
      'cluster payments: host 10.0.0.1:80 returned: its time is over (10 s); it was ejected for 5 consecutive 5xx',
    ]);
  });

  it('a connection that cannot be made counts once for each request that waited for it; our own overflow never does', () => {
    const { upstream, cluster, host } = bench(1, {
      outlierDetection: outlierConfig({ alwaysEjectOneHost: true }),
      limits: { maxConnections: 10, maxPendingRequests: 3, maxRequests: 10, maxRetries: 3 },
    });
    const requests = Array.from({ length: 20 }, () => new ScriptedRequest(cluster).ask());
    expect(requests.filter(({ error }) => error?.flag === 'UO')).toHaveLength(17);
    expect(host(0).outlier!.external.total).toBe(0);
    for (const transport of upstream.transports) transport.fail();
    expect(host(0).outlier!.consecutive5xx).toBe(3);
  });

  it('resets and timeouts count, a timeout behind the head of an answer does not', () => {
    const { cluster, host, upstream } = bench(1, { outlierDetection: outlierConfig() });
    const request = new ScriptedRequest(cluster).ask();
    upstream.connectAll();
    request.onReset(request.error ?? ({} as never));
    cluster.onTimeout(host(0), 'try');
    cluster.onTimeout(host(0), 'route', true);
    expect(host(0).outlier!.consecutive5xx).toBe(2);
  });

  it('a gRPC answer that is over with its head is judged by its gRPC status (Envoy)', () => {
    const { cluster, host } = bench(1, { outlierDetection: outlierConfig() });
    const fields = HeaderFields.of(['content-type', 'application/grpc'], ['grpc-status', '14']);
    cluster.onResponseHead(host(0), new ResponseHead(200, fields), true);
    expect(host(0).outlier!.consecutiveGatewayFailures).toBe(1);
    cluster.onResponseHead(host(0), new ResponseHead(200, HeaderFields.of(['grpc-status', '5'])), true);
    expect(host(0).outlier!.consecutiveGatewayFailures).toBe(0);
  });

  it('an answer by which a host sheds load (x-envoy-overloaded) says nothing of its health, neither bad nor good', () => {
    const { cluster, host, answer } = bench(2, { outlierDetection });
    const shed = (status: number, ...more: Array<[string, string]>): void =>
      cluster.onResponseHead(
        host(1),
        new ResponseHead(status, HeaderFields.of(['x-envoy-overloaded', 'true'], ...more)),
        true,
      );
    answer(1, 503, 4);
    for (let i = 0; i < 20; i++) shed(503);
    shed(200, ['grpc-status', '14']);
    expect(host(1).outlier).toMatchObject({ ejected: false, consecutive5xx: 4, consecutiveGatewayFailures: 4 });
    expect(host(1).outlier!.external.total).toBe(4);
    answer(1, 503);
    expect(host(1).outlier!.ejected).toBe(true);
  });

  it('connections to an ejected host end with what they have; close_connections_on_host_health_failure cuts them', async () => {
    for (const closeConnectionsOnHealthFailure of [false, true]) {
      const { upstream, cluster, answer } = bench(2, { outlierDetection, closeConnectionsOnHealthFailure });
      const requests = [new ScriptedRequest(cluster).ask(), new ScriptedRequest(cluster).ask()];
      upstream.connectAll();
      const on = (address: string): ScriptedRequest => requests.find(({ host }) => host!.address === address)!;
      answer(0, 500, 5);
      await Promise.resolve();
      expect(on('10.0.0.0:80').error?.details).toBe(
        closeConnectionsOnHealthFailure
          ? 'upstream_reset_before_response_started{local_connection_termination}'
          : undefined,
      );
      on('10.0.0.0:80').stream!.finish();
      expect(upstream.codecs.map(({ draining, closed }) => draining || closed).filter(Boolean)).toHaveLength(1);
    }
  });

  it('what is ejected when the cluster ends is not shown as ejected any more', () => {
    const { upstream, cluster, answer } = bench(2, { outlierDetection });
    answer(0, 500, 5);
    cluster.drain();
    expect(upstream.gauge('cluster.payments.outlier_detection.ejections_active')).toBe(0);
    expect(upstream.wheel.armedCount).toBe(0);
  });
});

describe('slow start', () => {
  const slowStart = { windowMs: 60_000, aggression: 1, minWeightPercent: 10 };

  it('gives a host that comes a growing share of its weight; hosts that come all at once share evenly', () => {
    const { upstream, cluster, taken } = bench(2, { loadBalancing: { kind: 'round-robin', slowStart } });
    expect(taken(20)).toEqual({ '10.0.0.0:80': 10, '10.0.0.1:80': 10 });
    cluster.setAssignment(assignment(locality([0, 1, 2].map((i) => endpoint(`10.0.0.${i}:80`)))));
    expect(taken(210)['10.0.0.2:80']).toBeGreaterThanOrEqual(9);
    expect(taken(210)['10.0.0.2:80']).toBeLessThanOrEqual(11);
    upstream.pass(30_000);
    const half = taken(250)['10.0.0.2:80']!;
    expect(half).toBeGreaterThanOrEqual(46);
    expect(half).toBeLessThanOrEqual(54);
    upstream.pass(31_000);
    expect(taken(300)).toEqual({ '10.0.0.0:80': 100, '10.0.0.1:80': 100, '10.0.0.2:80': 100 });
  });

  it('begins again for a host that returns from ejection', () => {
    const { upstream, taken, answer } = bench(2, {
      loadBalancing: { kind: 'least-request', choiceCount: 2, slowStart },
      outlierDetection,
    });
    answer(0, 500, 5);
    upstream.pass(10_100);
    const few = taken(110)['10.0.0.0:80']!;
    expect(few).toBeGreaterThanOrEqual(8);
    expect(few).toBeLessThanOrEqual(12);
  });
});

describe('panic', () => {
  it('sends requests to every host, or fails them with fail_traffic_on_panic, and counts both', () => {
    for (const failTrafficOnPanic of [false, true]) {
      const { upstream, cluster, taken } = bench(0, { failTrafficOnPanic });
      cluster.setAssignment(
        assignment(
          locality([0, 1, 2].map((i) => endpoint(`10.0.0.${i}:80`, { health: i === 0 ? 'healthy' : 'unhealthy' }))),
        ),
      );
      expect(taken(9)).toEqual(
        failTrafficOnPanic ? { UH: 9 } : { '10.0.0.0:80': 3, '10.0.0.1:80': 3, '10.0.0.2:80': 3 },
      );
      expect(upstream.counter('cluster.payments.lb_healthy_panic')).toBe(9);
    }
  });
});
