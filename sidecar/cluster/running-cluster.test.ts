import { describe, expect, it } from 'vitest';
import { ProxyError } from '../codec/proxy-error.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import { RunningCluster } from './running-cluster.ts';
import {
  assignment,
  clusterConfig,
  endpoint,
  locality,
  ScriptedRequest,
  ScriptedUpstream,
} from './test/scripted-upstream.ts';
import type { Host } from './upstream.ts';

interface Bench {
  readonly upstream: ScriptedUpstream;
  readonly cluster: RunningCluster;
  readonly unused: () => number;
  ask(version?: '1.1' | '2'): ScriptedRequest;
}

function bench(more: Partial<ClusterConfig> = {}): Bench {
  const upstream = new ScriptedUpstream();
  let unused = 0;
  const config = clusterConfig(more);
  const cluster = new RunningCluster(config, upstream.context, () => unused++);
  if (config.discovery.kind === 'static') cluster.setAssignment(config.discovery.assignment);
  return { upstream, cluster, unused: () => unused, ask: (version) => new ScriptedRequest(cluster).ask(version) };
}

const limits = { maxConnections: 1_024, maxPendingRequests: 1_024, maxRequests: 1_024, maxRetries: 3 };

describe('RunningCluster with HTTP/1 hosts', () => {
  it('connects for the first request and uses the connection again for the next', () => {
    const { upstream, ask } = bench();
    const first = ask();
    expect(first.waiting).toBe(true);
    upstream.connectAll();
    expect(first.stream).not.toBeNull();
    expect(first.reused).toBe(false);
    first.stream!.finish();
    const second = ask();
    expect(second.pending).toBeNull();
    expect(second.reused).toBe(true);
    expect(upstream.transports).toHaveLength(1);
  });

  it('a connection that rested before its first request may be stale too', () => {
    const { upstream, ask } = bench();
    const given = [ask(), ask()];
    upstream.transports[0]!.connect();
    given[0]!.stream!.finish();
    upstream.transports[1]!.connect();
    // The one that was opened for the second request, and was not needed.
    expect(given.map(({ reused }) => reused)).toEqual([false, true]);
    expect(ask().reused).toBe(true);
  });

  it('takes the connection used last (LIFO), so that the surplus of a burst grows old and closes', () => {
    const { upstream, ask } = bench({ idleTimeoutMs: 10_000 });
    const burst = Array.from({ length: 5 }, () => ask());
    upstream.connectAll();
    for (const request of burst) request.stream!.finish();
    for (let second = 0; second < 12; second++) {
      upstream.pass(1_000);
      ask().stream!.finish();
    }
    expect(upstream.codecs.filter(({ closed }) => !closed)).toHaveLength(1);
    expect(upstream.codecs.filter(({ begun }) => begun > 1)).toHaveLength(1);
    expect(upstream.counter('cluster.payments.upstream_cx_idle_timeout')).toBe(4);
  });

  it('gives a waiting request the first connection that becomes free, in order of arrival', () => {
    const { upstream, ask } = bench({ limits: { ...limits, maxConnections: 1 } });
    const first = ask();
    const second = ask();
    const third = ask();
    upstream.connectAll();
    expect([second.waiting, third.waiting]).toEqual([true, true]);
    first.stream!.finish();
    expect([second.waiting, third.waiting]).toEqual([false, true]);
    second.stream!.finish();
    expect(third.stream).not.toBeNull();
    expect(upstream.counter('cluster.payments.upstream_cx_overflow')).toBe(2);
    expect(upstream.gauge('cluster.payments.circuit_breakers.default.cx_open')).toBe(1);
  });

  it('fails with UO when too many wait (max_pending_requests), and says when none may wait', () => {
    const { upstream, ask } = bench({ limits: { ...limits, maxPendingRequests: 2 } });
    const requests = [ask(), ask(), ask()];
    expect(requests[2]!.error).toMatchObject({
      flag: 'UO',
      details: 'upstream_reset_before_response_started{overflow}',
      retry: 'never',
    });
    expect(upstream.counter('cluster.payments.upstream_rq_pending_overflow')).toBe(1);
    expect(upstream.gauge('cluster.payments.circuit_breakers.default.rq_pending_open')).toBe(1);
    upstream.connectAll();
    expect(upstream.gauge('cluster.payments.circuit_breakers.default.rq_pending_open')).toBe(0);
  });

  it('fails with UO when too many are in flight (max_requests), also those that waited', () => {
    const { upstream, ask } = bench({ limits: { ...limits, maxRequests: 2 } });
    const requests = [ask(), ask(), ask()];
    upstream.connectAll();
    expect(requests.map(({ stream }) => stream !== null)).toEqual([true, true, false]);
    expect(requests[2]!.error).toMatchObject({ flag: 'UO' });
    requests[0]!.stream!.finish();
    const next = ask();
    expect(next.stream).not.toBeNull();
    // The connection of the third was kept for somebody else.
    expect(upstream.transports).toHaveLength(3);
  });

  it('lets a host without connection have one, whatever others of the cluster hold (Envoy)', () => {
    const { upstream, ask } = bench({
      limits: { ...limits, maxConnections: 1 },
      discovery: {
        kind: 'static',
        assignment: assignment(locality([endpoint('10.0.0.1:80'), endpoint('10.0.0.2:80')])),
      },
    });
    const requests = [ask(), ask(), ask(), ask()];
    upstream.connectAll();
    expect(requests.filter(({ stream }) => stream !== null)).toHaveLength(2);
    expect(upstream.transports).toHaveLength(2);
  });

  it('has limits and connections of their own for requests of priority HIGH (Envoy)', () => {
    const { upstream, cluster, ask } = bench({
      limits: { ...limits, maxPendingRequests: 1 },
      highLimits: { ...limits, maxPendingRequests: 1, maxRetries: 0 },
    });
    const high = cluster.highPriority();
    expect(cluster.highPriority()).toBe(high);
    const first = new ScriptedRequest(high).ask();
    ask();
    // The place to wait is taken, for each priority by its own.
    const second = new ScriptedRequest(high).ask();
    expect(second.error?.flag).toBe('UO');
    expect(ask().error?.flag).toBe('UO');
    expect(upstream.transports).toHaveLength(2);
    expect(upstream.gauge('cluster.payments.circuit_breakers.high.rq_pending_open')).toBe(1);
    upstream.connectAll();
    first.stream!.finish();
    expect(high.tryBeginRetry()).toBe(false);
    expect(cluster.tryBeginRetry()).toBe(true);
    expect(upstream.gauge('cluster.payments.upstream_cx_active')).toBe(2);
    expect(upstream.gauge('cluster.payments.circuit_breakers.high.rq_retry_open')).toBe(1);
  });

  it('limits active retries (max_retries)', () => {
    const { upstream, cluster } = bench({ limits: { ...limits, maxRetries: 1 } });
    expect(cluster.tryBeginRetry()).toBe(true);
    expect(cluster.tryBeginRetry()).toBe(false);
    cluster.endRetry();
    expect(cluster.tryBeginRetry()).toBe(true);
    expect(upstream.counter('cluster.payments.upstream_rq_retry_overflow')).toBe(1);
  });

  it('tells everybody who waits when a connection cannot be made, and opens no storm of others (Envoy)', () => {
    const { upstream, ask } = bench({ limits: { ...limits, maxConnections: 1 } });
    const requests = Array.from({ length: 20 }, () => ask());
    upstream.transports[0]!.fail('timeout');
    for (const { error } of requests) expect(error).toMatchObject({ flag: 'UF', retry: 'unsent' });
    expect(upstream.transports).toHaveLength(1);
    expect(upstream.counter('cluster.payments.upstream_cx_connect_fail')).toBe(1);
    expect(upstream.counter('cluster.payments.upstream_cx_connect_timeout')).toBe(1);
    expect(upstream.counter('cluster.payments.upstream_rq_pending_failure_eject')).toBe(20);
  });

  it('does not fail a retry that begins inside the failure of its predecessor', () => {
    const { upstream, cluster } = bench();
    const retry = new ScriptedRequest(cluster);
    const first = new (class extends ScriptedRequest {
      override onStreamFailed(): void {
        retry.ask();
      }
    })(cluster);
    first.ask();
    upstream.transports[0]!.fail();
    expect(retry.waiting).toBe(true);
    upstream.connectAll();
    expect(retry.stream).not.toBeNull();
  });

  it('forgets a request that lost interest', () => {
    const { upstream, ask } = bench();
    const first = ask();
    const second = ask();
    first.cancel();
    upstream.connectAll();
    expect(first.answers).toBe(0);
    expect(second.stream).not.toBeNull();
    expect(upstream.counter('cluster.payments.upstream_rq_cancelled')).toBe(1);
    expect(upstream.gauge('cluster.payments.upstream_rq_pending_active')).toBe(0);
  });

  it('reconnects for who waits when a connection goes away under it', () => {
    const { upstream, ask } = bench({ limits: { ...limits, maxConnections: 1 } });
    const first = ask();
    const second = ask();
    upstream.connectAll();
    upstream.codecs[0]!.closeByPeer();
    expect(first.error).toMatchObject({ flag: 'UC' });
    expect(second.waiting).toBe(true);
    upstream.connectAll();
    expect(second.stream).not.toBeNull();
  });

  it('retires a connection after max_requests_per_connection', () => {
    const { upstream, ask } = bench({ maxRequestsPerConnection: 2 });
    const first = ask();
    upstream.connectAll();
    first.stream!.finish();
    ask().stream!.finish();
    expect(upstream.codecs[0]!.closed).toBe(true);
    expect(upstream.counter('cluster.payments.upstream_cx_max_requests')).toBe(1);
    expect(ask().waiting).toBe(true);
  });

  it('retires a connection after max_connection_duration, letting its request finish', () => {
    const { upstream, ask } = bench({ maxConnectionDurationMs: 5_000 });
    const request = ask();
    upstream.connectAll();
    upstream.pass(6_000);
    expect(upstream.codecs[0]).toMatchObject({ draining: true, closed: false });
    request.stream!.finish();
    expect(upstream.codecs[0]!.closed).toBe(true);
    expect(upstream.counter('cluster.payments.upstream_cx_max_duration_reached')).toBe(1);
  });

  it('counts a connection that reached max_connection_duration once, however long its requests go on', () => {
    const { upstream, ask } = bench({ maxConnectionDurationMs: 5_000 });
    const long = ask();
    upstream.connectAll();
    upstream.pass(3_000);
    // A younger connection keeps the sweep going.
    const other = ask();
    upstream.connectAll();
    upstream.pass(3_000);
    upstream.pass(3_000);
    expect(upstream.codecs.map(({ draining }) => draining)).toEqual([true, true]);
    expect(upstream.counter('cluster.payments.upstream_cx_max_duration_reached')).toBe(2);
    for (const request of [long, other]) request.stream!.finish();
  });

  it('closes idle connections after the configured time, by one timer, and leaves none armed', () => {
    const { upstream, ask } = bench({ idleTimeoutMs: 5_000 });
    const requests = Array.from({ length: 50 }, () => ask());
    upstream.connectAll();
    for (const request of requests) request.stream!.finish();
    expect(upstream.wheel.armedCount).toBe(1);
    upstream.pass(5_100);
    expect(upstream.codecs.every(({ closed }) => closed)).toBe(true);
    expect(upstream.wheel.armedCount).toBe(0);
  });

  it("uses no connection near the end of the host's own idle time (Keep-Alive hint)", () => {
    const { upstream, ask } = bench();
    const first = ask();
    upstream.connectAll();
    upstream.codecs[0]!.idleTimeoutHintMs = 5_000;
    first.stream!.finish();
    upstream.now += 4_600;
    const late = ask();
    expect(late.waiting).toBe(true);
    expect(upstream.codecs[0]!.closed).toBe(true);
  });

  it('learns the idle time from the closes of a host that gives no hint', () => {
    const { upstream, ask } = bench();
    for (let round = 0; round < 2; round++) {
      const request = ask();
      upstream.connectAll();
      request.stream!.finish();
      upstream.pass(5_000);
      upstream.codecs.at(-1)!.closeByPeer();
      upstream.pass(1_000);
    }
    const request = ask();
    upstream.connectAll();
    request.stream!.finish();
    upstream.pass(4_600);
    expect(upstream.codecs.at(-1)!.closed).toBe(true);
    expect(upstream.counter('cluster.payments.upstream_cx_destroy_local')).toBe(1);
  });

  it('answers UH when nobody is there', () => {
    const { upstream, ask } = bench({ discovery: { kind: 'eds', serviceName: 'payments' } });
    expect(ask().error).toMatchObject({ flag: 'UH', details: 'no_healthy_upstream' });
    expect(upstream.counter('cluster.payments.upstream_cx_none_healthy')).toBe(1);
  });

  it('goes to another host on a retry, while there is one', () => {
    const { upstream, cluster, ask } = bench({
      discovery: {
        kind: 'static',
        assignment: assignment(locality([endpoint('10.0.0.1:80'), endpoint('10.0.0.2:80')])),
      },
      loadBalancing: { kind: 'random' },
    });
    for (let i = 0; i < 50; i++) {
      const first = ask();
      upstream.connectAll();
      const retry = new ScriptedRequest(cluster).ask('1.1', [first.host!]);
      upstream.connectAll();
      expect(retry.host).not.toBe(first.host);
      const third = new ScriptedRequest(cluster).ask('1.1', [first.host!, retry.host!]);
      upstream.connectAll();
      expect(third.host).not.toBeNull();
      for (const request of [first, retry, third]) request.stream!.finish();
    }
  });
});

