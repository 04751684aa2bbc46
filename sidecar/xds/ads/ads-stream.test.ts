/** The ADS client over a real gRPC stream through the sidecar's own cluster, to a server on node:http2 that is not ours. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Configuration } from '../../config/configuration.ts';
import { GrpcPeer, type PeerCall } from '../../grpc/test/grpc-peer.ts';
import { systemClock } from '../../runtime/clock.ts';
import { Log } from '../../runtime/log.ts';
import { AdsClient } from './ads-client.ts';
import { ClusterAdsTransport } from './ads-stream.ts';
import { clusterBytes, endpointsBytes, invalidClusterBytes, typeUrls } from './test/mesh-resources.ts';
import { ModelControlPlane } from './test/model-control-plane.ts';

let peer: GrpcPeer | null = null;
let client: AdsClient | null = null;

afterEach(async () => {
  client?.close();
  await peer?.close();
  peer = null;
  client = null;
});

class Fixture {
  readonly server: ModelControlPlane;
  readonly calls: PeerCall[] = [];
  configuration: Configuration | null = null;
  #wake: () => void = () => {};

  constructor(delta: boolean) {
    this.server = new ModelControlPlane(delta);
  }

  onCall(call: PeerCall): void {
    this.server.streamOpened();
    this.calls.push(call);
  }

  onMessage(call: PeerCall, message: Buffer): void {
    for (const answer of this.server.onRequest(message)) call.send(answer);
    this.#wake();
  }

  push(): void {
    for (const answer of this.server.pushAll()) this.calls.at(-1)!.send(answer);
  }

  apply(configuration: Configuration): void {
    this.configuration = configuration;
    this.#wake();
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

async function start(variant: 'sotw' | 'delta'): Promise<Fixture> {
  const fixture = new Fixture(variant === 'delta');
  peer = await GrpcPeer.start(fixture);
  fixture.server.set(typeUrls.cluster, 'orders', clusterBytes('orders', 1));
  fixture.server.set(typeUrls.endpoints, 'orders', endpointsBytes('orders', 1));
  const config = {
    variant,
    clusterName: 'xds',
    authority: 'control-plane.test',
    initialMetadata: [['x-token', 'secret']],
    nodeOnFirstMessageOnly: true,
  } as const;
  client = new AdsClient({
    config,
    node: { id: 'node-1', cluster: 'shop/orders', region: '', zone: '', subZone: '', metadata: { app_port: 8080 } },
    listenersByAds: false,
    clustersByAds: true,
    initialFetchTimeoutMs: 15_000,
    staticListeners: new Map(),
    staticClusters: new Map(),
    transport: new ClusterAdsTransport(peer.clusters, config),
    sink: fixture,
    onInitialized: () => {},
    clock: systemClock,
    wheel: peer.wheel,
    random: () => 0,
    log: new Log(systemClock, 'off', false, () => {}),
    stats: peer.stats,
  });
  client.start();
  return fixture;
}

describe.each([
  ['sotw', '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources'],
  ['delta', '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'],
] as const)('ADS over gRPC, %s', (variant, path) => {
  it('takes resources and later changes over one stream', async () => {
    const fixture = await start(variant);
    await fixture.until(() => fixture.configuration?.assignments.has('orders') === true);
    expect(fixture.calls[0]!.path).toBe(path);
    expect(fixture.calls[0]!.headers['x-token']).toBe('secret');
    expect(fixture.calls[0]!.headers[':authority']).toBe('control-plane.test');
    expect(fixture.server.requests[0]!.node!.metadata).toEqual({ app_port: 8080 });
    fixture.server.set(typeUrls.endpoints, 'orders', endpointsBytes('orders', 2));
    fixture.push();
    await fixture.until(
      () => fixture.configuration!.assignments.get('orders')!.value.localities[0]!.endpoints[0]!.address.port === 1002,
    );
    expect(fixture.calls).toHaveLength(1);
  });

  it('opens another stream when the connection breaks, and loses nothing meanwhile', async () => {
    const fixture = await start(variant);
    await fixture.until(() => fixture.configuration?.assignments.has('orders') === true);
    peer!.breakConnections();
    fixture.server.set(typeUrls.endpoints, 'orders', endpointsBytes('orders', 3));
    await fixture.until(
      () =>
        fixture.calls.length === 2 &&
        fixture.configuration!.assignments.get('orders')!.value.localities[0]!.endpoints[0]!.address.port === 1003,
    );
    expect(fixture.configuration!.clusters.has('orders')).toBe(true);
    expect(fixture.server.nodes).toEqual(['node-1', 'node-1']);
  });

  it('moves to another connection when its own gets a successor, and publishes nothing for that', async () => {
    const fixture = await start(variant);
    await fixture.until(() => fixture.configuration?.assignments.has('orders') === true);
    const before = fixture.configuration!;
    const connections = peer!.counter('upstream_cx_total');
    peer!.clusters.renewConnections('xds');
    await fixture.until(() => fixture.calls.length === 2 && fixture.server.requests.length > 0);
    fixture.server.set(typeUrls.endpoints, 'orders', endpointsBytes('orders', 4));
    fixture.push();
    await fixture.until(
      () => fixture.configuration!.assignments.get('orders')!.value.localities[0]!.endpoints[0]!.address.port === 1004,
    );
    expect(fixture.configuration!.clusters.get('orders')).toBe(before.clusters.get('orders'));
    expect(peer!.counter('upstream_cx_total')).toBe(connections + 1);
    expect(fixture.server.nodes).toEqual(['node-1', 'node-1']);
  });

  it('refuses what is invalid and goes on', async () => {
    const fixture = await start(variant);
    fixture.server.set(typeUrls.cluster, 'bad', invalidClusterBytes('bad', 1), false);
    await fixture.until(() => fixture.server.nacks.length > 0);
    expect(fixture.server.nacks[0]!.message).toContain(
      '"bad": lb_policy: a cluster of type ORIGINAL_DST takes CLUSTER_PROVIDED',
    );
    await fixture.until(() => fixture.configuration?.assignments.has('orders') === true);
  });
});
