import { create } from '@bufbuild/protobuf';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import { NodeSchema } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import type { Model } from '../model/model.ts';
import { ModelBuilder } from '../model/model-builder.ts';
import type { RegisteredInstance } from '../model/registered-instance.ts';
import type { EncodedResource } from '../translate/encoded-resource.ts';
import type { ProxyNode } from '../translate/proxy-node.ts';
import { instance, proxy, sampleInstances, sampleResources } from '../translate/sample-mesh.test-data.ts';
import { translate } from '../translate/translate.ts';
import { type AdsSession, sotwSession } from '../xds-server/ads-session.ts';
import type { ConnectedProxy } from '../xds-server/connected-proxy.ts';
import { type ServedSnapshot, typeOrder } from '../xds-server/served-resource.ts';
import type { SotwSubscription } from '../xds-server/sotw-subscription.ts';
import { ProxySnapshots } from './proxy-snapshots.ts';

class Fixture {
  readonly #builder = new ModelBuilder();
  /** Waiting, by when they were asked for. */
  readonly timers = new Set<() => void>();
  /** Listeners whose routes are left out, as a fault of ours would. */
  broken = false;
  readonly logged: string[] = [];
  readonly snapshots = new ProxySnapshots({
    log: pino({ level: 'error' }, { write: (line) => void this.logged.push(line) }),
    translate: (model, node) => ({
      ...translate(model, node),
      ...(this.broken ? { routes: new Map<string, EncodedResource>() } : {}),
    }),
    after: (_delayMs, callback) => {
      this.timers.add(callback);
      return () => this.timers.delete(callback);
    },
  });

  model(instances: readonly RegisteredInstance[] = sampleInstances): Model {
    return this.#builder.build({ resources: sampleResources(), instances });
  }

  connect(node: ProxyNode): ConnectedProxy {
    const connected = this.connected(node);
    expect(this.snapshots.add(connected)).toBe('');
    return connected;
  }

  connected(node: ProxyNode): ConnectedProxy {
    const session: AdsSession<SotwSubscription> = sotwSession({
      send: () => {},
      nowMs: () => 0,
      flushLater: () => {},
    });
    return {
      node: create(NodeSchema, { id: node.id }),
      proxy: node,
      peer: '',
      variant: 'sotw',
      connectedWallMs: 0,
      certificate: () => null,
      session,
      snapshot: null,
    };
  }

  /** What waits for its time has it. */
  pass(): void {
    for (const timer of [...this.timers]) {
      this.timers.delete(timer);
      timer();
    }
  }
}

function size(snapshot: ServedSnapshot | null): number {
  return Object.values(typeOrder).reduce((sum, typeUrl) => sum + snapshot!.resources(typeUrl).size, 0);
}

