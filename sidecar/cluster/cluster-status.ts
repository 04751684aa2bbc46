/** What Envoy's `/clusters` shows of a running cluster: as a value, as its text, and as its JSON. Made only when asked. */
import { type BreakerStatus, breakerJson, breakerLine } from '../circuit-breaker/breaker-status.ts';
import {
  activeCheckTimedOut,
  degradedActiveCheck,
  excludedByImmediateFailure,
  failedActiveCheck,
  failedOutlierCheck,
  healthFlagsText,
  pendingActiveCheck,
  pendingRemoval,
} from './host-health.ts';
import type { RunningCluster } from './running-cluster.ts';
import type { RunningHost } from './running-host.ts';

export interface HostStatus {
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** '': it is no Unix socket. */
  readonly pipePath?: string;
  readonly cxActive: number;
  readonly cxConnectFail: number;
  readonly cxTotal: number;
  readonly rqActive: number;
  readonly rqError: number;
  readonly rqSuccess: number;
  readonly rqTimeout: number;
  readonly rqTotal: number;
  readonly hostname: string;
  /** Flags of host-health.ts. */
  readonly health: number;
  /** `healthy`, or the flags as Envoy writes them. */
  readonly healthFlags: string;
  readonly edsHealth: 'HEALTHY' | 'UNHEALTHY' | 'DEGRADED' | 'DRAINING' | 'TIMEOUT' | 'UNKNOWN';
  readonly weight: number;
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  readonly canary: boolean;
  readonly priority: number;
  /** In per cent; -1: not measured (outlier detection is off, or too few requests). */
  readonly successRate: number;
  readonly localOriginSuccessRate: number;
  /** Why and how often it was ejected; null: never. */
  readonly outlier: { readonly ejections: number; readonly reason: string } | null;
}

export interface ClusterStatus {
  readonly name: string;
  readonly statName: string;
  readonly addedViaApi: boolean;
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  /** In flight at this moment, against the four limits above. */
  readonly inUse: {
    readonly connections: number;
    readonly pendingRequests: number;
    readonly requests: number;
    readonly retries: number;
  };
  readonly edsServiceName: string;
  /** Null: it has none. */
  readonly breaker: BreakerStatus | null;
  readonly hosts: readonly HostStatus[];
}

export function clusterStatus(cluster: RunningCluster, addedViaApi: boolean): ClusterStatus {
  const { config, bulkhead } = cluster;
  return {
    name: config.name,
    statName: config.statName,
    addedViaApi,
    ...config.limits,
    inUse: {
      connections: bulkhead.connections.taken,
      pendingRequests: bulkhead.pending.taken,
      requests: bulkhead.requests.taken,
      retries: bulkhead.retries.taken,
    },
    edsServiceName: config.discovery.kind === 'eds' ? config.discovery.serviceName : '',
    breaker: cluster.breaker === null ? null : cluster.breaker.status(),
    hosts: [...cluster.hosts.byAddress.values()].map(hostStatus),
  };
}

function hostStatus(host: RunningHost): HostStatus {
  const { endpoint, locality } = host;
  return {
    address: host.address,
    host: host.host,
    port: host.port,
    pipePath: host.pipePath,
    cxActive: host.activeConnections,
    cxConnectFail: host.connectFailures,
    cxTotal: host.totalConnections,
    rqActive: host.activeRequests,
    rqError: host.errors,
    rqSuccess: host.successes,
    rqTimeout: host.timeouts,
    rqTotal: host.totalRequests,
    hostname: endpoint.hostname,
    health: host.health,
    healthFlags: healthFlagsText(host.health),
    edsHealth: endpoint.health.toUpperCase() as HostStatus['edsHealth'],
    weight: host.weight,
    region: locality.region,
    zone: locality.zone,
    subZone: locality.subZone,
    canary: endpoint.metadata['envoy.lb.canary'] === 'true',
    priority: locality.priority,
    successRate: host.outlier?.external.successRate ?? -1,
    localOriginSuccessRate: host.outlier?.local.successRate ?? -1,
    outlier: outlierStatus(host.outlier),
  };
}

function outlierStatus(record: RunningHost['outlier']): HostStatus['outlier'] {
  return record === null || record.ejections === 0 ? null : { ejections: record.ejections, reason: record.reason };
}

