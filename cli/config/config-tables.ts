/** A proxy's configuration as tables for people: listeners, routes, clusters, endpoints, secrets, and what was refused. */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { type Column, dataText } from '../print-data.ts';
import { type ConfigResource, isObject, listOf, type ResourceKind, textOf } from './config-resource.ts';

type Cells = Readonly<Record<string, string>>;

function columns(...headings: readonly string[]): ReadonlyArray<Column<Cells>> {
  return headings.map((heading) => ({ heading, cell: (row) => row[heading] ?? '' }));
}

/** A paragraph for each kind that there is something of. */
export function configTables(resources: readonly ConfigResource[]): string {
  const of = (kind: ResourceKind): ConfigResource[] => resources.filter((resource) => resource.kind === kind);
  const tables = [
    table(of('listeners').map(listenerRow), 'listener', 'address', 'takes', 'from', 'state'),
    table(
      [...of('routes'), ...inlineRoutes(of('listeners'), of('routes'))].flatMap(routeRows),
      ...['routes', 'domains', 'match', 'to', 'state'],
    ),
    table(of('clusters').map(clusterRow), 'cluster', 'type', 'balances', 'tls', 'from', 'state'),
    table(
      [...of('endpoints'), ...of('clusters').flatMap(inlineEndpoints)].flatMap(endpointRows),
      ...['endpoints of', 'address', 'zone', 'priority', 'weight', 'health'],
    ),
    table(
      of('secrets').map((secret) => ({ ...common(secret), secret: secret.name, is: secretIs(secret) })),
      'secret',
      'is',
      'state',
    ),
  ];
  return tables.filter((text) => text !== '').join('\n');
}

function table(rows: readonly Cells[], ...headings: readonly string[]): string {
  return rows.length === 0 ? '' : dataText(rows, columns(...headings), 'table');
}

function common({ origin, version, state, fault }: ConfigResource): Cells {
  return {
    from: origin === 'static' ? 'bootstrap' : version === '' ? 'control plane' : `version ${version}`,
    state: fault === '' ? state : `${state}, the newest refused`,
  };
}

function socketAddress(address: JsonValue | undefined): string {
  const socket = isObject(address) ? address['socket_address'] : undefined;
  if (isObject(socket)) {
    const host = textOf(socket['address']);
    return `${host.includes(':') ? `[${host}]` : host}:${String((socket['port_value'] ?? 0) as number)}`;
  }
  const pipe = isObject(address) ? address['pipe'] : undefined;
  return isObject(pipe) ? textOf(pipe['path']) : '';
}

function listenerRow(listener: ConfigResource): Cells {
  const { name, resource } = listener;
  const takes = [...new Set(filterChains(resource).flatMap((chain) => listOf(chain['filters']).map(filterText)))];
  return {
    ...common(listener),
    listener: name,
    address:
      socketAddress(resource?.['address']) || (resource?.['api_listener'] === undefined ? '' : 'gRPC without a proxy'),
    takes: counted(takes, 3),
  };
}

function filterChains(listener: JsonObject | null): JsonObject[] {
  const byDefault = listener?.['default_filter_chain'];
  return [...listOf(listener?.['filter_chains']), ...(isObject(byDefault) ? [byDefault] : [])];
}

/** What a network filter does with connections, where it is what they end in; else its name. */
function filterText(filter: JsonObject): string {
  const config = isObject(filter['typed_config']) ? filter['typed_config'] : {};
  const type = textOf(config['@type']).split('.').at(-1);
  if (type === 'HttpConnectionManager') {
    const rds = config['rds'];
    const inline = config['route_config'];
    if (isObject(rds)) return `HTTP by routes ${textOf(rds['route_config_name'])}`;
    return `HTTP by routes of its own${isObject(inline) && inline['name'] !== undefined ? ` (${textOf(inline['name'])})` : ''}`;
  }
  if (type === 'TcpProxy') return `TCP to ${textOf(config['cluster']) || 'weighted clusters'}`;
  return textOf(filter['name']).replace(/^envoy\.filters\.network\./, '');
}