describe('the snapshots of connected proxies', () => {
  it('gives nothing before there is a model: an empty one would take everything away after a restart', () => {
    const fixture = new Fixture();
    const connected = fixture.connect(proxy('outrigger'));
    expect(connected.snapshot).toBeNull();
    fixture.snapshots.setModel(fixture.model());
    expect(size(connected.snapshot)).toBeGreaterThan(0);
    expect(fixture.snapshots.pushes).toBe(1);
  });

  it('gives a proxy that comes later its snapshot at once', () => {
    const fixture = new Fixture();
    fixture.snapshots.setModel(fixture.model());
    expect(size(fixture.connect(proxy('envoy')).snapshot)).toBeGreaterThan(0);
  });

  it('translates once for proxies of one kind, and apart for others', () => {
    const fixture = new Fixture();
    fixture.snapshots.setModel(fixture.model());
    const one = fixture.connect({ ...proxy('outrigger'), id: 'a' });
    const two = fixture.connect({ ...proxy('outrigger'), id: 'b' });
    const grpc = fixture.connect(proxy('grpc'));
    expect(two.snapshot).toBe(one.snapshot);
    expect(grpc.snapshot).not.toBe(one.snapshot);
  });

  it('tells changes that come close together once, after a moment', () => {
    const fixture = new Fixture();
    fixture.snapshots.setModel(fixture.model());
    const connected = fixture.connect(proxy('outrigger'));
    const first = connected.snapshot;
    const { pushes } = fixture.snapshots;
    fixture.snapshots.setModel(fixture.model([]));
    fixture.snapshots.setModel(fixture.model([instance('payments', '10.9.9.9')]));
    expect(fixture.timers.size).toBe(1);
    expect(connected.snapshot).toBe(first);
    fixture.pass();
    expect(connected.snapshot).not.toBe(first);
    expect(fixture.snapshots.pushes).toBe(pushes + 1);
  });

  it('leaves what an update did not touch the same object, so that it is not sent again', () => {
    const fixture = new Fixture();
    fixture.snapshots.setModel(fixture.model());
    const connected = fixture.connect(proxy('outrigger'));
    const before = connected.snapshot!.resources(typeOrder.cluster);
    fixture.snapshots.setModel(fixture.model(sampleInstances.slice(1)));
    fixture.pass();
    const after = connected.snapshot!.resources(typeOrder.cluster);
    expect([...after.values()].map(({ version }) => version)).toEqual(
      [...before.values()].map(({ version }) => version),
    );
  });

  it('does nothing for the same model, for a proxy that is gone, or after close()', () => {
    const fixture = new Fixture();
    const model = fixture.model();
    fixture.snapshots.setModel(model);
    const connected = fixture.connect(proxy('outrigger'));
    fixture.snapshots.setModel(model);
    expect(fixture.timers.size).toBe(0);
    fixture.snapshots.remove(connected);
    expect(fixture.snapshots.proxyCount).toBe(0);
    const { snapshot } = connected;
    fixture.snapshots.setModel(fixture.model([]));
    fixture.pass();
    expect(connected.snapshot).toBe(snapshot);
    fixture.snapshots.setModel(fixture.model());
    fixture.snapshots.close();
    expect(fixture.timers.size).toBe(0);
  });

  it('says for a while after a start without stored leases which endpoints are uncertain: all but static ones', () => {
    const fixture = new Fixture();
    fixture.snapshots.holdEndpoints(6_000);
    fixture.snapshots.setModel(fixture.model([]));
    const connected = fixture.connect(proxy('outrigger'));
    const names = [...connected.snapshot!.resources(typeOrder.endpoints).keys()];
    const fromFile = sampleResources().flatMap((resource) =>
      resource.kind === 'Service' && resource.endpoints.length > 0 ? [`${resource.name}.${resource.namespace}`] : [],
    );
    expect(fromFile.length).toBeGreaterThan(0);
    expect(names.filter((name) => !connected.snapshot!.uncertainEndpoints!.has(name))).toEqual(
      names.filter((name) => fromFile.some((service) => name.endsWith(`|${service}`))),
    );
    expect(connected.snapshot!.uncertainEndpoints!.size).toBeGreaterThan(0);
    fixture.pass();
    expect(connected.snapshot!.uncertainEndpoints!.size).toBe(0);
  });

  it('never gives a snapshot that contradicts itself: the one before goes on, or there is none, and it says why', () => {
    const fixture = new Fixture();
    fixture.snapshots.setModel(fixture.model());
    const old = fixture.connect(proxy('outrigger'));
    const { snapshot } = old;
    fixture.broken = true;
    fixture.snapshots.setModel(fixture.model([]));
    fixture.pass();
    const fresh = fixture.connect(proxy('envoy'));
    expect(old.snapshot).toBe(snapshot);
    expect(fresh.snapshot).toBeNull();
    expect(fixture.logged).toEqual([
      expect.stringContaining('They are sent the configuration before: '),
      expect.stringContaining('They are sent nothing: '),
    ]);
    expect(fixture.snapshots.inconsistencies).toEqual(
      Array.from({ length: 2 }, () => ({
        reason: expect.stringMatching(/^listener .* which is not there/),
        proxies: 1,
      })),
    );
    // The same again is not told again; what is mended is served.
    fixture.snapshots.setModel(fixture.model(sampleInstances.slice(1)));
    fixture.pass();
    expect(fixture.logged).toHaveLength(2);
    fixture.broken = false;
    fixture.snapshots.setModel(fixture.model());
    fixture.pass();
    expect(size(old.snapshot)).toBeGreaterThan(0);
    expect(size(fresh.snapshot)).toBeGreaterThan(0);
    expect(fixture.snapshots.inconsistencies).toEqual([]);
  });

  it('keeps no snapshot of clients that are gone', () => {
    const fixture = new Fixture();
    fixture.snapshots.setModel(fixture.model());
    for (let i = 0; i < 20; i++) {
      const one = fixture.connect(proxy('outrigger', { namespace: `n${i}`, cluster: `n${i}/a` }));
      const other = fixture.connect(proxy('outrigger', { namespace: `n${i}`, cluster: `n${i}/a` }));
      expect(other.snapshot).toBe(one.snapshot);
      fixture.snapshots.remove(one);
      expect(fixture.snapshots.snapshotCount).toBe(1);
      fixture.snapshots.remove(other);
      fixture.snapshots.remove(other);
    }
    expect(fixture.snapshots.snapshotCount).toBe(0);
  });

  it('takes 256 kinds of proxies of one identity, more of these kinds, and another kind when one is gone; and any of others', () => {
    const fixture = new Fixture();
    fixture.snapshots.setModel(fixture.model());
    const identity = serviceAccountId('td', 'shop', 'payments');
    const kind = (port: number, more: Partial<ProxyNode> = {}): ProxyNode =>
      proxy('outrigger', { identity, outboundListen: { host: '127.0.0.1', port }, ...more });
    const all = Array.from({ length: 256 }, (_, index) => fixture.connect(kind(1_000 + index)));
    const before = fixture.snapshots.proxyCount;
    const last = fixture.connected(kind(2_000));
    expect(fixture.snapshots.add(last)).toContain('spiffe://td/ns/shop/sa/payments has 256 proxies here that differ');
    expect([fixture.snapshots.proxyCount, last.snapshot]).toEqual([before, null]);
    expect(fixture.snapshots.add(fixture.connected(kind(1_000)))).toBe('');
    expect(fixture.snapshots.add(fixture.connected(kind(2_000, { identity: null })))).toBe('');
    fixture.snapshots.setModel(fixture.model([]));
    fixture.pass();
    expect(fixture.snapshots.add(last)).not.toBe('');
    fixture.snapshots.remove(all[1]!);
    expect(fixture.snapshots.add(last)).toBe('');
    expect(last.snapshot).not.toBeNull();
  });

  it('has nothing of types that it does not serve', () => {
    const fixture = new Fixture();
    fixture.snapshots.setModel(fixture.model());
    expect(fixture.connect(proxy('outrigger')).snapshot!.resources('type.googleapis.com/other').size).toBe(0);
  });
});
