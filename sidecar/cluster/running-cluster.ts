/** A running cluster: hosts, balancer, pools, limits and statistics. Lives as long as its name and configuration object do, and then until its last stream ends. */
import { isIPv6, type Socket } from 'node:net';
import type { BreakerRegistry } from '../circuit-breaker/breaker-registry.ts';
import type { RunningBreaker } from '../circuit-breaker/running-breaker.ts';
import type { ClientConnection, ClientConnectionOwner } from '../codec/codec.ts';
import type { HttpVersion, ResponseHead } from '../codec/message-head.ts';
import { shedsLoad } from '../codec/overload-mark.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { ClusterConfig, LoadAssignmentConfig, SourceBindConfig } from '../config/cluster-config.ts';
import { httpStatusOfGrpc } from '../grpc/grpc-status.ts';
import type { Clock, Random } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { TimerWheel } from '../runtime/timer-wheel.ts';
import type { SecretLookup } from '../secret/secret-store.ts';
import type { StatStore } from '../stats/stat-store.ts';
import type { ConnectFailure, ConnectOwner, ConnectSource, ConnectTarget, TlsSession } from '../transport/connect.ts';
import { remakeAfterMs } from '../transport/connection-life.ts';
import { isInLoopbackRange, isLoopback } from '../transport/loopback.ts';
import type { OwnConnections } from '../transport/own-connections.ts';
import type { PeerFaultReason } from '../transport/peer-certificate.ts';
import type { PeerLiveness } from '../transport/peer-liveness.ts';
import { Bulkhead } from './bulkhead.ts';
import { ClusterHealth, type ClusterHealthOwner } from './cluster-health.ts';
import { clusterSituation } from './cluster-situation.ts';
import { ClusterStats } from './cluster-stats.ts';
import { ConnectionPool, type PoolContext, type PoolProtocol } from './connection-pool.ts';
import type { HealthChecker } from './health-check/health-checker.ts';
import { HighPriority } from './high-priority.ts';
import { hostLoopbackSocket } from './host-loopback.ts';
import type { HostSet } from './host-set.ts';
import { type HostTransport, HostTransports } from './host-transport.ts';
import { HostWatch, type HostWatchContext } from './host-watch.ts';
import { createLoadBalancer, type LoadBalancer } from './load-balancer.ts';
import { OriginalDestinations } from './original-destinations.ts';
import type { OutlierDetector } from './outlier/outlier-detector.ts';
import { PeakEwma } from './peak-ewma.ts';
import { type ConnectionContext, PooledConnection } from './pooled-connection.ts';
import { type HostPools, type RunningHost, unusedPools } from './running-host.ts';
import { connectionOverflow, TcpConnection, type TcpContext } from './tcp-connection.ts';
import type {
  Cluster,
  ClusterSituation,
  ConnectionOrigin,
  CountedAs,
  FallbackAnswer,
  Host,
  LoadBalancerContext,
  PendingStream,
  RetryEvent,
  StreamRequest,
  TcpRequest,
  UpstreamTimeLimit,
} from './upstream.ts';

/** Makes the codec of a new connection; see client-codec.ts. */
export type CreateClientCodec = (
  protocol: 'http1' | 'http2',
  socket: Socket,
  owner: ClientConnectionOwner,
  config: ClusterConfig,
) => ClientConnection;

/** Begins to connect; see ../transport/connect.ts. */
export type OpenTransport = (target: ConnectTarget, owner: ConnectOwner) => { cancel(): void };

export interface ClusterContext {
  readonly stats: StatStore;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly createCodec: CreateClientCodec;
  readonly openTransport: OpenTransport;
  /** Certificates and CAs that clusters refer to by name. */
  readonly secrets?: SecretLookup | null;
  /** For what becomes of single connections (debug). */
  readonly log?: Log | null;
  /** Whether hosts are there, of connections that are silent; absent or null: that is not known. */
  readonly liveness?: PeerLiveness | null;
  /** Told of every connection that is made; absent: nobody wants to know. */
  readonly ownConnections?: OwnConnections;
  /** Where sockets lead to hosts of EDS at a loopback address, which is another machine's then; absent: it is this machine's. */
  readonly hostLoopbackFolder?: string;
  /** Where circuit breakers live; absent: clusters have none. */
  readonly breakers?: BreakerRegistry;
  /** A connection to a host of that cluster could not be made. */
  readonly onConnectFailed?: (clusterName: string, reason: ConnectFailure) => void;
}

/** How often a balancer is asked again when it chooses a host that the request has tried (Envoy's `host_selection_retry_max_attempts`). */
const chooseAgain = 3;

