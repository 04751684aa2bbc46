/** A listener of UDP: only one that answers DNS, by Envoy's dns_filter. */

import { isIP } from 'node:net';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { DnsConfig, DnsDomainConfig, DnsUpstreamConfig } from '../config/dns-config.ts';
import { DnsFormatError, nameFromText } from '../dns/dns-name.ts';
import type { Listener } from './api/envoy/config/listener/v3/listener_pb.js';
import type { DnsTable } from './api/envoy/data/dns/v3/dns_table_pb.js';
import type {
  DnsFilterConfig,
  DnsFilterConfig_ClientContextConfig,
} from './api/envoy/extensions/filters/udp/dns_filter/v3/dns_filter_pb.js';
import { apiRegistry } from './api-registry.ts';
import { socketAddress, waitMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

const filterType = 'envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig';
const mostPending = 65_536;
const mostAddresses = 256;
/** RFC 2181, 8. */
const mostTtlSeconds = 2 ** 31 - 1;

/** Null: it has none that can be read; why is told. */
export function decodeDns(message: Listener, path: string, faults: Faults): DnsConfig | null {
  if (message.filterChains.length > 0) faults.add(at(path, 'filter_chains'), 'a listener of UDP has none');
  if (message.defaultFilterChain !== undefined)
    faults.add(at(path, 'default_filter_chain'), 'a listener of UDP has none');
  const here = at(path, 'listener_filters');
  if (message.listenerFilters.length !== 1) {
    faults.add(here, 'a listener of UDP needs exactly one: envoy.filters.udp.dns_filter');
    return null;
  }
  const [filter] = message.listenerFilters;
  const typed = filter!.configType.case === 'typedConfig' ? filter!.configType.value : undefined;
  const typedPath = at(at(here, 0), 'typed_config');
  if (filter!.filterDisabled !== undefined)
    faults.add(at(at(here, 0), 'filter_disabled'), 'is not supported of dns_filter; see docs/xds-support.md');
  if (typed === undefined) {
    faults.add(typedPath, 'is missing');
    return null;
  }
  const type = typed.typeUrl.slice(typed.typeUrl.lastIndexOf('/') + 1);
  if (type !== filterType) {
    // Another type than those that are known was told by check-fields.ts.
    if (apiRegistry.getMessage(type) !== undefined)
      faults.add(typedPath, `${type} is not a filter for UDP; only dns_filter is supported`);
    return null;
  }
  const config = anyUnpack(typed, apiRegistry) as DnsFilterConfig;
  if (config.statPrefix === '') faults.add(at(typedPath, 'stat_prefix'), 'is missing');
  const source = config.serverConfig?.configSource;
  if (config.serverConfig !== undefined && source?.case !== 'inlineDnsTable')
    faults.add(at(at(typedPath, 'server_config'), 'inline_dns_table'), 'is missing');
  const table = source?.case === 'inlineDnsTable' ? source.value : undefined;
  const tablePath = at(at(typedPath, 'server_config'), 'inline_dns_table');
  return Object.freeze({
    statPrefix: config.statPrefix,
    domains: table === undefined ? [] : domains(table, tablePath, faults),
    upstream:
      config.clientConfig === undefined
        ? null
        : upstream(
            config.clientConfig,
            table?.externalRetryCount ?? 0,
            tablePath,
            at(typedPath, 'client_config'),
            faults,
          ),
  });
}

function domains({ virtualDomains }: DnsTable, path: string, faults: Faults): readonly DnsDomainConfig[] {
  const seen = new Set<string>();
  return virtualDomains.map(({ name, endpoint, answerTtl }, i) => {
    const here = at(at(path, 'virtual_domains'), i);
    const key = nameKey(name, at(here, 'name'), faults);
    if (key !== '' && seen.has(key)) faults.add(at(here, 'name'), `${JSON.stringify(name)} is there twice`);
    seen.add(key);
    const list = endpoint?.endpointConfig.case === 'addressList' ? endpoint.endpointConfig.value.address : [];
    const listPath = at(at(at(here, 'endpoint'), 'address_list'), 'address');
    if (list.length === 0) faults.add(listPath, 'needs at least one address');
    if (list.length > mostAddresses) faults.add(listPath, `there are ${list.length}; ${mostAddresses} is the limit`);
    for (const [j, address] of list.entries())
      if (isIP(address) === 0 || address.includes('%'))
        faults.add(at(listPath, j), `${JSON.stringify(address)} is not an IP address`);
    return { name, addresses: list, ttlSeconds: ttlSeconds(answerTtl, at(here, 'answer_ttl'), faults) };
  });
}

/** '': it is not a name. */
function nameKey(name: string, path: string, faults: Faults): string {
  const isWildcard = name.startsWith('*.');
  try {
    const { key } = nameFromText(isWildcard ? name.slice(2) : name);
    if (key !== '') return isWildcard ? `*.${key}` : key;
    faults.add(path, `${JSON.stringify(name)} is not a name`);
  } catch (error) {
    if (!(error instanceof DnsFormatError)) throw error;
    faults.add(path, `is not a name: ${error.message}`);
  }
  return '';
}

function ttlSeconds(ttl: DnsTable['virtualDomains'][number]['answerTtl'], path: string, faults: Faults): number {
  if (ttl === undefined) return 300;
  const seconds = Number(ttl.seconds);
  if (seconds < 30 || seconds > mostTtlSeconds) faults.add(path, `${seconds} s is not between 30 s and 68 years`);
  return seconds;
}

function upstream(
  client: DnsFilterConfig_ClientContextConfig,
  retries: number,
  tablePath: string,
  path: string,
  faults: Faults,
): DnsUpstreamConfig {
  if (retries > 3) faults.add(at(tablePath, 'external_retry_count'), `${retries} is above 3`);
  const timeoutMs = waitMs(client.resolverTimeout, 5_000, at(path, 'resolver_timeout'), faults);
  if (timeoutMs < 1_000) faults.add(at(path, 'resolver_timeout'), `${timeoutMs} ms is below 1 s`);
  // 0 is what is not set.
  const pending = client.maxPendingLookups === 0n ? 256 : Number(client.maxPendingLookups);
  if (pending > mostPending) faults.add(at(path, 'max_pending_lookups'), `${pending} is above ${mostPending}`);
  const resolution = client.dnsResolutionConfig;
  const resolversPath = at(at(path, 'dns_resolution_config'), 'resolvers');
  if (resolution !== undefined && resolution.resolvers.length === 0) faults.add(resolversPath, 'needs at least one');
  return Object.freeze({
    resolvers:
      resolution === undefined
        ? null
        : resolution.resolvers.map((each, i) => {
            const address = socketAddress(each, at(resolversPath, i), faults, 'either');
            return address.port === 0 ? { host: address.host, port: 53 } : address;
          }),
    tcpOnly: resolution?.dnsResolverOptions?.useTcpForDnsLookups === true,
    timeoutMs,
    retries,
    maxPending: pending,
  });
}
