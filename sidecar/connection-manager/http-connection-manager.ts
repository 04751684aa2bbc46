/** Envoy's HTTP connection manager: what the connections of one filter chain share. Streams do the work; see active-stream.ts. */
import type { Socket } from 'node:net';
import { AccessLogger } from '../access-log/access-logger.ts';
import { defaultHttp2Limits, type Http2Limits, type HttpLimits } from '../codec/limits.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { HttpConnectionManagerConfig } from '../config/listener-config.ts';
import { RouteTable } from '../router/route-table.ts';
import type { DownstreamConnectionInfo, HttpContext } from './http-context.ts';
import { ManagedConnection } from './managed-connection.ts';
import { ManagerStats } from './manager-stats.ts';
import { RequestMetrics } from './request-metrics.ts';

export class HttpConnectionManager {
  readonly config: HttpConnectionManagerConfig;
  readonly context: HttpContext;
  readonly stats: ManagerStats;
  readonly limits: HttpLimits;
  readonly http2Limits: Http2Limits;
  readonly accessLogs: readonly AccessLogger[];
  /** For requests that no route took. */
  readonly unroutedMetrics: RequestMetrics;
  readonly #inlineTable: RouteTable | null;
  readonly #connections = new Set<ManagedConnection>();
  #draining = false;

  constructor(config: HttpConnectionManagerConfig, context: HttpContext, direction: DownstreamConnectionInfo['direction'], bufferLimitBytes: number) {
    this.config = config;
    this.context = context;
    this.stats = new ManagerStats(context.stats, config.statPrefix);
    const highWatermarkBytes = Math.min(bufferLimitBytes, 256 * 1024);
    this.limits = Object.freeze({ maxHeadBytes: config.maxHeadBytes, maxFields: config.maxFields, highWatermarkBytes, lowWatermarkBytes: highWatermarkBytes / 4 });
    this.http2Limits = Object.freeze({ ...defaultHttp2Limits, ...config.http2 });
    this.accessLogs = config.accessLogs.map((log) => new AccessLogger(log, context));
    this.unroutedMetrics = new RequestMetrics(context.stats, {
      direction,
      source: direction === 'inbound' ? 'unknown' : context.localService,
      destination: direction === 'inbound' ? context.localService : 'unknown',
      route: '',
    });
    this.#inlineTable = config.routes.kind === 'inline' ? new RouteTable(config.routes.table) : null;
  }

  get activeConnections(): number {
    return this.#connections.size;
  }

  get activeStreams(): number {
    let streams = 0;
    for (const connection of this.#connections) streams += connection.activeStreams;
    return streams;
  }

  /** The table in force now; null while RDS has not given it. */
  routeTable(context: HttpContext): RouteTable | null {
    const { routes } = this.config;
    return routes.kind === 'inline' ? this.#inlineTable : (context.routeTables.routeTable(routes.name) ?? null);
  }

  upgradeAllowed(token: string): boolean {
    const { allowAll, allowed, denied } = this.config.upgrades;
    if (denied.includes(token)) return false;
    return allowAll || allowed.includes(token);
  }

  /** Takes a connection whose transport is ready. */
  accept(socket: Socket, info: DownstreamConnectionInfo): void {
    this.stats.connections.increment();
    this.stats.connectionsActive.increment();
    const connection = new ManagedConnection(this, socket, info);
    this.#connections.add(connection);
    if (this.#draining) connection.drain();
  }

  /** Requests in hand are finished, then connections close. */
  drain(): void {
    this.#draining = true;
    for (const connection of [...this.#connections]) connection.drain();
  }

  destroyAll(error: ProxyError): void {
    for (const connection of [...this.#connections]) connection.destroy(error);
  }

  connectionClosed(connection: ManagedConnection): void {
    if (!this.#connections.delete(connection)) return;
    this.stats.connectionsActive.decrement();
    this.stats.connectionsDestroyed.increment();
  }
}
