/** What the benchmark asks of every proxy it measures. The seam between scenarios, which say what is sent, and peers, which know how each proxy is told. */
import type { StartedProgram } from '../test/peers/started-program.ts';

export type PeerId = 'outrigger' | 'envoy' | 'nginx' | 'haproxy';
/** `explicit`: our sidecar beside itself, without interception (intercepted/). */
export type ContestantId = PeerId | 'explicit';

/** The same for every peer; each writes its own configuration from it. */
export interface ProxySetup {
  readonly listenPort: number;
  readonly adminPort: number;
  readonly downstream: 'http1' | 'http2' | 'grpc';
  /** A peer without an HTTP/2 client of its own goes upstream by HTTP/1.1, to the same backend, and says so. */
  readonly upstream: 'http1' | 'http2' | 'grpc';
  readonly upstreamPort: number;
  readonly tls: UpstreamTls | null;
  /** TLS 1.3 on the listening side, client certificates required; null: plaintext. */
  readonly listenTls: UpstreamTls | null;
  /** How many routes the table holds; requests match the last one. */
  readonly routes: number;
  /** How many RBAC policies judge each request, of which the last allows it; 0: there is no such filter. */
  readonly policies: number;
  /** Retries, hedging, breakers, fallback, limits, ejection: as many as the peer has, none of which fires. */
  readonly resilience: boolean;
  /** A JSON line in a file for each request; absent: none. Only of Envoy and ours. */
  readonly accessLog?: boolean;
  /** Two spans for each traced request to a collector, by OTLP over gRPC; absent: none. Only of Envoy and ours. */
  readonly tracing?: BenchTracing;
  /** Ours alone: false keeps no records of recent requests, as those who have none cannot; absent: as it is by default. */
  readonly flightRecorder?: boolean;
  /** For configuration files, pid files, logs. */
  readonly folder: string;
}

export interface BenchTracing {
  readonly percent: number;
  readonly collectorPort: number;
}

/** TLS 1.3 with both sides authenticated: what a side shows, and whom it wants. */
export interface UpstreamTls {
  readonly caFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly serverName: string;
}

export interface RunningProxy {
  readonly program: StartedProgram;
  /** From exec to readiness. */
  readonly readyMs: number;
}

export interface ProxyPeer {
  readonly id: ContestantId;
  /** How it differs from the others, for the report; '' when it does not. */
  readonly notes: string;
  /** One line for a user when it can't run here; null when it can. */
  missing(): string | null;
  /** Why this peer can't take part with this setup, or null. */
  refuses(
    setup: Pick<ProxySetup, 'downstream' | 'upstream' | 'tls' | 'listenTls' | 'policies' | 'resilience'>,
  ): string | null;
  version(): string;
  start(setup: ProxySetup): Promise<RunningProxy>;
}

/** Share of requests that the weighted route gives to its first cluster, per cent. */
export const firstClusterWeight = 90;

/** Routes that never match, before the one that does: `/service-N/`. */
export function otherRoutePrefixes(setup: ProxySetup): string[] {
  return Array.from({ length: setup.routes - 1 }, (_, index) => `/service-${index}/`);
}
