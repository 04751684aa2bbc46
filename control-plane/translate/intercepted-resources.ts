/** What a proxy that traffic is redirected to has beside the clusters of services: its listeners, its routes, and the way to its application. Each is the same object as long as it says the same. */
import { keepIdentity } from '../model/keep-identity.ts';
import type { Model, PortRouting, ServiceModel } from '../model/model.ts';
import { type AppPort, appPorts } from './app-ports.ts';
import { encodeInboundCluster } from './encode-cluster.ts';
import { collectorClusters } from './encode-collector.ts';
import { dnsTable, encodeDnsListener } from './encode-dns-listener.ts';
import { encodeInterceptedInbound, type InboundPort } from './encode-intercepted-inbound.ts';
import { encodeInterceptedOutbound } from './encode-intercepted-outbound.ts';
import { encodeUpstreamListener } from './encode-listener.ts';
import { encodePolicyFilters } from './encode-policy-filters.ts';
import { encodeInboundRoutes, encodeInterceptedRoutes } from './encode-routes.ts';
import type { EncodedResource } from './encoded-resource.ts';
import type { Addresses } from './intercepted-addresses.ts';
import { inboundEgressClusters, outboundEgressClusters } from './intercepted-clusters.ts';
import { KeptByParts } from './kept-by-parts.ts';
import { proxyInbound } from './proxy-inbound.ts';
import type { ProxyNode } from './proxy-node.ts';
import { modeAt, type ProxyPolicies, proxyPolicies } from './proxy-policies.ts';
import type { ProxyTelemetry } from './proxy-telemetry.ts';

interface Own {
  readonly listeners: ReadonlyMap<string, EncodedResource>;
  readonly routes: readonly EncodedResource[];
  readonly clusters: ReadonlyMap<string, EncodedResource>;
}

const keptOwn = new WeakMap<ProxyNode, Own>();

export function interceptedResources(
  model: Model,
  services: ReadonlyMap<string, ServiceModel>,
  routings: readonly PortRouting[],
  proxy: ProxyNode,
): Own {
  const before = keptOwn.get(proxy);
  const policies = proxyPolicies(model.policies, proxy);
  const application = applicationOf(model, proxy, policies, appPorts(services, proxy));
  const listeners = [
    outboundListener(model.addresses, routings, proxy, policies.telemetry),
    ...proxy.upstreams.map((upstream) => encodeUpstreamListener({ ...proxy, telemetry: policies.telemetry }, upstream)),
    application.listener,
    ...dnsListeners(model.addresses, routings, proxy),
  ].map((each) => keepEqual(before?.listeners.get(each.name), each));
  const own: Own = {
    listeners: keepMap(before?.listeners, listeners),
    routes: [outboundTable(model.addresses, routings, proxy), ...application.routes],
    clusters: keepMap(before?.clusters, [
      ...outboundEgressClusters(),
      ...application.clusters,
      ...collectorClusters(policies.telemetry).values(),
    ]),
  };
  keptOwn.set(proxy, own);
  return own;
}

interface Application {
  readonly from: readonly unknown[];
  readonly listener: EncodedResource;
  readonly routes: readonly EncodedResource[];
  readonly clusters: readonly EncodedResource[];
}

const keptApplications = new WeakMap<ProxyNode, Application>();

function applicationOf(
  model: Model,
  proxy: ProxyNode,
  policies: ProxyPolicies,
  ports: readonly AppPort[],
): Application {
  const before = keptApplications.get(proxy);
  const others = modeAt(model.policies, proxy, null);
  const said = ports.map(({ port }) => ({
    ...modeAt(model.policies, proxy, port),
    traffic: proxyInbound(model.policies.inbound, { ...proxy, appPort: port }),
  }));
  const from = [policies, ports, others, said];
  if (before?.from.every((part, at) => keepIdentity(part, from[at]) === part) === true) return before;
  const inboundPorts = ports.map(({ port, protocol }, at): InboundPort => {
    const { traffic, ...mode } = said[at]!;
    return {
      port,
      protocol,
      ...mode,
      http: protocol === 'tcp' ? null : encodePolicyFilters({ ...policies, inbound: traffic }, proxy, port),
    };
  });
  const { authorizations } = policies;
  const transparent = proxy.interception === 'TPROXY';
  const { namespace, service } = proxy;
  const keep = (list: readonly EncodedResource[] | undefined, now: EncodedResource): EncodedResource =>
    keepEqual(
      list?.find(({ name }) => name === now.name),
      now,
    );
  const application: Application = {
    from,
    listener: encodeInterceptedInbound(
      { ...proxy, telemetry: policies.telemetry },
      { ports: inboundPorts, others, authorizations },
    ),
    routes: inboundPorts
      .filter(({ http }) => http !== null)
      .map(({ port, protocol, http }) =>
        keep(before?.routes, encodeInboundRoutes(namespace, service, port, protocol, http!.descriptions)),
      ),
    clusters: [
      ...ports.map(({ port, protocol }) => encodeInboundCluster(port, protocol)),
      ...inboundEgressClusters(transparent ? null : proxy.ipFamilies),
    ].map((each) => keep(before?.clusters, each)),
  };
  keptApplications.set(proxy, application);
  return application;
}

