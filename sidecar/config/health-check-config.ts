/** Our frozen form of Envoy's HealthCheck: how hosts of a cluster are asked whether they are well. Times in milliseconds, all above 0 unless said otherwise. */
import type { HeaderMutations, StringMatchConfig } from './route-config.ts';

export interface HealthCheckConfig {
  readonly check: HttpCheckConfig | GrpcCheckConfig | TcpCheckConfig;
  /** Connecting and TLS included. */
  readonly timeoutMs: number;
  readonly intervalMs: number;
  /** The first check comes after a random part of it; 0: at once. */
  readonly initialJitterMs: number;
  /** A random part of each is added to every wait; 0: nothing. */
  readonly intervalJitterMs: number;
  readonly intervalJitterPercent: number;
  /** Failures in a row until the host is unhealthy. An answer that says "unhealthy" counts at once. */
  readonly unhealthyThreshold: number;
  /** Passes in a row until the host is healthy again; of a new host one is enough. */
  readonly healthyThreshold: number;
  /** Until the cluster has had its first connection for a request; default 60 s. */
  readonly noTrafficIntervalMs: number;
  /** The same behind a pass; default `noTrafficIntervalMs`. */
  readonly noTrafficHealthyIntervalMs: number;
  /** Behind a failure of an unhealthy host; default `intervalMs`. */
  readonly unhealthyIntervalMs: number;
  /** Behind a failure that made it unhealthy or counts towards that; default `unhealthyIntervalMs`. */
  readonly unhealthyEdgeIntervalMs: number;
  /** Behind a pass that made it healthy or counts towards that; default `intervalMs`. */
  readonly healthyEdgeIntervalMs: number;
  readonly reuseConnection: boolean;
  readonly alwaysLogFailures: boolean;
  readonly alwaysLogSuccesses: boolean;
  /** `tls_options.alpn_protocols`; empty: what the cluster's TLS says, else what the check's protocol needs. */
  readonly alpn: readonly string[];
  /** `transport_socket_match_criteria`: JSON text by key, in the place of the endpoint's own. Null: the endpoint's own. */
  readonly transportMatch: Readonly<Record<string, string>> | null;
}

/** From, and to but without. */
export type StatusRange = readonly [from: number, to: number];

export interface HttpCheckConfig {
  readonly kind: 'http';
  /** '': the cluster's name. */
  readonly host: string;
  readonly path: string;
  readonly method: string;
  readonly protocol: 'http1' | 'http2';
  /** Default: 200 only. */
  readonly expected: readonly StatusRange[];
  /** Count towards the threshold rather than at once. */
  readonly retriable: readonly StatusRange[];
  readonly requestHeaders: HeaderMutations;
  /** Must stand in the body, in this order. Empty: the body is not looked at. */
  readonly receive: readonly Buffer[];
  /** Of the body, so much is looked at. */
  readonly responseBufferBytes: number;
  /** What `x-envoy-upstream-healthchecked-cluster` must say; null: anything. */
  readonly serviceName: StringMatchConfig | null;
}

/** `grpc.health.v1.Health/Check`. */
export interface GrpcCheckConfig {
  readonly kind: 'grpc';
  /** '': the server as a whole. */
  readonly serviceName: string;
  /** '': the cluster's name. */
  readonly authority: string;
  readonly metadata: HeaderMutations;
}

export interface TcpCheckConfig {
  readonly kind: 'tcp';
  /** Null: nothing is sent. */
  readonly send: Buffer | null;
  /** Must come, in this order. Empty: a connection is enough. */
  readonly receive: readonly Buffer[];
}
