/** Our frozen forms of Envoy's Cluster and ClusterLoadAssignment. */
import type { CircuitBreakerConfig } from './circuit-breaker-config.ts';
import type { HealthCheckConfig } from './health-check-config.ts';
import type { Http2Options, SocketAddress } from './listener-config.ts';
import type { OutlierDetectionConfig } from './outlier-config.ts';
import type { TlsClientConfig } from './tls-config.ts';

export interface ClusterConfig {
  readonly name: string;
  /** `alt_stat_name` or the name. */
  readonly statName: string;
  readonly discovery:
    | { readonly kind: 'static'; readonly assignment: LoadAssignmentConfig }
    /** `serviceName` is what EDS is asked for: `eds_cluster_config.service_name` or the cluster's name. */
    | { readonly kind: 'eds'; readonly serviceName: string }
    /** ORIGINAL_DST: the host of a request is where its caller's connection was going. `cleanupIntervalMs`: hosts without connections are forgotten so often. */
    | { readonly kind: 'original-dst'; readonly cleanupIntervalMs: number };
  /** `dns_lookup_family`, of LOGICAL_DNS. Absent: hosts are addresses. */
  readonly addressFamily?: AddressFamily;
  readonly loadBalancing:
    | { readonly kind: 'round-robin'; readonly slowStart?: SlowStartConfig }
    | { readonly kind: 'least-request'; readonly choiceCount: number; readonly slowStart?: SlowStartConfig }
    | { readonly kind: 'random' }
    | PeakEwmaConfig;
  /** `connect_timeout`, default 5 s in Envoy. */
  readonly connectTimeoutMs: number;
  /** TLS handshake included in connect timeout, as in Envoy. */
  readonly tls: TlsClientConfig | null;
  /** `transport_socket_matches`, in order: a host takes the first that its metadata matches, else `tls` above. Absent: every host takes `tls`. */
  readonly transportMatches?: readonly TransportSocketMatch[];
  /** `explicit_http_config` / `use_downstream_protocol_config` / `auto_config` (by ALPN). */
  readonly protocol: 'http1' | 'http2' | 'same-as-downstream' | 'auto';
  readonly http2: Http2Options;
  readonly limits: CircuitBreakerThresholds;
  /** `thresholds[HIGH]`, for routes with that priority. Absent: Envoy's defaults. */
  readonly highLimits?: CircuitBreakerThresholds;
  /** `common_http_protocol_options.idle_timeout`: default 1 h in Envoy; ours 60 s towards apps, set by the control plane. 0: none. */
  readonly idleTimeoutMs: number;
  /** `max_requests_per_connection`; 0: no limit. */
  readonly maxRequestsPerConnection: number;
  readonly maxConnectionDurationMs: number;
  /** `common_http_protocol_options.max_stream_duration`: of one try, from when it has a connection. Absent: no limit. */
  readonly maxStreamDurationMs?: number;
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  /** `per_connection_buffer_limit_bytes`. */
  readonly bufferLimitBytes: number;
  /** `common_lb_config.healthy_panic_threshold` in per cent; default 50. */
  readonly panicThresholdPercent: number;
  /** `common_lb_config.locality_weighted_lb_config` is there: localities get traffic by their weights. Absent: weights of localities are not looked at (Envoy). */
  readonly localityWeighted?: boolean;
  /** `common_lb_config.zone_aware_lb_config.fail_traffic_on_panic`: in panic requests fail (UH), rather than go to any host. Default false. */
  readonly failTrafficOnPanic?: boolean;
  /** Absent or null: outlier detection is off. */
  readonly outlierDetection?: OutlierDetectionConfig | null;
  /** Absent or null: hosts are not checked. */
  readonly healthCheck?: HealthCheckConfig | null;
  /** `common_lb_config.ignore_new_hosts_until_first_hc`: they do not count as unhealthy until then. Default false. */
  readonly ignoreNewHostsUntilChecked?: boolean;
  /** `ignore_health_on_host_removal`: a host that is gone from the assignment goes at once. Default: one that passes its health checks stays until it fails one (Envoy). */
  readonly ignoreHealthOnRemoval?: boolean;
  /** Our own extension; absent or null: there is none. Not `circuit_breakers`, which are `limits`. */
  readonly circuitBreaker?: CircuitBreakerConfig | null;
  /** `upstream_connection_options.tcp_keepalive`; absent or null: off. */
  readonly tcpKeepAlive?: TcpKeepAliveConfig | null;
  /** `upstream_bind_config`: absent or null: the system chooses. */
  readonly bind?: SourceBindConfig | null;
  /** `close_connections_on_host_health_failure`: connections to a host that fails are cut, also those with requests. Default: they finish what they have. */
  readonly closeConnectionsOnHealthFailure?: boolean;
}

