/**
 * How the router asks for an upstream stream, and what it hears: the seam between router and cluster manager.
 * The router never sees pools, hosts' connections or load balancers.
 */
import type { Socket } from 'node:net';
import type { RunningBreaker } from '../circuit-breaker/running-breaker.ts';
import type { ClientStream, ResponseReceiver } from '../codec/codec.ts';
import type { HttpVersion, ResponseHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ListenerConfig, SocketAddress } from '../config/listener-config.ts';
import type { ConnectSource } from '../transport/connect.ts';

/** A running endpoint, as logs and metrics see it. */
export interface Host {
  /** `ip:port`. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** Of its locality; '' or absent: it has none. */
  readonly zone?: string;
}

/** The asker for one stream: implemented by the router's attempt object, so that no closure is made. */
export interface StreamRequest extends ResponseReceiver {
  /**
   * A stream exists on a ready connection: send the head now, within this call. `reused`: the connection has carried a request before, or rested
   * (then a failure before any response byte may be a stale keep-alive connection).
   */
  onStreamReady(stream: ClientStream, host: Host, reused: boolean): void;
  /** No stream can be had (no healthy host UH, overflow UO, connect failure UF, removed cluster NC). Nothing follows. */
  onStreamFailed(error: ProxyError, host: Host | null): void;
}

/** A request that waits for a connection; gone once onStreamReady or onStreamFailed was called. */
export interface PendingStream {
  /** Whose connection it waits for. Optional for fakes. */
  readonly host?: Host;
  /** The asker lost interest; neither callback comes. */
  cancel(): void;
}

/** Where a connection that was redirected to us was going, and from where it goes on. */
export interface ConnectionOrigin {
  /** What the caller connected to; null: it is not known. */
  readonly destination: SocketAddress | null;
  /** Of the listener that took it. */
  readonly direction: ListenerConfig['direction'];
  /** Where upstream connections come from: the caller's own address (original_src); null: this machine's. */
  readonly source: ConnectSource | null;
  /** For the first attempt of each request of the connection. */
  readonly nothingTried: LoadBalancerContext;
}

/** Asks for a connection rather than for a stream. */
export interface TcpRequest {
  /** There is one; nothing of it was read yet. Attach an 'error' listener now. */
  onTcpReady(connection: TcpUpstream): void;
  /** There will be none (UH, UO, UF). Nothing follows. May be called from inside of requestTcp(). */
  onTcpFailed(error: ProxyError, host: Host | null): void;
  /** The cluster ends the connection, which was ready: destroy its socket. */
  onTcpCut(error: ProxyError): void;
}

/** An upstream connection that is somebody's. */
export interface TcpUpstream {
  readonly socket: Socket;
  readonly host: Host;
  /** Once, when its socket is closed. `remotely`: the host ended it. */
  closed(remotely: boolean): void;
}

/** What a load balancer may look at. */
export interface LoadBalancerContext {
  /** Hosts tried before by this request, to be avoided when there is another. */
  readonly triedHosts: ReadonlyArray<Host> | null;
  /** Hosts that are canaries (metadata `envoy.lb`, `canary`) are avoided when there is another; default false. */
  readonly avoidCanaries?: boolean;
  /** Of the caller's connection; absent or null: it was not redirected. */
  readonly origin?: ConnectionOrigin | null;
}

/** The limits of time that a cluster counts: of the whole request, of one try, of its silence, of its stream from beginning to end. */
export type UpstreamTimeLimit = 'route' | 'try' | 'try-idle' | 'try-duration';

/**
 * How an answer is counted, beside what it says of its host: as the caller's (`upstream_rq_503`), as one that was retried (`retry.upstream_rq_503`), or not at all, because nobody
 * got it.
 */
export type CountedAs = 'answer' | 'retry' | 'nothing';

/**
 * What became of a retry, for counters: it led to an answer that was not retried, or the policy allows no more, or the body is too long to be kept; and how long the pause before it was:
 * by back-off, or as the
 * service said; these two are counted when the attempt is sent. Of hedges: one was sent, there was no place for one, one was answered first.
 */
