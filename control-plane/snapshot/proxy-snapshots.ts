/**
 * Keeps every connected proxy's snapshot up to date: translates the model once per kind of proxy, checks the result, and hands it to the sessions. Changes that come close
 * together are told once.
 */
import type { Logger } from 'pino';
import type { Model } from '../model/model.ts';
import { checkResources } from '../translate/check-resources.ts';
import { proxyKey } from '../translate/proxy-node.ts';
import { type ProxyResources, translate } from '../translate/translate.ts';
import type { ConnectedProxy, ProxyRegistry } from '../xds-server/connected-proxy.ts';
import { type ResourceMap, type ServedSnapshot, typeOrder } from '../xds-server/served-resource.ts';
import { uncertainEndpoints } from './uncertain-endpoints.ts';

/** Long enough to gather a burst, short enough that nobody waits. */
const debounceMs = 20;

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

export interface ProxySnapshotsOptions {
  readonly log: Logger;
  readonly after: (delayMs: number, callback: () => void) => () => void;
}

export class ProxySnapshots implements ProxyRegistry {
  readonly #options: ProxySnapshotsOptions;
  readonly #proxies = new Set<ConnectedProxy>();
  /** Snapshots by proxyKey, of the current model. */
  #byKey = new Map<string, ServedSnapshot>();
  /** Of the current model, while they are held. */
  #uncertain: ReadonlySet<string> | null = null;
  /** Null until sources and store were read once: an empty model must never be served (a restart would take everything away). */
  #model: Model | null = null;
  #cancelDebounce: (() => void) | null = null;
  #cancelHold: (() => void) | null = null;
  /** Snapshots that were pushed to proxies, for metrics. */
  pushes = 0;

  constructor(options: ProxySnapshotsOptions) {
    this.#options = options;
  }

  get proxies(): Iterable<ConnectedProxy> {
    return this.#proxies;
  }

  get proxyCount(): number {
    return this.#proxies.size;
  }

  add(proxy: ConnectedProxy): void {
    this.#proxies.add(proxy);
    if (this.#model !== null) this.#give(proxy);
  }

  remove(proxy: ConnectedProxy): void {
    this.#proxies.delete(proxy);
  }

  /** A new model; proxies hear of it after a moment, together with what else changes by then. */
  setModel(model: Model): void {
    if (model === this.#model) return;
    const first = this.#model === null;
    this.#model = model;
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
    this.#uncertain = null;
    for (const proxy of this.#proxies) this.#give(proxy, before);
  }

  #uncertainNow(): ReadonlySet<string> {
    if (this.#cancelHold === null) return noNames;
    this.#uncertain ??= uncertainEndpoints(this.#model!);
    return this.#uncertain;
  }

  #give(proxy: ConnectedProxy, before?: ReadonlyMap<string, ServedSnapshot>): void {
    const key = proxyKey(proxy.proxy);
    let snapshot = this.#byKey.get(key);
    if (snapshot === undefined) {
      const resources = translate(this.#model!, proxy.proxy);
      const faults = checkResources(resources);
      const old = before?.get(key);
      if (faults.length > 0)
        this.#options.log.error(
          `the configuration for proxies like ${proxy.proxy.id} is not consistent, which is a fault of the control plane; please report it: ${faults.join('; ')}`,
        );
      snapshot = faults.length > 0 && old !== undefined ? old : new TranslatedSnapshot(resources, this.#uncertainNow());
      this.#byKey.set(key, snapshot);
    }
    proxy.snapshot = snapshot;
    this.pushes++;
    proxy.session.setSnapshot(snapshot);
  }
}
