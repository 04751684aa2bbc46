import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  type DeltaDiscoveryRequest,
  type DiscoveryRequest,
  DiscoveryResponseSchema,
} from '../../../proto/generated/envoy/service/discovery/v3/discovery_pb.js';
import { ClientHarness } from './test/client-harness.ts';
import {
  clusterBytes,
  endpointsBytes,
  invalidClusterBytes,
  invalidRoutesBytes,
  listenerBytes,
  routesBytes,
  typeUrls,
} from './test/mesh-resources.ts';

function sotwRequests(harness: ClientHarness, typeUrl: string): DiscoveryRequest[] {
  return harness.server.requests.filter((each): each is DiscoveryRequest => each.typeUrl === typeUrl);
}

function deltaRequests(harness: ClientHarness, typeUrl: string): DeltaDiscoveryRequest[] {
  return harness.server.requests.filter((each): each is DeltaDiscoveryRequest => each.typeUrl === typeUrl);
}

/** One service: listener → routes → cluster → endpoints. */
function fill(harness: ClientHarness): void {
  const { server } = harness;
  server.set(typeUrls.cluster, 'orders', clusterBytes('orders', 1));
  server.set(typeUrls.endpoints, 'orders', endpointsBytes('orders', 1));
  server.set(typeUrls.listener, 'outbound', listenerBytes('outbound', 1, 'main'));
  server.set(typeUrls.routes, 'main', routesBytes('main', 1, 'orders'));
}

/** A client that has everything. */
function warm(variant: 'sotw' | 'delta', options: ConstructorParameters<typeof ClientHarness>[1] = {}): ClientHarness {
  const harness = new ClientHarness(variant, options);
  fill(harness);
  harness.client.start();
  harness.settle();
  return harness;
}

