/**
 * One client's ADS stream: its subscriptions by type, and when each may be told what is new. Clusters and endpoints go before the listeners and routes that use them, and what is
 * gone goes last (xds.md C1.13). At most one response of a type is under way: a slow client gets the newest state when it answers, never a queue.
 */
import { DeltaSubscription } from './delta-subscription.ts';
import { type ResourceMap, type ServedSnapshot, servedTypes, typeOrder } from './served-resource.ts';
import { SotwSubscription } from './sotw-subscription.ts';
import type { OutgoingResponse, Subscription } from './subscription.ts';

/** How long listeners and routes wait for a client that does not ask for the endpoints of its clusters. */
const endpointsWaitMs = 1_000;
/** How long clusters from before the stream stay for a client that does not ask for its listeners and routes: it may not have any. */
const routesWaitMs = 1_000;

const nothing: ResourceMap = new Map();
const none: ReadonlySet<string> = new Set();

export interface SessionOwner {
  send(response: OutgoingResponse): void;
  nowMs(): number;
  /** Calls flush() after a while. */
  flushLater(delayMs: number): void;
}

export class AdsSession<S extends SotwSubscription | DeltaSubscription> {
  readonly #owner: SessionOwner;
  readonly #create: (typeUrl: string) => S;
  readonly subscriptions = new Map<string, S>();
  #snapshot: ServedSnapshot | null = null;
  /** Secrets are a stream's own and in no snapshot. Where there are none, every name is answered as one that does not exist. */
  #secrets: () => ResourceMap = () => nothing;
  #waitingSinceMs = -1;
  #routesAwaitedSinceMs = -1;
  /** Clusters that were sent in a new version and whose endpoints were not sent since. Endpoints bear the name of their cluster here (translate/encode-cluster.ts). */
  readonly #warmedAnew = new Set<string>();

  constructor(owner: SessionOwner, create: (typeUrl: string) => S) {
    this.#owner = owner;
    this.#create = create;
  }

  /** The subscription of a type; null for a type that is not served. */
  subscription(typeUrl: string): S | null {
    const known = this.subscriptions.get(typeUrl);
    if (known !== undefined) return known;
    if (!servedTypes.includes(typeUrl)) return null;
    const fresh = this.#create(typeUrl);
    this.subscriptions.set(typeUrl, fresh);
    return fresh;
  }

  setSnapshot(snapshot: ServedSnapshot): void {
    this.#snapshot = snapshot;
    this.flush();
  }

  setSecrets(secrets: () => ResourceMap): void {
    this.#secrets = secrets;
  }

  /** What this client is to have of a type; of no snapshot, nothing. */
  resources(typeUrl: string): ResourceMap {
    return typeUrl === typeOrder.secret ? this.#secrets() : (this.#snapshot?.resources(typeUrl) ?? nothing);
  }

  /** The client has answered everything, and there is nothing that it is to have and was not sent. */
  get settled(): boolean {
    for (const [typeUrl, subscription] of this.subscriptions)
      if (!subscription.settled(this.resources(typeUrl))) return false;
    return true;
  }

