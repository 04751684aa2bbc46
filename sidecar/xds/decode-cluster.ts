/** Cluster → ClusterConfig, ClusterLoadAssignment → LoadAssignmentConfig. */
import { isIP } from 'node:net';
import { anyUnpack, type Duration } from '@bufbuild/protobuf/wkt';
import { defaultHttp2Limits, defaultHttpLimits } from '../codec/limits.ts';
import type {
  AddressFamily,
  CircuitBreakerThresholds,
  ClusterConfig,
  EndpointConfig,
  LoadAssignmentConfig,
  LocalityConfig,
  SourceBindConfig,
} from '../config/cluster-config.ts';
import type { Http2Options, SocketAddress } from '../config/listener-config.ts';
import type { CircuitBreakers, CircuitBreakers_Thresholds } from './api/envoy/config/cluster/v3/circuit_breaker_pb.js';
import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_DnsLookupFamily,
  Cluster_LbPolicy,
} from './api/envoy/config/cluster/v3/cluster_pb.js';
import type { SocketAddress as SocketAddressMessage } from './api/envoy/config/core/v3/address_pb.js';
import { RoutingPriority } from './api/envoy/config/core/v3/base_pb.js';
import { HealthStatus } from './api/envoy/config/core/v3/health_check_pb.js';
import type { Http2ProtocolOptions } from './api/envoy/config/core/v3/protocol_pb.js';
import type { LbEndpoint, LocalityLbEndpoints } from './api/envoy/config/endpoint/v3/endpoint_components_pb.js';
import type { ClusterLoadAssignment } from './api/envoy/config/endpoint/v3/endpoint_pb.js';
import type { HttpProtocolOptions } from './api/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { apiRegistry } from './api-registry.ts';
import { circuitBreaker, circuitBreakerKey } from './decode-circuit-breaker.ts';
import { adsOnly } from './decode-config-source.ts';
import { endpointCheck, healthCheck } from './decode-health-check.ts';
import { loadBalancing } from './decode-load-balancing.ts';
import { jsonTexts } from './decode-metadata-text.ts';
import { outlierDetection } from './decode-outlier-detection.ts';
import { tcpKeepAlive } from './decode-tcp-keepalive.ts';
import { upstreamTls } from './decode-tls.ts';
import { bounded, durationMs, hostAddress, mostFields, namedAddress, socketAddress, waitMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

/** A table is kept for each direction of each connection; the peer fills it. */
const mostHeaderTableBytes = 1024 * 1024;
const httpOptionsKey = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

export function decodeCluster(message: Cluster, path: string, faults: Faults): ClusterConfig {
  if (message.name === '') faults.add(at(path, 'name'), 'must not be empty');
  const options = httpOptions(message, path, faults);
  checkCombinations(message, options, path, faults);
  const common = options?.commonHttpProtocolOptions;
  const optionsPath = `${at(path, 'typed_extension_protocol_options')}["${httpOptionsKey}"].common_http_protocol_options`;
  const connectTimeoutMs = waitMs(message.connectTimeout, 5_000, at(path, 'connect_timeout'), faults);
  if (connectTimeoutMs === 0) faults.add(at(path, 'connect_timeout'), 'must be above 0');
  return Object.freeze({
    name: message.name,
    statName: message.altStatName === '' ? message.name.replaceAll(':', '_') : message.altStatName.replaceAll(':', '_'),
    discovery: discovery(message, path, faults),
    ...(message.clusterDiscoveryType.value === Cluster_DiscoveryType.LOGICAL_DNS
      ? { addressFamily: addressFamilies[message.dnsLookupFamily] }
      : {}),
    loadBalancing: loadBalancing(message, path, faults),
    connectTimeoutMs,
    tls: upstreamTls(message.transportSocket, at(path, 'transport_socket'), faults),
    ...transportMatches(message, at(path, 'transport_socket_matches'), faults),
    protocol: protocol(message, options),
    http2: http2Settings(message, options, path, faults),
    ...limits(message.circuitBreakers, at(path, 'circuit_breakers'), faults),
    idleTimeoutMs: durationMs(common?.idleTimeout, 3_600_000, at(optionsPath, 'idle_timeout'), faults),
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? 0,
    maxConnectionDurationMs: durationMs(
      common?.maxConnectionDuration,
      0,
      at(optionsPath, 'max_connection_duration'),
      faults,
    ),
    ...(common?.maxStreamDuration === undefined
      ? {}
      : {
          maxStreamDurationMs: durationMs(common.maxStreamDuration, 0, at(optionsPath, 'max_stream_duration'), faults),
        }),
    maxHeadBytes: defaultHttpLimits.maxHeadBytes,
    maxFields: bounded(
      common?.maxHeadersCount,
      defaultHttpLimits.maxFields,
      1,
      mostFields,
      at(optionsPath, 'max_headers_count'),
      faults,
    ),
    bufferLimitBytes: message.perConnectionBufferLimitBytes ?? 1024 * 1024,
    panicThresholdPercent: bounded(
      message.commonLbConfig?.healthyPanicThreshold?.value,
      50,
      0,
      100,
      at(path, 'common_lb_config.healthy_panic_threshold.value'),
      faults,
    ),
    localityWeighted: message.commonLbConfig?.localityConfigSpecifier.case === 'localityWeightedLbConfig',
    failTrafficOnPanic:
      message.commonLbConfig?.localityConfigSpecifier.case === 'zoneAwareLbConfig' &&
      message.commonLbConfig.localityConfigSpecifier.value.failTrafficOnPanic,
    outlierDetection: outlierDetection(message.outlierDetection, at(path, 'outlier_detection'), faults),
    healthCheck: healthCheck(message.healthChecks, at(path, 'health_checks'), faults),
    ignoreNewHostsUntilChecked: message.commonLbConfig?.ignoreNewHostsUntilFirstHc ?? false,
    ignoreHealthOnRemoval: message.ignoreHealthOnHostRemoval,
    tcpKeepAlive: tcpKeepAlive(
      message.upstreamConnectionOptions?.tcpKeepalive,
      at(path, 'upstream_connection_options.tcp_keepalive'),
      faults,
    ),
    bind: sourceBind(message, at(path, 'upstream_bind_config'), faults),
    closeConnectionsOnHealthFailure: message.closeConnectionsOnHostHealthFailure,
    circuitBreaker: circuitBreaker(
      message.typedExtensionProtocolOptions,
      at(path, 'typed_extension_protocol_options'),
      faults,
    ),
  });
}

function transportMatches(
  message: Cluster,
  path: string,
  faults: Faults,
): Pick<ClusterConfig, 'transportMatches'> | Record<never, never> {
  if (message.transportSocketMatches.length === 0) return {};
  const names = new Set<string>();
  return {
    transportMatches: message.transportSocketMatches.map(({ name, match, transportSocket }, i) => {
      const here = at(path, i);
      if (name === '') faults.add(at(here, 'name'), 'must not be empty');
      else if (names.has(name))
        faults.add(at(here, 'name'), `${JSON.stringify(name)} is the name of another match too`);
      names.add(name);
      if (transportSocket === undefined) faults.add(at(here, 'transport_socket'), 'is missing');
      return { name, match: jsonTexts(match), tls: upstreamTls(transportSocket, at(here, 'transport_socket'), faults) };
    }),
  };
}

/** What is right by itself and says nothing here, or contradicts something beside it: refused rather than passed over. */
function checkCombinations(message: Cluster, options: HttpProtocolOptions | null, path: string, faults: Faults): void {
  const optionsPath = `${at(path, 'typed_extension_protocol_options')}["${httpOptionsKey}"]`;
  if (message.clusterDiscoveryType.value === Cluster_DiscoveryType.STATIC && message.edsClusterConfig !== undefined)
    faults.add(at(path, 'eds_cluster_config'), 'belongs to clusters of type EDS, and this one is STATIC');
  if (message.lbConfig.case === 'leastRequestLbConfig' && message.lbPolicy !== Cluster_LbPolicy.LEAST_REQUEST)
    faults.add(at(path, 'least_request_lb_config'), 'belongs to lb_policy LEAST_REQUEST, which is not the one here');
  if (message.lbConfig.case === 'roundRobinLbConfig' && message.lbPolicy !== Cluster_LbPolicy.ROUND_ROBIN)
    faults.add(at(path, 'round_robin_lb_config'), 'belongs to lb_policy ROUND_ROBIN, which is not the one here');
  if (options === null) return;
  const upstream = options.upstreamProtocolOptions;
  if (upstream.case === undefined)
    faults.add(optionsPath, 'needs explicit_http_config or use_downstream_protocol_config');
  if (upstream.case === 'explicitHttpConfig' && upstream.value.protocolConfig.case === undefined)
    faults.add(at(optionsPath, 'explicit_http_config'), 'needs http_protocol_options or http2_protocol_options');
  if (message.http2ProtocolOptions !== undefined)
    faults.add(at(path, 'http2_protocol_options'), `says the same as ${httpOptionsKey}; leave it out`);
}

function discovery(message: Cluster, path: string, faults: Faults): ClusterConfig['discovery'] {
  const type = message.clusterDiscoveryType;
  const empty = { kind: 'static', assignment: { clusterName: message.name, localities: [] } } as const;
  // STATIC is what nothing said means.
  const kind = type.case === undefined ? Cluster_DiscoveryType.STATIC : type.case === 'type' ? type.value : null;
  if (kind === null) {
    faults.add(at(path, 'cluster_type'), 'is not supported; see docs/xds-support.md');
    return empty;
  }
  if (kind === Cluster_DiscoveryType.ORIGINAL_DST) return originalDst(message, path, faults);
  if (message.lbPolicy === Cluster_LbPolicy.CLUSTER_PROVIDED)
    faults.add(at(path, 'lb_policy'), 'CLUSTER_PROVIDED belongs to clusters of type ORIGINAL_DST');
  if (message.cleanupInterval !== undefined)
    faults.add(at(path, 'cleanup_interval'), 'belongs to clusters of type ORIGINAL_DST, and this one is not');
  if (kind === Cluster_DiscoveryType.LOGICAL_DNS) return logicalDns(message, path, faults);
  // With addresses that are numeric there is nothing to resolve; others are refused where they stand.
  if (kind === Cluster_DiscoveryType.STATIC || kind === Cluster_DiscoveryType.STRICT_DNS) {
    if (message.loadAssignment === undefined) {
      faults.add(at(path, 'load_assignment'), `a ${Cluster_DiscoveryType[kind]} cluster needs its endpoints here`);
      return empty;
    }
    return {
      kind: 'static',
      assignment: decodeAssignment(message.loadAssignment, at(path, 'load_assignment'), faults, hostAddress),
    };
  }
  if (kind === Cluster_DiscoveryType.EDS) {
    const eds = message.edsClusterConfig;
    if (eds === undefined) faults.add(at(path, 'eds_cluster_config'), 'an EDS cluster needs it');
    else adsOnly(eds.edsConfig, at(path, 'eds_cluster_config.eds_config'), faults);
    return { kind: 'eds', serviceName: eds?.serviceName || message.name };
  }
  faults.add(at(path, 'type'), `${Cluster_DiscoveryType[kind]} is not supported; see docs/xds-support.md`);
  return empty;
}

/** Hosts are made for the destinations of the connections that come. What is about a known set of hosts says nothing there, and is refused. */
function originalDst(message: Cluster, path: string, faults: Faults): ClusterConfig['discovery'] {
  if (message.lbPolicy !== Cluster_LbPolicy.CLUSTER_PROVIDED)
    faults.add(at(path, 'lb_policy'), 'a cluster of type ORIGINAL_DST takes CLUSTER_PROVIDED');
  for (const [field, there] of [
    ['load_assignment', message.loadAssignment !== undefined],
    ['eds_cluster_config', message.edsClusterConfig !== undefined],
    ['load_balancing_policy', message.loadBalancingPolicy !== undefined],
    ['health_checks', message.healthChecks.length > 0],
    ['outlier_detection', message.outlierDetection !== undefined],
  ] as const)
    if (there)
      faults.add(
        at(path, field),
        'says nothing of a cluster of type ORIGINAL_DST, whose hosts are what callers ask for',
      );
  const cleanupIntervalMs = waitMs(message.cleanupInterval, 5_000, at(path, 'cleanup_interval'), faults);
  if (cleanupIntervalMs <= 0) faults.add(at(path, 'cleanup_interval'), 'must be above 0');
  return { kind: 'original-dst', cleanupIntervalMs };
}

function sourceBind(message: Cluster, path: string, faults: Faults): SourceBindConfig | null {
  const bind = message.upstreamBindConfig;
  if (bind === undefined) return null;
  const extraPath = at(path, 'extra_source_addresses');
  if (bind.extraSourceAddresses.length > 1) faults.add(extraPath, 'at most one is supported, of the other family');
  const sources = [
    sourceAddress(bind.sourceAddress, at(path, 'source_address'), faults),
    ...bind.extraSourceAddresses.map(({ address }, i) =>
      sourceAddress(address, at(at(extraPath, i), 'address'), faults),
    ),
  ];
  if (sources.length === 2 && isIP(sources[0]!.host) === isIP(sources[1]!.host))
    faults.add(at(extraPath, 0), 'is of the same family as source_address');
  return { sources, freebind: bind.freebind ?? false };
}

function sourceAddress(message: SocketAddressMessage | undefined, path: string, faults: Faults): SocketAddress {
  if (message === undefined) {
    faults.add(path, 'is missing');
    return { host: '0.0.0.0', port: 0 };
  }
  const { address, protocol, portSpecifier } = message;
  if (protocol !== 0) faults.add(at(path, 'protocol'), 'only TCP is supported');
  if (isIP(address) === 0) faults.add(at(path, 'address'), `${JSON.stringify(address)} is not an IP address`);
  const port = portSpecifier.case === 'portValue' ? portSpecifier.value : 0;
  if (port > 65535) faults.add(at(path, 'port_value'), `${port} is not a port (0 to 65535)`);
  return { host: address, port };
}

const addressFamilies: Readonly<Record<Cluster_DnsLookupFamily, AddressFamily>> = {
  [Cluster_DnsLookupFamily.AUTO]: 'ipv6-first',
  [Cluster_DnsLookupFamily.V4_ONLY]: 'ipv4',
  [Cluster_DnsLookupFamily.V6_ONLY]: 'ipv6',
  [Cluster_DnsLookupFamily.V4_PREFERRED]: 'ipv4-first',
  [Cluster_DnsLookupFamily.ALL]: 'any',
};

/** One host, whose name is looked up for new connections (Envoy: now and then, and new connections take what was found last). */
function logicalDns(message: Cluster, path: string, faults: Faults): ClusterConfig['discovery'] {
  const here = at(path, 'load_assignment');
  const { loadAssignment } = message;
  if (loadAssignment === undefined) faults.add(here, 'a LOGICAL_DNS cluster needs its endpoint here');
  else if (loadAssignment.endpoints.length !== 1 || loadAssignment.endpoints[0]!.lbEndpoints.length !== 1)
    faults.add(here, 'a LOGICAL_DNS cluster has one endpoint, in one locality');
  return {
    kind: 'static',
    assignment:
      loadAssignment === undefined
        ? { clusterName: message.name, localities: [] }
        : decodeAssignment(loadAssignment, here, faults, namedAddress),
  };
}

function httpOptions(message: Cluster, path: string, faults: Faults): HttpProtocolOptions | null {
  for (const [key, any] of Object.entries(message.typedExtensionProtocolOptions)) {
    if (key === circuitBreakerKey) continue;
    if (key !== httpOptionsKey) {
      faults.add(
        `${at(path, 'typed_extension_protocol_options')}["${key}"]`,
        'is not supported; see docs/xds-support.md',
      );
      continue;
    }
    const options = anyUnpack(any, apiRegistry);
    if (options?.$typeName === httpOptionsKey) return options as HttpProtocolOptions;
  }
  return null;
}

function protocol(message: Cluster, options: HttpProtocolOptions | null): ClusterConfig['protocol'] {
  const upstream = options?.upstreamProtocolOptions;
  if (upstream?.case === 'useDownstreamProtocolConfig') return 'same-as-downstream';
  if (upstream?.case === 'explicitHttpConfig')
    return upstream.value.protocolConfig.case === 'http2ProtocolOptions' ? 'http2' : 'http1';
  return message.http2ProtocolOptions === undefined ? 'http1' : 'http2';
}

function http2Settings(
  message: Cluster,
  options: HttpProtocolOptions | null,
  path: string,
  faults: Faults,
): Http2Options {
  const upstream = options?.upstreamProtocolOptions;
  const optionsPath = `${at(path, 'typed_extension_protocol_options')}["${httpOptionsKey}"]`;
  if (upstream?.case === 'useDownstreamProtocolConfig')
    return http2Options(
      upstream.value.http2ProtocolOptions,
      `${optionsPath}.use_downstream_protocol_config.http2_protocol_options`,
      faults,
    );
  if (upstream?.case === 'explicitHttpConfig' && upstream.value.protocolConfig.case === 'http2ProtocolOptions') {
    return http2Options(
      upstream.value.protocolConfig.value,
      `${optionsPath}.explicit_http_config.http2_protocol_options`,
      faults,
    );
  }
  return http2Options(message.http2ProtocolOptions, at(path, 'http2_protocol_options'), faults);
}

/** RFC 9113 6.5.2 and 6.9.1 bound the numbers; Envoy's rules are narrower for the windows. */
export function http2Options(message: Http2ProtocolOptions | undefined, path: string, faults: Faults): Http2Options {
  const most = 0x7fff_ffff;
  const keepalive = message?.connectionKeepalive;
  const keepalivePath = at(path, 'connection_keepalive');
  if (keepalive !== undefined && keepalive.timeout === undefined)
    faults.add(at(keepalivePath, 'timeout'), 'is missing');
  return Object.freeze({
    maxConcurrentStreams: bounded(
      message?.maxConcurrentStreams,
      defaultHttp2Limits.maxConcurrentStreams,
      1,
      most,
      at(path, 'max_concurrent_streams'),
      faults,
    ),
    initialStreamWindowBytes: bounded(
      message?.initialStreamWindowSize,
      defaultHttp2Limits.initialStreamWindowBytes,
      65_535,
      most,
      at(path, 'initial_stream_window_size'),
      faults,
    ),
    initialConnectionWindowBytes: bounded(
      message?.initialConnectionWindowSize,
      defaultHttp2Limits.initialConnectionWindowBytes,
      65_535,
      most,
      at(path, 'initial_connection_window_size'),
      faults,
    ),
    headerTableBytes: bounded(
      message?.hpackTableSize,
      defaultHttp2Limits.headerTableBytes,
      0,
      mostHeaderTableBytes,
      at(path, 'hpack_table_size'),
      faults,
    ),
    allowConnect: true,
    // 0 stands for "none" here, and is never what was said: Envoy's rule is 1 ms at least.
    keepAliveIntervalMs: keepAliveMs(keepalive?.interval, at(keepalivePath, 'interval'), faults),
    keepAliveTimeoutMs: keepAliveMs(keepalive?.timeout, at(keepalivePath, 'timeout'), faults),
  });
}

function keepAliveMs(duration: Duration | undefined, path: string, faults: Faults): number {
  const ms = durationMs(duration, 0, path, faults);
  if (duration !== undefined && ms < 1) faults.add(path, 'must be at least 1 ms');
  return ms;
}

function limits(
  message: CircuitBreakers | undefined,
  path: string,
  faults: Faults,
): Pick<ClusterConfig, 'limits' | 'highLimits'> {
  const of = (priority: RoutingPriority): CircuitBreakerThresholds | null => {
    // The first counts, as in Envoy.
    const index = message?.thresholds.findIndex((threshold) => threshold.priority === priority) ?? -1;
    return index < 0 ? null : thresholds(message!.thresholds[index]!, at(at(path, 'thresholds'), index), faults);
  };
  const high = of(RoutingPriority.HIGH);
  return { limits: of(RoutingPriority.DEFAULT) ?? defaultLimits, ...(high === null ? {} : { highLimits: high }) };
}

const defaultLimits: CircuitBreakerThresholds = Object.freeze({
  maxConnections: 1024,
  maxPendingRequests: 1024,
  maxRequests: 1024,
  maxRetries: 3,
});

function thresholds(message: CircuitBreakers_Thresholds, path: string, faults: Faults): CircuitBreakerThresholds {
  const { retryBudget } = message;
  const budgetPath = at(path, 'retry_budget');
  return {
    maxConnections: message.maxConnections ?? defaultLimits.maxConnections,
    maxPendingRequests: message.maxPendingRequests ?? defaultLimits.maxPendingRequests,
    maxRequests: message.maxRequests ?? defaultLimits.maxRequests,
    maxRetries: message.maxRetries ?? defaultLimits.maxRetries,
    ...(retryBudget === undefined
      ? {}
      : {
          retryBudget: {
            percent: bounded(
              retryBudget.budgetPercent?.value,
              20,
              0,
              100,
              at(budgetPath, 'budget_percent.value'),
              faults,
            ),
            minRetries: retryBudget.minRetryConcurrency ?? 3,
          },
        }),
  };
}

type AddressDecoder = typeof socketAddress;

/** `addressOf`: what hosts may be. A control plane's endpoints may not be Unix sockets: they are for hosts of the mesh, not for what listens on this machine. */
export function decodeAssignment(
  message: ClusterLoadAssignment,
  path: string,
  faults: Faults,
  addressOf: AddressDecoder = socketAddress,
): LoadAssignmentConfig {
  if (message.clusterName === '') faults.add(at(path, 'cluster_name'), 'must not be empty');
  const weightByPriority = new Map<number, number>();
  for (const { priority, loadBalancingWeight = 0 } of message.endpoints)
    weightByPriority.set(priority, (weightByPriority.get(priority) ?? 0) + loadBalancingWeight);
  for (const sum of weightByPriority.values()) checkWeightSum(sum, at(path, 'endpoints'), faults);
  return Object.freeze({
    clusterName: message.clusterName,
    localities: message.endpoints.map((locality, i) =>
      decodeLocality(locality, at(at(path, 'endpoints'), i), faults, addressOf),
    ),
  });
}

/** Envoy's rule: weights that are added up have 32 bits together. */
function checkWeightSum(sum: number, path: string, faults: Faults): void {
  if (sum > 0xffff_ffff) faults.add(path, `the weights sum to ${sum}, which is above ${0xffff_ffff}`);
}

function decodeLocality(
  message: LocalityLbEndpoints,
  path: string,
  faults: Faults,
  addressOf: AddressDecoder,
): LocalityConfig {
  if (message.priority > 128) faults.add(at(path, 'priority'), `${message.priority} is above 128`);
  const sum = message.lbEndpoints.reduce((total, { loadBalancingWeight = 1 }) => total + loadBalancingWeight, 0);
  checkWeightSum(sum, at(path, 'lb_endpoints'), faults);
  return {
    region: message.locality?.region ?? '',
    zone: message.locality?.zone ?? '',
    subZone: message.locality?.subZone ?? '',
    weight: bounded(message.loadBalancingWeight, 0, 1, 0xffff_ffff, at(path, 'load_balancing_weight'), faults),
    priority: message.priority,
    endpoints: message.lbEndpoints.map((endpoint, i) =>
      decodeEndpoint(endpoint, at(at(path, 'lb_endpoints'), i), faults, addressOf),
    ),
  };
}

function decodeEndpoint(message: LbEndpoint, path: string, faults: Faults, addressOf: AddressDecoder): EndpointConfig {
  const endpoint = message.hostIdentifier.case === 'endpoint' ? message.hostIdentifier.value : undefined;
  const weight = message.loadBalancingWeight ?? 1;
  if (weight < 1) faults.add(at(path, 'load_balancing_weight'), 'must be at least 1');
  const metadata: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [namespace, values] of Object.entries(message.metadata?.filterMetadata ?? {})) {
    for (const [key, value] of Object.entries(values))
      metadata[`${namespace}.${key}`] = typeof value === 'string' ? value : JSON.stringify(value);
  }
  const transportMatch = message.metadata?.filterMetadata['envoy.transport_socket_match'];
  return {
    address: addressOf(endpoint?.address, at(path, 'endpoint.address'), faults),
    weight,
    health: health(message.healthStatus),
    hostname: endpoint?.hostname ?? '',
    metadata,
    ...endpointCheck(endpoint?.healthCheckConfig, at(path, 'endpoint.health_check_config'), faults),
    ...(transportMatch === undefined ? {} : { transportMatch: jsonTexts(transportMatch) }),
  };
}

function health(status: HealthStatus): EndpointConfig['health'] {
  switch (status) {
    case HealthStatus.HEALTHY:
      return 'healthy';
    case HealthStatus.UNHEALTHY:
      return 'unhealthy';
    case HealthStatus.DRAINING:
      return 'draining';
    case HealthStatus.TIMEOUT:
      return 'timeout';
    case HealthStatus.DEGRADED:
      return 'degraded';
    default:
      return 'unknown';
  }
}
