/**
 * The configuration in force: hands a new one to listeners and clusters in the right order, and keeps the compiled route tables, so that an unchanged table is
 * compiled once. One reference swap publishes it; requests that run keep what they took.
 */
import type { BreakerRegistry } from './circuit-breaker/breaker-registry.ts';
import type { ClusterManager } from './cluster/cluster-manager.ts';
import type { Configuration, ConfigurationSink } from './config/configuration.ts';
import type { RouteTableConfig } from './config/route-config.ts';
import { configurationSecrets } from './config/secret-references.ts';
import type { SecretReference } from './config/tls-config.ts';
import type { RouteTableLookup } from './connection-manager/http-context.ts';
import type { SharedGates } from './filters/shared-gates.ts';
import type { ListenerManager } from './listener/listener-manager.ts';
import { RouteTable } from './router/route-table.ts';

export class PublishedConfiguration implements ConfigurationSink, RouteTableLookup {
  readonly #clusters: ClusterManager;
  readonly #breakers: BreakerRegistry;
  readonly #sharedGates: SharedGates;
  readonly #onApplied: (binding: ReturnType<ListenerManager['apply']>) => void;
  readonly #fileSecrets: { watch(references: Iterable<SecretReference>): void };
  #listeners: ListenerManager | null = null;
  #tables = new Map<string, RouteTable>();
  #current: Configuration = empty;

  constructor(
    clusters: ClusterManager,
    [breakers, sharedGates]: readonly [BreakerRegistry, SharedGates],
    fileSecrets: { watch(references: Iterable<SecretReference>): void },
    onApplied: (binding: ReturnType<ListenerManager['apply']>) => void,
  ) {
    this.#clusters = clusters;
    this.#breakers = breakers;
    this.#sharedGates = sharedGates;
    this.#fileSecrets = fileSecrets;
    this.#onApplied = onApplied;
  }

  /** Listeners need the route tables, and these are published here: the knot is tied once, before the first configuration. */
  connectListeners(listeners: ListenerManager): void {
    this.#listeners = listeners;
  }

  get current(): Configuration {
    return this.#current;
  }

  routeTable(name: string): RouteTable | undefined {
    return this.#tables.get(name);
  }

  /** Secrets in files first, then clusters, then routes that may point at them, then listeners: make before break. */
  apply(configuration: Configuration): void {
    this.#current = configuration;
    this.#fileSecrets.watch(configurationSecrets(configuration));
    this.#clusters.apply(configuration);
    const tables = new Map<string, RouteTable>();
    for (const [name, { value }] of configuration.routeTables) tables.set(name, this.#compile(name, value));
    this.#tables = tables;
    this.#onApplied(this.#listeners!.apply(configuration));
    this.#breakers.retain(configuration);
    this.#sharedGates.retain(configuration);
  }

  /** Listeners that could not be bound are tried again; all else is as it is. */
  bindAgain(): void {
    this.#onApplied(this.#listeners!.apply(this.#current));
  }

  #compile(name: string, config: RouteTableConfig): RouteTable {
    const known = this.#tables.get(name);
    return known?.config === config ? known : new RouteTable(config, this.#breakers);
  }
}

const empty: Configuration = Object.freeze({
  listeners: new Map(),
  clusters: new Map(),
  routeTables: new Map(),
  assignments: new Map(),
});
