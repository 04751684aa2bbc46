import { describe, expect, it } from 'vitest';
import { HeaderFields } from '../../codec/header-fields.ts';
import { ResponseHead } from '../../codec/message-head.ts';
import type { ClusterConfig } from '../../config/cluster-config.ts';
import type { HealthCheckConfig } from '../../config/health-check-config.ts';
import { Log } from '../../runtime/log.ts';
import { clusterStatus, clustersText } from '../cluster-status.ts';
import { outlierConfig } from '../outlier/test/outlier-config.ts';
import { RunningCluster } from '../running-cluster.ts';
import {
  assignment,
  clusterConfig,
  endpoint,
  locality,
  ScriptedRequest,
  type ScriptedStream,
  type ScriptedTransport,
  ScriptedUpstream,
} from '../test/scripted-upstream.ts';
import { checkConfig, httpCheckConfig } from './test/check-config.ts';

class Bench {
  readonly upstream = new ScriptedUpstream();
  readonly lines: string[] = [];
  readonly cluster: RunningCluster;

  constructor(healthCheck: HealthCheckConfig, hosts = 2, more: Partial<ClusterConfig> = {}) {
    const log = new Log(this.upstream.clock, 'info', false, (line) => this.lines.push(line.slice(37).trim()));
    const config = clusterConfig({ discovery: { kind: 'eds', serviceName: 'payments' }, healthCheck, ...more });
    this.cluster = new RunningCluster(config, { ...this.upstream.context, log }, () => {});
    this.assign(hosts);
  }

  assign(hosts: number): void {
    const endpoints = Array.from({ length: hosts }, (_, i) => endpoint(`10.0.0.${i}:80`));
    this.cluster.setAssignment(assignment(locality(endpoints)));
  }

  flags(index = 0): string {
    const text = clustersText([clusterStatus(this.cluster, true)]);
    return new RegExp(`10.0.0.${index}:80::health_flags::(.*)`).exec(text)?.[1] ?? 'no host';
  }

  stat(name: string): number {
    const full = `cluster.payments.health_check.${name}`;
    return this.upstream.stats.counters.get(full)?.value ?? this.upstream.gauge(full);
  }

  /** Connections of checks that wait to be made, by host. */
  connecting(): ScriptedTransport[] {
    return this.upstream.transports.filter(({ settled }) => !settled);
  }

  /** HTTP: answers the check that is under way on the newest connection to that host. */
  answer(status: number, fields: HeaderFields = new HeaderFields()): void {
    for (const transport of this.connecting()) transport.connect();
    for (const codec of this.upstream.codecs) {
      for (const stream of codec.streams) answerTo(stream, status, fields);
    }
  }
}

function answerTo(stream: ScriptedStream, status: number, fields: HeaderFields): void {
  stream.ended = true;
  stream.receiver.onHead(new ResponseHead(status, fields), true);
  stream.connection.freed(stream);
}

