/**
 * Drops request metrics of routes, destinations and policies that the configuration no longer has, so that churn does not grow memory and scrapes. Not at once: requests that began before go on, and a
 * scraper is to see their counts. A set goes when nothing was counted in it from one look to the next; if something is counted later all the same, it begins anew from 0,
 * which Prometheus takes for a restart.
 */
import type { Configuration, Configured } from '../config/configuration.ts';
import type { GateConfig, RouteGateConfig } from '../config/gate-config.ts';
import type { RouteTableConfig } from '../config/route-config.ts';
import { authorizationFamily, noPolicy } from '../filters/rbac/decision-counters.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { Counter, StatStore } from '../stats/stat-store.ts';
import { destinationLabel, requestMetricFamilies } from './request-metrics.ts';

/** From a change of the configuration to the look at it, and between looks: longer than scrapers pause (Prometheus: 60 s at most, as a rule). */
const lookMs = 120_000;

export interface StaleRequestMetricsInit {
  readonly stats: StatStore;
  readonly wheel: TimerWheel;
  /** The destination label of inbound requests. */
  readonly localService: string;
}

export class StaleRequestMetrics implements TimerTarget {
  readonly #init: StaleRequestMetricsInit;
  readonly #timer: WheelTimer;
  #configuration: Configuration | null = null;
  /** What was counted in sets without a route at the last look, by route and destination. */
  #stale: ReadonlyMap<string, number> = new Map();

  constructor(init: StaleRequestMetricsInit) {
    this.#init = init;
    this.#timer = new WheelTimer(this);
  }

  /** A configuration is in force. Endpoints change all the time and need no look. */
  apply(configuration: Configuration): void {
    const before = this.#configuration;
    this.#configuration = configuration;
    if (before === null || this.#timer.armed) return;
    if (
      sameValues(before.listeners, configuration.listeners) &&
      sameValues(before.routeTables, configuration.routeTables)
    )
      return;
    this.#init.wheel.arm(this.#timer, lookMs);
  }

  onTimer(): void {
    this.#look();
    if (this.#stale.size > 0) this.#init.wheel.arm(this.#timer, lookMs);
  }

  #look(): void {
    const { stats } = this.#init;
    const live = liveScopes(this.#configuration!, this.#init.localService);
    const counted = new Map<string, number>();
    for (const stat of stats.counters.values()) {
      const scope = scopeOf(stat);
      if (scope === '' || live.has(scope)) continue;
      counted.set(scope, (counted.get(scope) ?? 0) + stat.value);
    }
    const unused = new Set<string>();
    for (const [scope, sum] of counted) if (this.#stale.get(scope) === sum) unused.add(scope);
    if (unused.size > 0) stats.remove((stat) => unused.has(scopeOf(stat)));
    for (const scope of unused) counted.delete(scope);
    this.#stale = counted;
  }
}

/** Route and destination, or policy, of a request metric; '' for other statistics, and for requests that no route took, of which there is one set. */
function scopeOf({ family, labels }: Pick<Counter, 'family' | 'labels'>): string {
  if (family === authorizationFamily) return labels['policy'] === noPolicy ? '' : policyKey(labels['policy']!);
  if (family === null) return '';
  if (family.startsWith(tcpFamilyPrefix)) return tcpKey(labels['destination']!);
  if (!requestMetricFamilies.has(family)) return '';
  return labels['route'] === '' && labels['destination'] === 'unknown'
    ? ''
    : scopeKey(labels['route']!, labels['destination']!);
}

function scopeKey(route: string, destination: string): string {
  return `${route}\0${destination}`;
}

/** Of ../tcp-proxy/tcp-stats.ts. */
const tcpFamilyPrefix = 'outrigger_tcp_';

function tcpKey(destination: string): string {
  return `tcp\0\0${destination}`;
}

/** Two of these cannot be one of those. */
function policyKey(policy: string): string {
  return `policy\0\0${policy}`;
}

function addPolicies(gate: GateConfig | RouteGateConfig, live: Set<string>): void {
  if (gate.kind !== 'rbac') return;
  for (const rules of [gate.rules, gate.shadowRules])
    for (const { name } of rules?.policies ?? []) live.add(policyKey(name));
}

/** Every route, destination and policy that a request can have now: see HttpConnectionManager.metricsOf() and RbacGate. */
function liveScopes(configuration: Configuration, localService: string): ReadonlySet<string> {
  const live = new Set<string>([scopeKey('', localService), tcpKey(localService)]);
  const add = ({ virtualHosts }: RouteTableConfig): void => {
    for (const { routes } of virtualHosts) {
      for (const { name, action, gates } of routes) {
        for (const gate of gates?.values() ?? []) addPolicies(gate, live);
        live.add(scopeKey(name, 'unknown')).add(scopeKey(name, localService));
        if (action.kind !== 'forward') continue;
        for (const cluster of action.clusters) {
          const destination = destinationLabel(cluster.name);
          // Without a route: a connection manager may leave that label out.
          live.add(scopeKey(name, destination)).add(scopeKey('', destination));
        }
      }
    }
  };
  for (const { value } of configuration.routeTables.values()) add(value);
  for (const { value } of configuration.listeners.values()) {
    for (const chain of [...value.filterChains, value.defaultFilterChain]) {
      const manager = chain?.httpConnectionManager;
      for (const gate of manager?.gates ?? chain?.tcpProxy?.rbac ?? []) addPolicies(gate, live);
      if (manager?.routes.kind === 'inline') add(manager.routes.table);
      for (const cluster of chain?.tcpProxy?.clusters ?? []) live.add(tcpKey(destinationLabel(cluster.name)));
    }
  }
  return live;
}

function sameValues<T>(a: ReadonlyMap<string, Configured<T>>, b: ReadonlyMap<string, Configured<T>>): boolean {
  if (a.size !== b.size) return false;
  for (const [name, { value }] of a) if (b.get(name)?.value !== value) return false;
  return true;
}