/** Routes that stand in a listener itself, and in no section of their own. */
function inlineRoutes(listeners: readonly ConfigResource[], known: readonly ConfigResource[]): ConfigResource[] {
  return listeners.flatMap((listener) =>
    filterChains(listener.resource)
      .flatMap((chain) => listOf(chain['filters']))
      .flatMap(({ typed_config: config }) => {
        const inline = isObject(config) ? config['route_config'] : undefined;
        if (!isObject(inline) || known.some(({ name }) => name === textOf(inline['name']) && name !== '')) return [];
        const name = textOf(inline['name']) || `(of ${listener.name})`;
        return [{ ...listener, kind: 'routes' as const, name, resource: inline }];
      }),
  );
}

function routeRows(table: ConfigResource): Cells[] {
  return listOf(table.resource?.['virtual_hosts']).flatMap((host) => {
    const domains = Array.isArray(host['domains']) ? host['domains'].map((domain) => textOf(domain)) : [];
    return listOf(host['routes']).map((route) => ({
      ...common(table),
      routes: table.name,
      domains: counted(domains, 1),
      match: matchText(isObject(route['match']) ? route['match'] : {}),
      to: targetText(route),
    }));
  });
}

function matchText(match: JsonObject): string {
  const regex = match['safe_regex'];
  const path =
    match['path'] !== undefined
      ? `= ${textOf(match['path'])}`
      : match['path_separated_prefix'] !== undefined
        ? `${textOf(match['path_separated_prefix'])}/*`
        : isObject(regex)
          ? `~ ${textOf(regex['regex'])}`
          : match['connect_matcher'] !== undefined
            ? 'CONNECT'
            : `${textOf(match['prefix'])}*`;
  const more = listOf(match['headers']).length + listOf(match['query_parameters']).length;
  return more === 0 ? path : `${path} and ${more} more`;
}

function targetText({ route, redirect, direct_response: direct }: JsonObject): string {
  if (isObject(redirect)) return 'redirect';
  if (isObject(direct)) return `answers ${String((direct['status'] ?? 200) as number)}`;
  if (!isObject(route)) return '';
  const weighted = route['weighted_clusters'];
  if (isObject(weighted))
    return listOf(weighted['clusters'])
      .map(({ name, weight }) => `${textOf(name)} ${String((weight ?? 0) as number)}`)
      .join(', ');
  if (route['cluster_header'] !== undefined) return `cluster of header ${textOf(route['cluster_header'])}`;
  return textOf(route['cluster']);
}

function clusterRow(cluster: ConfigResource): Cells {
  const { resource } = cluster;
  const custom = resource?.['cluster_type'];
  return {
    ...common(cluster),
    cluster: cluster.name,
    type: isObject(custom) ? textOf(custom['name']) : resource === null ? '' : textOf(resource['type']) || 'STATIC',
    balances: balancesText(resource),
    tls:
      resource?.['transport_socket'] !== undefined || resource?.['transport_socket_matches'] !== undefined ? 'yes' : '',
  };
}

function balancesText(cluster: JsonObject | null): string {
  if (cluster === null) return '';
  const policy = cluster['load_balancing_policy'];
  const first = isObject(policy) ? listOf(policy['policies'])[0] : undefined;
  const extension = isObject(first?.['typed_extension_config']) ? textOf(first['typed_extension_config']['name']) : '';
  return extension.split('.').at(-1)?.toUpperCase() || textOf(cluster['lb_policy']) || 'ROUND_ROBIN';
}

function inlineEndpoints(cluster: ConfigResource): ConfigResource[] {
  const inline = cluster.resource?.['load_assignment'];
  return isObject(inline) ? [{ ...cluster, kind: 'endpoints', resource: inline }] : [];
}

function endpointRows({ name, resource }: ConfigResource): Cells[] {
  return listOf(resource?.['endpoints']).flatMap((group) => {
    const { locality } = group;
    return listOf(group['lb_endpoints']).map((one) => ({
      'endpoints of': name,
      address: isObject(one['endpoint']) ? socketAddress(one['endpoint']['address']) : '',
      zone: isObject(locality) ? textOf(locality['zone']) : '',
      priority: String((group['priority'] ?? 0) as number),
      weight: String((one['load_balancing_weight'] ?? 1) as number),
      health: textOf(one['health_status']) || 'UNKNOWN',
    }));
  });
}

function secretIs({ resource }: ConfigResource): string {
  if (resource?.['tls_certificate'] !== undefined) return 'certificate';
  return resource?.['validation_context'] === undefined ? '' : 'trusted CAs';
}

function counted(texts: readonly string[], most: number): string {
  const more = texts.length - most;
  return texts.slice(0, most).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