describe('health checks of a cluster', () => {
  it('hosts are unhealthy until their first check passes, and the cluster is warm once each was checked', () => {
    const bench = new Bench(checkConfig());
    let warm = 0;
    bench.cluster.whenWarm(() => warm++);
    expect([bench.flags(0), bench.flags(1)]).toEqual(['/failed_active_hc', '/failed_active_hc']);
    const [first, second] = bench.connecting();
    first!.connect();
    expect([bench.flags(0), bench.cluster.warm, warm]).toEqual(['healthy', false, 0]);
    second!.fail();
    expect([bench.flags(1), bench.cluster.warm, warm]).toEqual(['/failed_active_hc', true, 1]);
    expect(bench.lines).toEqual([
      'host 10.0.0.0:80 is healthy: its first health check passed',
      'host 10.0.0.1:80 failed its first health check: Scripted.',
    ]);
    expect(['attempt', 'success', 'failure', 'network_failure', 'healthy'].map((name) => bench.stat(name))).toEqual([
      2, 1, 1, 1, 1,
    ]);
  });

  it('takes no_traffic_interval until there was a request, then the interval', () => {
    const bench = new Bench(checkConfig(), 1);
    bench.connecting()[0]!.connect();
    bench.upstream.pass(59_000);
    expect(bench.stat('attempt')).toBe(1);
    bench.upstream.pass(1_100);
    expect(bench.stat('attempt')).toBe(2);
    new ScriptedRequest(bench.cluster).ask();
    for (const transport of bench.connecting()) transport.connect();
    for (let i = 0; i < 3; i++) {
      bench.upstream.pass(5_050);
      for (const transport of bench.connecting()) transport.connect();
    }
    expect(bench.stat('attempt')).toBe(5);
  });

  it('a host that does not answer costs one connection at a time, ended with the timeout', () => {
    const bench = new Bench(checkConfig({ noTrafficIntervalMs: 2_000 }), 1);
    for (let i = 0; i < 5; i++) {
      expect(bench.connecting()).toHaveLength(1);
      bench.upstream.pass(1_100);
      expect(bench.connecting()).toHaveLength(0);
      expect(bench.flags()).toBe('/failed_active_hc/active_hc_timeout');
      bench.upstream.pass(2_050);
    }
    expect(bench.stat('network_failure')).toBe(5);
    expect(bench.lines).toHaveLength(1);
  });

  it('HTTP: an answer that is not expected fails the host at once, a retriable one by the threshold', () => {
    const config = checkConfig({
      check: httpCheckConfig({ retriable: [[429, 430]] }),
      noTrafficHealthyIntervalMs: 1_000,
      noTrafficIntervalMs: 1_000,
    });
    const bench = new Bench(config, 1);
    bench.answer(200);
    for (const flags of ['healthy', '/failed_active_hc']) {
      bench.upstream.pass(1_050);
      bench.answer(429);
      expect(bench.flags()).toBe(flags);
    }
    for (let i = 0; i < 3; i++) {
      bench.upstream.pass(1_050);
      bench.answer(200);
    }
    expect(bench.flags()).toBe('healthy');
    bench.upstream.pass(1_050);
    bench.answer(500);
    expect(bench.flags()).toBe('/failed_active_hc');
    expect(bench.lines).toEqual([
      'host 10.0.0.0:80 is healthy: its first health check passed',
      'host 10.0.0.0:80 is unhealthy: it answered 429 (2 health checks in a row failed)',
      'host 10.0.0.0:80 is healthy: its health checks pass again',
      'host 10.0.0.0:80 is unhealthy: it answered 500',
    ]);
    // One connection was enough for all of them.
    expect(bench.upstream.transports).toHaveLength(1);
  });

  it('HTTP: x-envoy-degraded and x-envoy-immediate-health-check-fail', () => {
    const check = httpCheckConfig({});
    const bench = new Bench(checkConfig({ check, noTrafficHealthyIntervalMs: 1_000 }), 1);
    bench.answer(200, HeaderFields.of(['x-envoy-degraded', '1']));
    expect(bench.flags()).toBe('/degraded_active_hc');
    expect(bench.stat('degraded')).toBe(1);
    bench.upstream.pass(1_050);
    bench.answer(503, HeaderFields.of(['x-envoy-immediate-health-check-fail', '1']));
    expect(bench.flags()).toBe('/failed_active_hc/degraded_active_hc/excluded_via_immediate_hc_fail');
  });

  it('an answer to a request with x-envoy-immediate-health-check-fail fails the host at once', () => {
    const bench = new Bench(checkConfig(), 1);
    bench.connecting()[0]!.connect();
    const host = bench.cluster.hosts.byAddress.get('10.0.0.0:80')!;
    const fields = HeaderFields.of(['x-envoy-immediate-health-check-fail', 'true']);
    bench.cluster.onResponseHead(host, new ResponseHead(200, fields), false);
    expect(bench.flags()).toBe('/failed_active_hc/excluded_via_immediate_hc_fail');
    expect([bench.stat('failure'), bench.stat('passive_failure'), bench.stat('healthy')]).toEqual([1, 1, 0]);
  });

  it('a host that is gone from the assignment stays while it passes, unless ignore_health_on_host_removal is set', () => {
    for (const ignoreHealthOnRemoval of [false, true]) {
      const bench = new Bench(checkConfig({ unhealthyThreshold: 1, noTrafficHealthyIntervalMs: 1_000 }), 2, {
        ignoreHealthOnRemoval,
      });
      for (const transport of bench.connecting()) transport.connect();
      bench.assign(1);
      expect(bench.flags(1)).toBe(ignoreHealthOnRemoval ? 'no host' : '/pending_dynamic_removal');
      if (ignoreHealthOnRemoval) continue;
      bench.assign(2);
      expect(bench.flags(1)).toBe('healthy');
      bench.assign(1);
      bench.upstream.pass(1_050);
      for (const transport of bench.connecting()) transport.fail();
      expect(bench.flags(1)).toBe('no host');
      expect(bench.flags(0)).toBe('/failed_active_hc');
      expect(bench.stat('healthy')).toBe(0);
    }
  });

  it('hosts that wait for their first check do not count with ignore_new_hosts_until_first_hc', () => {
    const bench = new Bench(checkConfig(), 2, { ignoreNewHostsUntilChecked: true });
    expect(bench.flags()).toBe('/failed_active_hc/pending_active_hc');
    for (const transport of bench.connecting()) transport.connect();
    bench.assign(8);
    bench.cluster.collect();
    expect(bench.upstream.gauge('cluster.payments.membership_excluded')).toBe(6);
    // 2 of 2, not of 8: no panic.
    const request = new ScriptedRequest(bench.cluster).ask();
    for (const transport of bench.connecting()) transport.connect();
    expect(['10.0.0.0:80', '10.0.0.1:80']).toContain(request.host!.address);
    expect(bench.upstream.counter('cluster.payments.lb_healthy_panic')).toBe(0);
  });

  it('a pass ends an ejection by outlier detection', () => {
    const outlierDetection = outlierConfig({ maxEjectionPercent: 50 });
    const bench = new Bench(checkConfig({ noTrafficHealthyIntervalMs: 1_000 }), 2, { outlierDetection });
    for (const transport of bench.connecting()) transport.connect();
    const host = bench.cluster.hosts.byAddress.get('10.0.0.0:80')!;
    for (let i = 0; i < 5; i++) bench.cluster.onResponseHead(host, new ResponseHead(500, new HeaderFields()), false);
    expect(bench.flags()).toBe('/failed_outlier_check');
    bench.upstream.pass(1_050);
    for (const transport of bench.connecting()) transport.connect();
    expect(bench.flags()).toBe('healthy');
  });

  it('an endpoint that is not to be checked is healthy at once, and one with another port is checked there', () => {
    const bench = new Bench(checkConfig(), 0);
    const healthCheck = { address: null, port: 0, hostname: '', disabled: true };
    bench.cluster.setAssignment(
      assignment(
        locality([
          endpoint('10.0.0.0:80', { healthCheck }),
          endpoint('10.0.0.1:80', { healthCheck: { ...healthCheck, port: 8080, disabled: false } }),
        ]),
      ),
    );
    expect(bench.flags()).toBe('healthy');
    expect(bench.connecting().map(({ target }) => `${target.host}:${target.port}`)).toEqual(['10.0.0.1:8080']);
  });

  it('a host that is not to be checked any more is not, and the other way round', () => {
    const bench = new Bench(checkConfig(), 1);
    const other = { address: null, port: 0, hostname: '', disabled: true };
    bench.cluster.setAssignment(assignment(locality([endpoint('10.0.0.0:80', { healthCheck: other })])));
    expect([bench.flags(), bench.connecting().length, bench.cluster.warm]).toEqual(['healthy', 0, true]);
    bench.assign(1);
    expect([bench.flags(), bench.connecting().length]).toEqual(['/failed_active_hc', 1]);
    bench.connecting()[0]!.connect();
    expect([bench.flags(), bench.stat('healthy')]).toEqual(['healthy', 1]);
  });

  it('leaves no timer and no connection behind when the cluster drains', () => {
    const bench = new Bench(checkConfig(), 3);
    bench.connecting()[0]!.connect();
    bench.cluster.drain();
    expect(bench.connecting()).toHaveLength(0);
    expect(bench.upstream.wheel.armedCount).toBe(0);
    expect(bench.stat('healthy')).toBe(0);
  });
});
