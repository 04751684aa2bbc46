/** The model as plain rows, for the admin API and `outrigger get`. */
import type { AttachedRoute, Backend, Endpoint, Model } from './model.ts';

export interface ServiceRow {
  readonly namespace: string;
  readonly name: string;
  /** `80/grpc` */
  readonly ports: readonly string[];
  /** Under which callers whose traffic is redirected reach it, by DNS and TCP. */
  readonly addresses: readonly string[];
  /** `clusterIP`, or `assigned`: of the mesh's own block, and the same as long as nobody older wishes for it. */
  readonly addressSource: 'clusterIP' | 'assigned';
  /** How many addresses, over all ports. */
  readonly endpoints: number;
  readonly healthyEndpoints: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface EndpointRow {
  readonly namespace: string;
  /** `namespace/name` */
  readonly service: string;
  readonly port: number;
  /** `10.0.3.7:8080`, `[fd00::7]:8080` */
  readonly address: string;
  readonly instanceId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly zone: string;
  readonly weight: number;
  readonly healthy: boolean;
  readonly source: 'file' | 'registry' | 'kubernetes';
}

export interface RouteRow {
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
  /** `namespace/name:port` of the parent. */
  readonly service: string;
  /** As in route names: `shop/payments#rule-0`. */
  readonly rule: string;
  /** For whom it holds: '' everybody, else callers from this namespace. */
  readonly callers: string;
  readonly matches: readonly string[];
  /** `payments-v1.shop:80 90` */
  readonly backends: readonly string[];
}

export function listServices(model: Model): ServiceRow[] {
  return [...model.services].map(([key, { namespace, name, labels, ports }]) => {
    const known = model.addresses.get(key);
    const addresses = new Map<string, boolean>();
    for (const { endpoints } of ports)
      for (const endpoint of endpoints.endpoints) addresses.set(addressText(endpoint), endpoint.healthy);
    return {
      namespace,
      name,
      ports: ports.map(({ definition }) => `${definition.port}/${definition.protocol}`),
      addresses: known?.addresses ?? [],
      addressSource: known?.assigned === false ? 'clusterIP' : 'assigned',
      endpoints: addresses.size,
      healthyEndpoints: [...addresses.values()].filter(Boolean).length,
      labels,
    };
  });
}

export function listEndpoints(model: Model): EndpointRow[] {
  const rows: EndpointRow[] = [];
  for (const [service, { namespace, ports }] of model.services) {
    for (const { definition, endpoints } of ports) {
      for (const endpoint of endpoints.endpoints) {
        const { instanceId, labels, zone, weight, source } = endpoint;
        rows.push({
          namespace,
          service,
          port: definition.port,
          address: addressText(endpoint),
          instanceId,
          labels,
          zone,
          weight,
          healthy: endpoint.healthy && endpoint.draining !== true,
          source: source ?? (instanceId === '' ? 'file' : 'registry'),
        });
      }
    }
  }
  return rows;
}

export function listRoutes(model: Model): RouteRow[] {
  const rows: RouteRow[] = [];
  for (const { definition, producer, consumers } of model.routings) {
    const service = `${definition.namespace}/${definition.service}:${definition.port}`;
    for (const route of producer) rows.push(...routeRows(route, service, ''));
    for (const [namespace, routes] of consumers)
      for (const route of routes) rows.push(...routeRows(route, service, namespace));
  }
  return rows;
}

function routeRows(route: AttachedRoute, service: string, callers: string): RouteRow[] {
  const { namespace, kind, name } = route;
  return route.rules.map((rule, at) => ({
    namespace,
    kind,
    name,
    service,
    rule: `${namespace}/${name}#rule-${at}`,
    callers,
    matches: matchTexts(route, at),
    backends:
      'redirect' in rule && rule.redirect !== null
        ? [`redirect ${rule.redirect.status}`]
        : rule.backends.map(backendText),
  }));
}

const conditions = (matches: ReadonlyArray<{ name: string; value: string }>): string =>
  matches.map(({ name, value }) => ` ${name}=${value}`).join('');

function matchTexts(route: AttachedRoute, at: number): string[] {
  if (route.kind === 'HTTPRoute') {
    return route.rules[at]!.matches.map(
      ({ path, method, headers, queryParams }) =>
        `${method === '' ? '' : `${method} `}${pathText(path)}${conditions(headers)}${conditions(queryParams)}`,
    );
  }
  return route.rules[at]!.matches.map(
    ({ service, method, headers }) =>
      `${service === '' ? '*' : service}/${method === '' ? '*' : method}${conditions(headers)}`,
  );
}

function pathText({ type, value }: { readonly type: string; readonly value: string }): string {
  if (type === 'PathPrefix') return value.endsWith('/') ? `${value}*` : `${value}/*`;
  return type === 'Exact' ? value : `~${value}`;
}

function backendText({ namespace, service, port, weight, problem }: Backend): string {
  return `${service}.${namespace}:${port} ${weight}${problem === '' ? '' : ` (${problem})`}`;
}

function addressText({ address, port }: Pick<Endpoint, 'address' | 'port'>): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