describe.each(['sotw', 'delta'] as const)('the ADS client, %s', (variant) => {
  it('asks for all clusters and listeners first, and for endpoints and routes once something refers to them', () => {
    const harness = warm(variant);
    expect(harness.server.requests.slice(0, 2).map((each) => each.typeUrl)).toEqual([
      typeUrls.cluster,
      typeUrls.listener,
    ]);
    expect(harness.server.names(typeUrls.endpoints)).toEqual(new Set(['orders']));
    expect(harness.server.names(typeUrls.routes)).toEqual(new Set(['main']));
    expect([...harness.configuration.clusters.keys()]).toEqual(['orders']);
    expect([...harness.configuration.assignments.keys()]).toEqual(['orders']);
    expect([...harness.configuration.listeners.keys()]).toEqual(['outbound']);
    expect([...harness.configuration.routeTables.keys()]).toEqual(['main']);
    expect(harness.initialized).toBe(1);
  });

  it('names its node in the first message of every stream', () => {
    const harness = warm(variant);
    harness.breakStream();
    harness.pass(1_000);
    harness.settle();
    expect(harness.server.nodes).toEqual(['node-1', 'node-1']);
    expect(harness.server.requests[0]!.node?.userAgentName).toBe('outrigger');
  });

  it('answers a response with every fault of it, and takes the valid resources (gRFC A46)', () => {
    const harness = warm(variant);
    harness.server.set(typeUrls.cluster, 'bad-1', invalidClusterBytes('bad-1', 1), false);
    harness.server.set(typeUrls.cluster, 'bad-2', invalidClusterBytes('bad-2', 1), false);
    harness.server.set(typeUrls.cluster, 'payments', clusterBytes('payments', 1));
    harness.server.set(typeUrls.endpoints, 'payments', endpointsBytes('payments', 1));
    harness.settle();
    expect(harness.server.nacks).toHaveLength(1);
    expect(harness.server.nacks[0]!.message).toContain('bad-1');
    expect(harness.server.nacks[0]!.message).toContain('bad-2');
    expect([...harness.configuration.clusters.keys()]).toEqual(['orders', 'payments']);
    const clusters = [...harness.client.states].find(({ type }) => type.typeUrl === typeUrls.cluster)!;
    expect([...clusters.refused.keys()]).toEqual(['bad-1', 'bad-2']);
    expect(harness.log.join('')).toContain('bad-1');
  });

  it('keeps the last good form of a resource whose update is refused', () => {
    const harness = warm(variant);
    harness.server.set(typeUrls.routes, 'main', invalidRoutesBytes('main'), false);
    harness.settle();
    expect(harness.server.nacks).toHaveLength(1);
    expect(harness.configuration.routeTables.get('main')!.value.virtualHosts[0]!.name).toBe('version-1');
  });

  it('does not publish a new cluster before its endpoints, nor routes that lead to it', () => {
    const harness = warm(variant);
    const { server } = harness;
    server.set(typeUrls.cluster, 'payments', clusterBytes('payments', 1));
    server.set(typeUrls.routes, 'main', routesBytes('main', 2, 'payments'));
    harness.settle();
    expect([...harness.configuration.clusters.keys()]).toEqual(
      variant === 'delta' ? ['orders', 'payments'] : ['orders'],
    );
    if (variant === 'sotw')
      expect(harness.configuration.routeTables.get('main')!.value.virtualHosts[0]!.name).toBe('version-1');
    server.set(typeUrls.endpoints, 'payments', endpointsBytes('payments', 1));
    harness.settle();
    expect([...harness.configuration.clusters.keys()]).toEqual(['orders', 'payments']);
    expect(harness.configuration.routeTables.get('main')!.value.virtualHosts[0]!.name).toBe('version-2');
  });

  it('keeps the cluster before while the new form waits for endpoints of another name', () => {
    const harness = warm(variant);
    harness.server.set(typeUrls.cluster, 'orders', clusterBytes('orders', 7, 'orders-v2'));
    harness.push(typeUrls.cluster);
    harness.deliverToClient();
    expect(harness.configuration.clusters.get('orders')!.value.connectTimeoutMs).toBe(1_000);
    harness.server.set(typeUrls.endpoints, 'orders-v2', endpointsBytes('orders-v2', 2));
    harness.settle();
    expect(harness.configuration.clusters.get('orders')!.value.connectTimeoutMs).toBe(7_000);
    expect([...harness.configuration.assignments.keys()]).toEqual(['orders-v2']);
    expect(harness.server.names(typeUrls.endpoints)).toEqual(new Set(['orders-v2']));
  });

  it('removes what the control plane no longer has, with what only that referred to', () => {
    const harness = warm(variant);
    harness.server.remove(typeUrls.listener, 'outbound');
    harness.server.remove(typeUrls.cluster, 'orders');
    harness.settle();
    const { clusters, listeners, assignments, routeTables } = harness.configuration;
    expect([clusters.size, listeners.size, assignments.size, routeTables.size]).toEqual([0, 0, 0, 0]);
    expect(harness.server.names(typeUrls.endpoints).size).toBe(0);
    expect(harness.server.names(typeUrls.routes).size).toBe(0);
  });

  it('publishes nothing when a reconnection brings nothing new', () => {
    const harness = warm(variant);
    const { length } = harness.published;
    harness.breakStream();
    harness.pass(1_000);
    harness.settle();
    expect(harness.streams).toBe(2);
    expect(harness.published).toHaveLength(length);
  });

  it('keeps the last good configuration while the control plane is gone', () => {
    const harness = warm(variant);
    harness.reachable = false;
    harness.breakStream();
    for (let i = 0; i < 20; i++) harness.pass(30_000);
    expect([...harness.configuration.clusters.keys()]).toEqual(['orders']);
    expect([...harness.configuration.assignments.keys()]).toEqual(['orders']);
  });

  it('waits longer from one failure to the next, with jitter, and comes back at once after a stream that was answered (gRFC A57)', () => {
    const delays = (random: number): number[] => {
      const harness = new ClientHarness(variant, { random: () => random });
      harness.reachable = false;
      harness.client.start();
      const found: number[] = [];
      for (let i = 0; i < 9; i++) {
        const { streams, nowMs } = harness;
        while (harness.streams === streams) harness.pass(10);
        found.push(harness.nowMs - nowMs);
      }
      return found;
    };
    const full = delays(0.999_999);
    expect(full.map((ms) => Math.round(ms / 100) / 10)).toEqual([0.5, 1, 2, 4, 5, 5, 5, 5, 5]);
    for (const [i, ms] of delays(0).entries()) expect(ms).toBeLessThan(full[i]! * 0.6);

    const harness = warm(variant, { random: () => 0.999_999 });
    harness.breakStream();
    harness.pass(220);
    expect(harness.streams).toBe(2);
  });

  it('goes on without what does not come within the fetch timeout, counted from when the stream began', () => {
    const harness = new ClientHarness(variant);
    harness.reachable = false;
    harness.client.start();
    for (let i = 0; i < 10; i++) harness.pass(10_000);
    expect(harness.initialized).toBe(0);
    harness.reachable = true;
    while (!harness.connected) harness.pass(1_000);
    harness.pass(14_000);
    expect(harness.initialized).toBe(0);
    harness.pass(2_000);
    expect(harness.initialized).toBe(1);
    fill(harness);
    harness.settle();
    expect([...harness.configuration.clusters.keys()]).toEqual(['orders']);
    expect(harness.initialized).toBe(1);
  });

  it('gives each resource the whole fetch timeout, from when it was asked for, and says which did not come', () => {
    const harness = warm(variant);
    const { server } = harness;
    // Endpoints never come, whatever the server says of them.
    const add = (name: string): void => {
      server.set(typeUrls.cluster, name, clusterBytes(name, 1));
      harness.push(typeUrls.cluster);
      while (harness.deliverToClient((typeUrl) => typeUrl !== typeUrls.endpoints)) while (harness.deliverToServer());
    };
    // Long after the stream began.
    harness.pass(60_000);
    add('early');
    harness.pass(10_000);
    add('late');
    harness.pass(4_900);
    expect([...harness.configuration.clusters.keys()]).toEqual(['orders']);
    harness.pass(200);
    expect([...harness.configuration.clusters.keys()]).toEqual(['orders', 'early']);
    harness.pass(9_700);
    expect([...harness.configuration.clusters.keys()]).toEqual(['orders', 'early']);
    harness.pass(400);
    expect([...harness.configuration.clusters.keys()]).toEqual(['orders', 'early', 'late']);
    expect(harness.log.filter((line) => line.includes('did not send'))).toEqual([
      expect.stringMatching(/did not send endpoints "early" within 15 s/),
      expect.stringMatching(/did not send endpoints "late" within 15 s/),
    ]);
  });

  it('counts again for what it still waits for on another stream: while there was none, nothing could come (gRFC A57)', () => {
    const harness = warm(variant);
    harness.server.set(typeUrls.cluster, 'new', clusterBytes('new', 1));
    harness.push(typeUrls.cluster);
    harness.deliverToClient();
    harness.pass(10_000);
    harness.breakStream();
    while (!harness.connected) harness.pass(100);
    harness.pass(10_000);
    expect([...harness.configuration.clusters.keys()]).toEqual(['orders']);
    harness.pass(5_100);
    expect([...harness.configuration.clusters.keys()]).toEqual(['orders', 'new']);
  });

  it('waits longer and longer while streams begin and are not answered: only an answer says that the control plane works', () => {
    const harness = new ClientHarness(variant, { random: () => 0.999_999 });
    harness.client.start();
    const delays: number[] = [];
    for (let i = 0; i < 6; i++) {
      harness.breakStream();
      const { streams, nowMs } = harness;
      while (harness.streams === streams) harness.pass(10);
      delays.push(harness.nowMs - nowMs);
    }
    expect(delays.map((ms) => Math.round(ms / 100) / 10)).toEqual([0.5, 1, 2, 4, 5, 5]);
    fill(harness);
    harness.settle();
    harness.breakStream();
    harness.pass(220);
    expect(harness.streams).toBe(8);
    harness.breakStream();
    harness.pass(600);
    expect(harness.streams).toBe(9);
  });

  it('waits longer and longer while what comes cannot be decoded, also after good answers on the same stream', () => {
    const harness = warm(variant, { random: () => 0.999_999 });
    const delays: number[] = [];
    for (let i = 0; i < 4; i++) {
      harness.settle();
      harness.server.set(typeUrls.cluster, 'orders', clusterBytes('orders', i + 2));
      harness.settle();
      harness.inject(Buffer.from([0xff, 0xff, 0xff]));
      harness.deliverToClient();
      const { streams, nowMs } = harness;
      while (harness.streams === streams) harness.pass(10);
      delays.push(harness.nowMs - nowMs);
    }
    expect(delays.map((ms) => Math.round(ms / 100) / 10)).toEqual([0.5, 1, 2, 4]);
  });

  it('opens no listener before the clusters that it routes to have their endpoints, at the start (Envoy: init manager)', () => {
    const harness = new ClientHarness(variant);
    const { server } = harness;
    fill(harness);
    server.remove(typeUrls.endpoints, 'orders');
    harness.client.start();
    // Everything but the endpoints comes: the server has not said anything of them.
    for (let round = 0; round < 20; round++) {
      harness.deliverToServer();
      for (const type of [typeUrls.cluster, typeUrls.listener, typeUrls.routes]) harness.push(type);
      if (variant === 'sotw') while (harness.deliverToClient());
      else while (harness.deliverToClient((typeUrl) => typeUrl !== typeUrls.endpoints));
    }
    expect([...harness.configuration.routeTables.keys()]).toEqual(['main']);
    expect([...harness.configuration.listeners.keys()]).toEqual([]);
    expect(harness.initialized).toBe(0);
    server.set(typeUrls.endpoints, 'orders', endpointsBytes('orders', 1));
    harness.settle();
    expect([...harness.configuration.listeners.keys()]).toEqual(['outbound']);
    expect(harness.initialized).toBe(1);
  });

  it('opens the listeners that are here when the fetch timeout is over', () => {
    const harness = new ClientHarness(variant);
    const { server } = harness;
    server.set(typeUrls.cluster, 'orders', clusterBytes('orders', 1));
    server.set(typeUrls.listener, 'outbound', listenerBytes('outbound', 1, 'main'));
    harness.client.start();
    harness.deliverToServer();
    harness.deliverToServer();
    while (harness.deliverToClient());
    expect(harness.configuration.listeners.size).toBe(0);
    harness.pass(15_100);
    expect([...harness.configuration.listeners.keys()]).toEqual(['outbound']);
  });

  it('opens the listeners that are here when the fetch timeout is over and the control plane is gone again', () => {
    const harness = new ClientHarness(variant);
    fill(harness);
    harness.client.start();
    for (let i = 0; i < 4; i++) {
      harness.deliverToServer();
      harness.push(typeUrls.listener);
      harness.push(typeUrls.routes);
      while (harness.deliverToClient((typeUrl) => typeUrl === typeUrls.listener || typeUrl === typeUrls.routes));
    }
    harness.reachable = false;
    harness.breakStream();
    expect(harness.configuration.listeners.size).toBe(0);
    for (let i = 0; i < 20; i++) harness.pass(1_000);
    expect([...harness.configuration.listeners.keys()]).toEqual(['outbound']);
    expect(harness.initialized).toBe(0);
  });

  it('refuses a listener that could not be put to work after it was accepted, says so once, and takes it back when it can', () => {
    let fault = 'cannot listen on 127.0.0.1:15001 (listener "outbound"): the port is taken';
    const harness: ClientHarness = new ClientHarness(variant, {
      onApply: ({ listeners }) =>
        queue.push(() =>
          harness.client.listenersApplied(
            fault === '' || !listeners.has('outbound') ? [] : [{ listener: 'outbound', message: fault }],
          ),
        ),
    });
    const queue: Array<() => void> = [];
    const applied = (): void => {
      harness.settle();
      while (queue.length > 0) queue.shift()!();
      harness.settle();
    };
    fill(harness);
    harness.client.start();
    applied();
    const listeners = [...harness.client.states].find(({ type }) => type.typeUrl === typeUrls.listener)!;
    expect(harness.server.nacks).toEqual([
      {
        typeUrl: typeUrls.listener,
        message: 'listener "outbound": cannot listen on 127.0.0.1:15001: the port is taken',
      },
    ]);
    expect(listeners.refused.get('outbound')?.details).toBe(fault);
    // Another update tries again and fails in the same way: that is no news.
    harness.server.set(typeUrls.endpoints, 'orders', endpointsBytes('orders', 2));
    applied();
    expect(harness.server.nacks).toHaveLength(1);
    expect(harness.log.filter((line) => line.includes('the port is taken'))).toHaveLength(1);
    // It can be made now: an ACK takes the NACK back.
    fault = '';
    const { length } = harness.server.requests;
    harness.server.set(typeUrls.endpoints, 'orders', endpointsBytes('orders', 3));
    applied();
    const taken = harness.server.requests.slice(length).find(({ typeUrl }) => typeUrl === typeUrls.listener)!;
    expect(taken.errorDetail).toBeUndefined();
    expect(taken.responseNonce).not.toBe('');
    expect(listeners.refused.size).toBe(0);
    // The resource changes: the new one is judged by itself.
    harness.server.set(typeUrls.listener, 'outbound', listenerBytes('outbound', 2, 'main'));
    applied();
    expect(harness.server.nacks).toHaveLength(1);
    expect(listeners.refused.size).toBe(0);
  });

  it('refuses a listener that still cannot be put to work whenever listeners come, also on another stream', () => {
    const message = 'cannot listen on 127.0.0.1:15001: the port is taken';
    const harness = warm(variant);
    harness.client.listenersApplied([{ listener: 'outbound', message }]);
    harness.settle();
    expect(harness.server.nacks).toHaveLength(1);
    harness.breakStream();
    harness.pass(1_000);
    harness.server.set(typeUrls.listener, 'other', listenerBytes('other', 2, 'main'));
    harness.settle();
    expect(harness.server.nacks).toHaveLength(2);
  });

  it('says nothing to the control plane of a listener of the bootstrap that could not be bound', () => {
    const harness = warm(variant);
    harness.client.listenersApplied([{ listener: 'static', message: 'cannot listen' }]);
    harness.settle();
    expect(harness.server.nacks).toEqual([]);
    expect(harness.log.join('')).toContain('cannot listen');
  });

  it('ignores resources of a type that it knows and did not ask for, and says so once', () => {
    const harness = warm(variant, { clustersByAds: false });
    const before = harness.server.requests.length;
    for (let i = 0; i < 3; i++) {
      harness.inject(
        toBinary(
          DiscoveryResponseSchema,
          create(DiscoveryResponseSchema, { typeUrl: typeUrls.cluster, versionInfo: '1', nonce: 'n' }),
        ),
      );
      harness.settle();
    }
    const clusters = [...harness.client.states].find(({ type }) => type.typeUrl === typeUrls.cluster)!;
    expect(clusters.answered).toBe(false);
    expect(harness.server.requests.length).toBe(before);
    expect(harness.log.filter((line) => line.includes('which was not asked for'))).toHaveLength(1);
  });

  it('ends a stream that sends what is no discovery response, and opens another', () => {
    const harness = warm(variant);
    harness.inject(Buffer.from([0xff, 0xff, 0xff]));
    harness.deliverToClient();
    expect(harness.connected).toBe(false);
    harness.pass(1_000);
    expect(harness.streams).toBe(2);
    harness.settle();
    expect([...harness.configuration.clusters.keys()]).toEqual(['orders']);
  });

  it('does not answer a response of a type that it did not ask for', () => {
    const harness = warm(variant);
    const before = harness.server.requests.length;
    harness.inject(
      toBinary(
        DiscoveryResponseSchema,
        create(DiscoveryResponseSchema, { typeUrl: 'type.googleapis.com/envoy.config.unknown.v3.Thing' }),
      ),
    );
    harness.settle();
    expect(harness.server.requests.length).toBe(before);
    expect(harness.connected).toBe(true);
  });

  it('is quiet after close()', () => {
    const harness = warm(variant);
    harness.client.close();
    harness.breakStream();
    harness.pass(60_000);
    expect(harness.streams).toBe(1);
  });
});