export class RunningCluster
  implements Cluster, PoolContext, ConnectionContext, ClusterHealthOwner, HostWatchContext, TcpContext
{
  readonly config: ClusterConfig;
  readonly breaker: RunningBreaker | null;
  readonly hosts: HostSet;
  readonly stats: ClusterStats;
  readonly bulkhead: Bulkhead;
  readonly wheel: TimerWheel;
  readonly idleTimeoutMs: number;
  readonly maxRequestsPerConnection: number;
  readonly maxConnectionDurationMs: number;
  readonly #context: ClusterContext;
  readonly #clock: Clock;
  readonly #choose: LoadBalancer;
  readonly #peakEwma: PeakEwma | null;
  readonly #transports: HostTransports;
  readonly #family: Pick<ConnectTarget, 'addressFamily'>;
  readonly #health: ClusterHealth;
  /** Null: off. */
  readonly #outlier: OutlierDetector | null;
  readonly #checker: HealthChecker | null;
  readonly liveness: PeerLiveness | null;
  /** Null without outlier detection: hosts are taken as they are. */
  readonly #watch: HostWatch | null;
  readonly #onUnused: (cluster: RunningCluster) => void;
  /** Null unless the cluster is of type ORIGINAL_DST. */
  readonly #destinations: OriginalDestinations | null;
  readonly #bind: BindSources | null;
  /** Connections that are somebody's own (TCP). */
  readonly #tcp = new Set<TcpConnection>();
  /** TLS sessions by host address, for resumption under this very configuration. */
  readonly #sessions = new Map<string, TlsSession>();
  /** Hosts that are gone from the assignment and still have connections. */
  readonly #leaving = new Set<RunningHost>();
  /** Null until a request of that priority came. */
  #high: HighPriority | null = null;
  #assignment: LoadAssignmentConfig | null = null;
  #draining = false;

  /** `onUnused` is called once it drains and holds nothing any more. */
  constructor(config: ClusterConfig, context: ClusterContext, onUnused: (cluster: RunningCluster) => void) {
    this.config = config;
    this.breaker = context.breakers?.forCluster(config) ?? null;
    this.wheel = context.wheel;
    this.#context = context;
    this.#clock = context.clock;
    this.#onUnused = onUnused;
    this.idleTimeoutMs = config.idleTimeoutMs;
    this.maxRequestsPerConnection = config.maxRequestsPerConnection;
    this.maxConnectionDurationMs = config.maxConnectionDurationMs;
    this.stats = new ClusterStats(context.stats, config.statName);
    this.bulkhead = new Bulkhead(config.limits, this.stats);
    this.#health = new ClusterHealth(config, context, this);
    this.hosts = this.#health.hosts;
    this.#outlier = this.#health.outlier;
    this.#checker = this.#health.checker;
    this.liveness = context.liveness ?? null;
    this.#watch =
      this.#outlier === null || this.liveness === null ? null : new HostWatch(this, config.connectTimeoutMs);
    const { loadBalancing } = config;
    this.#peakEwma =
      loadBalancing.kind === 'peak-ewma' ? new PeakEwma(loadBalancing, context.clock, context.random) : null;
    this.#choose = createLoadBalancer(loadBalancing, context.random, this.#peakEwma);
    this.#family = config.addressFamily === undefined ? {} : { addressFamily: config.addressFamily };
    this.#transports = new HostTransports(config, context.secrets ?? null);
    this.#bind = bindSources(config.bind ?? null);
    const { discovery } = config;
    this.#destinations =
      discovery.kind === 'original-dst'
        ? new OriginalDestinations(this.hosts, discovery.cleanupIntervalMs, context.clock, context.wheel, (host) =>
            this.onHostRemoved(host),
          )
        : null;
    this.collect();
  }

  /** Holds neither connections nor waiting requests. */
  get unused(): boolean {
    return holdsNothing(this.bulkhead) && (this.#high === null || holdsNothing(this.#high.places));
  }

  highPriority(): HighPriority {
    if (this.#high === null) {
      const { highLimits = defaultThresholds } = this.config;
      this.#high = new HighPriority(this, new Bulkhead(highLimits, this.stats.highBulkhead()));
    }
    return this.#high;
  }

  /** New endpoints; null: none are known yet. The same object again changes nothing. */
  setAssignment(assignment: LoadAssignmentConfig | null): void {
    if (assignment === this.#assignment) return;
    this.#assignment = assignment;
    const { added, removed } = this.#health.update(assignment);
    for (const host of removed) this.#drainHost(host);
    if (!this.#transports.uniform) for (const host of this.hosts.byAddress.values()) this.#chooseTransport(host);
    if (added.length + removed.length > 0) this.stats.membershipChanges.value++;
    this.#countHosts();
  }

  /** The host is gone: its connections finish what they have. */
  #drainHost(host: RunningHost): void {
    this.#sessions.delete(host.address);
    host.eachPool((pool) => pool.drain());
    if (!host.unused) this.#leaving.add(host);
  }

  #countHosts(): void {
    const { stats, hosts } = this;
    hosts.refresh();
    stats.membership.value = hosts.byAddress.size;
    stats.membershipHealthy.value = hosts.healthyCount;
    stats.membershipDegraded.value = hosts.degradedCount;
    stats.membershipExcluded.value = hosts.excludedCount;
  }

  /** Hosts are known, and each was checked once where the cluster has health checks. */
  get warm(): boolean {
    return this.#health.warm;
  }

  /** Called once it is warm; at once where it is. */
  whenWarm(onWarm: () => void): void {
    this.#health.whenWarm(onWarm);
  }

  // -- asked and told by ClusterHealth, and asked by health checks (ProbeContext) --

  get clusterName(): string {
    return this.config.name;
  }

  get used(): boolean {
    return this.stats.connections.value > 0;
  }

  probeTarget(host: RunningHost, protocol: 'http1' | 'http2' | 'tcp'): ConnectTarget {
    const { alpn, transportMatch } = this.config.healthCheck!;
    const { tls: wanted } =
      transportMatch === null ? this.#transportOf(host) : this.#transports.of({ ...host.endpoint, transportMatch });
    const tls = wanted === null ? null : wanted.current();
    const { address = null, port = 0 } = host.endpoint.healthCheck ?? {};
    const at = address ?? host;
    const offered = alpn.length > 0 ? alpn : protocol === 'tcp' ? tls?.alpn : alpnOf(tls?.alpn ?? noAlpn, protocol);
    return {
      host: at.host,
      ...this.#family,
      port: port !== 0 ? port : at.port !== 0 ? at.port : host.port,
      pipePath: at === host ? this.#pipeTo(host) : (at.pipePath ?? ''),
      tls,
      alpn: tls === null ? noAlpn : (offered ?? noAlpn),
      source: this.#sourceFor(at.host),
      session: null,
      unavailable: wanted !== null && tls === null ? wanted.missing() : '',
      timeoutMs: 0,
      clock: this.#clock,
      wheel: this.wheel,
    };
  }

  createProbeCodec(protocol: 'http1' | 'http2', socket: Socket, owner: ClientConnectionOwner): ClientConnection {
    return this.#context.createCodec(protocol, socket, owner, this.config);
  }

  onHostRemoved(host: RunningHost): void {
    this.#drainHost(host);
    this.stats.membershipChanges.value++;
    this.#countHosts();
  }

  requestStream(
    request: StreamRequest,
    context: LoadBalancerContext,
    downstreamVersion: HttpVersion,
  ): PendingStream | null {
    const host = this.#hostFor(request, context);
    if (host === null) return null;
    const source = context.origin?.source ?? null;
    if (source !== null) return this.#sourcePool(host, source, this.bulkhead, downstreamVersion).request(request);
    return this.#pool(host, host, this.bulkhead, downstreamVersion).request(request);
  }

  /** The same for requests of priority HIGH. */
  requestHighStream(
    places: Bulkhead,
    request: StreamRequest,
    context: LoadBalancerContext,
    downstreamVersion: HttpVersion,
  ): PendingStream | null {
    const host = this.#hostFor(request, context);
    if (host === null) return null;
    const source = context.origin?.source ?? null;
    if (source !== null) return this.#sourcePool(host, source, places, downstreamVersion).request(request);
    host.highPools ??= { http1Pool: null, http2Pool: null, autoPool: null };
    return this.#pool(host, host.highPools, places, downstreamVersion).request(request);
  }

  /** Null: there is none, which the request was told. */
  #hostFor(request: StreamRequest, context: LoadBalancerContext): RunningHost | null {
    const host = this.#destinations === null ? this.#chooseHost(context) : this.#destinationHost(context);
    if (host !== null) return host;
    this.stats.noHealthyHost.value++;
    request.onStreamFailed(this.#noHost(context), null);
    return null;
  }

  /** Of type ORIGINAL_DST: where the caller's connection was going. */
  #destinationHost({ origin = null }: LoadBalancerContext): RunningHost | null {
    const destination = origin === null ? null : origin.destination;
    return destination === null || isInwardLoopback(origin) ? null : this.#destinations!.hostFor(destination);
  }

  #noHost({ origin = null }: LoadBalancerContext): ProxyError {
    if (this.#destinations === null) return noHealthyHost;
    if (origin === null || origin.destination === null) return noDestination;
    return isInwardLoopback(origin) ? loopbackDestination : tooManyDestinations;
  }

  requestTcp(request: TcpRequest, context: LoadBalancerContext): { cancel(): void } | null {
    const { bulkhead, stats } = this;
    // Before a host is looked for, as in Envoy.
    if (!bulkhead.connections.left) {
      stats.connectionOverflow.value++;
      request.onTcpFailed(connectionOverflow, null);
      return null;
    }
    const host = this.#destinations === null ? this.#chooseHost(context) : this.#destinationHost(context);
    if (host === null) {
      stats.noHealthyHost.value++;
      request.onTcpFailed(this.#noHost(context), null);
      return null;
    }
    if (!bulkhead.tryPending()) {
      request.onTcpFailed(connectionOverflow, host);
      return null;
    }
    bulkhead.connections.take();
    stats.pending.value++;
    stats.pendingActive.value++;
    stats.connections.value++;
    stats.connectionsActive.value++;
    host.activeConnections++;
    host.totalConnections++;
    const connection = new TcpConnection(host, this, request);
    this.#tcp.add(connection);
    connection.start(this.#target(host, null, context.origin?.source ?? null));
    return connection;
  }

  onTcpConnected({ host }: TcpConnection, socket: Socket): void {
    if (this.#outlier !== null && host.outlier !== null) this.#outlier.onConnected(host.outlier);
    const { isSessionReused } = socket as { isSessionReused?: () => boolean };
    if (isSessionReused === undefined) return;
    this.stats.tlsHandshakes.value++;
    if (isSessionReused.call(socket)) this.stats.tlsResumed.value++;
  }

  onTcpConnectFailed(host: RunningHost): void {
    this.#peakEwma?.observe(host, 0, -1);
    if (this.#outlier !== null && host.outlier !== null) this.#outlier.onLocalFailure(host.outlier, 503);
  }

  onTcpGone(connection: TcpConnection): void {
    this.#tcp.delete(connection);
    if (this.#draining && this.unused) this.#onUnused(this);
  }

  cutConnections(host: RunningHost, error: ProxyError): void {
    for (const connection of this.#tcp) if (connection.host === host) connection.cut(error);
  }

  onResponseHead(host: Host, head: ResponseHead, endStream: boolean, askedMs = -1): void {
    if (this.#peakEwma !== null && askedMs >= 0) {
      const status = endStream ? statusOfWhole(head) : head.status;
      this.#peakEwma.observe(host as RunningHost, status, this.#clock.nowMs() - askedMs);
    }
    const outlier = this.#outlier;
    const { outlier: record } = host as RunningHost;
    if (outlier !== null && record !== null) {
      const status = endStream ? statusOfWhole(head) : head.status;
      // A host that sheds load is no broken one, and ejecting it would give its load to the others (Envoy counts it).
      if (status < 500 || !shedsLoad(head)) outlier.onStatus(record, status);
    }
    if (this.#checker !== null && head.fields.has('x-envoy-immediate-health-check-fail'))
      this.#checker.failNow(host as RunningHost);
  }

  onResponse(host: Host, status: number, durationMs: number, counted: CountedAs = 'answer'): void {
    this.bulkhead.requests.giveBack();
    this.countResponse(host, status, durationMs, counted);
  }

  /** What onResponse() does beside giving the request's place back. */
  countResponse(host: Host, status: number, durationMs: number, counted: CountedAs): void {
    const running = host as RunningHost;
    this.stats.requestsActive.value--;
    running.activeRequests--;
    if (status < 0) return;
    if (status === 0) {
      this.stats.resetsReceived.value++;
      running.errors++;
      this.#peakEwma?.observe(running, 0, -1);
      if (this.#outlier !== null && running.outlier !== null) this.#outlier.onLocalFailure(running.outlier, 503);
      return;
    }
    if (counted === 'answer') {
      this.stats.countStatus(status);
      this.stats.requestTime.record(durationMs);
    } else if (counted === 'retry') this.stats.countRetried(status);
    if (status >= 500) running.errors++;
    else running.successes++;
  }

  onOwnAnswer(status: number): void {
    this.stats.countStatus(status);
  }

  onTimeout(host: Host | null, kind: UpstreamTimeLimit, answered = false): void {
    this.stats.timeLimits[kind].value++;
    if (host === null) return;
    const running = host as RunningHost;
    running.timeouts++;
    if (answered) return;
    this.#peakEwma?.observe(running, 0, -1);
    if (this.#outlier !== null && running.outlier !== null) this.#outlier.onLocalFailure(running.outlier, 504);
  }

  onLocalReset(): void {
    this.stats.resetsSent.value++;
  }

  onRetryEvent(event: RetryEvent): void {
    this.stats.retryEvents[event].value++;
    if (event === 'backoff' || event === 'backoff-told') this.stats.retries.value++;
  }

  onFallback(kind: FallbackAnswer): void {
    this.stats.countFallback(kind);
  }

  situation(nowMs: number): ClusterSituation {
    return clusterSituation(this, this.bulkhead, nowMs);
  }

  hasOtherHost(tried: readonly Host[]): boolean {
    if (this.#destinations !== null) return false;
    this.hosts.refresh();
    return this.hosts.find((host) => !tried.includes(host)) !== null;
  }

  tryBeginRetry(): boolean {
    return this.bulkhead.tryRetry();
  }

  endRetry(): void {
    this.bulkhead.endRetry();
  }

  tryBeginRepeat(): boolean {
    return this.bulkhead.tryRepeat();
  }

  endRepeat(): void {
    this.bulkhead.endRepeat();
  }

  /** Connections that are there get successors; see connection-pool.ts. */
  renewConnections(): void {
    this.#eachPool((pool) => pool.renewConnections());
  }

  /** Connections close when their streams end, idle ones now; see connection-pool.ts. Streams can still be asked for. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#health.close();
    this.#destinations?.close();
    this.#eachPool((pool) => pool.drain());
    if (this.unused) this.#onUnused(this);
  }

  destroy(error: ProxyError): void {
    this.#draining = true;
    this.#health.close();
    this.#destinations?.close();
    this.#eachPool((pool) => pool.destroy(error));
    for (const connection of this.#tcp) connection.cut(error);
  }

  /** Brings gauges and byte counters up to date that are not kept per request. Before statistics are shown, and now and then. */
  collect(): void {
    const { bulkhead, stats } = this;
    if (!this.#draining) this.#countHosts();
    this.#eachPool((pool) => {
      for (const connection of pool.connections) connection.collectBytes();
    });
    for (const connection of this.#tcp) connection.collectBytes();
    stats.showOwn(bulkhead.connections.taken + (this.#high?.places.connections.taken ?? 0));
    this.#collectLimits(bulkhead, '');
    if (this.#high !== null) this.#collectLimits(this.#high.places, 'high_');
  }

  #collectLimits(bulkhead: Bulkhead, prefix: string): void {
    const { stats } = this;
    for (const limit of ['connections', 'pending', 'requests', 'retries'] as const) {
      const { taken } = bulkhead[limit];
      const most = limit === 'retries' ? bulkhead.mostRetries : bulkhead[limit].most;
      stats.ownGauge('outrigger_bulkhead_in_use', prefix + limit).value = taken;
      stats.ownGauge('outrigger_bulkhead_limit', prefix + limit).value = most;
      stats.ownGauge('outrigger_bulkhead_full', prefix + limit).value = taken < most ? 0 : 1;
    }
  }

  #chooseHost(context: LoadBalancerContext): RunningHost | null {
    let host = this.#chooseOnce();
    const { triedHosts } = context;
    if (host === null || triedHosts === null || !isAvoided(host, context)) return host;
    for (let again = 0; again < chooseAgain; again++) {
      host = this.#chooseOnce();
      if (host !== null && !isAvoided(host, context)) return host;
    }
    // One that was not tried rather than one that is no canary.
    const other = context.avoidCanaries === true ? this.hosts.find((each) => !isAvoided(each, context)) : null;
    return other ?? this.hosts.find((each) => !triedHosts.includes(each)) ?? this.#triedLongestAgo(triedHosts) ?? host;
  }

  /** All were tried: the one that failed just before is the last to ask again. */
  #triedLongestAgo(triedHosts: readonly Host[]): RunningHost | null {
    for (const tried of triedHosts) {
      const host = this.hosts.find((each) => each === tried);
      if (host !== null) return host;
    }
    return null;
  }

  #chooseOnce(): RunningHost | null {
    const group = this.hosts.chooseGroup();
    if (this.hosts.panic) this.stats.healthyPanic.value++;
    return group === null ? null : this.#choose(group);
  }

  /** New metadata may ask for another way to connect: then connections of the old way get successors. */
  #chooseTransport(host: RunningHost): void {
    const before = host.transport;
    const transport = this.#transports.of(host.endpoint);
    if (before === transport) return;
    host.transport = transport;
    this.#sessions.delete(host.address);
    if (before !== null) host.eachPool((pool) => pool.renewConnections());
  }

  #transportOf(host: RunningHost): HostTransport {
    return (host.transport ??= this.#transports.of(host.endpoint));
  }

  #pool(
    host: RunningHost,
    pools: HostPools,
    places: Bulkhead,
    downstreamVersion: HttpVersion,
    source: ConnectSource | null = null,
  ): ConnectionPool {
    switch (this.config.protocol) {
      case 'http1':
        return (pools.http1Pool ??= this.#newPool(host, 'http1', places, source));
      case 'http2':
        return (pools.http2Pool ??= this.#newPool(host, 'http2', places, source));
      case 'auto':
        // ALPN needs TLS.
        if (this.#transportOf(host).tls === null)
          return (pools.http1Pool ??= this.#newPool(host, 'http1', places, source));
        return (pools.autoPool ??= this.#newPool(host, 'auto', places, source));
      case 'same-as-downstream':
        if (downstreamVersion === '2') return (pools.http2Pool ??= this.#newPool(host, 'http2', places, source));
        return (pools.http1Pool ??= this.#newPool(host, 'http1', places, source));
    }
  }

  /** Connections that come from the caller's address serve no other caller. */
  #sourcePool(
    host: RunningHost,
    source: ConnectSource,
    places: Bulkhead,
    downstreamVersion: HttpVersion,
  ): ConnectionPool {
    const all = (host.sourcePools ??= new Map());
    const key = sourceKey(source, places === this.bulkhead);
    let pools = all.get(key);
    if (pools === undefined) {
      pools = { http1Pool: null, http2Pool: null, autoPool: null };
      all.set(key, pools);
    }
    return this.#pool(host, pools, places, downstreamVersion, source);
  }

  #newPool(host: RunningHost, protocol: PoolProtocol, places: Bulkhead, source: ConnectSource | null): ConnectionPool {
    const pool = new ConnectionPool(host, protocol, places, this, source);
    // Somebody who kept the cluster, or the host, from before an update.
    if (this.#draining || this.hosts.byAddress.get(host.address) !== host) {
      pool.drain();
      this.#leaving.add(host);
    }
    return pool;
  }

  #eachPool(action: (pool: ConnectionPool) => void): void {
    for (const host of [...this.hosts.byAddress.values(), ...this.#leaving]) host.eachPool(action);
  }

  // -- what the watch asks (HostWatchContext) --

  get clock(): Clock {
    return this.#clock;
  }

  *watchedHosts(): Iterable<RunningHost> {
    yield* this.hosts.byAddress.values();
    yield* this.#leaving;
  }

  onHostGone(host: RunningHost, error: ProxyError): void {
    this.#context.log?.info(
      `cluster ${this.config.name}: host ${host.address} is gone without a word: its connections end`,
    );
    if (this.#outlier !== null && host.outlier !== null) this.#outlier.onGone(host.outlier, error.message);
  }

  // -- what pools ask (PoolContext) --

  nowMs(): number {
    return this.#clock.nowMs();
  }

  tryOpenConnection({ host, places }: ConnectionPool, force: boolean): boolean {
    if (!places.tryConnection(force)) return false;
    host.activeConnections++;
    host.totalConnections++;
    this.stats.connections.value++;
    this.stats.connectionsActive.value++;
    return true;
  }

  tryPend({ places }: ConnectionPool): boolean {
    if (!places.tryPending()) return false;
    this.stats.pending.value++;
    this.stats.pendingActive.value++;
    return true;
  }

  unpend({ places }: ConnectionPool): void {
    places.pending.giveBack();
    this.stats.pendingActive.value--;
  }

  tryBeginRequest({ host, places }: ConnectionPool): boolean {
    if (!places.tryRequest()) return false;
    this.stats.requests.value++;
    this.stats.requestsActive.value++;
    this.#watch?.begin();
    host.activeRequests++;
    host.totalRequests++;
    if (this.#outlier !== null && host.outlier !== null) this.#outlier.onConnected(host.outlier);
    return true;
  }

  connect(pool: ConnectionPool): PooledConnection {
    const connection = new PooledConnection(pool, this);
    connection.start();
    return connection;
  }

  onIdleTimeout(): void {
    this.stats.idleTimeouts.value++;
  }

  onMaxRequests(): void {
    this.stats.maxRequestsReached.value++;
  }

  onMaxDuration(): void {
    this.stats.maxDurationReached.value++;
  }

  onWaitingFailed(host: RunningHost, count: number, byHost: boolean): void {
    this.stats.pendingFailures.value += count;
    const outlier = this.#outlier;
    if (byHost) this.#peakEwma?.observe(host, 0, -1);
    if (!byHost || outlier === null || host.outlier === null) return;
    for (let i = 0; i < count; i++) outlier.onLocalFailure(host.outlier, 503);
  }

  onWaitingCancelled(): void {
    this.stats.cancelled.value++;
  }

  onPoolEmpty({ host, source, places }: ConnectionPool): void {
    if (source !== null && host.sourcePools !== null) {
      const key = sourceKey(source, places === this.bulkhead);
      const pools = host.sourcePools.get(key);
      if (pools !== undefined && unusedPools(pools)) host.sourcePools.delete(key);
    }
    for (const host of this.#leaving) if (host.unused) this.#leaving.delete(host);
    if (this.#draining && this.unused) this.#onUnused(this);
  }

  // -- what connections ask (ConnectionContext) --

  openTransport(target: ConnectTarget, owner: ConnectOwner): { cancel(): void } {
    return this.#context.openTransport(target, owner);
  }

  connectTarget(pool: ConnectionPool): ConnectTarget {
    return this.#target(pool.host, pool.protocol, pool.source);
  }

  /** `protocol` null: TCP. `source` null: as the cluster is configured. */
  #target(runningHost: RunningHost, protocol: PoolProtocol | null, source: ConnectSource | null): ConnectTarget {
    const { host, port, address } = runningHost;
    const wanted = this.#transportOf(runningHost).tls;
    const tls = wanted === null ? null : wanted.current();
    return {
      host,
      ...this.#family,
      port,
      pipePath: this.#pipeTo(runningHost),
      tls,
      alpn: tls === null ? noAlpn : protocol === null ? tls.alpn : alpnOf(tls.alpn, protocol),
      source: this.#sourceFor(host, source),
      session: this.#sessions.get(address) ?? null,
      unavailable: wanted !== null && tls === null ? wanted.missing() : '',
      keepAlive: this.config.tcpKeepAlive ?? null,
      own: this.#context.ownConnections ?? null,
      timeoutMs: this.config.connectTimeoutMs,
      clock: this.#clock,
      wheel: this.wheel,
    };
  }

  #pipeTo({ host, port, pipePath }: RunningHost): string {
    const folder = this.#context.hostLoopbackFolder;
    return folder === undefined || pipePath !== '' || this.config.discovery.kind !== 'eds'
      ? pipePath
      : hostLoopbackSocket(folder, host, port);
  }

  /** Of the host's own family; `callers`: the caller's address comes first. */
  #sourceFor(host: string, callers: ConnectSource | null = null): ConnectSource | null {
    if ((this.#bind === null && callers === null) || host === '') return null;
    const v6 = isIPv6(host);
    // The application is at loopback of either family (transport/connect.ts).
    if (callers !== null && (isIPv6(callers.address) === v6 || isLoopback(host))) return callers;
    return this.#bind === null ? null : v6 ? this.#bind.ipv6 : this.#bind.ipv4;
  }

  createCodec(socket: Socket, alpn: string, pool: ConnectionPool, owner: ClientConnectionOwner): ClientConnection {
    const protocol = pool.protocol === 'auto' ? (alpn === 'h2' ? 'http2' : 'http1') : pool.protocol;
    return this.#context.createCodec(protocol, socket, owner, this.config);
  }

  keepSession(host: RunningHost, session: TlsSession): void {
    if (this.hosts.byAddress.get(host.address) === host) this.#sessions.set(host.address, session);
  }

  onConnectionReady(codec: ClientConnection, secure: boolean, sessionReused: boolean): void {
    const { stats } = this;
    if (codec.protocol === 'http2') stats.http2Connections.value++;
    else stats.http1Connections.value++;
    if (!secure) return;
    stats.tlsHandshakes.value++;
    if (sessionReused) stats.tlsResumed.value++;
  }

  remakeAfterMs(validUntilWallMs: number): number {
    return remakeAfterMs('client', validUntilWallMs - this.#clock.wallMs(), this.#context.random);
  }

  onConnectFailed(
    host: RunningHost,
    reason: ConnectFailure,
    peerReason: PeerFaultReason | null,
    error: ProxyError,
  ): void {
    this.#context.log?.debug(`cluster ${this.config.name} (${peerReason ?? reason}): ${error.message}`);
    host.connectFailures++;
    if (peerReason !== null) this.stats.countPeerFault(peerReason);
    this.stats.connectFailures.value++;
    if (reason === 'timeout') this.stats.connectTimeouts.value++;
    if (reason === 'tls') this.stats.tlsErrors.value++;
    // A session that the host does not take must not fail the next attempt too.
    this.#sessions.delete(host.address);
    this.#context.onConnectFailed?.(this.config.name, reason);
  }

  onConnectionGone({ host, places }: ConnectionPool, remotely: boolean, withRequests: boolean): void {
    const { stats } = this;
    places.connections.giveBack();
    host.activeConnections--;
    stats.connectionsActive.value--;
    stats.connectionsDestroyed.value++;
    (remotely ? stats.destroyedRemotely : stats.destroyedLocally).value++;
    if (withRequests) stats.destroyedWithRequests.value++;
  }

  addBytes(received: number, sent: number): void {
    this.stats.receivedBytes.value += received;
    this.stats.sentBytes.value += sent;
  }
}

interface BindSources {
  readonly ipv4: ConnectSource | null;
  readonly ipv6: ConnectSource | null;
}

function bindSources(bind: SourceBindConfig | null): BindSources | null {
  if (bind === null) return null;
  const { sources, freebind } = bind;
  const of = (v6: boolean): ConnectSource | null => {
    const found = sources.find(({ host }) => isIPv6(host) === v6);
    return found === undefined
      ? null
      : { address: found.host, port: found.port, freebind, transparent: false, mark: 0 };
  };
  return { ipv4: of(false), ipv6: of(true) };
}

function sourceKey({ address, mark }: ConnectSource, usual: boolean): string {
  return `${address} ${mark}${usual ? '' : ' high'}`;
}

function holdsNothing({ connections, pending }: Bulkhead): boolean {
  return connections.taken === 0 && pending.taken === 0;
}

/** Envoy's, for a priority of which nothing is said. */
const defaultThresholds = { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 };

function isAvoided(host: RunningHost, { triedHosts, avoidCanaries = false }: LoadBalancerContext): boolean {
  return (triedHosts !== null && triedHosts.includes(host)) || (avoidCanaries && host.canary);
}

/** A gRPC answer that is over with its head carries its status there: that is what came of it (Envoy). */
function statusOfWhole(head: ResponseHead): number {
  const grpcStatus = head.fields.get('grpc-status');
  return grpcStatus === undefined ? head.status : httpStatusOfGrpc(grpcStatus);
}

const noAlpn: readonly string[] = Object.freeze([]);

/** `alpn_protocols`, without the HTTP version that this pool does not speak: the host must not choose it. */
function alpnOf(configured: readonly string[], protocol: PoolProtocol): readonly string[] {
  if (configured.length === 0) return offeredAlpn[protocol];
  if (protocol === 'auto') return configured;
  const other = protocol === 'http2' ? 'http/1.1' : 'h2';
  const left = configured.filter((token) => token !== other);
  return left.length === 0 ? offeredAlpn[protocol] : left;
}

const offeredAlpn: Readonly<Record<PoolProtocol, readonly string[]>> = {
  http1: ['http/1.1'],
  http2: ['h2'],
  auto: ['h2', 'http/1.1'],
};

const noHealthyHost = new ProxyError({
  flag: 'UH',
  source: 'local',
  details: 'no_healthy_upstream',
  message: 'No healthy host of this service is known.',
  retry: 'unsent',
});

/** Envoy: as without a healthy host. */
const noDestination = new ProxyError({
  flag: 'UH',
  source: 'local',
  details: 'no_healthy_upstream',
  message:
    'Where this connection was going is not known: it was not redirected here, and its listener has no original_dst.',
});

/** What listens on loopback only is for this machine: whoever comes in says he was going there has forged it. */
const loopbackDestination = new ProxyError({
  flag: 'UH',
  source: 'local',
  details: 'no_healthy_upstream',
  message:
    'This inbound connection was going to loopback, which nobody outside of this machine can call: nothing is handed on there.',
});

function isInwardLoopback(origin: ConnectionOrigin | null): boolean {
  return origin?.direction === 'inbound' && origin.destination !== null && isInLoopbackRange(origin.destination.host);
}

const tooManyDestinations = new ProxyError({
  flag: 'UO',
  source: 'local',
  details: 'upstream_reset_before_response_started{overflow}',
  message: 'Connections to as many destinations as this sidecar keeps are open.',
});
