/**
 * Routes of the bootstrap against its clusters (Envoy's validate_clusters, which is on for routes that stand in a listener): a name that no cluster has is a fault of the file, not an answer 503 to
 * everybody who comes by. Where clusters come by ADS too, nobody can say yet.
 */
import type { ListenerConfig } from '../config/listener-config.ts';
import type { RouteTableConfig } from '../config/route-config.ts';
import { at, type Faults } from './fault.ts';

/** `listeners` with the field path of each. */
export function checkStaticClusters(
  listeners: ReadonlyArray<readonly [ListenerConfig, string]>,
  clusters: { has(name: string): boolean },
  faults: Faults,
): void {
  for (const [{ filterChains, defaultFilterChain }, path] of listeners) {
    const chains = filterChains.map((chain, i) => [chain, at(at(path, 'filter_chains'), i)] as const);
    if (defaultFilterChain !== null) chains.push([defaultFilterChain, at(path, 'default_filter_chain')]);
    for (const [chain, here] of chains) {
      const routes = chain.httpConnectionManager?.routes;
      if (routes?.kind === 'inline' && routes.table.validateClusters)
        checkTable(routes.table, `${here}.filters[0].typed_config.route_config`, clusters, faults);
    }
  }
}

function checkTable(
  { virtualHosts }: RouteTableConfig,
  path: string,
  clusters: { has(name: string): boolean },
  faults: Faults,
): void {
  for (const [i, { routes }] of virtualHosts.entries()) {
    for (const [j, { action }] of routes.entries()) {
      if (action.kind !== 'forward') continue;
      const route = `${path}.virtual_hosts[${i}].routes[${j}]`;
      const check = (name: string, here: string): void => {
        if (name !== '' && !clusters.has(name))
          faults.add(
            here,
            `there is no cluster ${JSON.stringify(name)}; name one of static_resources.clusters, or set validate_clusters: false`,
          );
      };
      for (const { name } of action.clusters) check(name, `${route}.route`);
      const { service = null } = action.fallback ?? {};
      if (service !== null)
        check(service.cluster, `${route}.typed_per_filter_config["outrigger.fallback"].service.cluster`);
    }
  }
}