describe('the ADS client, sotw only', () => {
  it('answers with the nonce of the response, and with the version that it accepted last', () => {
    const harness = warm('sotw');
    const accepted = sotwRequests(harness, typeUrls.cluster).at(-1)!;
    expect(accepted.responseNonce).not.toBe('');
    expect(accepted.errorDetail).toBeUndefined();
    harness.server.set(typeUrls.cluster, 'bad', invalidClusterBytes('bad', 1), false);
    harness.settle();
    const refused = sotwRequests(harness, typeUrls.cluster).at(-1)!;
    expect(refused.versionInfo).toBe(accepted.versionInfo);
    expect(refused.responseNonce).not.toBe(accepted.responseNonce);
    expect(refused.errorDetail?.code).toBe(3);
  });

  it('tells the version that it has on a new stream, and none after a refusal, part of which was taken', () => {
    const harness = warm('sotw');
    const accepted = sotwRequests(harness, typeUrls.cluster).at(-1)!;
    harness.breakStream();
    harness.pass(1_000);
    harness.settle();
    const again = sotwRequests(harness, typeUrls.cluster).at(-1)!;
    expect([again.versionInfo, again.responseNonce]).toEqual([accepted.versionInfo, '']);
    harness.server.set(typeUrls.cluster, 'bad', invalidClusterBytes('bad', 1), false);
    harness.settle();
    harness.breakStream();
    harness.pass(1_000);
    while (harness.deliverToServer());
    expect(sotwRequests(harness, typeUrls.cluster).at(-1)!.versionInfo).toBe('');
  });

  it('takes endpoints that a response leaves out as unchanged, clusters as removed (xds.md C1.6)', () => {
    const harness = warm('sotw');
    harness.server.set(typeUrls.cluster, 'payments', clusterBytes('payments', 1));
    harness.server.set(typeUrls.endpoints, 'payments', endpointsBytes('payments', 1));
    harness.settle();
    harness.server.set(typeUrls.endpoints, 'payments', endpointsBytes('payments', 2));
    harness.settle();
    expect([...harness.configuration.assignments.keys()].sort()).toEqual(['orders', 'payments']);
    harness.server.remove(typeUrls.cluster, 'orders');
    harness.settle();
    expect([...harness.configuration.clusters.keys()]).toEqual(['payments']);
  });

  it('refuses a response that has a name twice (xds.md C1.10)', () => {
    const harness = warm('sotw');
    const any = (bytes: Uint8Array) => ({ typeUrl: typeUrls.cluster, value: bytes });
    const response = create(DiscoveryResponseSchema, {
      typeUrl: typeUrls.cluster,
      versionInfo: '9',
      nonce: 'x',
      resources: [any(clusterBytes('orders', 1)), any(clusterBytes('orders', 2))],
    });
    harness.inject(toBinary(DiscoveryResponseSchema, response));
    harness.deliverToClient();
    while (harness.deliverToServer());
    expect(harness.server.nacks.at(-1)!.message).toContain('"orders" is there twice');
  });

  it('removes nothing because of a resource whose name cannot be read', () => {
    const harness = warm('sotw');
    const response = create(DiscoveryResponseSchema, {
      typeUrl: typeUrls.cluster,
      versionInfo: '9',
      nonce: 'x',
      resources: [{ typeUrl: typeUrls.cluster, value: new Uint8Array([0xff]) }],
    });
    harness.inject(toBinary(DiscoveryResponseSchema, response));
    harness.deliverToClient();
    while (harness.deliverToServer());
    expect(harness.server.nacks).toHaveLength(1);
    expect([...harness.configuration.clusters.keys()]).toEqual(['orders']);
  });
});

