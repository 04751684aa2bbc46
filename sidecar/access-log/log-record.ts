/** What an access log line is made from: one finished request, or one that was refused before it became a stream. */
import type { HeaderFields } from '../codec/header-fields.ts';
import type { RequestHead } from '../codec/message-head.ts';

/** Of a finished request; implemented by ActiveStream. */
export interface LoggedStream {
  readonly head: RequestHead;
  /** As received: `head.path` may be rewritten. */
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
  readonly route: { readonly name: string } | null;
  readonly target: { readonly name: string } | null;
  readonly responseHead: { readonly fields: HeaderFields } | null;
  readonly responseTrailers: HeaderFields | null;
  readonly policy: string;
  readonly dryRunDeniedBy: string;
  readonly decidedBy: string;
  readonly metadata: ReadonlyMap<string, unknown> | null;
}

export interface LogRecord {
  readonly head: RequestHead | null;
  readonly responseFields: HeaderFields | null;
  readonly responseTrailers: HeaderFields | null;
  /** As received, without the values of tokens; see hidden-parameters.ts. */
  readonly originalPath: string;
  /** As it went on; the same. */
  readonly path: string;
  /** `HTTP/1.1`, or ''. */
  readonly protocol: string;
  readonly requestId: string;
  readonly status: number;
  readonly flag: string;
  readonly details: string;
  /** Of RBAC rules that denied it or let it pass; '' : none have judged it. */
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
  readonly upstreamHost: string;
  readonly upstreamServiceTimeMs: number;
  readonly routeName: string;
  readonly clusterName: string;
  readonly durationMs: number;
  readonly startWallMs: number;
  readonly listenerName: string;
  readonly remoteAddress: string;
  readonly localAddress: string;
  /** URI names of the client's verified certificate; several: with commas. '' without one. */
  readonly peerUri: string;
  /** URI name of our own certificate; ''. */
  readonly localUri: string;
  /** `TLSv1.3`, or ''. */
  readonly tlsVersion: string;
}
