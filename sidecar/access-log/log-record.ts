/** What an access log line is made from: one finished request. */
import type { RequestHead } from '../codec/message-head.ts';

export interface LogRecord {
  readonly head: RequestHead | undefined;
  readonly originalPath: string;
  readonly version: string;
  readonly requestId: string;
  readonly status: number;
  readonly flag: string;
  readonly details: string;
  readonly grpcStatus: string;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly attempts: number;
  readonly upstreamHost: string;
  /** -1 when the service did not answer. */
  readonly upstreamServiceTimeMs: number;
  readonly routeName: string;
  readonly clusterName: string;
  readonly durationMs: number;
  readonly startWallMs: number;
  readonly listenerName: string;
  readonly remoteAddress: string;
  readonly localAddress: string;
}
