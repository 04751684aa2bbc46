/**
 * What follows from the resources that have come: which others are needed (names), and what of it all can be put to work (warm). Publishes whole configurations; knows no stream, no time, and answers nothing to anybody:
 * that is ads-client.ts.
 */
import type { ClusterConfig, LoadAssignmentConfig } from '../../config/cluster-config.ts';
import type { Configuration, Configured } from '../../config/configuration.ts';
import type { ListenerConfig } from '../../config/listener-config.ts';
import type { RouteTableConfig } from '../../config/route-config.ts';
import { clusterSecrets, listenerSecrets } from '../../config/secret-references.ts';
import type { AdsClientInit } from './ads-client.ts';
import { clusterNames, needsAds, routeNames, sameConfiguration, sameNames } from './configuration-references.ts';
import { SecretDelivery } from './secret-delivery.ts';
import type { TypeState } from './type-state.ts';

type WarmingInit = Pick<
  AdsClientInit,
  'staticListeners' | 'staticClusters' | 'listenersByAds' | 'clustersByAds' | 'sink' | 'secrets' | 'secretServices'
>;

export interface TypeStates {
  readonly clusters: TypeState;
  readonly endpoints: TypeState;
  readonly listeners: TypeState;
  readonly routes: TypeState;
  readonly secrets: TypeState;
}

export class Warming {
  readonly #init: WarmingInit;
  readonly #clusters: TypeState;
  readonly #endpoints: TypeState;
  readonly #listeners: TypeState;
  readonly #routes: TypeState;
  readonly #secrets: TypeState;
  readonly #secretDelivery: SecretDelivery;
  #published: Configuration | null = null;
  #listenersHeld = true;

  constructor(init: WarmingInit, { clusters, endpoints, listeners, routes, secrets }: TypeStates) {
    this.#init = init;
    this.#clusters = clusters;
    this.#endpoints = endpoints;
    this.#listeners = listeners;
    this.#routes = routes;
    this.#secrets = secrets;
    this.#secretDelivery = new SecretDelivery(secrets, init.secrets ?? null, init.secretServices ?? null);
  }

  /** Listeners wait for the first whole configuration (Envoy's init manager), for `initial_fetch_timeout` at most. */
  get listenersHeld(): boolean {
    return this.#listenersHeld;
  }

  /** They have waited long enough. Says whether they did until now. */
  openListeners(): boolean {
    const held = this.#listenersHeld;
    this.#listenersHeld = false;
    return held;
  }

