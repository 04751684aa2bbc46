/** Route configurations: `outbound` with a virtual host per service port, `outbound|…` for an address of one port, `inbound|…`, and one per port for proxyless gRPC. */
import { create } from '@bufbuild/protobuf';
import {
  type RateLimit,
  type Route,
  RouteSchema,
  type VirtualHost,
  VirtualHostSchema,
} from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import { RouteConfigurationSchema } from '../../proto/generated/envoy/config/route/v3/route_pb.js';
import type { AppProtocol } from '../config-kind/resource.ts';
import type { AttachedRoute, PortDefinition, PortRouting } from '../model/model.ts';
import { durationOf } from './api-values.ts';
import { defaultResilience } from './default-resilience.ts';
import { type EncodedResource, encodeResource } from './encoded-resource.ts';
import { grpcRoutes } from './grpc-routes.ts';
import { type Addresses, addressesFor } from './intercepted-addresses.ts';
import { ownExtensionsOf } from './own-extensions.ts';
import type { Egress, IpFamily, UpstreamAddress } from './proxy-node.ts';
import { proxyRoutes } from './proxy-routes.ts';
import {
  egressRefusedRoute,
  grpcListenerName,
  inboundName,
  outboundName,
  passthroughCluster,
  unknownUpstreamRoute,
  upstreamName,
} from './resource-names.ts';
import type { RouteFields } from './route-traffic.ts';
import { serviceNames } from './service-names.ts';

/** Derived from one routing, for a caller's namespace where that matters; kept as long as the model's part lives. */
class Kept<T extends object> {
  readonly #byRouting = new WeakMap<PortRouting, Map<string, T>>();

  get(routing: PortRouting, key: string, make: () => T): T {
    let variants = this.#byRouting.get(routing);
    if (variants === undefined) {
      variants = new Map();
      this.#byRouting.set(routing, variants);
    }
    let value = variants.get(key);
    if (value === undefined) {
      value = make();
      variants.set(key, value);
    }
    return value;
  }
}

const virtualHosts = new Kept<VirtualHost>();
const grpcConfigurations = new Kept<EncodedResource>();
const upstreamConfigurations = new Kept<EncodedResource>();

/** Which of two callers' namespaces see the same: those without consumer routes, apart from the Service's own, which knows it by its short name. */
function view(routing: PortRouting, callerNamespace: string, shortNames: boolean, ours: boolean): string {
  const { definition, consumers } = routing;
  const client = ours && isExtended(routing) ? ' sidecar' : '';
  if (consumers.has(callerNamespace)) return `consumer ${callerNamespace}${client}`;
  return (shortNames && callerNamespace === definition.namespace ? 'own' : 'any') + client;
}

/** Only then a sidecar of ours is sent something else than Envoy. */
export function isExtended(routing: PortRouting): boolean {
  return ownExtensionsOf(routing).length > 0 || [routing.producer, ...routing.consumers.values()].some(hasBreakers);
}

function hasBreakers(routes: readonly AttachedRoute[]): boolean {
  return routes.some(({ rules }) => rules.some(({ traffic }) => traffic.circuitBreaker !== null));
}

function routesFor({ producer, consumers }: PortRouting, callerNamespace: string): readonly AttachedRoute[] {
  return consumers.get(callerNamespace) ?? producer;
}

/** The `outbound` table of a caller's namespace; `ours`: for sidecars of ours. Hosts that it does not name are answered 404 `NR`: nobody knows where the request was going. */
export function encodeOutboundRoutes(
  routings: readonly PortRouting[],
  callerNamespace: string,
  ours: boolean,
): EncodedResource {
  const hosts = routings
    .filter(({ definition }) => definition.protocol !== 'tcp')
    .map((routing) =>
      virtualHosts.get(routing, view(routing, callerNamespace, true, ours), () =>
        virtualHost(routing, callerNamespace, ours),
      ),
    );
  return encodeResource(
    RouteConfigurationSchema,
    outboundName,
    create(RouteConfigurationSchema, { name: outboundName, virtualHosts: hosts, validateClusters: false }),
  );
}

/** What a proxy that traffic is redirected to does with hosts. */
export interface InterceptedHosts {
  readonly addresses: Addresses;
  readonly ipFamilies: readonly IpFamily[];
  readonly egress: Egress;
}

/** The same table where requests come by redirection: services answer to their addresses too, and there is an answer to every other host. */
export function encodeInterceptedRoutes(
  routings: readonly PortRouting[],
  callerNamespace: string,
  ours: boolean,
  { addresses, ipFamilies, egress }: InterceptedHosts,
): EncodedResource {
  const hosts = routings
    .filter(({ definition }) => definition.protocol !== 'tcp')
    .map((routing) => {
      const { namespace, service, port, isDefault } = routing.definition;
      const known = addressesFor(addresses, `${namespace}/${service}`, ipFamilies);
      return virtualHosts.get(routing, `${view(routing, callerNamespace, true, ours)} ${known.join()}`, () => {
        const host = virtualHost(routing, callerNamespace, ours);
        const names = known.map((address) => (address.includes(':') ? `[${address}]` : address));
        host.domains.push(...withPort(names, port, isDefault));
        return host;
      });
    });
  return encodeResource(
    RouteConfigurationSchema,
    outboundName,
    create(RouteConfigurationSchema, {
      name: outboundName,
      virtualHosts: [...hosts, elsewhere[egress]],
      validateClusters: false,
    }),
  );
}

const anyPath = { pathSpecifier: { case: 'prefix' as const, value: '/' } };

