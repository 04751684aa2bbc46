/** Single rules of the stream server; ads-session.property.test.ts has those that hold whatever the order. */
import { describe, expect, it } from 'vitest';
import { type AdsSession, deltaSession, type SessionOwner, sotwSession } from './ads-session.ts';
import type { DeltaSubscription } from './delta-subscription.ts';
import type { ServedResource, ServedSnapshot } from './served-resource.ts';
import { typeOrder } from './served-resource.ts';
import type { SotwSubscription } from './sotw-subscription.ts';
import { maxNames, type OutgoingResponse } from './subscription.ts';

type State = Readonly<Partial<Record<keyof typeof typeOrder, Readonly<Record<string, string>>>>>;

/** Versions by type and name. */
function snapshotOf(state: State, uncertain: readonly string[] = []): ServedSnapshot {
  const byType = new Map(
    Object.entries(state).map(([type, versions]) => {
      const typeUrl: string = typeOrder[type as keyof typeof typeOrder];
      const resources = Object.entries(versions).map(([name, version]): [string, ServedResource] => [
        name,
        { name, typeUrl, version, bytes: Buffer.from(version) },
      ]);
      return [typeUrl, new Map(resources)] as const;
    }),
  );
  return { resources: (typeUrl) => byType.get(typeUrl) ?? new Map(), uncertainEndpoints: new Set(uncertain) };
}

class Recorder implements SessionOwner {
  readonly sent: OutgoingResponse[] = [];
  clockMs = 0;

  send(response: OutgoingResponse): void {
    this.sent.push(response);
  }

  nowMs(): number {
    return this.clockMs;
  }

  flushLater(): void {
    // These tests move on by requests.
  }

  /** What was sent since the last call, as `type changed… -removed…`. */
  take(): string[] {
    return this.sent
      .splice(0)
      .map(({ typeUrl, resources, removed }) =>
        [
          Object.entries(typeOrder).find(([, url]) => url === typeUrl)![0],
          ...resources.map(({ name, version }) => `${name}@${version}`),
          ...removed.map((name) => `-${name}`),
        ].join(' '),
      );
  }
}

class DeltaClient extends Recorder {
  readonly session: AdsSession<DeltaSubscription> = deltaSession(this);

  request(
    type: keyof typeof typeOrder,
    fields: {
      readonly nonce?: string;
      readonly subscribe?: readonly string[];
      readonly unsubscribe?: readonly string[];
      readonly held?: Readonly<Record<string, string>>;
      readonly error?: string;
    } = {},
  ): string {
    const fault = this.session.subscription(typeOrder[type])!.onRequest({
      nonce: fields.nonce ?? '',
      subscribe: fields.subscribe ?? [],
      unsubscribe: fields.unsubscribe ?? [],
      initialVersions: new Map(Object.entries(fields.held ?? {})),
      error: fields.error ?? null,
    });
    this.session.flush();
    return fault;
  }

  /** Has listeners and routes, and is up to date with them. */
  asksForRoutes(): void {
    this.request('listener');
    this.ack('listener');
    this.request('routes', { subscribe: ['r'], held: { r: '1' } });
    this.ack('routes');
    this.take();
  }

  /** ACKs the response of that type that waits. */
  ack(type: keyof typeof typeOrder): void {
    this.request(type, { nonce: this.session.subscription(typeOrder[type])!.awaiting });
  }
}

class SotwClient extends Recorder {
  readonly session: AdsSession<SotwSubscription> = sotwSession(this);
  readonly #nonces = new Map<string, string>();

