/** Clusters of type ORIGINAL_DST: hosts for the destinations of callers, and connections that come from their addresses. */
import { describe, expect, it } from 'vitest';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ConnectSource } from '../transport/connect.ts';
import { HostSet } from './host-set.ts';
import { OriginalDestinations } from './original-destinations.ts';
import { RunningCluster } from './running-cluster.ts';
import { clusterConfig, ScriptedRequest, ScriptedUpstream } from './test/scripted-upstream.ts';
import type { ConnectionOrigin } from './upstream.ts';

function bench(more: Partial<ClusterConfig> = {}): {
  readonly upstream: ScriptedUpstream;
  readonly cluster: RunningCluster;
} {
  const upstream = new ScriptedUpstream();
  const config = clusterConfig({ discovery: { kind: 'original-dst', cleanupIntervalMs: 5_000 }, ...more });
  return { upstream, cluster: new RunningCluster(config, upstream.context, () => {}) };
}

function going(
  host: string,
  port: number,
  source: ConnectSource | null = null,
  direction: ConnectionOrigin['direction'] = 'outbound',
): ConnectionOrigin {
  return { destination: { host, port }, direction, source, nothingTried: { triedHosts: null } };
}

const from = (address: string): ConnectSource => ({ address, port: 0, freebind: false, transparent: true, mark: 1337 });

describe('a cluster of type ORIGINAL_DST', () => {
  it('connects to where the caller was going, and uses the connection again for others who go there', () => {
    const { upstream, cluster } = bench();
    const first = new ScriptedRequest(cluster).ask('1.1', null, going('10.0.0.1', 80));
    new ScriptedRequest(cluster).ask('1.1', null, going('10.0.0.2', 80));
    expect(upstream.transports.map(({ target }) => `${target.host}:${target.port}`)).toEqual([
      '10.0.0.1:80',
      '10.0.0.2:80',
    ]);
    upstream.connectAll();
    first.stream!.finish();
    const again = new ScriptedRequest(cluster).ask('1.1', null, going('10.0.0.1', 80));
    expect(again.reused).toBe(true);
    expect(cluster.hosts.byAddress.size).toBe(2);
    expect(cluster.hasOtherHost([])).toBe(false);
  });

  it('forgets hosts that had no connection from one look to the next, and no others', () => {
    const { upstream, cluster } = bench({ idleTimeoutMs: 3_000 });
    const kept = new ScriptedRequest(cluster).ask('1.1', null, going('10.0.0.1', 80));
    const left = new ScriptedRequest(cluster).ask('1.1', null, going('10.0.0.2', 80));
    upstream.connectAll();
    left.stream!.finish();
    for (let second = 0; second < 12; second++) upstream.pass(1_000);
    expect([...cluster.hosts.byAddress.keys()]).toEqual(['10.0.0.1:80']);
    kept.stream!.finish();
    for (let second = 0; second < 12; second++) upstream.pass(1_000);
    expect(cluster.hosts.byAddress.size).toBe(0);
  });

  it('has no host for connections that were not redirected (UH, as in Envoy)', () => {
    const { cluster } = bench();
    const request = new ScriptedRequest(cluster).ask('1.1');
    expect(request.error).toMatchObject({ flag: 'UH', details: 'no_healthy_upstream' });
    expect(request.error!.message).toContain('it was not redirected here');
  });

  it.each(['127.0.0.1', '127.200.0.9', '::1'])(
    'goes to no port of loopback for inbound connections: who calls from elsewhere has no business there (%s)',
    (host) => {
      const { upstream, cluster } = bench();
      const request = new ScriptedRequest(cluster).ask('1.1', null, going(host, 15000, null, 'inbound'));
      expect(request.error).toMatchObject({ flag: 'UH', details: 'no_healthy_upstream' });
      expect(request.error!.message).toContain('loopback');
      expect(upstream.transports).toEqual([]);
      new ScriptedRequest(cluster).ask('1.1', null, going(host, 15000));
      expect(upstream.transports).toHaveLength(1);
    },
  );

  it('keeps so many destinations at most: who asks for one more while all are in use gets none', () => {
    const { upstream } = bench();
    const { clock, wheel } = upstream.context;
    const hosts = new HostSet({
      ...{ panicThresholdPercent: 50, localityWeighted: false, failTrafficOnPanic: false },
      ...{ random: () => 0, slowStart: null },
    });
    const removed: string[] = [];
    const destinations = new OriginalDestinations(
      hosts,
      5_000,
      clock,
      wheel,
      ({ address }) => removed.push(address),
      2,
    );
    const a = destinations.hostFor({ host: '10.0.0.1', port: 1 })!;
    const b = destinations.hostFor({ host: '10.0.0.2', port: 1 })!;
    expect(destinations.hostFor({ host: '10.0.0.1', port: 1 })).toBe(a);
    a.activeConnections = 1;
    b.activeConnections = 1;
    expect(destinations.hostFor({ host: '10.0.0.3', port: 1 })).toBeNull();
    b.activeConnections = 0;
    expect(destinations.hostFor({ host: 'fd00::1', port: 1 })!.address).toBe('[fd00::1]:1');
    expect(removed).toEqual(['10.0.0.2:1']);
    destinations.close();
  });

  it('shares connections that come from a caller only with requests of that caller, and forgets its pools', () => {
    const { upstream, cluster } = bench({ idleTimeoutMs: 3_000 });
    const ask = (address: string): ScriptedRequest =>
      new ScriptedRequest(cluster).ask('1.1', null, going('10.0.0.1', 80, from(address)));
    const one = ask('192.0.2.1');
    const two = ask('192.0.2.2');
    expect(upstream.transports.map(({ target }) => target.source?.address)).toEqual(['192.0.2.1', '192.0.2.2']);
    upstream.connectAll();
    one.stream!.finish();
    two.stream!.finish();
    const again = ask('192.0.2.2');
    expect(again.reused).toBe(true);
    expect(upstream.transports).toHaveLength(2);
    again.stream!.finish();
    const [host] = [...cluster.hosts.byAddress.values()];
    expect(host!.sourcePools!.size).toBe(2);
    for (let second = 0; second < 6; second++) upstream.pass(1_000);
    expect(host!.sourcePools!.size).toBe(0);
    expect(host!.unused).toBe(true);
  });
});

