/**
 * Keeps every connected proxy's snapshot up to date: translates the model once per kind of proxy, checks the result, and hands it to the sessions. Changes that come close
 * together are told once.
 */
import type { Logger } from 'pino';
import type { Model } from '../model/model.ts';
import { appPortsKey } from '../translate/app-ports.ts';
import { checkResources } from '../translate/check-resources.ts';
import { type ProxyNode, proxyKey } from '../translate/proxy-node.ts';
import { plaintextByDefault, proxyPolicies } from '../translate/proxy-policies.ts';
import { type ProxyResources, translate } from '../translate/translate.ts';
import { visibleServices } from '../translate/visible-services.ts';
import type { ConnectedProxy, ProxyRegistry } from '../xds-server/connected-proxy.ts';
import { type ResourceMap, type ServedSnapshot, typeOrder } from '../xds-server/served-resource.ts';
import { Convergence } from './convergence.ts';
import { uncertainEndpoints } from './uncertain-endpoints.ts';
import { unsentPolicies } from './unsent-policies.ts';

/** Long enough to gather a burst, short enough that nobody waits. */
const debounceMs = 20;

/** Of one identity: proxies that are not alike, each kind with a snapshot of its own. Replicas are alike unless they listen on different ports. */
const maxKindsOfOne = 256;

const noResources: ResourceMap = new Map();
const noNames: ReadonlySet<string> = new Set();

class TranslatedSnapshot implements ServedSnapshot {
  readonly #resources: ProxyResources;
  readonly uncertainEndpoints: ReadonlySet<string>;

  constructor(resources: ProxyResources, uncertain: ReadonlySet<string>) {
    this.#resources = resources;
    this.uncertainEndpoints = uncertain;
  }

  resources(typeUrl: string): ResourceMap {
    switch (typeUrl) {
      case typeOrder.cluster:
        return this.#resources.clusters;
      case typeOrder.endpoints:
        return this.#resources.endpoints;
      case typeOrder.listener:
        return this.#resources.listeners;
      case typeOrder.routes:
        return this.#resources.routes;
      default:
        return noResources;
    }
  }
}

function takesPlaintext({ policies }: Model, proxy: ProxyNode): boolean {
  return (
    proxy.kind !== 'grpc' &&
    (proxy.appPort !== null || proxy.interception !== 'NONE') &&
    proxyPolicies(policies, proxy).modeReason === plaintextByDefault
  );
}

/** Proxies with the same key are sent the same. */
function keyOf(model: Model, proxy: ProxyNode): string {
  const key = proxyKey(proxy, model.policies.labelKeys);
  return proxy.interception === 'NONE' || proxy.kind === 'grpc'
    ? key
    : `${key} ${appPortsKey(visibleServices(model, proxy), proxy)}`;
}

/** Whose kinds are counted; '': of who is not known, and of gRPC clients, which are of one kind in a namespace whoever they are. */
function kindsOwner({ kind, identity }: ProxyNode): string {
  return kind === 'grpc' ? '' : (identity?.text ?? '');
}

/** What proxies of one key are given. */
interface Shared {
  /** Null: the resources contradict each other, and there are none from before. */
  readonly snapshot: ServedSnapshot | null;
  /** Contradictions in what the current model makes; empty: the snapshot is of the current model. */
  readonly faults: readonly string[];
  /** What policies say that such proxies are not sent, in words; '': nothing. */
  readonly unsent: string;
  /** Never empty: with the last one it goes. */
  readonly proxies: Set<ConnectedProxy>;
}

export interface ProxySnapshotsOptions {
  readonly log: Logger;
  readonly after: (delayMs: number, callback: () => void) => () => void;
  /** Default: translate(). */
  readonly translate?: typeof translate;
  /** For how long changes take. Default: they take no time. */
  readonly nowMs?: () => number;
}

export class ProxySnapshots implements ProxyRegistry {
  readonly #options: Required<ProxySnapshotsOptions>;
  readonly #proxies = new Set<ConnectedProxy>();
  readonly convergence: Convergence<ConnectedProxy>;
  /** By proxyKey, of the current model. */
  #byKey = new Map<string, Shared>();
  /** How many keys each identity has. */
  #kindsOf = new Map<string, number>();
  readonly #keyOf = new WeakMap<ConnectedProxy, string>();
  /** Of the current model, while they are held. */
  #uncertain: ReadonlySet<string> | null = null;
  /** Null until sources and store were read once: an empty model must never be served (a restart would take everything away). */
  #model: Model | null = null;
  #cancelDebounce: (() => void) | null = null;
  #cancelHold: (() => void) | null = null;
  /** Snapshots that were pushed to proxies, for metrics. */
  pushes = 0;

