/** The stream server against a model client: whatever the order of changes, answers and refusals, the client ends with what the snapshot says, and nothing is sent twice. */
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

/** Clusters by name with a version each; every cluster has endpoints of the same name. */
type State = Readonly<Record<string, number>>;

function snapshotOf(state: State): ServedSnapshot {
  const make = (typeUrl: string): ResourceMap =>
    new Map(
      Object.entries(state).map(([name, version]): [string, ServedResource] => [
        name,
        { name, typeUrl, version: String(version), bytes: new Uint8Array([version]) },
      ]),
    );
  const maps = new Map([typeOrder.cluster, typeOrder.endpoints].map((typeUrl) => [typeUrl as string, make(typeUrl)]));
  const none: ResourceMap = new Map();
  return { resources: (typeUrl) => maps.get(typeUrl) ?? none };
}

/** A client that wants every cluster, and the endpoints of those that it has. */
class ModelClient implements SessionOwner {
  readonly held = new Map<string, Map<string, string>>([
    [typeOrder.cluster, new Map()],
    [typeOrder.endpoints, new Map()],
  ]);
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
  }

  /** Takes the oldest response in and answers it. False when there is none. */
  answer(): boolean {
    const response = this.#unanswered.shift();
    if (response === undefined) return false;
    const held = this.held.get(response.typeUrl)!;
    if (response.typeUrl === typeOrder.endpoints) this.#endpointsNonce = response.nonce;
    if (this.#sotw && isFullState(response.typeUrl)) held.clear();
    for (const { name, version } of response.resources) held.set(name, version);
    for (const name of response.removed) held.delete(name);
    const names = [...this.held.get(typeOrder.cluster)!.keys()].sort();
    const changed = names.join() !== this.#asked.join();
    this.#request(response.typeUrl, response.nonce, response.typeUrl === typeOrder.endpoints ? names : []);
    if (changed && response.typeUrl === typeOrder.cluster) {
      // Of its own accord: the newest nonce that it has seen (SotW), none (delta).
      this.#request(typeOrder.endpoints, this.#sotw ? this.#endpointsNonce : '', names);
    }
    return true;
  }

  #request(typeUrl: string, nonce: string, names: readonly string[]): void {
    const subscription = this.session.subscription(typeUrl)!;
    const before = typeUrl === typeOrder.endpoints ? this.#asked : [];
    if (typeUrl === typeOrder.endpoints) {
      this.#asked = names;
      for (const name of this.held.get(typeUrl)!.keys())
        if (!names.includes(name)) this.held.get(typeUrl)!.delete(name);
    }
    const fault =
      'onRequest' in subscription && this.#sotw
        ? (subscription as SotwSubscription).onRequest({ nonce, version: '', names, error: null })
        : (subscription as DeltaSubscription).onRequest({
            nonce,
            subscribe: names.filter((name) => !before.includes(name)),
            unsubscribe: before.filter((name) => !names.includes(name)),
            initialVersions: new Map(),
            error: null,
          });
    expect(fault).toBe('');
    this.session.flush();
  }
}

const states = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.integer({ min: 1, max: 3 }), { maxKeys: 4 });
const steps = fc.array(fc.oneof(fc.record({ state: states }), fc.constant('answer' as const)), { maxLength: 40 });

describe.each(['sotw', 'delta'] as const)('ADS session, %s', (variant) => {
  test('the client ends with the clusters and endpoints of the last snapshot, whatever came between', () => {
    fc.assert(
      fc.property(steps, (script) => {
        const client = new ModelClient(variant);
        let last: State = {};
        client.session.setSnapshot(snapshotOf(last));
        client.start();
        for (const step of script) {
          if (step === 'answer') client.answer();
          else {
            last = step.state;
            client.session.setSnapshot(snapshotOf(last));
          }
        }
        let rounds = 0;
        while (client.answer()) expect(++rounds).toBeLessThan(50);
        const wanted = Object.fromEntries(Object.entries(last).map(([name, version]) => [name, String(version)]));
        expect(Object.fromEntries(client.held.get(typeOrder.cluster)!)).toEqual(wanted);
        expect(Object.fromEntries(client.held.get(typeOrder.endpoints)!)).toEqual(wanted);
        // Nothing changed: nothing is sent (xds.md C1.11).
        const before = client.responses;
        client.session.setSnapshot(snapshotOf({ ...last }));
        expect(client.responses).toBe(before);
      }),
      { numRuns: 300 },
    );
  });
});