describe('a cluster with source addresses', () => {
  const sources = [
    { host: '127.0.0.6', port: 0 },
    { host: '::6', port: 0 },
  ];

  it('connects from the one of the family of the host, or of the caller, or from any', () => {
    const both = bench({ bind: { sources, freebind: false } });
    new ScriptedRequest(both.cluster).ask('1.1', null, going('10.0.0.1', 80));
    new ScriptedRequest(both.cluster).ask('1.1', null, going('fd00::1', 80));
    new ScriptedRequest(both.cluster).ask('1.1', null, going('10.0.0.1', 80, from('192.0.2.1')));
    // A caller of another family than its host cannot be its source.
    new ScriptedRequest(both.cluster).ask('1.1', null, going('10.0.0.1', 80, from('fd00::9')));
    // But the application at loopback, which is there in both.
    new ScriptedRequest(both.cluster).ask('1.1', null, going('127.0.0.1', 80, from('fd00::9')));
    expect(both.upstream.transports.map(({ target }) => target.source?.address)).toEqual([
      '127.0.0.6',
      '::6',
      '192.0.2.1',
      '127.0.0.6',
      'fd00::9',
    ]);
    const one = bench({ bind: { sources: [sources[0]!], freebind: false } });
    new ScriptedRequest(one.cluster).ask('1.1', null, going('fd00::1', 80));
    expect(one.upstream.transports[0]!.target.source).toBeNull();
  });
});