describe('RunningCluster and what a request has tried', () => {
  const four = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80', '10.0.0.4:80'];

  function tried(addresses: readonly string[], attempts: number): string[] {
    const { upstream, cluster } = bench({
      discovery: { kind: 'static', assignment: assignment(locality(addresses.map((each) => endpoint(each)))) },
      loadBalancing: { kind: 'random' },
    });
    const hosts: Host[] = [];
    const asked: string[] = [];
    for (let i = 0; i < attempts; i++) {
      const request = new ScriptedRequest(cluster).ask('1.1', [...hosts]);
      upstream.connectAll();
      const host = request.host!;
      if (hosts.includes(host)) hosts.splice(hosts.indexOf(host), 1);
      hosts.push(host);
      asked.push(host.address);
      request.stream!.finish();
    }
    return asked;
  }

  it('goes to every host before it goes to one again (Envoy: previous_hosts)', () => {
    for (let i = 0; i < 50; i++) expect(tried(four, 4).toSorted()).toEqual(four);
  });

  it('goes to the one that was tried longest ago when all were: never to the one that failed just before', () => {
    for (let i = 0; i < 50; i++) {
      const [first, second, third, fourth] = tried(four.slice(0, 2), 4);
      expect([third, fourth]).toEqual([first, second]);
    }
  });
});

