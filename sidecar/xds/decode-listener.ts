/** Listener → ListenerConfig. Its filter chains are decoded in decode-filter-chain.ts. */
import type { ListenerConfig, SocketAddress } from '../config/listener-config.ts';
import { addressText } from '../listener/bound-socket.ts';
import { overlappingChain } from '../listener/filter-chain-match.ts';
import { SocketAddress_Protocol } from './api/envoy/config/core/v3/address_pb.js';
import { TrafficDirection } from './api/envoy/config/core/v3/base_pb.js';
import type { Listener } from './api/envoy/config/listener/v3/listener_pb.js';
import { accessLogs } from './decode-access-log.ts';
import { decodeDns } from './decode-dns.ts';
import { filterChain } from './decode-filter-chain.ts';
import { listenerFilters } from './decode-listener-filters.ts';
import { passesOnlyFailures } from './decode-log-filter.ts';
import { socketAddress, waitMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

const mostAdditionalAddresses = 15;

export function decodeListener(message: Listener, path: string, faults: Faults): ListenerConfig {
  const isUdp = saysUdp(message.address);
  const address = socketAddress(message.address, at(path, 'address'), faults, isUdp ? 'either' : 'tcp');
  if (isUdp) return decodeUdpListener(message, address, path, faults);
  if (message.udpListenerConfig !== undefined)
    faults.add(at(path, 'udp_listener_config'), 'is only for a listener whose address says protocol: UDP');
  const chains = message.filterChains.map((chain, i) => filterChain(chain, at(at(path, 'filter_chains'), i), faults));
  if (chains.length === 0 && message.defaultFilterChain === undefined)
    faults.add(at(path, 'filter_chains'), 'needs at least one filter chain');
  const overlapping = overlappingChain(chains);
  if (overlapping !== null)
    faults.add(
      `${at(at(path, 'filter_chains'), overlapping)}.filter_chain_match`,
      'is the same as that of another filter chain, or overlaps with it',
    );
  const logs = accessLogs(message.accessLog, at(path, 'access_log'), faults);
  if (logs.some(({ filter }) => filter === null || !passesOnlyFailures(filter)))
    faults.add(
      at(path, 'access_log'),
      'needs the filter for errors: only connections that no filter chain takes are told',
    );
  return Object.freeze({
    name: message.name === '' ? `${address.host}:${address.port}` : message.name,
    address,
    direction:
      message.trafficDirection === TrafficDirection.INBOUND
        ? 'inbound'
        : message.trafficDirection === TrafficDirection.OUTBOUND
          ? 'outbound'
          : 'unspecified',
    filterChains: chains,
    defaultFilterChain:
      message.defaultFilterChain === undefined
        ? null
        : filterChain(message.defaultFilterChain, at(path, 'default_filter_chain'), faults),
    bufferLimitBytes: message.perConnectionBufferLimitBytes ?? 1024 * 1024,
    ...listenerFilters(message.listenerFilters, at(path, 'listener_filters'), faults),
    listenerFiltersTimeoutMs: waitMs(
      message.listenerFiltersTimeout,
      15_000,
      at(path, 'listener_filters_timeout'),
      faults,
    ),
    ...(message.continueOnListenerFiltersTimeout ? { continueOnTimeout: true } : {}),
    ...additionalAddresses(message, address, at(path, 'additional_addresses'), faults),
    ...(message.transparent === true ? { transparent: true } : {}),
    ...(message.freebind === true ? { freebind: true } : {}),
    ...(logs.length === 0 ? {} : { accessLogs: logs }),
  });
}

function saysUdp(address: Listener['address']): boolean {
  return address?.address.case === 'socketAddress' && address.address.value.protocol === SocketAddress_Protocol.UDP;
}

function decodeUdpListener(message: Listener, address: SocketAddress, path: string, faults: Faults): ListenerConfig {
  for (const [field, value] of [
    ['transparent', message.transparent],
    ['freebind', message.freebind],
  ] as const)
    if (value === true) faults.add(at(path, field), 'is not supported of a listener of UDP');
  if (message.accessLog.length > 0)
    faults.add(at(path, 'access_log'), 'is not supported of a listener of UDP: its statistics tell of questions');
  const dns = decodeDns(message, path, faults);
  return Object.freeze({
    name: message.name === '' ? `${address.host}:${address.port}` : message.name,
    address,
    direction: 'unspecified' as const,
    filterChains: [],
    defaultFilterChain: null,
    bufferLimitBytes: 0,
    inspectTls: false,
    listenerFiltersTimeoutMs: 0,
    ...additionalAddresses(message, address, at(path, 'additional_addresses'), faults),
    ...(dns === null ? {} : { dns }),
  });
}

function additionalAddresses(
  message: Listener,
  first: SocketAddress,
  path: string,
  faults: Faults,
): Pick<ListenerConfig, 'additionalAddresses'> {
  const { additionalAddresses: messages } = message;
  if (messages.length === 0) return {};
  if (messages.length > mostAdditionalAddresses)
    faults.add(path, `there are ${messages.length}; ${mostAdditionalAddresses} is the limit`);
  const seen = new Set([addressText(first)]);
  const isUdp = saysUdp(message.address);
  const addresses = messages.map(({ address }, i) => {
    if (saysUdp(address) !== isUdp)
      faults.add(
        at(at(at(at(path, i), 'address'), 'socket_address'), 'protocol'),
        `must be ${isUdp ? 'UDP' : 'TCP'}, as of the first address`,
      );
    const decoded = socketAddress(address, at(at(path, i), 'address'), faults, 'either');
    const text = addressText(decoded);
    // Two of port 0 are two.
    if (decoded.port !== 0 && seen.has(text)) faults.add(at(at(path, i), 'address'), `${text} is there twice`);
    seen.add(text);
    return decoded;
  });
  return { additionalAddresses: addresses };
}
