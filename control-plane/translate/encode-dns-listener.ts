/** The DNS listener: names of the mesh and their addresses, in a table inside of Envoy's filter. Names that are not in it are asked of the host's own servers. */
import { create } from '@bufbuild/protobuf';
import { SocketAddress_Protocol } from '../../proto/generated/envoy/config/core/v3/address_pb.js';
import { ListenerFilterSchema } from '../../proto/generated/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from '../../proto/generated/envoy/config/listener/v3/listener_pb.js';
import { type DnsTable, DnsTableSchema } from '../../proto/generated/envoy/data/dns/v3/dns_table_pb.js';
import { DnsFilterConfigSchema } from '../../proto/generated/envoy/extensions/filters/udp/dns_filter/v3/dns_filter_pb.js';
import { durationOf, socketAddress } from './api-values.ts';
import { type EncodedResource, encodeResource, packAny } from './encoded-resource.ts';
import { type Addresses, addressesFor } from './intercepted-addresses.ts';
import type { HostPort, IpFamily } from './proxy-node.ts';
import { dnsListenerName } from './resource-names.ts';
import { serviceNames } from './service-names.ts';

/** The table is one resource, and sent as a whole with every Service that comes or goes: about 115 bytes a Service. Services of the caller's own namespace come first, the others by name; who is beyond it is not in the table. */
export const maxDnsServices = 10_000;
/** An address changes with its Service only; this is how long a caller goes on with one that is gone. */
const answerTtlMs = 30_000;
const resolverTimeoutMs = 5_000;
const maxPendingLookups = 256;

export function encodeDnsListener(listen: HostPort, table: DnsTable): EncodedResource {
  const address = socketAddress(listen.host, listen.port);
  if (address.address.case === 'socketAddress') address.address.value.protocol = SocketAddress_Protocol.UDP;
  const filter = create(DnsFilterConfigSchema, {
    statPrefix: dnsListenerName,
    serverConfig: { configSource: { case: 'inlineDnsTable', value: table } },
    clientConfig: { resolverTimeout: durationOf(resolverTimeoutMs), maxPendingLookups: BigInt(maxPendingLookups) },
  });
  return encodeResource(
    ListenerSchema,
    dnsListenerName,
    create(ListenerSchema, {
      name: dnsListenerName,
      address,
      udpListenerConfig: {},
      listenerFilters: [
        create(ListenerFilterSchema, {
          name: 'envoy.filters.udp.dns_filter',
          configType: { case: 'typedConfig', value: packAny(DnsFilterConfigSchema, filter) },
        }),
      ],
    }),
  );
}

/** In the order of `addresses`, but the caller's own namespace first. */
export function dnsTable(addresses: Addresses, callerNamespace: string, families: readonly IpFamily[]): DnsTable {
  const isOther = (key: string): number => Number(!key.startsWith(`${callerNamespace}/`));
  const chosen = [...addresses.keys()].toSorted((a, b) => isOther(a) - isOther(b)).slice(0, maxDnsServices);
  return create(DnsTableSchema, {
    virtualDomains: chosen.flatMap((key) => {
      const [namespace = '', service = ''] = key.split('/');
      const known = addressesFor(addresses, key, families);
      if (known.length === 0) return [];
      return serviceNames(namespace, service, callerNamespace).map((name) => ({
        name,
        answerTtl: durationOf(answerTtlMs),
        endpoint: { endpointConfig: { case: 'addressList' as const, value: { address: [...known] } } },
      }));
    }),
  });
}
