/** Everything of interception that is in this network namespace, ours and what stands in its way, by whichever backend. Reads only. */
import type { Family } from './address-range.ts';
import { isEmpty, markerOf } from './iptables-save.ts';
import { iptablesVariants, type ReadTables, readIptables } from './iptables-variant.ts';
import { faultText, hasTool, runTool } from './kernel-tool.ts';
import type { Marker } from './marker.ts';
import { type ListedTable, nftTable, parseNftablesTable } from './render-nftables.ts';
import { type RoutingState, readRouting } from './routing.ts';

export interface InterceptState {
  /** By variant and family. */
  readonly iptables: readonly ReadTables[];
  readonly nftables: ListedTable | null;
  /** All chains that packets enter, by table (`ip nat`); null: nft is not here, or does not work. */
  readonly nftChains: ReadonlyMap<string, readonly string[]> | null;
  /** Why nft cannot be used; '': it can. */
  readonly nftFault: string;
  readonly routing: RoutingState;
}

/** Of one backend. */
export interface Installation {
  /** `nftables`, or the variant's name. */
  readonly by: string;
  /** Null: it does not say what it is. */
  readonly marker: Marker | null;
}

export function readInterceptState(ipv6: boolean): InterceptState {
  const families: readonly Family[] = ipv6 ? ['IPv4', 'IPv6'] : ['IPv4'];
  const nft = hasTool('nft') ? runTool(['nft', '-n', 'list', 'chains']) : null;
  const chains = nft?.code === 0 ? parseNftChains(nft.stdout) : null;
  return {
    iptables: iptablesVariants().flatMap((variant) => families.map((family) => readIptables(variant, family))),
    nftables: chains?.has(nftTable)
      ? parseNftablesTable(runTool(['nft', '-n', 'list', 'table', ...nftTable.split(' ')]).stdout)
      : null,
    nftChains: chains,
    nftFault:
      nft === null
        ? 'nft is not here; install the package nftables, or use --backend iptables'
        : nft.code === 0
          ? ''
          : faultText(['nft'], nft.stderr),
    routing: readRouting(ipv6),
  };
}

/** Those that have rules, also if not all of them. */
export function installations(state: InterceptState): readonly Installation[] {
  const found: Installation[] = state.nftables === null ? [] : [{ by: 'nftables', marker: state.nftables.marker }];
  for (const variant of new Set(state.iptables.map((tables) => tables.variant.name))) {
    const own = state.iptables.filter((tables) => tables.variant.name === variant && !isEmpty(tables.ours));
    if (own.length > 0)
      found.push({
        by: variant,
        marker: own.map(({ ours }) => markerOf(ours)).find((marker) => marker !== null) ?? null,
      });
  }
  return found;
}

/** Rules of other meshes, in words. */
export function foreignInterception(state: InterceptState): readonly string[] {
  const names: ReadonlyArray<readonly [string, RegExp]> = [
    ['Istio', /^ISTIO_|istio/],
    ['Linkerd', /^PROXY_INIT_|linkerd/],
    ['Kuma', /^(?:KUMA_)?MESH_|kuma/],
    ['Consul', /^CONSUL_PROXY_|^CONSUL_DNS_/],
    ['Open Service Mesh', /^OSM_PROXY_/],
  ];
  const whose = (name: string): string | undefined => names.find(([, pattern]) => pattern.test(name))?.[0];
  const chains = state.iptables.flatMap(({ family, foreignChains }) =>
    Object.entries(foreignChains).flatMap(([table, own]) =>
      own.flatMap((chain) =>
        whose(chain) === undefined ? [] : [`${whose(chain)} (chain ${chain} of ${table}, ${family})`],
      ),
    ),
  );
  const tables = [...(state.nftChains?.keys() ?? [])].flatMap((table) =>
    whose(table) === undefined ? [] : [`${whose(table)} (table ${table} of nftables)`],
  );
  return [...chains, ...tables];
}

/** What `nft list chains` prints. Chains into which only others lead count too. */
export function parseNftChains(text: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  let chains: string[] | null = null;
  for (const line of text.split('\n')) {
    const table = /^table (\S+ \S+) \{/.exec(line)?.[1];
    if (table !== undefined) found.set(table, (chains = []));
    const chain = /^\s+chain (\S+) \{/.exec(line)?.[1];
    if (chain !== undefined) chains?.push(chain);
  }
  return found;
}