  /** Sends what may be sent now. Called after every request and every change. */
  flush(): void {
    // First, and waiting for nothing: they are what clusters and listeners can't start without.
    this.#sendResources(typeOrder.secret, this.#secrets(), () => false);
    const snapshot = this.#snapshot;
    if (snapshot === null) return;
    const endpoints = this.subscriptions.get(typeOrder.endpoints);
    if (endpoints !== undefined) endpoints.uncertain = snapshot.uncertainEndpoints ?? none;
    const routesFollow = this.#routesFollow(snapshot);
    this.#sendClusters(snapshot, !routesFollow);
    this.#sendEndpointsAgain();
    this.#sendEndpoints(snapshot, !routesFollow);
    if (!this.#clustersReady(snapshot)) return;
    this.#send(typeOrder.listener, snapshot);
    this.#send(typeOrder.routes, snapshot);
    // Listeners and routes may have nothing more to say now: what they no longer use can go.
    if (!this.#routesFollow(snapshot)) return;
    this.#sendClusters(snapshot, false);
    this.#sendEndpoints(snapshot, false);
  }

  /** The routes that the client uses are those of the snapshot. What it refused it has not: its old routes still lead where they led. */
  #routesFollow(snapshot: ServedSnapshot): boolean {
    const types = [typeOrder.listener, typeOrder.routes];
    if (this.#routesAwaited(types)) return false;
    return this.#settled(types, snapshot) && types.every((type) => !this.subscriptions.get(type)?.refused);
  }

  /** A client that comes back asks for one type after the other: its clusters must not go before it has said which listeners and routes it has. */
  #routesAwaited(types: readonly string[]): boolean {
    const clusters = this.subscriptions.get(typeOrder.cluster);
    if (clusters === undefined || clusters.heldBefore.size === 0) return false;
    if (types.every((type) => this.subscriptions.has(type))) return false;
    const now = this.#owner.nowMs();
    if (this.#routesAwaitedSinceMs < 0) {
      this.#routesAwaitedSinceMs = now;
      this.#owner.flushLater(routesWaitMs);
    }
    return now - this.#routesAwaitedSinceMs < routesWaitMs;
  }

  #sendClusters(snapshot: ServedSnapshot, holdRemovals: boolean): void {
    if (!this.#send(typeOrder.cluster, snapshot, () => holdRemovals)) return;
    for (const name of this.subscriptions.get(typeOrder.cluster)!.changedNames) this.#warmedAnew.add(name);
  }

  /** Endpoints go with their cluster or after it, never before: while the client has the cluster, its routes may lead there. */
  #sendEndpoints(snapshot: ServedSnapshot, holdRemovals: boolean): void {
    const held = this.subscriptions.get(typeOrder.cluster)?.sent;
    const clusters = snapshot.resources(typeOrder.cluster);
    const hold = (name: string): boolean => holdRemovals || (held?.has(name) === true && !clusters.has(name));
    this.#send(typeOrder.endpoints, snapshot, hold);
  }

  /**
   * Envoy warms a cluster that changed anew and waits for its endpoints, which it asks for under the same name: for us, no change of its subscription. So they are sent again,
   * as Istio does (xds.md C1.14; envoyproxy/envoy#13009). A client that begins its stream by CDS may say only later which endpoints it has: the names are kept until then.
   */
  #sendEndpointsAgain(): void {
    const endpoints = this.subscriptions.get(typeOrder.endpoints);
    if (endpoints === undefined) return;
    endpoints.sendAgain(this.#warmedAnew);
    this.#warmedAnew.clear();
  }

  #send(typeUrl: string, snapshot: ServedSnapshot, hold: (name: string) => boolean = () => false): boolean {
    return this.#sendResources(typeUrl, snapshot.resources(typeUrl), hold);
  }

  #sendResources(typeUrl: string, resources: ResourceMap, hold: (name: string) => boolean): boolean {
    const response = this.subscriptions.get(typeUrl)?.next(resources, hold);
    if (response === null || response === undefined) return false;
    this.#owner.send(response);
    return true;
  }

  #settled(typeUrls: readonly string[], snapshot: ServedSnapshot): boolean {
    return typeUrls.every((typeUrl) => this.subscriptions.get(typeUrl)?.settled(snapshot.resources(typeUrl)) ?? true);
  }

  /** The clusters and endpoints that the client has are the newest; so routes may point at them. */
  #clustersReady(snapshot: ServedSnapshot): boolean {
    const clusters: Subscription | undefined = this.subscriptions.get(typeOrder.cluster);
    if (clusters === undefined) return true;
    if (!this.#settled([typeOrder.cluster, typeOrder.endpoints], snapshot)) return false;
    const endpoints = this.subscriptions.get(typeOrder.endpoints);
    const missing =
      clusters.wildcard &&
      clusters.refused === null &&
      [...snapshot.resources(typeOrder.endpoints).keys()].some(
        (name) => endpoints === undefined || !(endpoints.sent.has(name) || endpoints.keeps(name)),
      );
    if (!missing) {
      this.#waitingSinceMs = -1;
      return true;
    }
    const now = this.#owner.nowMs();
    if (this.#waitingSinceMs < 0) {
      this.#waitingSinceMs = now;
      this.#owner.flushLater(endpointsWaitMs);
    }
    return now - this.#waitingSinceMs >= endpointsWaitMs;
  }
}

export function sotwSession(owner: SessionOwner): AdsSession<SotwSubscription> {
  return new AdsSession(owner, (typeUrl) => new SotwSubscription(typeUrl));
}

export function deltaSession(owner: SessionOwner): AdsSession<DeltaSubscription> {
  return new AdsSession(owner, (typeUrl) => new DeltaSubscription(typeUrl));
}