  request(
    type: keyof typeof typeOrder,
    names: readonly string[] = [],
    error: string | null = null,
    version = 'v',
  ): string {
    const subscription = this.session.subscription(typeOrder[type])!;
    if (subscription.awaiting !== '') this.#nonces.set(type, subscription.awaiting);
    const fault = subscription.onRequest({ nonce: this.#nonces.get(type) ?? '', version, names, error });
    this.session.flush();
    return fault;
  }
}

describe('a delta stream that follows another', () => {
  it('answers a wildcard once even when the client has everything, so that it knows (xds.md C1.17)', () => {
    const client = new DeltaClient();
    client.session.setSnapshot(snapshotOf({ cluster: { a: '1' } }));
    client.request('cluster', { held: { a: '1' } });
    expect(client.take()).toEqual(['cluster']);
    client.ack('cluster');
    expect(client.take()).toEqual([]);
  });

  it('answers an explicit * in the same way', () => {
    const client = new DeltaClient();
    client.session.setSnapshot(snapshotOf({}));
    client.request('listener', { subscribe: ['*'] });
    expect(client.take()).toEqual(['listener']);
  });

  it('says what changed and what is gone since, and nothing of the rest', () => {
    const client = new DeltaClient();
    client.session.setSnapshot(snapshotOf({ cluster: { same: '1', changed: '2' } }));
    client.asksForRoutes();
    client.request('cluster', { held: { same: '1', changed: '1', gone: '1' } });
    expect(client.take()).toEqual(['cluster changed@2 -gone']);
  });

  it('says that a named resource is gone, also one that is no longer asked for', () => {
    const client = new DeltaClient();
    client.session.setSnapshot(snapshotOf({ endpoints: { a: '1' } }));
    client.request('endpoints', { subscribe: ['a', 'b'], held: { a: '1', b: '1', c: '1' } });
    expect(client.take()).toEqual(['endpoints -b -c']);
  });

  it('says nothing of named resources that are up to date: nothing is owed', () => {
    const client = new DeltaClient();
    client.session.setSnapshot(snapshotOf({ endpoints: { a: '1' } }));
    client.request('endpoints', { subscribe: ['a'], held: { a: '1' } });
    expect(client.take()).toEqual([]);
  });

  it('refuses more held resources than a client may have', () => {
    const client = new DeltaClient();
    const held = Object.fromEntries(Array.from({ length: maxNames + 1 }, (_, i) => [`c${i}`, '1']));
    expect(client.request('cluster', { held })).toContain(`more than ${maxNames}`);
  });

  it('takes no cluster away before the client has said which routes it has, and taken those of now (make before break)', () => {
    const client = new DeltaClient();
    client.session.setSnapshot(snapshotOf({ cluster: {}, listener: { l: '1' }, routes: { r: '2' } }));
    client.request('cluster', { held: { gone: '1' } });
    expect(client.take()).toEqual(['cluster']);
    client.ack('cluster');
    client.request('listener', { held: { l: '1' } });
    expect(client.take()).toEqual(['listener']);
    client.ack('listener');
    client.request('routes', { subscribe: ['r'], held: { r: '1' } });
    expect(client.take()).toEqual(['routes r@2']);
    client.ack('routes');
    expect(client.take()).toEqual(['cluster -gone']);
  });

  it('waits one second for a client that asks for no routes', () => {
    const client = new DeltaClient();
    client.session.setSnapshot(snapshotOf({ cluster: {} }));
    client.request('cluster', { held: { gone: '1' } });
    client.ack('cluster');
    expect(client.take()).toEqual(['cluster']);
    client.clockMs = 1_000;
    client.session.flush();
    expect(client.take()).toEqual(['cluster -gone']);
  });

  it('sends the endpoints of a cluster that changed meanwhile, though the client has them (Envoy warms it anew)', () => {
    const client = new DeltaClient();
    client.session.setSnapshot(snapshotOf({ cluster: { a: '2', b: '1' }, endpoints: { a: '1', b: '1' } }));
    client.request('cluster', { held: { a: '1', b: '1' } });
    expect(client.take()).toEqual(['cluster a@2']);
    client.request('endpoints', { subscribe: ['a', 'b'], held: { a: '1', b: '1' } });
    expect(client.take()).toEqual(['endpoints a@1']);
  });
});

describe('endpoints after a change of their cluster (Envoy warms the cluster anew and waits for them; xds.md C1.14)', () => {
  it('are sent again to a state-of-the-world client, those of that cluster only', () => {
    const client = new SotwClient();
    const endpoints = { a: '1', b: '1' };
    client.session.setSnapshot(snapshotOf({ cluster: { a: '1', b: '1' }, endpoints }));
    client.request('cluster');
    client.request('cluster');
    client.request('endpoints', ['a', 'b']);
    client.request('endpoints', ['a', 'b']);
    expect(client.take()).toEqual(['cluster a@1 b@1', 'endpoints a@1 b@1']);
    client.session.setSnapshot(snapshotOf({ cluster: { a: '2', b: '1' }, endpoints }));
    expect(client.take()).toEqual(['cluster a@2 b@1', 'endpoints a@1']);
    // Envoy asks for the same names once more: they are on their way.
    client.request('cluster');
    client.request('endpoints', ['a', 'b']);
    client.request('endpoints', ['a', 'b']);
    expect(client.take()).toEqual([]);
  });

  it('are sent again to a delta client', () => {
    const client = new DeltaClient();
    const endpoints = { a: '1', b: '1' };
    client.session.setSnapshot(snapshotOf({ cluster: { a: '1', b: '1' }, endpoints }));
    client.request('cluster');
    client.ack('cluster');
    client.request('endpoints', { subscribe: ['a', 'b'] });
    client.ack('endpoints');
    client.take();
    client.session.setSnapshot(snapshotOf({ cluster: { a: '2', b: '1' }, endpoints }));
    expect(client.take()).toEqual(['cluster a@2', 'endpoints a@1']);
    client.ack('cluster');
    client.ack('endpoints');
    expect(client.take()).toEqual([]);
  });

  it('go out once the response before was answered', () => {
    const client = new SotwClient();
    client.session.setSnapshot(snapshotOf({ cluster: { a: '1' }, endpoints: { a: '1' } }));
    client.request('cluster');
    client.request('cluster');
    client.request('endpoints', ['a']);
    client.take();
    client.session.setSnapshot(snapshotOf({ cluster: { a: '2' }, endpoints: { a: '1' } }));
    expect(client.take()).toEqual(['cluster a@2']);
    client.request('endpoints', ['a']);
    expect(client.take()).toEqual(['endpoints a@1']);
  });

  it('are not sent again when only the endpoints of another cluster changed', () => {
    const client = new SotwClient();
    client.session.setSnapshot(snapshotOf({ cluster: { a: '1', b: '1' }, endpoints: { a: '1', b: '1' } }));
    client.request('cluster');
    client.request('cluster');
    client.request('endpoints', ['a', 'b']);
    client.request('endpoints', ['a', 'b']);
    client.take();
    client.session.setSnapshot(snapshotOf({ cluster: { a: '1', b: '1' }, endpoints: { a: '1', b: '2' } }));
    expect(client.take()).toEqual(['endpoints b@2']);
  });
});

describe('endpoints of which the control plane may not know all yet (a start without stored leases)', () => {
  const clusters = { a: '1', b: '1' };
  const unsure = snapshotOf({ cluster: clusters, endpoints: { a: 'empty', b: '2' }, listener: { l: '1' } }, ['a']);
  const sure = snapshotOf({ cluster: clusters, endpoints: { a: 'empty', b: '2' }, listener: { l: '1' } });

  it('are kept by a delta client that has them from before, until they are certain', () => {
    const client = new DeltaClient();
    client.session.setSnapshot(unsure);
    client.request('cluster', { held: clusters });
    client.request('endpoints', { subscribe: ['a', 'b'], held: { a: '1', b: '1' } });
    client.request('listener');
    client.ack('cluster');
    client.ack('endpoints');
    expect(client.take()).toEqual(['cluster', 'endpoints b@2', 'listener l@1']);
    client.session.setSnapshot(sure);
    expect(client.take()).toEqual(['endpoints a@empty']);
  });

  it('are kept by a state-of-the-world client that has them from before, and hold up nothing', () => {
    const client = new SotwClient();
    client.session.setSnapshot(unsure);
    client.request('cluster');
    client.request('endpoints', ['a', 'b']);
    client.request('listener');
    client.request('cluster');
    client.request('endpoints', ['a', 'b']);
    expect(client.take()).toEqual(['cluster a@1 b@1', 'endpoints b@2', 'listener l@1']);
    client.session.setSnapshot(sure);
    expect(client.take()).toEqual(['endpoints a@empty']);
  });

  it('are sent at once to a client that has none, or asks for them anew', () => {
    const delta = new DeltaClient();
    delta.session.setSnapshot(unsure);
    delta.request('endpoints', { subscribe: ['a'] });
    expect(delta.take()).toEqual(['endpoints a@empty']);
    const sotw = new SotwClient();
    sotw.session.setSnapshot(unsure);
    sotw.request('endpoints', ['a'], null, '');
    expect(sotw.take()).toEqual(['endpoints a@empty']);
    const again = new DeltaClient();
    again.session.setSnapshot(unsure);
    again.request('endpoints', { subscribe: ['a'], held: { a: '1' } });
    again.request('endpoints', { unsubscribe: ['a'] });
    again.request('endpoints', { subscribe: ['a'] });
    expect(again.take()).toEqual(['endpoints a@empty']);
  });

  it('go with their cluster all the same', () => {
    const client = new DeltaClient();
    client.session.setSnapshot(snapshotOf({ cluster: {}, endpoints: {} }, []));
    client.asksForRoutes();
    client.request('cluster', { held: { a: '1' } });
    client.request('endpoints', { subscribe: ['a'], held: { a: '1' } });
    expect(client.take()).toEqual(['cluster -a', 'endpoints -a']);
  });
});