describe('RunningCluster with HTTP/2 hosts', () => {
  it('puts streams on one connection, and opens another when it is full', () => {
    const { upstream, ask } = bench({ protocol: 'http2' });
    upstream.maxStreams = 3;
    const requests = Array.from({ length: 4 }, () => ask());
    expect(upstream.transports).toHaveLength(1);
    upstream.connectAll();
    expect(requests.filter(({ stream }) => stream !== null)).toHaveLength(3);
    expect(upstream.transports).toHaveLength(2);
    upstream.connectAll();
    expect(requests.every(({ stream }) => stream !== null)).toBe(true);
  });

  it('is not used before its codec is ready, and a close before that is a connect failure', () => {
    const { upstream, ask } = bench({ protocol: 'http2' });
    const request = ask();
    upstream.transports[0]!.connect();
    expect(request.waiting).toBe(true);
    upstream.codecs[0]!.closeByPeer();
    expect(request.error).toMatchObject({
      flag: 'UF',
      retry: 'unsent',
      details: 'upstream_reset_before_response_started{connection_failure}',
    });
    expect(upstream.counter('cluster.payments.upstream_cx_connect_fail')).toBe(1);
    expect(upstream.gauge('cluster.payments.upstream_cx_active')).toBe(0);
    const next = ask();
    expect(upstream.transports).toHaveLength(2);
    upstream.connectAll();
    expect(next.stream).not.toBeNull();
  });

  it('replaces a connection that says GOAWAY and lets its streams finish', () => {
    const { upstream, ask } = bench({ protocol: 'http2' });
    const first = ask();
    upstream.connectAll();
    upstream.codecs[0]!.goAway();
    const second = ask();
    expect(second.waiting).toBe(true);
    upstream.connectAll();
    expect(second.stream!.connection).toBe(upstream.codecs[1]);
    expect(upstream.codecs[0]!.closed).toBe(false);
    first.stream!.finish();
    expect(upstream.codecs[0]!.closed).toBe(true);
  });

  it('follows the downstream protocol when told to', () => {
    const { upstream, ask } = bench({ protocol: 'same-as-downstream' });
    ask('1.1');
    ask('2');
    upstream.connectAll();
    expect(upstream.codecs.map(({ protocol }) => protocol)).toEqual(['http1', 'http2']);
  });

  it('goes by ALPN with auto: connections as the host likes', () => {
    const tls = {
      certificates: [],
      trustedCaPem: null,
      subjectAltNames: [],
      alpn: [],
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
      serverName: '',
    } as const;
    for (const [alpn, protocol, connections] of [
      ['h2', 'http2', 1],
      ['http/1.1', 'http1', 3],
      ['', 'http1', 3],
    ] as const) {
      const { upstream, ask } = bench({ protocol: 'auto', tls });
      const requests = [ask(), ask(), ask()];
      expect(upstream.transports[0]!.target.alpn).toEqual(['h2', 'http/1.1']);
      upstream.connectAll(alpn);
      upstream.connectAll(alpn);
      expect(upstream.codecs.map((codec) => codec.protocol)).toEqual(
        Array.from({ length: connections }, () => protocol),
      );
      expect(requests.every(({ stream }) => stream !== null)).toBe(true);
    }
  });
});

