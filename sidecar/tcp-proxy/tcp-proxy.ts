/**
 * Envoy's TCP proxy: what the connections of one filter chain share. Sessions do the work; see tcp-session.ts. Its code is loaded when a configuration first has such a chain
 * (../listener/listener-manager.ts).
 */
import type { Socket } from 'node:net';
import { AccessLogger } from '../access-log/access-logger.ts';
import type { ClusterLookup } from '../cluster/upstream.ts';
import { HeaderFields } from '../codec/header-fields.ts';
import { RequestHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { FilterChainConfig, ListenerConfig } from '../config/listener-config.ts';
import type { TcpProxyConfig } from '../config/tcp-proxy-config.ts';
import type { DownstreamConnectionInfo, HttpContext } from '../connection-manager/http-context.ts';
import { overflowLabel, RequestMetricBounds } from '../connection-manager/request-metric-bounds.ts';
import { destinationLabel } from '../connection-manager/request-metrics.ts';
import { foreignDomainOf, SourceLabels } from '../connection-manager/source-labels.ts';
import { RbacGate } from '../filters/rbac/rbac-gate.ts';
import type { GateRequest } from '../filters/request-gate.ts';
import type { Race, RaceOwner } from '../listener/race.ts';
import type { ConnectionManager, IdleConnection } from '../listener/running-listener.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { TimerWheel } from '../runtime/timer-wheel.ts';
import { TcpSession } from './tcp-session.ts';
import { openedFamily, type TcpMetricScope, TcpMetrics, TcpStats } from './tcp-stats.ts';

/** More than this never waits in one direction, whatever is configured: many connections do. */
const mostBufferedBytes = 256 * 1024;

/** A shorter silence is a pause in what goes on. */
const restMs = 5_000;

export class TcpProxy implements ConnectionManager {
  readonly config: TcpProxyConfig;
  readonly stats: TcpStats;
  readonly clusters: ClusterLookup;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly log: Log;
  readonly accessLogs: readonly AccessLogger[];
  /** Those that have a downstream and are not over. */
  readonly sessions = new Set<TcpSession>();
  readonly #context: HttpContext;
  readonly #direction: ListenerConfig['direction'];
  readonly #serverNames: readonly string[];
  readonly #listenerLimitBytes: number;
  readonly #sources: SourceLabels;
  readonly #bounds: RequestMetricBounds;
  readonly #gates: readonly RbacGate[];
  readonly #totalWeight: number;
  #metrics = new Map<string, TcpMetrics>();
  #removals: number;

  constructor({ tcpProxy, match }: FilterChainConfig, listener: ListenerConfig, context: HttpContext) {
    const config = tcpProxy!;
    const { stats, clock, wheel, log, clusters } = context;
    this.config = config;
    this.stats = new TcpStats(stats, config.statPrefix);
    this.clusters = clusters;
    this.clock = clock;
    this.wheel = wheel;
    this.log = log;
    this.accessLogs = config.accessLogs.map((each) => new AccessLogger(each, context));
    this.#context = context;
    this.#direction = listener.direction;
    this.#serverNames = match.serverNames;
    this.#listenerLimitBytes = bounded(listener.bufferLimitBytes);
    this.#sources = context.sourceLabels ?? new SourceLabels();
    this.#bounds = context.metricBounds ?? new RequestMetricBounds(stats);
    this.#gates = config.rbac.map(({ rulesStatPrefix, ...rbac }) => {
      // With a dot between, unless it is there (Envoy).
      const scope = `${rulesStatPrefix}${rulesStatPrefix.endsWith('.') ? '' : '.'}rbac.`;
      return new RbacGate({ ...rbac, rulesStatPrefix: '' }, '', noForwarding, context, scope);
    });
    this.#totalWeight = config.clusters.reduce((sum, { weight }) => sum + weight, 0);
    this.#removals = stats.removals;
  }

  accept(socket: Socket, info: DownstreamConnectionInfo, first: Buffer | null = null, ended = false): void {
    const session = new TcpSession(this, info, null);
    const denied = this.#deniedBy(session, info);
    session.take(socket, first, ended);
    if (denied === null) session.start();
    else session.refuse(denied);
  }

  race(info: DownstreamConnectionInfo, owner: RaceOwner): Race | null {
    const session = new TcpSession(this, info, owner);
    // Who may not connect is told so only once it is known that the connection is of this kind.
    if (this.#deniedBy(session, info) !== null) return null;
    session.start();
    return session;
  }

  #deniedBy(session: TcpSession, info: DownstreamConnectionInfo): ProxyError | null {
    if (this.#gates.length === 0) return null;
    const request = new ConnectionAtGates(info, this.clock.nowMs());
    let denied: ProxyError | null = null;
    for (const gate of this.#gates) if ((denied = gate.check(request as unknown as GateRequest)) !== null) break;
    session.policy = request.policy;
    session.dryRunDeniedBy = request.dryRunDeniedBy;
    session.metadata = request.metadata;
    return denied;
  }

  chooseCluster(): string {
    const { clusters } = this.config;
    let point = clusters.length === 1 ? 0 : this.#context.random() * this.#totalWeight;
    for (const { name, weight } of clusters) {
      point -= weight;
      if (point < 0) return name;
    }
    return clusters.at(-1)!.name;
  }

  watermarks(clusterName: string): { readonly downstreamLimitBytes: number; readonly upstreamLimitBytes: number } {
    const { bufferLimitBytes = 0 } = this.clusters.cluster(clusterName)?.config ?? {};
    return { downstreamLimitBytes: this.#listenerLimitBytes, upstreamLimitBytes: bounded(bufferLimitBytes) };
  }

  countAttemptsExceeded(clusterName: string): void {
    const statName = this.clusters.cluster(clusterName)?.config.statName ?? clusterName;
    this.#context.stats.counter(`cluster.${statName}.upstream_cx_connect_attempts_exceeded`).value++;
  }

  metricsFor(info: DownstreamConnectionInfo, clusterName: string): TcpMetrics {
    const { stats, localService } = this.#context;
    if (this.#removals !== stats.removals) {
      this.#removals = stats.removals;
      this.#metrics = new Map();
    }
    const inbound = this.#direction === 'inbound';
    const source = inbound ? this.#sourceOf(info) : localService;
    const serverName = this.#serverNameLabel(info.serverName);
    const key = `${clusterName}\0${source}\0${serverName}`;
    let metrics = this.#metrics.get(key);
    if (metrics === undefined) {
      const scope = {
        direction: this.#direction,
        source,
        destination: inbound ? localService : destinationLabel(clusterName),
        server_name: serverName,
      };
      metrics = new TcpMetrics(stats, this.#bounds.roomFor(openedFamily, scope) ? scope : this.#overflow(scope));
      this.#metrics.set(key, metrics);
    }
    if (inbound) countSecurity(stats, info);
    return metrics;
  }

  #overflow({ direction }: TcpMetricScope): TcpMetricScope {
    this.#bounds.routeOverflows.value++;
    return { direction, source: overflowLabel, destination: overflowLabel, server_name: overflowLabel };
  }

  #sourceOf({ peer, peerService = '', localUri }: DownstreamConnectionInfo): string {
    if (peer === null) return 'unknown';
    return this.#sources.of(peerService, foreignDomainOf(peer.uris[0] ?? '', localUri)) || 'unknown';
  }

  /** The client may send any name; only those that the configuration knows are told apart. */
  #serverNameLabel(serverName: string): string {
    if (serverName === '') return '';
    const known = this.#serverNames;
    if (known.includes(serverName)) return serverName;
    return known.find((name) => name.startsWith('*.') && serverName.endsWith(name.slice(1))) ?? 'other';
  }

  /** What is there goes on: nobody can be told to come again. */
  drain(): void {}

  succeededBy(): void {}

  destroyAll(error: ProxyError): void {
    for (const session of [...this.sessions]) session.destroy(error);
  }

  /** To make room by, when descriptors become few: nobody can be told to come again, but who has said nothing for long is missed least. */
  idleConnections(): readonly IdleConnection[] {
    const restingSinceMs = this.clock.nowMs() - restMs;
    return [...this.sessions].filter((session) => session.rests && session.idleSinceMs <= restingSinceMs);
  }

  get activeConnections(): number {
    return this.sessions.size;
  }

  get activeStreams(): number {
    return 0;
  }

  get unfinishedConnections(): number {
    return this.sessions.size;
  }
}

