/** Envoy's HTTP connection manager: what the connections of one filter chain share. Streams do the work; see active-stream.ts. */
import type { Socket } from 'node:net';
import { AccessLogger } from '../access-log/access-logger.ts';
import { defaultHttp2Limits, type Http2Limits, type HttpLimits } from '../codec/limits.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { GateConfig } from '../config/gate-config.ts';
import type { HttpConnectionManagerConfig } from '../config/listener-config.ts';
import { makeGates } from '../filters/make-gates.ts';
import type { RequestGate } from '../filters/request-gate.ts';
import type { IdleConnection } from '../listener/running-listener.ts';
import type { FlightRecorder } from '../recorder/flight-recorder.ts';
import type { RecordContext } from '../recorder/make-record.ts';
import { secretParameters } from '../recorder/secret-parameters.ts';
import type { RouteEntry } from '../router/route-entry.ts';
import { RouteMemory } from '../router/route-memory.ts';
import { RouteTable } from '../router/route-table.ts';
import type { RouterContext } from '../router/router-context.ts';
import type { WeightedTarget } from '../router/weighted-target.ts';
import type { Counter } from '../stats/stat-store.ts';
import { Tracer } from '../tracing/tracer.ts';
import type { PeerCertificate } from '../transport/peer-certificate.ts';
import { clientCertificateElement } from './client-certificate-element.ts';
import type { DownstreamConnectionInfo, HttpContext } from './http-context.ts';
import { ManagedConnection } from './managed-connection.ts';
import { ManagerStats } from './manager-stats.ts';
import { RequestAdmission } from './request-admission.ts';
import { RequestLabels } from './request-labels.ts';
import { RequestMetricBounds } from './request-metric-bounds.ts';
import { destinationLabel, RequestMetrics, wholeShape } from './request-metrics.ts';
import { ResponseFields } from './response-fields.ts';
import { foreignDomainOf, SourceLabels } from './source-labels.ts';

/** More than this of a message never waits in one place, whatever a listener allows: many streams do. */
const mostBufferedBytes = 256 * 1024;

/** How an inbound connection is secured. In permissive mode this says who has not moved yet. */
type Security = 'mutual_tls' | 'tls' | 'plaintext';
const connectionsFamily = 'outrigger_inbound_connections_total';

/** Parameters of the query in which tokens may come, in lower case. */
function tokenParameters(gates: readonly GateConfig[]): string[] {
  return gates.flatMap((gate) =>
    gate.kind === 'jwt-authn'
      ? [...gate.providers.values()].flatMap(({ fromParams }) => fromParams.map((name) => name.toLowerCase()))
      : [],
  );
}

export class HttpConnectionManager {
  readonly config: HttpConnectionManagerConfig;
  readonly context: HttpContext;
  readonly stats: ManagerStats;
  readonly limits: HttpLimits;
  readonly http2Limits: Http2Limits;
  readonly accessLogs: readonly AccessLogger[];
  readonly admission: RequestAdmission;
  /** What decides whether a request may pass, in order. */
  readonly gates: readonly RequestGate[];
  /** A gate finds out who calls, by what it may take off the request: no answer of one caller is for another. */
  readonly identifiesCallers: boolean;
  readonly responseFields: ResponseFields;
  readonly routerContext: RouterContext;
  /** Null: nobody keeps requests. */
  readonly recorder: FlightRecorder | null;
  /** Null: requests are not traced. */
  readonly tracer: Tracer | null;
  /** Null: metrics of requests have the labels that they always have. */
  readonly requestLabels: RequestLabels | null;
  /** Parameters of the query whose values no record shows. */
  readonly secretParameters: ReadonlySet<string>;
  readonly #direction: DownstreamConnectionInfo['direction'];
  readonly #inlineTable: RouteTable | null;
  readonly #connections = new Set<ManagedConnection>();
  /** By target of a route, or by route for those that answer themselves. */
  readonly #metrics = new WeakMap<WeightedTarget | RouteEntry, RequestMetrics>();
  /** What records say of targets. */
  readonly #destinations = new WeakMap<WeightedTarget, string>();
  /** For requests that no route took. */
  readonly #unrouted: RequestMetrics;
  readonly #sources: SourceLabels;
  readonly #bounds: RequestMetricBounds;
  /** Null: only inbound connections are counted so. */
  readonly #security: Readonly<Record<Security, Counter>> | null;
  #draining = false;
  #successor: HttpConnectionManager | null = null;