describe('RunningCluster under updates', () => {
  const two = assignment(locality([endpoint('10.0.0.1:80'), endpoint('10.0.0.2:80')]));
  const one = assignment(locality([endpoint('10.0.0.1:80')]));

  it('keeps pools of hosts that stay, drains those that go: idle ones at once, busy ones behind their request', () => {
    const { upstream, cluster, ask } = bench({ discovery: { kind: 'static', assignment: two } });
    const requests = [ask(), ask(), ask(), ask()];
    upstream.connectAll();
    const gone = requests.filter(({ host }) => host!.address === '10.0.0.2:80');
    const stay = requests.filter(({ host }) => host!.address === '10.0.0.1:80');
    gone[0]!.stream!.finish();
    stay[0]!.stream!.finish();
    cluster.setAssignment(one);
    expect(gone[0]!.stream!.connection.closed).toBe(true);
    expect(gone[1]!.stream!.connection.closed).toBe(false);
    expect(stay[0]!.stream!.connection.closed).toBe(false);
    const next = ask();
    expect(next.stream!.connection).toBe(stay[0]!.stream!.connection);
    gone[1]!.stream!.finish();
    expect(gone[1]!.stream!.connection.closed).toBe(true);
    expect(upstream.gauge('cluster.payments.membership_total')).toBe(1);
    expect(upstream.counter('cluster.payments.membership_change')).toBe(2);
    expect(upstream.gauge('cluster.payments.upstream_cx_active')).toBe(2);
  });

  it('serves a request that waited for a host that was removed meanwhile', () => {
    const { upstream, cluster, ask } = bench({ discovery: { kind: 'static', assignment: one } });
    const request = ask();
    cluster.setAssignment(assignment(locality([endpoint('10.0.0.9:80')])));
    expect(request.waiting).toBe(true);
    upstream.connectAll();
    expect(request.stream).not.toBeNull();
    request.stream!.finish();
    expect(upstream.codecs[0]!.closed).toBe(true);
  });

  it('gives up a connection that nobody waits for any more', () => {
    const { upstream, cluster, ask } = bench({ discovery: { kind: 'static', assignment: one } });
    const request = ask();
    request.cancel();
    cluster.setAssignment(assignment(locality([endpoint('10.0.0.9:80')])));
    expect(upstream.transports[0]!.settled).toBe(true);
    expect(upstream.gauge('cluster.payments.upstream_cx_active')).toBe(0);
    expect(upstream.counter('cluster.payments.upstream_cx_connect_fail')).toBe(0);
  });

  it('drains: streams go on, connections close behind them, late requests are served, and then it is unused', () => {
    const { upstream, cluster, ask, unused } = bench();
    const running = ask();
    upstream.connectAll();
    cluster.drain();
    expect(unused()).toBe(0);
    const late = ask();
    upstream.connectAll();
    expect(late.stream).not.toBeNull();
    running.stream!.finish();
    expect(unused()).toBe(0);
    late.stream!.finish();
    expect(unused()).toBe(1);
    expect(upstream.codecs.every(({ closed }) => closed)).toBe(true);
    expect(upstream.wheel.armedCount).toBe(0);
  });

  it('destroys hosts that left the assignment too', () => {
    const { upstream, cluster, ask } = bench({ discovery: { kind: 'static', assignment: one } });
    const request = ask();
    upstream.connectAll();
    cluster.setAssignment(assignment(locality([endpoint('10.0.0.9:80')])));
    const waiting = ask();
    cluster.destroy(new ProxyError({ flag: 'UC', source: 'local', details: 'end', message: 'End.' }));
    expect(request.finished).toBe(true);
    expect(waiting.error).not.toBeNull();
    expect(upstream.gauge('cluster.payments.upstream_cx_active')).toBe(0);
  });
});

describe('RunningCluster statistics', () => {
  it('counts answers by code and class, and times them', () => {
    const { upstream, cluster, ask } = bench();
    const request = ask();
    upstream.connectAll();
    request.stream!.finish();
    const host = request.host!;
    ask();
    cluster.onResponse(host, 503, 12);
    ask();
    cluster.onResponse(host, 0, 0);
    expect(upstream.counter('cluster.payments.upstream_rq_200')).toBe(1);
    expect(upstream.counter('cluster.payments.upstream_rq_2xx')).toBe(1);
    expect(upstream.counter('cluster.payments.upstream_rq_503')).toBe(1);
    expect(upstream.counter('cluster.payments.upstream_rq_5xx')).toBe(1);
    expect(upstream.counter('cluster.payments.upstream_rq_completed')).toBe(2);
    expect(upstream.counter('cluster.payments.upstream_rq_rx_reset')).toBe(1);
    expect(upstream.stats.histograms.get('cluster.payments.upstream_rq_time')!.count).toBe(2);
  });
});