describe('the ADS client, delta only', () => {
  it('tells the versions that it holds, and all names, on a new stream (xds.md C1.17)', () => {
    const harness = warm('delta');
    harness.breakStream();
    harness.pass(1_000);
    while (harness.deliverToServer());
    const endpoints = deltaRequests(harness, typeUrls.endpoints).at(-1)!;
    expect(Object.keys(endpoints.initialResourceVersions)).toEqual(['orders']);
    expect(endpoints.resourceNamesSubscribe).toEqual(['orders']);
    expect(endpoints.responseNonce).toBe('');
    expect(harness.underWay[1]).toBe(0);
  });

  it('ends the wait for endpoints that the control plane says do not exist, and takes them when they come (xds.md C1.7)', () => {
    const harness = warm('delta');
    harness.server.set(typeUrls.cluster, 'payments', clusterBytes('payments', 1));
    harness.settle();
    expect([...harness.configuration.clusters.keys()]).toEqual(['orders', 'payments']);
    expect(harness.configuration.assignments.has('payments')).toBe(false);
    harness.server.set(typeUrls.endpoints, 'payments', endpointsBytes('payments', 3));
    harness.settle();
    expect(harness.configuration.assignments.get('payments')!.value.localities[0]!.endpoints[0]!.address.port).toBe(
      1003,
    );
  });

  it('answers with the nonce alone: names and versions are not told again', () => {
    const harness = warm('delta');
    const last = deltaRequests(harness, typeUrls.cluster).at(-1)!;
    expect(last.responseNonce).not.toBe('');
    expect(Object.keys(last.initialResourceVersions)).toEqual([]);
    expect(last.resourceNamesSubscribe).toEqual([]);
  });
});