  /** `bufferLimitBytes`: the listener's `per_connection_buffer_limit_bytes`; 0: no limit of its own. */
  constructor(
    config: HttpConnectionManagerConfig,
    context: HttpContext,
    direction: DownstreamConnectionInfo['direction'],
    bufferLimitBytes: number,
    listenerName = '',
  ) {
    this.config = config;
    this.context = context;
    this.#direction = direction;
    this.stats = new ManagerStats(context.stats, config.statPrefix);
    const highWatermarkBytes = bufferLimitBytes > 0 ? Math.min(bufferLimitBytes, mostBufferedBytes) : mostBufferedBytes;
    this.limits = Object.freeze({
      maxHeadBytes: config.maxHeadBytes,
      maxFields: config.maxFields,
      highWatermarkBytes,
      lowWatermarkBytes: Math.floor(highWatermarkBytes / 4),
    });
    this.http2Limits = Object.freeze({ ...defaultHttp2Limits, ...config.http2 });
    this.accessLogs = config.accessLogs.map(
      (log) => new AccessLogger(log, context, tokenParameters(config.gates), config),
    );
    this.recorder = context.recorder ?? null;
    const { tracing } = config;
    const sink =
      tracing === null || tracing.provider === null ? null : (context.spanSinks?.sink(tracing.provider) ?? null);
    this.tracer = tracing === null ? null : new Tracer(tracing, sink, context.random);
    this.secretParameters = new Set([...secretParameters, ...tokenParameters(config.gates)]);
    this.admission = new RequestAdmission(config, direction === 'inbound' && context.hasIdentity === true);
    this.identifiesCallers = config.gates.some(({ kind }) => kind === 'jwt-authn' || kind === 'ext-authz');
    this.gates = makeGates(config, context, listenerName);
    this.responseFields = new ResponseFields(config);
    this.routerContext = {
      clusters: context.clusters,
      clock: context.clock,
      random: context.random,
      memory: context.routeMemory ?? new RouteMemory(),
      bufferLimitBytes: highWatermarkBytes,
    };
    this.requestLabels = config.requestMetrics === null ? null : new RequestLabels(config.requestMetrics);
    this.#bounds = context.metricBounds ?? new RequestMetricBounds(context.stats);
    this.#unrouted = this.#newMetrics('', '');
    this.#sources = context.sourceLabels ?? new SourceLabels();
    const counter = (security: Security): Counter =>
      context.stats.counter(connectionsFamily, connectionsFamily, { security });
    this.#security =
      direction === 'inbound'
        ? { mutual_tls: counter('mutual_tls'), tls: counter('tls'), plaintext: counter('plaintext') }
        : null;
    this.#inlineTable = config.routes.kind === 'inline' ? new RouteTable(config.routes.table, context.breakers) : null;
  }

  get activeConnections(): number {
    return this.#connections.size;
  }

