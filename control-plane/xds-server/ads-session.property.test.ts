/**
 * The stream server against a model client: whatever the order of changes, answers and refusals, the client ends with what the snapshot says, nothing is sent twice, and no route in force ever points at a
 * cluster or at endpoints that the client has not (make before break).
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AdsSession, deltaSession, type SessionOwner, sotwSession } from './ads-session.ts';
import type { DeltaSubscription } from './delta-subscription.ts';
import {
  isFullState,
  type ResourceMap,
  type ServedResource,
  type ServedSnapshot,
  typeOrder,
} from './served-resource.ts';
import type { SotwSubscription } from './sotw-subscription.ts';
import type { OutgoingResponse } from './subscription.ts';

interface State {
  /** By name with a version each; every cluster has endpoints of the same name. */
  readonly clusters: Readonly<Record<string, number>>;
  /** Where the only route leads; '' : nowhere. Its cluster is there. */
  readonly target: string;
}

const empty: State = { clusters: {}, target: '' };

function resource(typeUrl: string, name: string, version: string): [string, ServedResource] {
  return [name, { name, typeUrl, version, bytes: new Uint8Array() }];
}

/** The version of the route configuration is its target. */
function snapshotOf({ clusters, target }: State): ServedSnapshot {
  const make = (typeUrl: string): ResourceMap =>
    new Map(Object.entries(clusters).map(([name, version]) => resource(typeUrl, name, String(version))));
  const maps = new Map([typeOrder.cluster, typeOrder.endpoints].map((typeUrl) => [typeUrl as string, make(typeUrl)]));
  maps.set(typeOrder.listener, new Map([resource(typeOrder.listener, 'out', '1')]));
  maps.set(typeOrder.routes, new Map([resource(typeOrder.routes, 'out', `to ${target}`)]));
  const none: ResourceMap = new Map();
  return { resources: (typeUrl) => maps.get(typeUrl) ?? none };
}

/** A client that wants every cluster and listener, the endpoints of the clusters that it has, and the routes of the listener. */
class ModelClient implements SessionOwner {
  readonly held = new Map<string, Map<string, string>>(
    Object.values(typeOrder).map((typeUrl) => [typeUrl, new Map<string, string>()]),
  );
  readonly #unanswered: OutgoingResponse[] = [];
  #asked: readonly string[] = [];
  #endpointsNonce = '';
  readonly session: AdsSession<SotwSubscription> | AdsSession<DeltaSubscription>;
  readonly #sotw: boolean;
  responses = 0;

  constructor(variant: 'sotw' | 'delta') {
    this.#sotw = variant === 'sotw';
    this.session = variant === 'sotw' ? sotwSession(this) : deltaSession(this);
  }

  send(response: OutgoingResponse): void {
    this.responses++;
    // Never two unanswered responses of one type.
    expect(this.#unanswered.some((other) => other.typeUrl === response.typeUrl)).toBe(false);
    this.#unanswered.push(response);
  }

  nowMs(): number {
    return 0;
  }

  flushLater(): void {
    // Time stands still: nothing here waits for it.
  }

  start(): void {
    this.#request(typeOrder.cluster, '', []);
    this.#request(typeOrder.listener, '', []);
    this.#request(typeOrder.routes, '', ['out']);
  }

  /** Takes the oldest response in and answers it; `refuse`: if it is one of listeners or routes, nothing of it is taken. False when there is none. */
  answer(refuse = false): boolean {
    const response = this.#unanswered.shift();
    if (response === undefined) return false;
    const { typeUrl, nonce } = response;
    if (refuse && (typeUrl === typeOrder.listener || typeUrl === typeOrder.routes)) {
      this.#request(typeUrl, nonce, this.#namesOf(typeUrl), 'no');
      return true;
    }
    const held = this.held.get(typeUrl)!;
    if (typeUrl === typeOrder.endpoints) this.#endpointsNonce = nonce;
    if (this.#sotw && isFullState(typeUrl)) held.clear();
    for (const { name, version } of response.resources) held.set(name, version);
    for (const name of response.removed) held.delete(name);
    this.#checkRoutes();
    const names = [...this.held.get(typeOrder.cluster)!.keys()].sort();
    const changed = names.join() !== this.#asked.join();
    this.#request(typeUrl, nonce, typeUrl === typeOrder.endpoints ? names : this.#namesOf(typeUrl));
    if (changed && typeUrl === typeOrder.cluster) {
      // Of its own accord: the newest nonce that it has seen (SotW), none (delta).
      this.#request(typeOrder.endpoints, this.#sotw ? this.#endpointsNonce : '', names);
    }
    return true;
  }

  #namesOf(typeUrl: string): readonly string[] {
    return typeUrl === typeOrder.routes ? ['out'] : [];
  }

  #checkRoutes(): void {
    const target = this.held.get(typeOrder.routes)!.get('out')?.slice('to '.length) ?? '';
    if (target === '') return;
    for (const typeUrl of [typeOrder.cluster, typeOrder.endpoints])
      expect([...this.held.get(typeUrl)!.keys()], `the route leads to ${target}`).toContain(target);
  }