export type RetryEvent =
  | 'success'
  | 'limit'
  | 'abandoned'
  | 'backoff'
  | 'backoff-told'
  | 'hedge'
  | 'hedge-overflow'
  | 'hedge-won';

/** What was answered instead of a failure of the cluster: the answer of another one, the last good answer, or a fixed one. */
export type FallbackAnswer = 'service' | 'stale' | 'answer';

/** A host that gets no requests for now, or none but in need, and why, in words. */
export interface PassedOverHost {
  readonly host: string;
  readonly why: string;
}

/** How a cluster is at this moment, for who explains what became of a request. */
export interface ClusterSituation {
  readonly passedOver: readonly PassedOverHost[];
  /** What else may have had a part in a failure: a breaker that is open, limits that are reached, hosts that are ejected; in words. */
  readonly circumstances: readonly string[];
}

/** A cluster that runs: hosts, balancer, pools, limits, statistics. */
export interface Cluster {
  readonly config: ClusterConfig;
  /** Asked and told by each attempt. Absent or null: there is none. */
  readonly breaker?: RunningBreaker | null;
  /** The same cluster for requests of routes with priority HIGH: limits, connections and retries of their own (Envoy). Optional for fakes, which have one priority. */
  highPriority?(): Cluster;
  /**
   * Asks for a stream. May call back synchronously (then returns null). `downstreamVersion` decides the protocol of `same-as-downstream` clusters.
   */
  requestStream(
    request: StreamRequest,
    context: LoadBalancerContext,
    downstreamVersion: HttpVersion,
  ): PendingStream | null;
  /** Asks for a connection of one's own (TCP). Optional for fakes. */
  requestTcp?(request: TcpRequest, context: LoadBalancerContext): { cancel(): void } | null;
  /**
   * The router reports how a request to `host` ended, once per stream that became ready: for `upstream_rq_*` counters; of a reset (0) outlier detection hears too.
   * `status`: of the response, or of our answer to a timeout; 0: the upstream reset it; -1: its end says nothing about the host (the caller went away). `counted`: default `answer`.
   */
  onResponse(host: Host, status: number, durationMs: number, counted?: CountedAs): void;
  /** The head of a response came (not an informational one): at this moment the host's health is judged by it, as in Envoy. `askedMs`: when it was asked for, for balancers by latency; absent: not known. Before onResponse, not instead. Optional for fakes. */
  onResponseHead?(host: Host, head: ResponseHead, endStream: boolean, askedMs?: number): void;
  /** The caller gets a status of ours instead of an answer of the upstream's: it is among `upstream_rq_…` too (Envoy). Optional for fakes. */
  onOwnAnswer?(status: number): void;
  /**
   * The router gave a request up for time: `upstream_rq_timeout`, `_per_try_timeout`, `_per_try_idle_timeout`, `_max_duration_reached`. `answered`: the head of a response had come, so that it says nothing about
   * the host's health. Beside onResponse, not instead. Optional for fakes.
   */
  onTimeout?(host: Host | null, kind: UpstreamTimeLimit, answered?: boolean): void;
  /** The router reset a stream before its response was whole: `upstream_rq_tx_reset`. Beside onResponse. Optional for fakes. */
  onLocalReset?(): void;
  /** What became of retries, for counters. Optional for fakes. */
  onRetryEvent?(event: RetryEvent): void;
  /** A caller gets something else than a failure. Optional for fakes. */
  onFallback?(kind: FallbackAnswer): void;
  /** Looks at every host, and makes text: only for requests of which a record is kept. Optional for fakes. */
  situation?(nowMs: number): ClusterSituation;
  /** There is a host for requests that is none of these. Looks at every host. Optional for fakes: there is. */
  hasOtherHost?(tried: readonly Host[]): boolean;
  /** Active retries are limited by `limits.maxRetries`, or a retry budget: true takes a place (give it back with endRetry). */
  tryBeginRetry(): boolean;
  endRetry(): void;
  /** Repeats that no policy asked for, on connections that were stale, are limited too: true takes a place (give it back with endRepeat). */
  tryBeginRepeat(): boolean;
  endRepeat(): void;
}

export interface ClusterLookup {
  /** The running cluster of that name in the newest configuration, or undefined. */
  cluster(name: string): Cluster | undefined;
}