  get activeStreams(): number {
    let streams = 0;
    for (const connection of this.#connections) streams += connection.activeStreams;
    return streams;
  }

  get unfinishedConnections(): number {
    let connections = 0;
    for (const connection of this.#connections) if (connection.unfinished) connections++;
    return connections;
  }

  idleConnections(): readonly IdleConnection[] {
    return [...this.#connections].filter((connection) => !connection.unfinished);
  }

  /** The table in force now; null while RDS has not given it. */
  routeTable(): RouteTable | null {
    const { routes } = this.config;
    return routes.kind === 'inline' ? this.#inlineTable : (this.context.routeTables.routeTable(routes.name) ?? null);
  }

  /** `source`: the label of a caller that proved who it is; ''. */
  metricsOf(route: RouteEntry | null, target: WeightedTarget | null, source = ''): RequestMetrics {
    const metrics = this.#metricsOf(route, target);
    return source === '' ? metrics : metrics.from(source);
  }

  #metricsOf(route: RouteEntry | null, target: WeightedTarget | null): RequestMetrics {
    const key = target ?? route;
    if (key === null) return this.#unrouted;
    let metrics = this.#metrics.get(key);
    if (metrics === undefined) {
      metrics = this.#newMetrics(route!.name, target === null ? '' : destinationLabel(target.name));
      this.#metrics.set(key, metrics);
    }
    return metrics;
  }

  #newMetrics(route: string, destination: string): RequestMetrics {
    const { stats, localService } = this.context;
    const inbound = this.#direction === 'inbound';
    const scope = {
      direction: this.#direction,
      source: inbound ? 'unknown' : localService,
      destination: inbound ? localService : destination === '' ? 'unknown' : destination,
      route,
    };
    return new RequestMetrics(stats, scope, this.#bounds, this.requestLabels?.shape ?? wholeShape);
  }

  #destination(target: WeightedTarget): string {
    let label = this.#destinations.get(target);
    if (label === undefined) {
      label = destinationLabel(target.name);
      this.#destinations.set(target, label);
    }
    return label;
  }

  /** For the record of a request that has ended. */
  recordContext(info: DownstreamConnectionInfo, target: WeightedTarget | null): RecordContext {
    const { localService, nodeId = '' } = this.context;
    const inbound = this.#direction === 'inbound';
    const caller = info.sourceLabel ?? '';
    return {
      service: localService,
      nodeId,
      direction: this.#direction,
      listener: info.listenerName,
      peerIdentity: info.peer === null ? '' : info.peer.uris.join(','),
      remoteAddress: info.remoteAddress,
      source: inbound ? (caller === '' ? 'unknown' : caller) : localService,
      destination: inbound ? localService : target === null ? 'unknown' : this.#destination(target),
      hidden: this.secretParameters,
    };
  }

  /** Takes a connection whose transport is ready. After {@link drain} too: such a connection ends after its first answer. */
  accept(socket: Socket, info: DownstreamConnectionInfo): void {
    this.stats.connections.value++;
    this.stats.connectionsActive.value++;
    if (this.#security !== null) this.#security[securityOf(info)].value++;
    const known = info.peer === null ? info : this.#withPeer(info, info.peer);
    this.#connections.add(new ManagedConnection(this, socket, known, this.#draining));
  }

  /** What follows from the client's certificate for every request of a connection. */
  #withPeer(info: DownstreamConnectionInfo, peer: PeerCertificate): DownstreamConnectionInfo {
    const { forwardClientCert } = this.config;
    const sets = forwardClientCert?.mode === 'append-forward' || forwardClientCert?.mode === 'sanitize-set';
    return {
      ...info,
      sourceLabel:
        this.#direction === 'inbound'
          ? this.#sources.of(info.peerService ?? '', foreignDomainOf(peer.uris[0] ?? '', info.localUri))
          : '',
      forwardedClientCert: sets ? clientCertificateElement(forwardClientCert, peer, info.localUri) : '',
    };
  }

  /** Requests in hand are finished, then connections close. */
  drain(): void {
    this.#draining = true;
    for (const connection of this.#connections) connection.drain();
  }

  /** Requests that begin from now on, on whatever connection of this one, are that one's to judge and to route. */
  succeededBy(next: HttpConnectionManager): void {
    this.#successor = next;
  }

  /** Of those that followed upon each other the last; itself, as long as nothing replaced it. */
  get latest(): HttpConnectionManager {
    return this.#successor === null ? this : this.#successor.latest;
  }

  destroyAll(error: ProxyError): void {
    for (const connection of this.#connections) connection.destroy(error);
  }

  /** Told by a connection, once, when its socket is closed. */
  connectionClosed(connection: ManagedConnection): void {
    if (!this.#connections.delete(connection)) return;
    this.stats.connectionsActive.value--;
    this.stats.connectionsDestroyed.value++;
  }
}

function securityOf({ secure, peer }: DownstreamConnectionInfo): Security {
  if (!secure) return 'plaintext';
  return peer === null ? 'tls' : 'mutual_tls';
}