/** Envoy's text form: `name::address::key::value` lines. */
export function clustersText(statuses: readonly ClusterStatus[]): string {
  let text = '';
  for (const status of statuses) {
    const { name } = status;
    text += `${name}::observability_name::${status.statName}\n`;
    text += `${name}::default_priority::max_connections::${status.maxConnections}\n`;
    text += `${name}::default_priority::max_pending_requests::${status.maxPendingRequests}\n`;
    text += `${name}::default_priority::max_requests::${status.maxRequests}\n`;
    text += `${name}::default_priority::max_retries::${status.maxRetries}\n`;
    text += `${name}::added_via_api::${status.addedViaApi}\n`;
    if (status.edsServiceName !== '') text += `${name}::eds_service_name::${status.edsServiceName}\n`;
    if (status.breaker !== null) text += `${name}::outrigger_circuit_breaker::${breakerLine(status.breaker)}\n`;
    for (const host of status.hosts) {
      for (const [key, value] of hostLines(host)) text += `${name}::${host.address}::${key}::${value}\n`;
    }
  }
  return text;
}

function hostLines(host: HostStatus): Array<[string, string | number | boolean]> {
  return [
    ['cx_active', host.cxActive],
    ['cx_connect_fail', host.cxConnectFail],
    ['cx_total', host.cxTotal],
    ['rq_active', host.rqActive],
    ['rq_error', host.rqError],
    ['rq_success', host.rqSuccess],
    ['rq_timeout', host.rqTimeout],
    ['rq_total', host.rqTotal],
    ['hostname', host.hostname],
    ['health_flags', host.healthFlags],
    ['weight', host.weight],
    ['region', host.region],
    ['zone', host.zone],
    ['sub_zone', host.subZone],
    ['canary', host.canary],
    ['priority', host.priority],
    ['success_rate', host.successRate],
    ['local_origin_success_rate', host.localOriginSuccessRate],
    ...ownLines(host),
  ];
}

/** Ours, behind Envoy's. */
function ownLines({ outlier }: HostStatus): Array<[string, string | number]> {
  if (outlier === null) return [];
  return [
    ['outrigger_ejections', outlier.ejections],
    ['outrigger_last_ejection', outlier.reason],
  ];
}

/** Envoy's JSON form (envoy.admin.v3.Clusters). */
export function clustersJson(statuses: readonly ClusterStatus[]): unknown {
  return {
    cluster_statuses: statuses.map((status) => ({
      name: status.name,
      observability_name: status.statName,
      added_via_api: status.addedViaApi,
      ...(status.edsServiceName === '' ? {} : { eds_service_name: status.edsServiceName }),
      circuit_breakers: {
        thresholds: [
          {
            max_connections: status.maxConnections,
            max_pending_requests: status.maxPendingRequests,
            max_requests: status.maxRequests,
            max_retries: status.maxRetries,
          },
        ],
      },
      ...(status.breaker === null ? {} : { outrigger_circuit_breaker: breakerJson(status.breaker) }),
      host_statuses: status.hosts.map(hostJson),
    })),
  };
}

function hostJson(host: HostStatus): unknown {
  return {
    address:
      (host.pipePath ?? '') === ''
        ? { socket_address: { address: host.host, port_value: host.port } }
        : { pipe: { path: host.pipePath } },
    stats: [
      counter('cx_connect_fail', host.cxConnectFail),
      counter('cx_total', host.cxTotal),
      counter('rq_error', host.rqError),
      counter('rq_success', host.rqSuccess),
      counter('rq_timeout', host.rqTimeout),
      counter('rq_total', host.rqTotal),
      gauge('cx_active', host.cxActive),
      gauge('rq_active', host.rqActive),
    ],
    health_status: { ...healthJson(host.health), eds_health_status: host.edsHealth },
    ...(host.successRate < 0 ? {} : { success_rate: { value: host.successRate } }),
    ...(host.localOriginSuccessRate < 0 ? {} : { local_origin_success_rate: { value: host.localOriginSuccessRate } }),
    weight: host.weight,
    hostname: host.hostname,
    locality: { region: host.region, zone: host.zone, sub_zone: host.subZone },
    ...(host.priority === 0 ? {} : { priority: host.priority }),
  };
}

function healthJson(health: number): Record<string, true> {
  return Object.fromEntries(healthFields.filter(([flag]) => (health & flag) !== 0).map(([, field]) => [field, true]));
}

/** envoy.admin.v3.HostHealthStatus. */
const healthFields: ReadonlyArray<readonly [number, string]> = [
  [failedActiveCheck, 'failed_active_health_check'],
  [failedOutlierCheck, 'failed_outlier_check'],
  [degradedActiveCheck, 'failed_active_degraded_check'],
  [pendingRemoval, 'pending_dynamic_removal'],
  [pendingActiveCheck, 'pending_active_hc'],
  [excludedByImmediateFailure, 'excluded_via_immediate_hc_fail'],
  [activeCheckTimedOut, 'active_hc_timeout'],
];

function counter(name: string, value: number): unknown {
  return { name, value: String(value) };
}

function gauge(name: string, value: number): unknown {
  return { type: 'GAUGE', value: String(value), name };
}