  constructor(options: ProxySnapshotsOptions) {
    this.#options = { translate, nowMs: () => 0, ...options };
    this.convergence = new Convergence(this.#options.nowMs);
  }

  get proxies(): Iterable<ConnectedProxy> {
    return this.#proxies;
  }

  get proxyCount(): number {
    return this.#proxies.size;
  }

  /** How many are kept; proxies that are alike share one. */
  get snapshotCount(): number {
    return this.#byKey.size;
  }

  /** What keeps proxies from having what the configuration says, and how many. */
  get inconsistencies(): ReadonlyArray<{ readonly reason: string; readonly proxies: number }> {
    return [...this.#byKey.values()]
      .filter(({ faults }) => faults.length > 0)
      .map(({ faults, proxies }) => ({ reason: faults.join('; '), proxies: proxies.size }));
  }

  add(proxy: ConnectedProxy): string {
    const identity = kindsOwner(proxy.proxy);
    if (
      this.#model !== null &&
      (this.#kindsOf.get(identity) ?? 0) >= maxKindsOfOne &&
      identity !== '' &&
      !this.#byKey.has(keyOf(this.#model, proxy.proxy))
    )
      return `${identity} has ${maxKindsOfOne} proxies here that differ in what they listen on, call or are labelled with; one more that is like none of them is not taken`;
    this.#proxies.add(proxy);
    if (this.#model !== null) this.#give(proxy);
    return '';
  }

  remove(proxy: ConnectedProxy): void {
    this.#proxies.delete(proxy);
    this.convergence.gone(proxy);
    const key = this.#keyOf.get(proxy);
    const shared = key === undefined ? undefined : this.#byKey.get(key);
    shared?.proxies.delete(proxy);
    if (shared?.proxies.size !== 0) return;
    this.#byKey.delete(key!);
    this.#countKind(proxy.proxy, -1);
  }

  /** A new model; proxies hear of it after a moment, together with what else changes by then. */
  setModel(model: Model): void {
    if (model === this.#model) return;
    const first = this.#model === null;
    this.#model = model;
    if (!first) this.convergence.changed();
    if (first) this.#publish();
    else this.#cancelDebounce ??= this.#options.after(debounceMs, () => this.#publish());
  }

  /** For so long, clients that have endpoints of registered instances from before keep them: who is there is not known before each had the time for a heartbeat. */
  holdEndpoints(forMs: number): void {
    this.#cancelHold = this.#options.after(forMs, () => {
      this.#cancelHold = null;
      if (this.#model === null) return;
      this.#cancelDebounce?.();
      this.#publish();
    });
  }

  close(): void {
    this.#cancelDebounce?.();
    this.#cancelHold?.();
  }

  #publish(): void {
    this.#cancelDebounce = null;
    const before = this.#byKey;
    this.#byKey = new Map();
    this.#kindsOf = new Map();
    this.#uncertain = null;
    for (const proxy of this.#proxies) {
      this.#give(proxy, before);
      if (!proxy.session.settled) this.convergence.waitFor(proxy);
    }
    this.convergence.published();
  }

  answered(proxy: ConnectedProxy): void {
    if (this.convergence.isWaitingFor(proxy) && proxy.session.settled) this.convergence.settled(proxy);
  }

  #countKind(proxy: ProxyNode, change: 1 | -1): void {
    const identity = kindsOwner(proxy);
    const count = (this.#kindsOf.get(identity) ?? 0) + change;
    if (count <= 0) this.#kindsOf.delete(identity);
    else this.#kindsOf.set(identity, count);
  }

  #uncertainNow(): ReadonlySet<string> {
    if (this.#cancelHold === null) return noNames;
    this.#uncertain ??= uncertainEndpoints(this.#model!);
    return this.#uncertain;
  }

  /** Without an old one that is consistent, a proxy is given none: it goes on with what it has. */
  #give(proxy: ConnectedProxy, before?: ReadonlyMap<string, Shared>): void {
    const key = keyOf(this.#model!, proxy.proxy);
    let shared = this.#byKey.get(key);
    if (shared === undefined) {
      shared = this.#share(proxy, before?.get(key));
      this.#byKey.set(key, shared);
      this.#countKind(proxy.proxy, 1);
    }
    shared.proxies.add(proxy);
    this.#keyOf.set(proxy, key);
    if (shared.snapshot === null) return;
    proxy.snapshot = shared.snapshot;
    this.pushes++;
    proxy.session.setSnapshot(shared.snapshot);
  }

  #share({ proxy }: ConnectedProxy, old: Shared | undefined): Shared {
    const resources = this.#options.translate(this.#model!, proxy);
    const faults = checkResources(resources);
    const proxies = new Set<ConnectedProxy>();
    if (old === undefined && takesPlaintext(this.#model!, proxy))
      this.#options.log.warn(
        `proxy ${proxy.id} (${proxy.cluster}) has no identity, and no PeerAuthentication says what holds: its application takes plaintext from anybody. Give it an identity, or say STRICT (then nobody reaches it), PERMISSIVE or DISABLE`,
      );
    const unsent = unsentPolicies(this.#model!, proxy).join('; ');
    if (unsent !== '' && unsent !== old?.unsent)
      this.#options.log.warn(
        `proxies like ${proxy.id} (${proxy.cluster}) are ${proxy.kind === 'grpc' ? 'proxyless gRPC clients' : "Envoy's"}, and go without what only sidecars of Outrigger know: ${unsent}`,
      );
    if (faults.length === 0)
      return { snapshot: new TranslatedSnapshot(resources, this.#uncertainNow()), faults, unsent, proxies };
    const snapshot = old?.snapshot ?? null;
    if (old?.faults.join() !== faults.join())
      this.#options.log.error(
        `the configuration for proxies like ${proxy.id} is not consistent, which is a fault of the control plane; please report it. ${snapshot === null ? 'They are sent nothing' : 'They are sent the configuration before'}: ${faults.join('; ')}`,
      );
    return { snapshot, faults, unsent, proxies };
  }
}
