/**
 * All circuit breakers that run, by what they are for: a breaker outlives updates of its cluster or route that do not change it. Routes of the same name in virtual hosts of the same name share
 * theirs, whatever table they are in: they are one rule. What an operator holds is held again when it goes with its configuration and comes back.
 */
import type { CircuitBreakerConfig } from '../config/circuit-breaker-config.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { Configuration } from '../config/configuration.ts';
import type { RouteConfig, RouteTableConfig } from '../config/route-config.ts';
import { type BreakerScope, BreakerStats } from './breaker-stats.ts';
import type { BreakerStatus } from './breaker-status.ts';
import { type BreakerContext, RunningBreaker } from './running-breaker.ts';

type Hold = 'open' | 'closed';

/** So many are remembered that were held when they went: an operator holds a few, by hand. */
const maxHeldAway = 256;

export class BreakerRegistry {
  readonly #context: BreakerContext;
  readonly #byKey = new Map<string, RunningBreaker>();
  /** Held by an operator, and not configured for now; by scope, then name, the last ones last. */
  readonly #heldAway: Readonly<Record<BreakerScope, Map<string, Hold>>> = { cluster: new Map(), route: new Map() };

  constructor(context: BreakerContext) {
    this.#context = context;
  }

  /** Null: the cluster has none. The same one again as long as its configuration says the same. */
  forCluster({ name, circuitBreaker = null }: ClusterConfig): RunningBreaker | null {
    return circuitBreaker === null ? null : this.#get('cluster', name, circuitBreaker);
  }

  forRoute(virtualHost: string, { name, circuitBreaker = null }: RouteConfig): RunningBreaker | null {
    return circuitBreaker === null ? null : this.#get('route', routeName(virtualHost, name), circuitBreaker);
  }

  /** Those that the configuration does not name any more go. */
  retain(configuration: Configuration): void {
    if (this.#byKey.size === 0) return;
    const wanted = wantedKeys(configuration);
    const gone: RunningBreaker[] = [];
    for (const [key, breaker] of this.#byKey) {
      if (wanted.has(key)) continue;
      this.#byKey.delete(key);
      // Calls that are under way in it end yet, and may open it: that is nobody's state any more.
      breaker.detach();
      gone.push(breaker);
    }
    if (gone.length === 0) return;
    const left = new Map([...this.#byKey.values()].map((breaker) => [`${breaker.scope} ${breaker.name}`, breaker]));
    for (const breaker of gone) {
      const { scope, name } = breaker;
      const successor = left.get(`${scope} ${name}`);
      if (successor !== undefined) {
        successor.show();
        continue;
      }
      BreakerStats.remove(this.#context.stats, scope, name);
      if (breaker.machine.forced !== null) this.#holdAway(breaker, breaker.machine.forced);
    }
  }

  /** What `/circuit_breakers` shows. */
  dump(): BreakerStatus[] {
    return [...this.#byKey.values()].map((breaker) => breaker.status());
  }

  /** Brings gauges up to date that time alone changes. */
  refresh(): void {
    const nowMs = this.#context.clock.nowMs();
    for (const breaker of this.#byKey.values()) breaker.machine.refresh(nowMs);
  }

  /** By an operator: null releases it, also one that is not there for now. False: none is called so. */
  force(name: string, to: Hold | null): boolean {
    const breakers = this.#named(name);
    for (const breaker of breakers) breaker.force(to);
    let known = breakers.length > 0;
    for (const held of Object.values(this.#heldAway)) {
      if (!held.has(name)) continue;
      known = true;
      if (to === null) held.delete(name);
      else held.set(name, to);
    }
    return known;
  }

  #holdAway({ scope, name, title }: RunningBreaker, hold: Hold): void {
    const { log } = this.#context;
    const held = this.#heldAway[scope];
    held.delete(name);
    held.set(name, hold);
    log?.warn(
      `${title}: gone with its configuration while held ${hold} by an operator; it is held again when it comes back`,
    );
    if (held.size <= maxHeldAway) return;
    const [oldest] = held.keys();
    held.delete(oldest!);
    log?.warn(`circuit breaker of ${scope} ${oldest}: gone, and not held any more: too many are remembered`);
  }

  #named(name: string, scope: BreakerScope | null = null): RunningBreaker[] {
    return [...this.#byKey.values()].filter(
      (breaker) => breaker.name === name && (scope === null || breaker.scope === scope),
    );
  }

  #get(scope: BreakerScope, name: string, config: CircuitBreakerConfig): RunningBreaker {
    const key = keyOf(scope, name, config);
    let breaker = this.#byKey.get(key);
    if (breaker === undefined) {
      // What an operator decided stays when a threshold changes, and when the resource was away.
      const held = this.#heldAway[scope];
      const before = this.#named(name, scope).at(-1)?.machine.forced ?? held.get(name) ?? null;
      held.delete(name);
      breaker = new RunningBreaker(scope, name, config, this.#context);
      if (before !== null) breaker.force(before);
      this.#byKey.set(key, breaker);
    }
    return breaker;
  }
}

function routeName(virtualHost: string, route: string): string {
  return `${virtualHost}/${route}`;
}

function keyOf(scope: BreakerScope, name: string, config: CircuitBreakerConfig): string {
  return `${scope} ${name} ${JSON.stringify(config)}`;
}

function wantedKeys({ clusters, routeTables, listeners }: Configuration): Set<string> {
  const keys = new Set<string>();
  for (const { value } of clusters.values())
    if ((value.circuitBreaker ?? null) !== null) keys.add(keyOf('cluster', value.name, value.circuitBreaker!));
  for (const { value } of routeTables.values()) addRoutes(value, keys);
  for (const { value } of listeners.values()) {
    const { filterChains, defaultFilterChain } = value;
    for (const chain of defaultFilterChain === null ? filterChains : [...filterChains, defaultFilterChain]) {
      const routes = chain.httpConnectionManager?.routes;
      if (routes?.kind === 'inline') addRoutes(routes.table, keys);
    }
  }
  return keys;
}

function addRoutes({ virtualHosts }: RouteTableConfig, keys: Set<string>): void {
  for (const { name: virtualHost, routes } of virtualHosts)
    for (const { name, circuitBreaker = null } of routes)
      if (circuitBreaker !== null) keys.add(keyOf('route', routeName(virtualHost, name), circuitBreaker));
}