const keptListeners = new KeptByParts<EncodedResource>();

/** One for all proxies alike: it grows with the TCP services of the mesh. */
function outboundListener(
  addresses: Addresses,
  routings: readonly PortRouting[],
  proxy: ProxyNode,
  telemetry: ProxyTelemetry,
): EncodedResource {
  const { kind, outboundListen, ipFamilies, egress, opaquePorts } = proxy;
  const namespace = knownNamespace(routings, proxy);
  const text = JSON.stringify([kind, outboundListen, ipFamilies, egress, opaquePorts, namespace, telemetry]);
  return keptListeners.get([routings, addresses], text, () =>
    encodeInterceptedOutbound(
      { kind, outboundListen, ipFamilies, egress, opaquePorts, namespace, telemetry },
      routings,
      addresses,
    ),
  );
}

const keptTables = new KeptByParts<EncodedResource>();

function outboundTable(addresses: Addresses, routings: readonly PortRouting[], proxy: ProxyNode): EncodedResource {
  const { ipFamilies, egress } = proxy;
  const ours = proxy.kind === 'outrigger';
  const namespace = knownNamespace(routings, proxy);
  return keptTables.get([routings, addresses], `${namespace} ${ours} ${egress} ${ipFamilies.join()}`, () =>
    encodeInterceptedRoutes(routings, namespace, ours, { addresses, ipFamilies, egress }),
  );
}

const keptNamespaces = new WeakMap<readonly PortRouting[], ReadonlySet<string>>();

/** Namespaces that the configuration does not name see all the same: ''. */
function knownNamespace(routings: readonly PortRouting[], { namespace }: ProxyNode): string {
  return namespacesOf(routings).has(namespace) ? namespace : '';
}

/** Those with a Service, or with routes for their callers. */
function namespacesOf(routings: readonly PortRouting[]): ReadonlySet<string> {
  let namespaces = keptNamespaces.get(routings);
  if (namespaces === undefined) {
    namespaces = new Set(routings.flatMap(({ definition, consumers }) => [definition.namespace, ...consumers.keys()]));
    keptNamespaces.set(routings, namespaces);
  }
  return namespaces;
}

const keptDns = new KeptByParts<EncodedResource>();

/** One for all proxies that are asked at the same place: it has every name of the mesh. */
export function dnsListeners(
  addresses: Addresses,
  routings: readonly PortRouting[],
  proxy: ProxyNode,
): readonly EncodedResource[] {
  const { dnsListen, ipFamilies } = proxy;
  if (dnsListen === null) return [];
  const namespace = knownNamespace(routings, proxy);
  const text = `${dnsListen.host} ${dnsListen.port} ${namespace} ${ipFamilies.join()}`;
  return [
    keptDns.get([addresses], text, () => encodeDnsListener(dnsListen, dnsTable(addresses, namespace, ipFamilies))),
  ];
}

function keepEqual(before: EncodedResource | undefined, now: EncodedResource): EncodedResource {
  return before?.version === now.version ? before : now;
}

function keepMap(
  before: ReadonlyMap<string, EncodedResource> | undefined,
  now: readonly EncodedResource[],
): ReadonlyMap<string, EncodedResource> {
  const same = before?.size === now.length && now.every((each) => before.get(each.name) === each);
  return same ? before : new Map(now.map((each) => [each.name, each]));
}
