/**
 * Limits and timings that codecs enforce, with the defaults of Envoy or, where needs-and-defaults.md says so, ours.
 * Set from the HTTP connection manager (downstream) or HttpProtocolOptions (upstream).
 */

/** Informational responses (1xx) to one request, all passed on: early hints are a few, 102 comes every 20 s (RFC 2518 10.1). An upstream that never stops must be stopped. */
export const maxInformationalHeads = 100;

export interface HttpLimits {
  /** Whole head in bytes (request line and fields; HTTP/2: decoded header list, names + values). Envoy `max_request_headers_kb`; ours 64 KiB as in Envoy 60 KiB. */
  readonly maxHeadBytes: number;
  /** Number of fields. Envoy `max_headers_count` is 100; needs-and-defaults.md says 200. */
  readonly maxFields: number;
  /** Bytes written but not yet taken by the peer, per stream, above which onWriteBlocked is called. Envoy per_connection_buffer_limit_bytes is 1 MiB; ours is smaller for memory. */
  readonly highWatermarkBytes: number;
  readonly lowWatermarkBytes: number;
}

export interface Http2Limits {
  /** SETTINGS_MAX_CONCURRENT_STREAMS we announce. Envoy: 2147483647 configured default before 1.36, 1024 since; ours 1024. */
  readonly maxConcurrentStreams: number;
  /** SETTINGS_INITIAL_WINDOW_SIZE we announce (receive window of a stream). */
  readonly initialStreamWindowBytes: number;
  /** Receive window of the connection. */
  readonly initialConnectionWindowBytes: number;
  /**
   * Bytes that all streams of a connection together may hold for owners who do not take them. Up to here the connection's window is given back on receipt, so that
   * streams that stall do not starve the rest; beyond, only as bytes are taken. From half of it the peer is told to keep to narrow stream windows. Envoy has no
   * such bound but the connection's window, which it makes so large instead.
   */
  readonly maxHeldBytes: number;
  /** SETTINGS_HEADER_TABLE_SIZE we announce, and the most that our encoder uses of the peer's. */
  readonly headerTableBytes: number;
  /** Envoy max_outbound_frames (10,000) and max_outbound_control_frames (1,000). */
  readonly maxOutboundFrames: number;
  readonly maxOutboundControlFrames: number;
  /** Envoy max_consecutive_inbound_frames_with_empty_payload (1). */
  readonly maxConsecutiveEmptyFrames: number;
  /** Envoy max_inbound_priority_frames_per_stream (100). */
  readonly maxPriorityFramesPerStream: number;
  /** Envoy max_inbound_window_update_frames_per_data_frame_sent (10). */
  readonly maxWindowUpdatesPerDataFrame: number;
  /** CONTINUATION frames of one header block. */
  readonly maxContinuationFrames: number;
  /** Keep-alive PING: interval (0: none) and how long an answer may take. Envoy `connection_keepalive`. */
  readonly keepAliveIntervalMs: number;
  readonly keepAliveTimeoutMs: number;
}

export const defaultHttpLimits: HttpLimits = Object.freeze({
  maxHeadBytes: 64 * 1024,
  maxFields: 200,
  highWatermarkBytes: 256 * 1024,
  lowWatermarkBytes: 64 * 1024,
});

export const defaultHttp2Limits: Http2Limits = Object.freeze({
  maxConcurrentStreams: 1024,
  initialStreamWindowBytes: 256 * 1024,
  initialConnectionWindowBytes: 1024 * 1024,
  maxHeldBytes: 16 * 1024 * 1024,
  headerTableBytes: 4096,
  maxOutboundFrames: 10_000,
  maxOutboundControlFrames: 1_000,
  maxConsecutiveEmptyFrames: 1,
  maxPriorityFramesPerStream: 100,
  maxWindowUpdatesPerDataFrame: 10,
  maxContinuationFrames: 16,
  keepAliveIntervalMs: 0,
  keepAliveTimeoutMs: 0,
});
