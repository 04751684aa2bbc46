/**
 * What an access log line is made from: one finished request, one that was refused before it became a stream, or one finished connection. A record is a view: nothing is worked out of it before a
 * filter or format asks, and nobody keeps it.
 */
import type { HeaderFields } from '../codec/header-fields.ts';
import type { RequestHead } from '../codec/message-head.ts';
import type { LogType } from '../config/access-log-config.ts';
import type { DownstreamConnectionInfo } from '../connection-manager/http-context.ts';

/** Of a finished request; implemented by ActiveStream. */
export interface LoggedStream {
  readonly head: RequestHead;
  /** As received: `head.path` may be rewritten. */
  readonly originalPath: string;
  readonly version: string;
  readonly requestId: string;
  /** It is a gRPC call. */
  readonly grpc: boolean;
  /** Of the trace, and of its span here; '': it is not traced here. */
  readonly traceId: string;
  readonly spanId: string;
  /** Null: it is not traced here. */
  readonly trace: { readonly sampled: boolean } | null;
  /** By the clock, as all that follow; -1: it did not come so far. */
  readonly startMs: number;
  readonly requestWholeMs: number;
  /** The head of what the caller got began to come, or was made up here. */
  readonly firstByteMs: number;
  /** Null: no host was asked. */
  readonly lastAttempt: {
    readonly sentMs: number;
    readonly firstByteMs: number;
    readonly endedMs: number;
    /** Null: it was answered. */
    readonly failure: { readonly flag: string; readonly message: string } | null;
    /** Null: there was no connection. */
    readonly stream: { readonly connection: { readonly localEnd: string } } | null;
  } | null;
  readonly status: number;
  readonly flag: string;
  readonly details: string;
  readonly grpcStatus: string;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly attempts: number;
  /** Why there was not one more; ''. */
  readonly notRetried: string;
  readonly upstreamHost: string;
  /** -1 when the service did not answer. */
  readonly upstreamServiceTimeMs: number;
  readonly route: { readonly name: string } | null;
  readonly target: { readonly name: string } | null;
  readonly responseHead: { readonly fields: HeaderFields; readonly version: string } | null;
  readonly responseTrailers: HeaderFields | null;
  readonly policy: string;
  readonly dryRunDeniedBy: string;
  readonly decidedBy: string;
  readonly metadata: ReadonlyMap<string, unknown> | null;
}

/** Of a finished connection (TCP), or of one that no filter chain took. */
export interface LoggedConnection {
  /** Several: with commas. */
  readonly flag: string;
  readonly details: string;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly attempts: number;
  readonly upstreamHost: string;
  readonly clusterName: string;
  readonly policy: string;
  readonly dryRunDeniedBy: string;
  readonly metadata: ReadonlyMap<string, unknown> | null;
}

export interface LogRecord {
  /** It is about a connection: there is nothing of HTTP in it. */
  readonly tcp: boolean;
  readonly type: LogType;
  readonly info: DownstreamConnectionInfo;
  readonly head: RequestHead | null;
  readonly responseFields: HeaderFields | null;
  readonly responseTrailers: HeaderFields | null;
  /** As received, without the values of tokens; see hidden-parameters.ts. */
  readonly originalPath: string;
  /** As it went on; the same. */
  readonly path: string;
  /** `HTTP/1.1`, or ''. */
  readonly protocol: string;
  /** The same of the service that answered; '' when none did. */
  readonly upstreamProtocol: string;
  readonly requestId: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Its trace is kept. */
  readonly sampled: boolean;
  readonly grpc: boolean;
  readonly status: number;
  /** Several: with commas. */
  readonly flag: string;
  readonly details: string;
  /** What made it fail or held it up on purpose; else of RBAC rules that let it pass; '' : none have judged it. */
  readonly policy: string;
  /** A policy that is only tried; ''. */
  readonly dryRunDeniedBy: string;
  /** What of another gate than RBAC refused it, or let it pass when asked; ''. */
  readonly decidedBy: string;
  /** What gates found out. */
  readonly metadata: ReadonlyMap<string, unknown> | null;
  readonly grpcStatus: string;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly attempts: number;
  readonly notRetried: string;
  readonly upstreamHost: string;
  /** `ip:port` of our end of the connection to it; '': there is none, or none any more. */
  readonly upstreamLocalEnd: string;
  /** Why there was no connection to it, for people; ''. */
  readonly connectFailure: string;
  readonly upstreamServiceTimeMs: number;
  readonly routeName: string;
  readonly clusterName: string;
  readonly durationMs: number;
  readonly startWallMs: number;
  /** `ip:port` of whom it is for: by `x-forwarded-for`, as far as hops before us are believed (port 0), else of the peer. */
  readonly clientEndpoint: string;
  /** Milliseconds since its beginning, with a fraction; -1: it did not come so far. */
  pointMs(point: TimePoint): number;
}

/** Envoy's names: reception and transmission, downstream and upstream, beginning and end. */
export type TimePoint =
  | 'DS_RX_BEG'
  | 'DS_RX_END'
  | 'US_TX_BEG'
  | 'US_TX_END'
  | 'US_RX_BEG'
  | 'US_RX_END'
  | 'DS_TX_BEG'
  | 'DS_TX_END';