/**
 * Hosts that no Service has. Allowed: on to where the connection was going, without a time limit of ours. Refused: 502 as of Istio's BlackHoleCluster, which dashboards and alerts of who comes from there look for; a 403 would be
 * taken for the answer of a service's own policy, and a 503 for one that is down. The text says which policy it was, in Envoy too, which tells no reason of a cluster without hosts.
 */
const elsewhere: Readonly<Record<Egress, VirtualHost>> = {
  allow: create(VirtualHostSchema, {
    name: 'elsewhere',
    domains: ['*'],
    routes: [
      {
        name: 'outrigger#egress-allowed',
        match: anyPath,
        action: {
          case: 'route',
          value: { timeout: durationOf(0), clusterSpecifier: { case: 'cluster', value: passthroughCluster } },
        },
      },
    ],
  }),
  'registry-only': create(VirtualHostSchema, {
    name: 'elsewhere',
    domains: ['*'],
    routes: [
      {
        name: egressRefusedRoute,
        match: anyPath,
        action: {
          case: 'directResponse',
          value: {
            status: 502,
            body: {
              specifier: {
                case: 'inlineString',
                value:
                  'egress registry-only: no Service of the mesh has this host. To reach it, write a Service for it, or let the workload call anybody: --egress allow of the control plane, and no outrigger.dev/egress at the workload',
              },
            },
          },
        },
      },
    ],
  }),
};

function virtualHost(routing: PortRouting, callerNamespace: string, ours: boolean): VirtualHost {
  const { definition } = routing;
  return create(VirtualHostSchema, {
    name: `${definition.service}.${definition.namespace}:${definition.port}`,
    domains: domains(definition, callerNamespace),
    routes: proxyRoutes(routing, routesFor(routing, callerNamespace), ours),
    includeRequestAttemptCount: defaultResilience.attemptCount.enabled,
  });
}

function domains({ namespace, service, port, isDefault }: PortDefinition, callerNamespace: string): string[] {
  return withPort(serviceNames(namespace, service, callerNamespace), port, isDefault);
}

function withPort(names: readonly string[], port: number, isDefault: boolean): string[] {
  return names.flatMap((name) => (isDefault ? [name, `${name}:${port}`] : [`${name}:${port}`]));
}

/** The table behind an address of one port: its routes, for any Host. The Host goes on as it came, so that links that an application makes of it lead back here. */
export function encodeUpstreamRoutes(routing: PortRouting, callerNamespace: string, ours: boolean): EncodedResource {
  return upstreamConfigurations.get(routing, view(routing, callerNamespace, false, ours), () => {
    const { namespace, service, port } = routing.definition;
    return anyHost(
      upstreamName(namespace, service, port),
      `${service}.${namespace}:${port}`,
      proxyRoutes(routing, routesFor(routing, callerNamespace), ours),
    );
  });
}

/** The table behind the address of a port that does not exist (any more): 503 with the reason. The listener stays, as its address is in the application's hands. */
export function encodeUnknownUpstream({ namespace, service, port }: UpstreamAddress, problem: string): EncodedResource {
  const route = create(RouteSchema, {
    name: unknownUpstreamRoute,
    match: { pathSpecifier: { case: 'prefix', value: '/' } },
    action: {
      case: 'directResponse',
      value: { status: 503, body: { specifier: { case: 'inlineString', value: problem } } },
    },
  });
  return anyHost(upstreamName(namespace, service, port), `${service}.${namespace}:${port}`, [route]);
}

function anyHost(name: string, hostName: string, routes: Route[]): EncodedResource {
  return encodeResource(
    RouteConfigurationSchema,
    name,
    create(RouteConfigurationSchema, {
      name,
      virtualHosts: [{ name: hostName, domains: ['*'], routes }],
      validateClusters: false,
    }),
  );
}

/** Everything that arrives goes to the application. No timeout: the caller's sidecar has it, and deadlines of gRPC callers are honoured. */
export function encodeInboundRoutes(
  namespace: string,
  service: string,
  appPort: number,
  protocol: AppProtocol | null,
  descriptions: readonly RateLimit[],
): EncodedResource {
  const name = inboundName(appPort);
  const route = create(RouteSchema, {
    name: `${namespace}/${service}#inbound`,
    match: { pathSpecifier: { case: 'prefix', value: '/' } },
    action: {
      case: 'route',
      value: {
        ...inboundFields(protocol === 'grpc'),
        rateLimits: [...descriptions],
        clusterSpecifier: { case: 'cluster', value: name },
      },
    },
  });
  return anyHost(name, name, [route]);
}

function inboundFields(grpc: boolean): RouteFields {
  const timeout = durationOf(0);
  return grpc ? { timeout, maxStreamDuration: { grpcTimeoutHeaderMax: timeout } } : { timeout };
}

/** The table of one port for proxyless gRPC; the listener's name is the authority, so one virtual host for all. */
export function encodeGrpcRoutes(routing: PortRouting, callerNamespace: string): EncodedResource {
  return grpcConfigurations.get(routing, view(routing, callerNamespace, false, false), () => {
    const { definition } = routing;
    const name = grpcListenerName(definition.namespace, definition.service, definition.port);
    const routes = grpcRoutes(routing, routesFor(routing, callerNamespace));
    return encodeResource(
      RouteConfigurationSchema,
      name,
      create(RouteConfigurationSchema, { name, virtualHosts: [{ name, domains: ['*'], routes }] }),
    );
  });
}
