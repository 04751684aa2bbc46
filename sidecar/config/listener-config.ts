/**
 * What a listener is configured to do: our own frozen form of Envoy's Listener, FilterChain and HttpConnectionManager.
 * Made and validated only in sidecar/xds; everything else just reads it. No protobuf here.
 */
import type { AccessLogConfig } from './access-log-config.ts';
import type { GateConfig } from './gate-config.ts';
import type { RouteTableConfig } from './route-config.ts';
import type { TlsServerConfig } from './tls-config.ts';

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
  /** `listener_filters_timeout`, default 15 s. */
  readonly listenerFiltersTimeoutMs: number;
}

export interface FilterChainMatch {
  readonly destinationPort: number | null;
  readonly serverNames: readonly string[];
  /** '' any, `raw_buffer` or `tls`. */
  readonly transportProtocol: '' | 'raw_buffer' | 'tls';
  readonly applicationProtocols: readonly string[];
}

export interface FilterChainConfig {
  readonly name: string;
  readonly match: FilterChainMatch;
  readonly tls: TlsServerConfig | null;
  readonly httpConnectionManager: HttpConnectionManagerConfig;
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
