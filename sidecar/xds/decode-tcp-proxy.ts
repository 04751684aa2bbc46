/** Envoy's TCP proxy, and the network RBAC filters in front of it → TcpProxyConfig. */
import type { RbacConfig } from '../config/rbac-config.ts';
import type { TcpProxyConfig } from '../config/tcp-proxy-config.ts';
import type { RBAC } from './api/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import type { TcpProxy } from './api/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { accessLogs } from './decode-access-log.ts';
import { bothRules } from './decode-rbac.ts';
import { bounded, durationMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

/** More attempts than this are a loop. */
const mostAttempts = 1000;

export function tcpProxy(message: TcpProxy, rbac: readonly RbacConfig[], path: string, faults: Faults): TcpProxyConfig {
  if (message.statPrefix === '') faults.add(at(path, 'stat_prefix'), 'must not be empty');
  const durationPath = at(path, 'max_downstream_connection_duration');
  const maxConnectionDurationMs = durationMs(message.maxDownstreamConnectionDuration, 0, durationPath, faults);
  if (message.maxDownstreamConnectionDuration !== undefined && maxConnectionDurationMs < 1)
    faults.add(durationPath, 'must be at least 1 ms');
  return Object.freeze({
    statPrefix: message.statPrefix.replaceAll(':', '_'),
    clusters: clusters(message, path, faults),
    idleTimeoutMs: durationMs(message.idleTimeout, 3_600_000, at(path, 'idle_timeout'), faults),
    maxConnectAttempts: bounded(
      message.maxConnectAttempts,
      1,
      1,
      mostAttempts,
      at(path, 'max_connect_attempts'),
      faults,
    ),
    maxConnectionDurationMs,
    accessLogs: accessLogs(message.accessLog, at(path, 'access_log'), faults),
    rbac,
  });
}

function clusters({ clusterSpecifier }: TcpProxy, path: string, faults: Faults): TcpProxyConfig['clusters'] {
  if (clusterSpecifier.case === 'cluster') {
    if (clusterSpecifier.value === '') faults.add(at(path, 'cluster'), 'must not be empty');
    return [{ name: clusterSpecifier.value, weight: 1 }];
  }
  if (clusterSpecifier.case === undefined) {
    faults.add(path, 'needs cluster or weighted_clusters');
    return [];
  }
  const here = at(at(path, 'weighted_clusters'), 'clusters');
  const weighted = clusterSpecifier.value.clusters;
  if (weighted.length === 0) faults.add(here, 'needs at least one cluster');
  let sum = 0;
  for (const [i, { name, weight }] of weighted.entries()) {
    if (name === '') faults.add(at(at(here, i), 'name'), 'must not be empty');
    if (weight < 1) faults.add(at(at(here, i), 'weight'), 'must be at least 1');
    sum += weight;
  }
  if (sum > 0xffff_ffff) faults.add(here, `the weights sum to ${sum}, which is above ${0xffff_ffff}`);
  return weighted.map(({ name, weight }) => ({ name, weight }));
}

export function networkRbac(message: RBAC, name: string, path: string, faults: Faults): RbacConfig {
  if (message.statPrefix === '') faults.add(at(path, 'stat_prefix'), 'must not be empty');
  return Object.freeze({
    kind: 'rbac',
    name,
    ...bothRules(message, path, faults),
    rulesStatPrefix: message.statPrefix,
    shadowStatPrefix: message.shadowRulesStatPrefix,
  });
}