  #request(typeUrl: string, nonce: string, names: readonly string[], error: string | null = null): void {
    const subscription = this.session.subscription(typeUrl)!;
    const before = typeUrl === typeOrder.endpoints ? this.#asked : nonce === '' ? [] : names;
    if (typeUrl === typeOrder.endpoints) {
      this.#asked = names;
      for (const name of this.held.get(typeUrl)!.keys())
        if (!names.includes(name)) this.held.get(typeUrl)!.delete(name);
    }
    const fault =
      'onRequest' in subscription && this.#sotw
        ? (subscription as SotwSubscription).onRequest({ nonce, version: '', names, error })
        : (subscription as DeltaSubscription).onRequest({
            nonce,
            subscribe: names.filter((name) => !before.includes(name)),
            unsubscribe: before.filter((name) => !names.includes(name)),
            initialVersions: new Map(),
            error,
          });
    expect(fault).toBe('');
    this.session.flush();
  }
}

const states: fc.Arbitrary<State> = fc
  .record({
    clusters: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.integer({ min: 1, max: 3 }), { maxKeys: 4 }),
    pick: fc.nat(3),
  })
  .map(({ clusters, pick }) => ({ clusters, target: Object.keys(clusters)[pick] ?? '' }));
const stateStep = fc.record({ state: states });

describe.each(['sotw', 'delta'] as const)('ADS session, %s', (variant) => {
  /** Plays a script, then answers until nothing comes any more. Gives the client and the last state. */
  function play(script: ReadonlyArray<'answer' | 'refuse' | { readonly state: State }>) {
    const client = new ModelClient(variant);
    let last = empty;
    client.session.setSnapshot(snapshotOf(last));
    client.start();
    for (const step of script) {
      if (typeof step === 'string') client.answer(step === 'refuse');
      else {
        last = step.state;
        client.session.setSnapshot(snapshotOf(last));
      }
    }
    let rounds = 0;
    while (client.answer()) expect(++rounds).toBeLessThan(50);
    return { client, last };
  }

  test('the client ends with what the last snapshot says, and no route ever pointed at nothing, whatever came between', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(stateStep, fc.constant('answer' as const)), { maxLength: 40 }), (script) => {
        const { client, last } = play(script);
        const wanted = Object.fromEntries(
          Object.entries(last.clusters).map(([name, version]) => [name, String(version)]),
        );
        expect(Object.fromEntries(client.held.get(typeOrder.cluster)!)).toEqual(wanted);
        expect(Object.fromEntries(client.held.get(typeOrder.endpoints)!)).toEqual(wanted);
        expect(Object.fromEntries(client.held.get(typeOrder.routes)!)).toEqual({ out: `to ${last.target}` });
        // Nothing changed: nothing is sent (xds.md C1.11).
        const before = client.responses;
        client.session.setSnapshot(snapshotOf({ ...last }));
        expect(client.responses).toBe(before);
      }),
      { numRuns: 300 },
    );
  });

  test('no route that a client kept, as it refused the next one, ever points at nothing', () => {
    const step = fc.oneof(
      { arbitrary: stateStep, weight: 1 },
      { arbitrary: fc.constant('answer' as const), weight: 2 },
      { arbitrary: fc.constant('refuse' as const), weight: 2 },
    );
    // First with everything that the first state says in force.
    const begin = fc.record({ state: states }).map((first) => [first, ...Array<'answer'>(12).fill('answer')]);
    fc.assert(
      fc.property(begin, fc.array(step, { maxLength: 40 }), (first, script) => void play([...first, ...script])),
      { numRuns: 300 },
    );
  });
});
