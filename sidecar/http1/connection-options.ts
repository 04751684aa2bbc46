/** What an HTTP/1 server connection needs beside its socket, owner and limits. */
import type { TimerWheel } from '../runtime/timer-wheel.ts';

export interface Http1ServerOptions {
  /** Of requests in origin form: `https` when TLS was terminated here. */
  readonly scheme: 'http' | 'https';
  readonly wheel: TimerWheel;
  /** HTTP/1.0 requests are taken; else they are refused with 426 (Envoy `accept_http_10`). */
  readonly acceptHttp10: boolean;
  /** Bytes that were read from the socket before the codec was chosen. */
  readonly firstBytes: Buffer | null;
  /** How long a head may take from its first byte to its last; 0: no limit. Default 60,000 (Envoy `request_headers_timeout`, whose default is no limit). */
  readonly headTimeoutMs?: number;
}

export const defaultHeadTimeoutMs = 60_000;
