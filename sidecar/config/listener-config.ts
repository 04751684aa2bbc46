/**
 * What a listener is configured to do: our own frozen form of Envoy's Listener, FilterChain and HttpConnectionManager.
 * Made and validated only in sidecar/xds; everything else just reads it. No protobuf here.
 */
import type { AccessLogConfig } from './access-log-config.ts';
import type { DnsConfig } from './dns-config.ts';
import type { GateConfig } from './gate-config.ts';
import type { AddressRangeConfig } from './rbac-config.ts';
import type { RequestMetricsConfig } from './request-metrics-config.ts';
import type { RouteTableConfig } from './route-config.ts';
import type { TcpProxyConfig } from './tcp-proxy-config.ts';
import type { TlsServerConfig } from './tls-config.ts';
import type { TracingConfig } from './tracing-config.ts';

export interface SocketAddress {
  /** IP literal; no names. */
  readonly host: string;
  readonly port: number;
  /** Of hosts of clusters: a Unix socket in the place of both; absent or '': none. */
  readonly pipePath?: string;
}

export interface ListenerConfig {
  readonly name: string;
  readonly address: SocketAddress;
  readonly direction: 'inbound' | 'outbound' | 'unspecified';
  /** `filter_chains`, in order; matched like Envoy: the most specific match wins. */
  readonly filterChains: readonly FilterChainConfig[];
  readonly defaultFilterChain: FilterChainConfig | null;
  /** `per_connection_buffer_limit_bytes`; default 1 MiB in Envoy. Bounds the high watermark. */
  readonly bufferLimitBytes: number;
  /** `listener_filters`: tls_inspector present (server name and ALPN are looked at before a chain is chosen). */
  readonly inspectTls: boolean;
  /** `listener_filters_timeout`, default 15 s; 0: none. */
  readonly listenerFiltersTimeoutMs: number;
  /** `continue_on_listener_filters_timeout`: a silent caller gets the chain that nothing said fits. Default: its connection is closed. */
  readonly continueOnTimeout?: boolean;
  /** http_inspector present: `http/1.0`, `http/1.1` or `h2c` is the application protocol of plaintext. Default false. */
  readonly inspectHttp?: boolean;
  /** Where an inspector looks away, by the destination's port; absent: nowhere. */
  readonly tlsDisabled?: PortPredicate;
  readonly httpDisabled?: PortPredicate;
  /** original_dst present: what the caller connected to before the rules of this machine redirected it is the destination. Default false. */
  readonly originalDestination?: boolean;
  /** original_src present: upstream connections have the caller's address as their source. Absent or null: they have ours. */
  readonly originalSource?: { readonly mark: number } | null;
  /** `additional_addresses`: the listener is on all of them. Absent: there are none. */
  readonly additionalAddresses?: readonly SocketAddress[];
  /** `transparent` (IP_TRANSPARENT, for TPROXY) and `freebind` (IP_FREEBIND) of the socket. Default false. */
  readonly transparent?: boolean;
  readonly freebind?: boolean;
  /** `access_log`: of connections that no filter chain takes. Absent: none. */
  readonly accessLogs?: readonly AccessLogConfig[];
  /** It answers DNS by UDP and TCP, and has no filter chains. Absent: it takes TCP connections for those. */
  readonly dns?: DnsConfig;
}

/** `filter_disabled` of a listener filter. */
export type PortPredicate =
  | { readonly kind: 'any' }
  /** `end` is outside. */
  | { readonly kind: 'ports'; readonly start: number; readonly end: number }
  | { readonly kind: 'not'; readonly of: PortPredicate }
  | { readonly kind: 'and' | 'or'; readonly of: readonly PortPredicate[] };

export interface FilterChainMatch {
  readonly destinationPort: number | null;
  readonly serverNames: readonly string[];
  /** '' any, `raw_buffer` or `tls`. */
  readonly transportProtocol: '' | 'raw_buffer' | 'tls';
  readonly applicationProtocols: readonly string[];
  /** `prefix_ranges`, of the destination. This and those below: absent or empty: any. */
  readonly prefixRanges?: readonly AddressRangeConfig[];
  /** `direct_source_prefix_ranges`. */
  readonly directSourceRanges?: readonly AddressRangeConfig[];
  /** `local`: from the same address as the destination, or from loopback. */
  readonly sourceType?: 'any' | 'local' | 'external';
  /** `source_prefix_ranges` and `source_ports`. */
  readonly sourceRanges?: readonly AddressRangeConfig[];
  readonly sourcePorts?: readonly number[];
}