/** Where upstream connections come from. */
export interface SourceBindConfig {
  /** One for each family: a host gets the one of its own; none: any. */
  readonly sources: readonly SocketAddress[];
  /** The address need not be one of this machine (IP_FREEBIND). */
  readonly freebind: boolean;
}

/** Which addresses of a name are taken, and which come first; `any`: as the system orders them. */
export type AddressFamily = 'ipv4' | 'ipv6' | 'ipv4-first' | 'ipv6-first' | 'any';

/** Envoy's TcpKeepalive. 0: Linux's default (7200 s, 75 s, 9). */
export interface TcpKeepAliveConfig {
  /** Idle for so long before the first probe. */
  readonly idleMs: number;
  readonly intervalMs: number;
  /** Probes without an answer until the connection counts as dead. */
  readonly probes: number;
}

/** `health_check_config` of an endpoint. */
export interface EndpointCheckConfig {
  /** Where it is checked; null: where it serves. Port 0: the serving port. */
  readonly address: SocketAddress | null;
  readonly port: number;
  /** '': what the check says. */
  readonly hostname: string;
  /** It is not checked, and counts as healthy by checks. */
  readonly disabled: boolean;
}

/** `outrigger.load_balancing.v1.PeakEwma`. */
export interface PeakEwmaConfig {
  readonly kind: 'peak-ewma';
  /** After so long, a third of what was measured is left. */
  readonly decayMs: number;
  /** An error counts as an answer that took at least so long; 0: as any answer. */
  readonly errorPenaltyMs: number;
  readonly choiceCount: number;
}

/** Envoy's SlowStartConfig. */
export interface SlowStartConfig {
  /** Above 0. */
  readonly windowMs: number;
  /** Above 0; default 1: the share grows evenly. */
  readonly aggression: number;
  /** Least share of the own weight in per cent; default 10. */
  readonly minWeightPercent: number;
}

export interface TransportSocketMatch {
  readonly name: string;
  /** JSON text by key: what the endpoint's metadata `envoy.transport_socket_match` must have; empty: every endpoint matches. */
  readonly match: Readonly<Record<string, string>>;
  /** Null: plaintext. */
  readonly tls: TlsClientConfig | null;
}

/** One priority of `circuit_breakers.thresholds`: what may be in flight (bulkhead). Envoy's defaults: 1024, 1024, 1024, 3. */
export interface CircuitBreakerThresholds {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  /** Instead of `maxRetries`. Absent: none. */
  readonly retryBudget?: RetryBudgetConfig;
}

/** Envoy's `retry_budget`: retries that may be in flight, by what is in flight altogether. */
export interface RetryBudgetConfig {
  /** Of the requests that are active or wait for a connection; default 20. */
  readonly percent: number;
  /** Always allowed; default 3. */
  readonly minRetries: number;
}

export interface LoadAssignmentConfig {
  readonly clusterName: string;
  readonly localities: readonly LocalityConfig[];
}

export interface LocalityConfig {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  /** `load_balancing_weight`; 0 in EDS means the locality gets nothing when localities are weighted. */
  readonly weight: number;
  readonly priority: number;
  readonly endpoints: readonly EndpointConfig[];
}

export interface EndpointConfig {
  readonly address: SocketAddress;
  readonly weight: number;
  readonly health: 'healthy' | 'unhealthy' | 'draining' | 'degraded' | 'unknown' | 'timeout';
  readonly hostname: string;
  /** Flat `envoy.lb` and other metadata are not used for routing yet; kept for dumps as `namespace.key` → text. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Absent: it is checked as the cluster says. */
  readonly healthCheck?: EndpointCheckConfig;
  /** Metadata `envoy.transport_socket_match`: JSON text by key. Absent: there is none. */
  readonly transportMatch?: Readonly<Record<string, string>>;
}
