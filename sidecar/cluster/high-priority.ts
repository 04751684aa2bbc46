/**
 * A cluster as requests of routes with priority HIGH see it: the same hosts, balancer and counters, but limits, connections and retries of their own, so that what is
 * important is not held up by what is not (Envoy's `thresholds[HIGH]`).
 */
import type { RunningBreaker } from '../circuit-breaker/running-breaker.ts';
import type { HttpVersion, ResponseHead } from '../codec/message-head.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { Bulkhead } from './bulkhead.ts';
import { clusterSituation } from './cluster-situation.ts';
import type { RunningCluster } from './running-cluster.ts';
import type {
  Cluster,
  ClusterSituation,
  CountedAs,
  FallbackAnswer,
  Host,
  LoadBalancerContext,
  PendingStream,
  RetryEvent,
  StreamRequest,
  UpstreamTimeLimit,
} from './upstream.ts';

export class HighPriority implements Cluster {
  readonly config: ClusterConfig;
  readonly breaker: RunningBreaker | null;
  readonly places: Bulkhead;
  readonly #cluster: RunningCluster;

  constructor(cluster: RunningCluster, places: Bulkhead) {
    this.config = cluster.config;
    this.breaker = cluster.breaker;
    this.places = places;
    this.#cluster = cluster;
  }

  requestStream(
    request: StreamRequest,
    context: LoadBalancerContext,
    downstreamVersion: HttpVersion,
  ): PendingStream | null {
    return this.#cluster.requestHighStream(this.places, request, context, downstreamVersion);
  }

  onResponse(host: Host, status: number, durationMs: number, counted: CountedAs = 'answer'): void {
    this.places.requests.giveBack();
    this.#cluster.countResponse(host, status, durationMs, counted);
  }

  onOwnAnswer(status: number): void {
    this.#cluster.onOwnAnswer(status);
  }

  onResponseHead(host: Host, head: ResponseHead, endStream: boolean, askedMs = -1): void {
    this.#cluster.onResponseHead(host, head, endStream, askedMs);
  }

  onTimeout(host: Host | null, kind: UpstreamTimeLimit, answered = false): void {
    this.#cluster.onTimeout(host, kind, answered);
  }

  onLocalReset(): void {
    this.#cluster.onLocalReset();
  }

  onRetryEvent(event: RetryEvent): void {
    this.#cluster.onRetryEvent(event);
  }

  onFallback(kind: FallbackAnswer): void {
    this.#cluster.onFallback(kind);
  }

  situation(nowMs: number): ClusterSituation {
    return clusterSituation(this.#cluster, this.places, nowMs);
  }

  hasOtherHost(tried: readonly Host[]): boolean {
    return this.#cluster.hasOtherHost(tried);
  }

  tryBeginRetry(): boolean {
    return this.places.tryRetry();
  }

  endRetry(): void {
    this.places.endRetry();
  }

  tryBeginRepeat(): boolean {
    return this.places.tryRepeat();
  }

  endRepeat(): void {
    this.places.endRepeat();
  }
}