/** One of `httpConnectionManager` and `tcpProxy` is there. */
export interface FilterChainConfig {
  readonly name: string;
  readonly match: FilterChainMatch;
  readonly tls: TlsServerConfig | null;
  readonly httpConnectionManager: HttpConnectionManagerConfig | null;
  /** Absent or null: it is HTTP. */
  readonly tcpProxy?: TcpProxyConfig | null;
  /** `transport_socket_connect_timeout`: the TLS handshake; 0: none. */
  readonly handshakeTimeoutMs: number;
}

export interface HttpConnectionManagerConfig {
  readonly statPrefix: string;
  readonly codec: 'auto' | 'http1' | 'http2';
  /** Either an inline table or the name of one that comes by RDS. */
  readonly routes:
    | { readonly kind: 'inline'; readonly table: RouteTableConfig }
    | { readonly kind: 'rds'; readonly name: string };
  /** `http_filters` before the router, in their order. */
  readonly gates: readonly GateConfig[];
  readonly accessLogs: readonly AccessLogConfig[];
  /** Null: metrics of requests are as always. */
  readonly requestMetrics: RequestMetricsConfig | null;
  /** Null: requests are not traced, and trace headers pass untouched. */
  readonly tracing: TracingConfig | null;
  /** `common_http_protocol_options.idle_timeout`: connection without streams; Envoy's default 1 h; 0: none. */
  readonly connectionIdleTimeoutMs: number;
  /** `common_http_protocol_options.max_connection_duration`; 0: none. */
  readonly maxConnectionDurationMs: number;
  /** `common_http_protocol_options.max_requests_per_connection`; 0: no limit. */
  readonly maxRequestsPerConnection: number;
  /** `common_http_protocol_options.max_stream_duration`; 0: none. */
  readonly maxStreamDurationMs: number;
  /** `stream_idle_timeout`: default 5 min; 0: none. */
  readonly streamIdleTimeoutMs: number;
  /** `request_timeout`: whole request received; default 0: none. */
  readonly requestTimeoutMs: number;
  /** `request_headers_timeout`; default 0 in Envoy; ours 10 s against slow headers (hardening.md). */
  readonly requestHeadersTimeoutMs: number;
  /** `drain_timeout`: between the two GOAWAYs; default 5 s. */
  readonly drainTimeoutMs: number;
  /** `max_request_headers_kb` in bytes (default 60 KiB in Envoy; ours 64 KiB) and `common_http_protocol_options.max_headers_count` (100; ours 200). */
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  readonly http2: Http2Options;
  /** `http_protocol_options.accept_http_10`; ours default true (needs-and-defaults.md 17). */
  readonly acceptHttp10: boolean;
  /** `server_name`, default `outrigger`. */
  readonly serverName: string;
  readonly serverHeaderTransformation: 'overwrite' | 'append_if_absent' | 'pass_through';
  /** `use_remote_address`: this hop is an edge: x-forwarded-for gets the peer's address and control headers are stripped. Default false. */
  readonly useRemoteAddress: boolean;
  readonly xffTrustedHops: number;
  readonly skipXffAppend: boolean;
  readonly via: string;
  /** `forward_client_cert_details` and `set_current_client_cert_details`; absent: sanitize. */
  readonly forwardClientCert?: ForwardClientCertConfig;
  /** `generate_request_id` (default true), `preserve_external_request_id`, `always_set_request_id_in_response`. */
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestIdInResponse: boolean;
  /** `normalize_path`, `merge_slashes`, `path_with_escaped_slashes_action`. */
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly escapedSlashes: 'keep' | 'reject' | 'unescape_and_redirect' | 'unescape_and_forward';
  /** `strip_matching_host_port` / `strip_any_host_port`. */
  readonly stripHostPort: 'none' | 'matching' | 'any';
  /** `upgrade_configs`: tokens in lower case that may pass; needs-and-defaults.md 21: all pass unless denied, so `allowAll` is our default. */
  readonly upgrades: {
    readonly allowAll: boolean;
    readonly allowed: readonly string[];
    readonly denied: readonly string[];
  };
}

/** What becomes of `x-forwarded-client-cert`, and what this hop says in it of its client beside By and Hash. */
export interface ForwardClientCertConfig {
  readonly mode: 'sanitize' | 'forward-only' | 'append-forward' | 'sanitize-set' | 'always-forward-only';
  readonly subject: boolean;
  readonly uri: boolean;
  readonly dns: boolean;
}

export interface Http2Options {
  readonly maxConcurrentStreams: number;
  readonly initialStreamWindowBytes: number;
  readonly initialConnectionWindowBytes: number;
  readonly headerTableBytes: number;
  readonly allowConnect: boolean;
  readonly keepAliveIntervalMs: number;
  readonly keepAliveTimeoutMs: number;
}
