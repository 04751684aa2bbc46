/**
 * The outbound listener of a proxy that traffic is redirected to: HTTP by Host, TCP services by address and by the server name of TLS, and what becomes of the rest by the egress policy. Envoy looks at the port first, then at the
 * address, and never goes back: so each port that a TCP service has gets the chains for HTTP once more. Which chain takes what is a table in docs/interception-on-the-wire.md.
 */
import { create } from '@bufbuild/protobuf';
import { TrafficDirection } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import type { FilterChain } from '../../proto/generated/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from '../../proto/generated/envoy/config/listener/v3/listener_pb.js';
import type { PortRouting } from '../model/model.ts';
import { managerFilter, proxyManager } from './encode-http-manager.ts';
import { tcpProxy } from './encode-tcp-proxy.ts';
import { type EncodedResource, encodeResource } from './encoded-resource.ts';
import { chain } from './filter-chain.ts';
import { type Addresses, addressesFor } from './intercepted-addresses.ts';
import { detectedHttp, interceptedAddresses, redirectedFields } from './intercepted-listener.ts';
import { httpInspector, originalDst, tlsInspector } from './listener-filters.ts';
import type { PortRange } from './port-ranges.ts';
import type { ProxyNode } from './proxy-node.ts';
import type { Telling } from './proxy-telemetry.ts';
import { outboundCluster, outboundName, passthroughCluster, refusedCluster } from './resource-names.ts';
import { serviceNames } from './service-names.ts';

/** Of a service with several endpoints, another is tried when one cannot be connected to. */
const connectAttempts = 3;

/** Where the server speaks first (FTP, SSH, Telnet, SMTP, POP3, IMAP, submission, MySQL): nobody waits for the caller's first bytes. A fixed list, as a change of it costs every connection through the listener. */
const serverFirstPorts: readonly number[] = [21, 22, 23, 25, 110, 143, 587, 3306];

/** What of a proxy it depends on. */
export type OutboundNode = Telling<
  Pick<ProxyNode, 'kind' | 'outboundListen' | 'ipFamilies' | 'egress' | 'opaquePorts' | 'namespace'>
>;

export function encodeInterceptedOutbound(
  proxy: OutboundNode,
  routings: readonly PortRouting[],
  addresses: Addresses,
): EncodedResource {
  const { outboundListen, egress, opaquePorts } = proxy;
  const tcp = routings.filter(({ definition }) => definition.protocol === 'tcp');
  const byPort = Map.groupBy(tcp, ({ definition }) => definition.port);
  // Whoever connects to the listener itself would be led back to it for ever.
  const loop = chain('loop', { destinationPort: outboundListen.port }, [tcpProxy(proxy, refusedCluster)]);
  byPort.delete(outboundListen.port);
  const chains = [
    loop,
    http(proxy, null),
    ...[...byPort]
      .toSorted(([a], [b]) => a - b)
      .flatMap(([port, list]) => [
        http(proxy, port),
        ...list.flatMap((routing) => serviceChains(proxy, routing, addresses)),
      ]),
  ];
  const elsewhere = egress === 'allow' ? passthroughCluster : refusedCluster;
  const listener = create(ListenerSchema, {
    name: outboundName,
    ...interceptedAddresses(outboundListen, proxy.ipFamilies, { IPv4: '127.0.0.1', IPv6: '::1' }),
    trafficDirection: TrafficDirection.OUTBOUND,
    listenerFilters: [
      originalDst(),
      tlsInspector(uninspected(routings, opaquePorts)),
      httpInspector(uninspected(routings, opaquePorts)),
    ],
    ...redirectedFields(),
    filterChains: chains,
    defaultFilterChain: chain('default', {}, [tcpProxy(proxy, elsewhere)]),
  });
  return encodeResource(ListenerSchema, outboundName, listener);
}

/** `port` null: any that no other chain names. */
function http(proxy: OutboundNode, port: number | null): FilterChain {
  const manager = proxyManager({
    proxy,
    statPrefix: outboundName,
    routeName: outboundName,
    filters: [],
    mtls: false,
    strictPaths: false,
  });
  return chain(
    port === null ? 'http' : `http-${port}`,
    {
      ...(port === null ? {} : { destinationPort: port }),
      transportProtocol: 'raw_buffer',
      applicationProtocols: detectedHttp,
    },
    [managerFilter(manager)],
  );
}

/** By its addresses; and, wherever the caller looked its name up, by the name that TLS begins with. */
function serviceChains(proxy: OutboundNode, { definition }: PortRouting, addresses: Addresses): FilterChain[] {
  const { namespace, service, port } = definition;
  const cluster = outboundCluster(namespace, service, port);
  const filters = [tcpProxy(proxy, cluster, { connectAttempts })];
  const known = addressesFor(addresses, `${namespace}/${service}`, proxy.ipFamilies);
  return [
    ...(known.length === 0 ? [] : [chain(cluster, { destinationPort: port, addresses: known }, filters)]),
    chain(
      `${cluster} tls`,
      {
        destinationPort: port,
        serverNames: serviceNames(namespace, service, proxy.namespace),
        transportProtocol: 'tls',
      },
      filters,
    ),
  ];
}

/** A port that an HTTP service has is looked at whatever else it is known for. */
function uninspected(routings: readonly PortRouting[], opaquePorts: readonly PortRange[]): readonly PortRange[] {
  const looked = new Set(
    routings.filter(({ definition }) => definition.protocol !== 'tcp').map(({ definition }) => definition.port),
  );
  return [
    ...serverFirstPorts.filter((port) => !looked.has(port)).map((port) => ({ start: port, end: port })),
    ...opaquePorts,
  ];
}
