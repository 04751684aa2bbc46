/** Listeners that lead away from a proxy: `outbound` and one per address of an upstream, and one API listener per name for proxyless gRPC. Routes always come by RDS. `inbound` is in encode-peer-authentication.ts. */
import { create } from '@bufbuild/protobuf';
import { TrafficDirection } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import { ListenerSchema } from '../../proto/generated/envoy/config/listener/v3/listener_pb.js';
import { HttpConnectionManagerSchema } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { fromAds, socketAddress } from './api-values.ts';
import { managerFilter, proxyManager, router } from './encode-http-manager.ts';
import { type EncodedResource, encodeResource, packAny } from './encoded-resource.ts';
import type { HostPort, UpstreamAddress } from './proxy-node.ts';
import type { Telling } from './proxy-telemetry.ts';
import { outboundName, upstreamName } from './resource-names.ts';

export function encodeOutboundListener(proxy: Telling): EncodedResource {
  return outboundListener(proxy, outboundName, proxy.outboundListen, outboundName);
}

/** An address of one service's port: whatever comes there goes to it, whatever its Host. */
export function encodeUpstreamListener(
  proxy: Telling,
  { namespace, service, port, listen }: UpstreamAddress,
): EncodedResource {
  const name = upstreamName(namespace, service, port);
  return outboundListener(proxy, name, listen, name);
}

function outboundListener(proxy: Telling, name: string, { host, port }: HostPort, routeName: string): EncodedResource {
  const manager = proxyManager({ proxy, statPrefix: name, routeName, filters: [], mtls: false, strictPaths: false });
  const listener = create(ListenerSchema, {
    name,
    address: socketAddress(host, port),
    trafficDirection: TrafficDirection.OUTBOUND,
    filterChains: [{ name, filters: [managerFilter(manager)] }],
  });
  return encodeResource(ListenerSchema, name, listener);
}

/** Listener of proxyless gRPC: found by name, never bound. */
export function encodeApiListener(name: string, routeName: string): EncodedResource {
  const manager = create(HttpConnectionManagerSchema, {
    statPrefix: name,
    routeSpecifier: { case: 'rds', value: { configSource: fromAds(), routeConfigName: routeName } },
    httpFilters: [router()],
  });
  return encodeResource(
    ListenerSchema,
    name,
    create(ListenerSchema, { name, apiListener: { apiListener: packAny(HttpConnectionManagerSchema, manager) } }),
  );
}
