/** What every HTTP connection manager of a sidecar shares. Wired once in sidecar/server.ts; no module-level state anywhere. */

import type { LineBuffer } from '../access-log/line-buffer.ts';
import type { LogRecord } from '../access-log/log-record.ts';
import type { BreakerRegistry } from '../circuit-breaker/breaker-registry.ts';
import type { ClusterLookup, ConnectionOrigin } from '../cluster/upstream.ts';
import type { LogServiceConfig } from '../config/access-log-config.ts';
import type { SharedGates } from '../filters/shared-gates.ts';
import type { FlightRecorder } from '../recorder/flight-recorder.ts';
import type { RouteMemory } from '../router/route-memory.ts';
import type { RouteTable } from '../router/route-table.ts';
import type { Clock, Random } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { TimerWheel } from '../runtime/timer-wheel.ts';
import type { StatStore } from '../stats/stat-store.ts';
import type { SpanSinks } from '../tracing/span-sinks.ts';
import type { PeerCertificate } from '../transport/peer-certificate.ts';
import type { RequestMetricBounds } from './request-metric-bounds.ts';
import type { SourceLabels } from './source-labels.ts';

export interface RouteTableLookup {
  /** The compiled RDS table of that name in the newest configuration, or undefined when it has not come yet. */
  routeTable(name: string): RouteTable | undefined;
}

export interface HttpContext {
  readonly clusters: ClusterLookup;
  readonly routeTables: RouteTableLookup;
  /** Where circuit breakers of routes live; absent: routes have none. */
  readonly breakers?: BreakerRegistry;
  /** Where gates are that connection managers of a listener share; absent: each has its own. */
  readonly sharedGates?: SharedGates;
  readonly stats: StatStore;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  /** Calls back once the call is over in which it is called, before anything else comes; default: queueMicrotask. The simulator, whose time runs in one call, has its own. */
  readonly defer?: (callback: () => void) => void;
  readonly log: Log;
  /** `node.cluster` of this proxy (`shop/orders`), as the source or destination label of metrics and in logs. */
  readonly localService: string;
  /** `node.id`, for records of requests; absent: ''. */
  readonly nodeId?: string;
  /** This proxy has an identity of the mesh from our control plane, so that inbound callers without one are strangers; absent: as Envoy, which trusts what no edge stripped. */
  readonly hasIdentity?: boolean;
  /** Opens an access log sink once per path and hands out line writers (access-log/access-log-sink.ts). */
  readonly accessLogSinks: AccessLogSinks;
  /** Callers as label values, counted over all connection managers; default: each counts for itself. */
  readonly sourceLabels?: SourceLabels;
  /** How many label sets requests may have, over all connection managers; default: each has so many. */
  readonly metricBounds?: RequestMetricBounds;
  /** Keeps requests that have ended; absent or null: nobody does. */
  readonly recorder?: FlightRecorder | null;
  /** Where spans go; absent: nowhere. Asked when a connection manager is made: its configuration has had the code of exporters loaded by then. */
  readonly spanSinks?: SpanSinks;
  /** What routes learn from their requests, over all connection managers and configurations; default: each connection manager for itself. */
  readonly routeMemory?: RouteMemory;
}

export interface AccessLogSinks {
  /** The writer of a sink; asking twice gives the same. Never blocks the data path: past a bound lines are dropped and counted. */
  open(
    sink: { readonly kind: 'file'; readonly path: string } | { readonly kind: 'stdout' } | { readonly kind: 'stderr' },
  ): LineWriter;
  /** The same of a service that takes entries, whose code was loaded with the configuration. */
  openService(config: LogServiceConfig): (record: LogRecord) => void;
}

export interface LineWriter {
  /** `format` writes one line of `item`, without its line break; it must not throw. */
  write<Item>(format: (item: Item, out: LineBuffer) => void, item: Item): void;
}

/** What is known of a downstream connection before its first request. */
export interface DownstreamConnectionInfo {
  readonly listenerName: string;
  readonly direction: 'inbound' | 'outbound' | 'unspecified';
  /** TLS was terminated here. */
  readonly secure: boolean;
  /** ALPN that was agreed on, or ''. */
  readonly alpn: string;
  /** SNI that the client sent, in lower case; ''. */
  readonly serverName: string;
  /** The client's certificate, verified; null: it showed none, or there is no TLS. */
  readonly peer: PeerCertificate | null;
  /** `namespace/service account` of the peer's verified identity, for metrics; '' or absent: it has none. */
  readonly peerService?: string;
  /** The same as a label value, of which there are only so many; set by the connection manager. */
  readonly sourceLabel?: string;
  /** `TLSv1.3`; '' or absent: no TLS. */
  readonly tlsVersion?: string;
  /** By OpenSSL's name; '' or absent: no TLS. */
  readonly tlsCipher?: string;
  /** URI name of our own certificate on this connection; ''. */
  readonly localUri: string;
  /** When the first of the two certificates ends, by the wall clock: the connection has a successor by then. Infinity or absent: none does. */
  readonly validUntilWallMs?: number;
  /** What this hop says in `x-forwarded-client-cert`, worked out once by the connection manager; '' or absent: nothing. */
  readonly forwardedClientCert?: string;
  /** Where the connection was going and from where it goes on, where the listener looks for that; absent or null: it does not. */
  readonly origin?: ConnectionOrigin | null;
  /** `ip:port` of this end, as the caller connected to it: before it was redirected. And of the peer. */
  readonly localAddress: string;
  readonly remoteAddress: string;
}
