/** What parts of a configuration refer to, and whether two are the same. Pure. */
import type { ClusterConfig } from '../../config/cluster-config.ts';
import type { Configuration, Configured } from '../../config/configuration.ts';
import type { FilterChainConfig, ListenerConfig } from '../../config/listener-config.ts';
import type { RouteTableConfig } from '../../config/route-config.ts';
import { listenerSecrets } from '../../config/secret-references.ts';
import type { SecretReference } from '../../config/tls-config.ts';

function chainsOf({ filterChains, defaultFilterChain }: ListenerConfig): readonly FilterChainConfig[] {
  return defaultFilterChain === null ? filterChains : [...filterChains, defaultFilterChain];
}

/** Route tables that a listener takes by RDS. */
export function routeNames(listener: ListenerConfig): string[] {
  return chainsOf(listener).flatMap(({ httpConnectionManager }) =>
    httpConnectionManager?.routes.kind === 'rds' ? [httpConnectionManager.routes.name] : [],
  );
}

/** Whether a listener of the bootstrap cannot serve everything without what ADS brings: its secrets, its routes, or clusters, or their endpoints. */
export function needsAds(
  listener: ListenerConfig,
  staticClusters: ReadonlyMap<string, Configured<ClusterConfig>>,
): boolean {
  if (adsSecretNames(listenerSecrets(listener)).length > 0) return true;
  const byAds = (name: string): boolean => (staticClusters.get(name)?.value.discovery.kind ?? 'eds') === 'eds';
  return chainsOf(listener).some(({ httpConnectionManager, tcpProxy = null }) => {
    if (httpConnectionManager === null) return tcpProxy?.clusters.some(({ name }) => byAds(name)) === true;
    const { routes, gates } = httpConnectionManager;
    if (routes.kind === 'rds') return true;
    const authorizers = gates.flatMap((gate) => (gate.kind === 'ext-authz' ? [gate.service.cluster] : []));
    return [...clusterNames(routes.table), ...authorizers].some(byAds);
  });
}

/** Clusters that the routes of a table lead to, also those that are asked only when the first one failed. */
export function clusterNames(table: RouteTableConfig): string[] {
  return table.virtualHosts.flatMap((host) =>
    host.routes.flatMap(({ action }) =>
      action.kind === 'forward'
        ? [
            ...action.clusters.map((cluster) => cluster.name),
            ...(action.fallback === null || action.fallback.service === null ? [] : [action.fallback.service.cluster]),
          ]
        : [],
    ),
  );
}

/** Names of the secrets among these that come by ADS. */
export function adsSecretNames(references: readonly SecretReference[]): string[] {
  return references.flatMap(({ name, source }) => (source.kind === 'ads' ? [name] : []));
}

export function sameNames(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  if (a.size !== b.size) return false;
  for (const name of a) if (!b.has(name)) return false;
  return true;
}

/** The same parts, as objects. */
export function sameConfiguration(a: Configuration, b: Configuration): boolean {
  const same = (x: ReadonlyMap<string, unknown>, y: ReadonlyMap<string, unknown>): boolean => {
    if (x.size !== y.size) return false;
    for (const [name, value] of x) if (y.get(name) !== value) return false;
    return true;
  };
  return (
    same(a.listeners, b.listeners) &&
    same(a.clusters, b.clusters) &&
    same(a.routeTables, b.routeTables) &&
    same(a.assignments, b.assignments)
  );
}