function bounded(limitBytes: number): number {
  return limitBytes > 0 ? Math.min(limitBytes, mostBufferedBytes) : mostBufferedBytes;
}

const noForwarding = Object.freeze({ useRemoteAddress: true, xffTrustedHops: 0, skipXffAppend: false });

/** A connection as RBAC rules see it: a request of which nothing is there. */
class ConnectionAtGates {
  readonly head = new RequestHead('', '', '', '', '1.1', new HeaderFields());
  readonly connection: DownstreamConnectionInfo;
  readonly grpc = false;
  readonly requestId = '';
  readonly route = null;
  readonly startMs: number;
  metadata: Map<string, unknown> | null = null;
  policy = '';
  dryRunDeniedBy = '';

  constructor(connection: DownstreamConnectionInfo, startMs: number) {
    this.connection = connection;
    this.startMs = startMs;
  }
}

const connectionsFamily = 'outrigger_inbound_connections_total';

/** How an inbound connection is secured, as connection managers of HTTP count it. */
function countSecurity(stats: HttpContext['stats'], { secure, peer }: DownstreamConnectionInfo): void {
  const security = !secure ? 'plaintext' : peer === null ? 'tls' : 'mutual_tls';
  stats.counter(connectionsFamily, connectionsFamily, { security }).value++;
}
