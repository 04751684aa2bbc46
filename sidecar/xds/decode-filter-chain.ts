/** FilterChain → FilterChainConfig: what it matches, its TLS, and its network filters. */
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { FilterChainConfig, FilterChainMatch } from '../config/listener-config.ts';
import type { AddressRangeConfig, RbacConfig } from '../config/rbac-config.ts';
import type { CidrRange } from './api/envoy/config/core/v3/address_pb.js';
import {
  type Filter,
  type FilterChain,
  FilterChainMatch_ConnectionSourceType,
  type FilterChainMatch as FilterChainMatchMessage,
} from './api/envoy/config/listener/v3/listener_components_pb.js';
import type { HttpConnectionManager } from './api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { RBAC } from './api/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import type { TcpProxy } from './api/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { apiRegistry } from './api-registry.ts';
import { connectionManager } from './decode-connection-manager.ts';
import { addressRange } from './decode-rbac-rule.ts';
import { networkRbac, tcpProxy } from './decode-tcp-proxy.ts';
import { downstreamTls } from './decode-tls.ts';
import { bounded, waitMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

const managerType = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const tcpProxyType = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const rbacType = 'envoy.extensions.filters.network.rbac.v3.RBAC';

export function filterChain(message: FilterChain, path: string, faults: Faults): FilterChainConfig {
  return {
    name: message.name,
    match: chainMatch(message.filterChainMatch, at(path, 'filter_chain_match'), faults),
    tls: downstreamTls(message.transportSocket, at(path, 'transport_socket'), faults),
    ...networkFilters(message.filters, at(path, 'filters'), faults),
    handshakeTimeoutMs: waitMs(
      message.transportSocketConnectTimeout,
      10_000,
      at(path, 'transport_socket_connect_timeout'),
      faults,
    ),
  };
}

function chainMatch(match: FilterChainMatchMessage | undefined, path: string, faults: Faults): FilterChainMatch {
  const transport = match?.transportProtocol ?? '';
  if (transport !== '' && transport !== 'raw_buffer' && transport !== 'tls')
    faults.add(at(path, 'transport_protocol'), `${JSON.stringify(transport)} is neither raw_buffer nor tls`);
  const serverNames = (match?.serverNames ?? []).map((name) => name.toLowerCase());
  for (const [i, name] of serverNames.entries())
    if (name !== '*' && name.lastIndexOf('*') > (name.startsWith('*.') ? 0 : -1))
      faults.add(
        at(at(path, 'server_names'), i),
        `${JSON.stringify(name)} has a * that does not stand for whole labels at the beginning`,
      );
  for (const [i, port] of (match?.sourcePorts ?? []).entries())
    bounded(port, 0, 1, 65_535, at(at(path, 'source_ports'), i), faults);
  const prefixRanges = ranges(match?.prefixRanges, at(path, 'prefix_ranges'), faults);
  const directPath = at(path, 'direct_source_prefix_ranges');
  const directSourceRanges = ranges(match?.directSourcePrefixRanges, directPath, faults);
  const sourceRanges = ranges(match?.sourcePrefixRanges, at(path, 'source_prefix_ranges'), faults);
  return {
    destinationPort:
      match?.destinationPort === undefined
        ? null
        : bounded(match.destinationPort, 0, 1, 65_535, at(path, 'destination_port'), faults),
    serverNames,
    transportProtocol: transport === 'tls' || transport === 'raw_buffer' ? transport : '',
    applicationProtocols: match?.applicationProtocols ?? [],
    ...(prefixRanges === null ? {} : { prefixRanges }),
    ...(directSourceRanges === null ? {} : { directSourceRanges }),
    ...sourceType(match?.sourceType),
    ...(sourceRanges === null ? {} : { sourceRanges }),
    ...((match?.sourcePorts ?? []).length === 0 ? {} : { sourcePorts: match!.sourcePorts }),
  };
}

/** Absent: any. */
function ranges(
  messages: readonly CidrRange[] | undefined,
  path: string,
  faults: Faults,
): readonly AddressRangeConfig[] | null {
  if (messages === undefined || messages.length === 0) return null;
  return messages.map((range, i) => addressRange(range, at(path, i), faults));
}

function sourceType(type: FilterChainMatch_ConnectionSourceType | undefined): Pick<FilterChainMatch, 'sourceType'> {
  if (type === FilterChainMatch_ConnectionSourceType.SAME_IP_OR_LOOPBACK) return { sourceType: 'local' };
  return type === FilterChainMatch_ConnectionSourceType.EXTERNAL ? { sourceType: 'external' } : {};
}

type NetworkFilters = Pick<FilterChainConfig, 'httpConnectionManager' | 'tcpProxy'>;

/** The last one serves; those before it may only refuse. */
function networkFilters(filters: readonly Filter[], path: string, faults: Faults): NetworkFilters {
  if (filters.length === 0) {
    faults.add(path, 'there are no network filters; the last one must be the HTTP connection manager or tcp_proxy');
    return unusable;
  }
  const rbac: RbacConfig[] = [];
  let served: NetworkFilters = unusable;
  for (const [i, filter] of filters.entries()) {
    const last = i === filters.length - 1;
    const typed = filter.configType.case === 'typedConfig' ? filter.configType.value : undefined;
    const here = at(at(path, i), 'typed_config');
    // One that cannot be read was told as such.
    const message = typed === undefined || !readable(typed.typeUrl) ? undefined : anyUnpack(typed, apiRegistry);
    if (typed === undefined) faults.add(here, 'is missing');
    switch (message?.$typeName as string | undefined) {
      case undefined:
        break;
      case rbacType:
        if (last) faults.add(here, 'an RBAC filter is followed by another, tcp_proxy as the last');
        else rbac.push(networkRbac(message as RBAC, filter.name, here, faults));
        break;
      case managerType:
      case tcpProxyType:
        if (!last) faults.add(here, `${message!.$typeName} is the last of the network filters, and others follow`);
        else if (message!.$typeName === tcpProxyType)
          served = { httpConnectionManager: null, tcpProxy: tcpProxy(message as TcpProxy, rbac, here, faults) };
        else {
          if (rbac.length > 0)
            faults.add(here, 'network RBAC is supported before tcp_proxy; HTTP has envoy.filters.http.rbac');
          served = { httpConnectionManager: connectionManager(message as HttpConnectionManager, here, faults) };
        }
        break;
      default:
        faults.add(here, `${message!.$typeName} is not a network filter that is supported`);
    }
  }
  return served;
}

/** Stands in where a fault was recorded: never used, because faults keep the configuration out. */
const unusable: NetworkFilters = Object.freeze({ httpConnectionManager: null });

function readable(typeUrl: string): boolean {
  return apiRegistry.getMessage(typeUrl.slice(typeUrl.lastIndexOf('/') + 1)) !== undefined;
}