  /** EDS names come from clusters, RDS names from listeners, SDS names from both: of both origins. Says whether anything changed. */
  deriveNames(nowMs: number): boolean {
    const services = new Set<string>();
    for (const clusters of [
      this.#init.staticClusters,
      this.#clusters.resources as Map<string, Configured<ClusterConfig>>,
    ]) {
      for (const { value } of clusters.values())
        if (value.discovery.kind === 'eds') services.add(value.discovery.serviceName);
    }
    const tables = new Set<string>();
    for (const listeners of [
      this.#init.staticListeners,
      this.#listeners.resources as Map<string, Configured<ListenerConfig>>,
    ]) {
      for (const { value } of listeners.values()) for (const name of routeNames(value)) tables.add(name);
    }
    // What the configuration in force still uses is kept until its successor is warm.
    if (this.#published !== null) {
      for (const { value } of this.#published.clusters.values())
        if (value.discovery.kind === 'eds' && this.#clusters.resources.has(value.name))
          services.add(value.discovery.serviceName);
      for (const { value } of this.#published.listeners.values())
        if (this.#listeners.resources.has(value.name)) for (const name of routeNames(value)) tables.add(name);
    }
    const secrets = this.#secretDelivery.wanted(
      [
        this.#init.staticClusters,
        this.#clusters.resources as Map<string, Configured<ClusterConfig>>,
        this.#published?.clusters ?? [],
      ],
      [
        this.#init.staticListeners,
        this.#listeners.resources as Map<string, Configured<ListenerConfig>>,
        this.#published?.listeners ?? [],
      ],
    );
    const changed =
      !sameNames(services, this.#endpoints.wanted) ||
      !sameNames(tables, this.#routes.wanted) ||
      !sameNames(secrets, this.#secrets.wanted);
    this.#endpoints.want(services, nowMs);
    this.#routes.want(tables, nowMs);
    this.#secrets.want(secrets, nowMs);
    this.#secretDelivery.handOn();
    return changed;
  }

  /**
   * Publishes what is warm: a new cluster once its endpoints are known, a new listener once its routes are; until then the one before, or none. At the start, listeners open only once
   * everything is warm (Envoy's init manager): nobody is answered by a listener that does not know its clusters yet.
   * Routes, clusters and endpoints go in one snapshot, so that no request sees half of an update. Says whether everything is warm.
   */
  publish(): boolean {
    const clusters = new Map(this.#init.staticClusters);
    let warm = true;
    for (const [name, resource] of this.#clusters.resources as Map<string, Configured<ClusterConfig>>) {
      if (clusters.has(name)) continue;
      const { discovery } = resource.value;
      const endpointsKnown = discovery.kind !== 'eds' || this.#endpoints.settled(discovery.serviceName);
      if (endpointsKnown && this.#secretDelivery.settled(clusterSecrets(resource.value))) clusters.set(name, resource);
      else {
        warm = false;
        const before = this.#published?.clusters.get(name);
        if (before !== undefined) clusters.set(name, before);
      }
    }
    for (const { value } of this.#init.staticClusters.values()) {
      if (value.discovery.kind === 'eds' && !this.#endpoints.settled(value.discovery.serviceName)) warm = false;
      if (!this.#secretDelivery.settled(clusterSecrets(value))) warm = false;
    }
    const listeners = new Map(this.#init.staticListeners);
    const waiting = new Set<string>();
    for (const [name, { value }] of this.#init.staticListeners) {
      if (!this.#settled(value)) warm = false;
      if (this.#listenersHeld && needsAds(value, this.#init.staticClusters)) waiting.add(name);
    }
    for (const [name, resource] of this.#listeners.resources as Map<string, Configured<ListenerConfig>>) {
      if (listeners.has(name)) continue;
      waiting.add(name);
      if (this.#settled(resource.value)) listeners.set(name, resource);
      else {
        warm = false;
        const before = this.#published?.listeners.get(name);
        if (before !== undefined) listeners.set(name, before);
      }
    }
    if (this.#init.clustersByAds && !this.#clusters.answered) warm = false;
    if (this.#init.listenersByAds && !this.#listeners.answered) warm = false;
    if (warm) this.#listenersHeld = false;
    if (this.#listenersHeld) for (const name of waiting) listeners.delete(name);
    const next: Configuration = {
      listeners,
      clusters,
      routeTables: this.#warmRoutes(clusters),
      assignments: new Map(this.#endpoints.resources as Map<string, Configured<LoadAssignmentConfig>>),
    };
    if (this.#published === null || !sameConfiguration(this.#published, next)) {
      this.#published = next;
      this.#init.sink.apply(next);
    }
    return warm;
  }

  /** What a listener waits for before it opens, or takes the place of the one before (Envoy's warming): its routes and its secrets. */
  #settled(listener: ListenerConfig): boolean {
    return (
      routeNames(listener).every((table) => this.#routes.settled(table)) &&
      this.#secretDelivery.settled(listenerSecrets(listener))
    );
  }

  /** Routes are not warmed by themselves, but one must not point at a cluster that still waits for its endpoints: until then the table before goes on. */
  #warmRoutes(clusters: ReadonlyMap<string, unknown>): Map<string, Configured<RouteTableConfig>> {
    const tables = new Map<string, Configured<RouteTableConfig>>();
    for (const [name, table] of this.#routes.resources as Map<string, Configured<RouteTableConfig>>) {
      const before = this.#published?.routeTables.get(name);
      const waits =
        before !== undefined &&
        before !== table &&
        clusterNames(table.value).some((cluster) => this.#clusters.resources.has(cluster) && !clusters.has(cluster));
      tables.set(name, waits ? before : table);
    }
    return tables;
  }
}
