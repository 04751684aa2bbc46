/**
 * A listener that takes connections: finds out where each was going, cuts those that would go round in a circle, and finds the filter chain that serves it (running-chain.ts), by its first bytes
 * where these make a difference (inspection.ts). The listening socket is not here (bound-socket.ts): it survives updates, this does not.
 */
import { isIPv6, type Socket } from 'node:net';
import { AccessLogger } from '../access-log/access-logger.ts';
import type { ConnectionOrigin } from '../cluster/upstream.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { FilterChainConfig, ListenerConfig, PortPredicate, SocketAddress } from '../config/listener-config.ts';
import type { AccessLogSinks, DownstreamConnectionInfo } from '../connection-manager/http-context.ts';
import type { Clock, Random } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { TimerWheel } from '../runtime/timer-wheel.ts';
import type { SecretLookup } from '../secret/secret-store.ts';
import { bareAddress, endText } from '../transport/end-text.ts';
import { isInLoopbackRange } from '../transport/loopback.ts';
import type { OwnConnections } from '../transport/own-connections.ts';
import { readAccepted } from '../transport/socket-reader.ts';
import { descriptorOf, originalDestination } from '../transport/system-sockets.ts';
import type { ConnectionTaker } from './bound-socket.ts';
import { FilterChainMatcher } from './filter-chain-match.ts';
import { Inspection, nothingSeen, type Seen } from './inspection.ts';
import type { ListenerStats } from './listener-stats.ts';
import type { Race, RaceOwner } from './race.ts';
import { type Arrival, plaintext, RunningChain } from './running-chain.ts';
import { ServerFirst } from './server-first.ts';

/** A connection on which nothing goes on. */
export interface IdleConnection {
  readonly idleSinceMs: number;
  closeIdle(): void;
}

/** What serves the connections of a filter chain; HttpConnectionManager is one, TcpProxy another. */
export interface ConnectionManager {
  /**
   * Takes over a connection whose transport is ready, and attaches its 'error' listener now. After drain() too: such a connection ends after its first answer. `first`: what was read of it,
   * `ended`: and that is all it says; only of TCP proxies, others get it as the socket's 'data'.
   */
  accept(socket: Socket, info: DownstreamConnectionInfo, first?: Buffer | null, ended?: boolean): void;
  /** Connects to the upstream of a caller that is silent; null: it may not. Absent: there is no point in that. */
  race?(info: DownstreamConnectionInfo, owner: RaceOwner): Race | null;
  /** Requests in hand are finished, then connections close. */
  drain(): void;
  /** What judges and routes the requests that still come on the connections of this one, which drains: its configuration was replaced by that one's. */
  succeededBy(next: ConnectionManager): void;
  destroyAll(error: ProxyError): void;
  idleConnections(): readonly IdleConnection[];
  readonly activeConnections: number;
  readonly activeStreams: number;
  /** Connections with requests in hand, or with answers that the kernel has not taken yet: what would be lost if they were closed now. */
  readonly unfinishedConnections: number;
}

/** What listeners share. */
export interface RunningListenerContext {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** Certificates and CAs that listeners refer to by name. */
  readonly secrets?: SecretLookup | null;
  /** For what becomes of single connections (debug). */
  readonly log?: Log | null;
  /** For shares of what is logged; absent: all of it. */
  readonly random?: Random;
  /** For connections that no filter chain takes; absent: they are not logged. */
  readonly accessLogSinks?: AccessLogSinks;
  /** Connections that this process has made; absent: nobody knows. */
  readonly ownConnections?: OwnConnections;
  /** The listener of this process that is on an address; null: none is. Absent: nobody knows. */
  readonly listenerAt?: (address: SocketAddress) => string | null;
}

export type CreateConnectionManager = (chain: FilterChainConfig, listener: ListenerConfig) => ConnectionManager;

const quietMs = 10_000;

/** What our control plane calls the chain of connections that would come back. */
const loopChain = 'loop';

export class RunningListener implements ConnectionTaker {
  readonly config: ListenerConfig;
  /** By configuration object. */
  readonly chains: ReadonlyMap<FilterChainConfig, RunningChain>;
  readonly stats: ListenerStats;
  readonly #matcher: FilterChainMatcher;
  /** First bytes may make a difference, and are looked at. */
  readonly #inspects: boolean;
  readonly #context: RunningListenerContext;
  readonly #accessLogs: readonly AccessLogger[];
  readonly #serverFirst: ServerFirst;
  /** Every accepted connection that is not closed. */
  readonly #sockets: Set<Socket>;
  /** When, by `details`. */
  readonly #cutToldMs = new Map<string, number>();

  /** `before`: the listener that this one replaces: chains that did not change go on in it. `sockets`: shared by all listeners that follow each other on one socket. */
  constructor(
    config: ListenerConfig,
    before: RunningListener | null,
    create: CreateConnectionManager,
    stats: ListenerStats,
    context: RunningListenerContext,
    sockets: Set<Socket>,
  ) {
    this.config = config;
    this.stats = stats;
    this.#context = context;
    this.#sockets = sockets;
    this.#serverFirst = before === null ? new ServerFirst(context.clock) : before.#serverFirst;
    const { accessLogs = [] } = config;
    const { accessLogSinks, clock, random = () => 0 } = context;
    this.#accessLogs =
      accessLogSinks === undefined
        ? []
        : accessLogs.map((each) => new AccessLogger(each, { accessLogSinks, clock, random }));
    const { filterChains, defaultFilterChain } = config;
    const chains = new Map<FilterChainConfig, RunningChain>();
    const kept = before === null ? null : before.#lastingChains();
    for (const chain of defaultFilterChain === null ? filterChains : [...filterChains, defaultFilterChain]) {
      chains.set(
        chain,
        before?.chains.get(chain) ??
          kept?.get(contentOf(chain, config)) ??
          new RunningChain(chain, config, create(chain, config), stats, context),
      );
    }
    this.chains = chains;
    this.#matcher = new FilterChainMatcher(filterChains, defaultFilterChain);
    this.#inspects = (config.inspectTls || config.inspectHttp === true) && this.#matcher.looksAtTls;
  }

  /** TCP chains by what they say: their connections cannot be asked to come again, so they go on in a chain that says the same. */
  #lastingChains(): ReadonlyMap<string, RunningChain> {
    const lasting = new Map<string, RunningChain>();
    for (const [chain, running] of this.chains)
      if (chain.httpConnectionManager === null) lasting.set(contentOf(chain, this.config), running);
    return lasting;
  }

  take(socket: Socket): void {
    const { stats } = this;
    stats.connections.value++;
    stats.connectionsActive.value++;
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      stats.connectionsActive.value--;
      stats.connectionsDestroyed.value++;
    });
    const arrival = this.#arrivalOf(socket);
    if (arrival !== null && this.#cuts(socket, arrival)) return;
    if (!this.#inspects || !this.#inspect(socket, arrival))
      this.handTo(this.chainFor(socket, arrival, nothingSeen), socket, arrival, null, false);
  }

  /** Where it was going; null: to this end, and nothing more has to be known of that. */
  #arrivalOf(socket: Socket): Arrival | null {
    const { originalDestination: looksForIt = false, originalSource = null, direction } = this.config;
    if (!looksForIt && originalSource === null && !this.#matcher.looksAtAddresses) return null;
    const { localAddress, localPort, remoteAddress } = socket;
    // It was reset before we came to it.
    if (localAddress === undefined || localPort === undefined || remoteAddress === undefined) return null;
    const here = { host: bareAddress(localAddress), port: localPort };
    const destination = (looksForIt ? originalDestination(descriptorOf(socket), isIPv6(here.host)) : null) ?? here;
    if (!looksForIt && originalSource === null) return { destination, origin: null, serverName: '' };
    const source =
      originalSource === null
        ? null
        : {
            address: bareAddress(remoteAddress),
            port: 0,
            freebind: false,
            transparent: true,
            mark: originalSource.mark,
          };
    const nothingTried = { triedHosts: null, avoidCanaries: false, origin: null as ConnectionOrigin | null };
    const origin: ConnectionOrigin = { destination: looksForIt ? destination : null, direction, source, nothingTried };
    nothingTried.origin = origin;
    return { destination, origin, serverName: '' };
  }

  /** Loops, and what was forged: whoever comes from elsewhere cannot have called loopback. */
  #cuts(socket: Socket, { destination, origin }: Arrival): boolean {
    if (origin === null || origin.destination === null) return false;
    const { remoteAddress = '' } = socket;
    if (
      origin.direction === 'inbound' &&
      isInLoopbackRange(destination.host) &&
      !isInLoopbackRange(bareAddress(remoteAddress))
    ) {
      this.stats.countForged();
      const why = 'which nobody outside of this machine can call: it was cut, as a neighbour must have forged it';
      this.#cut(socket, destination, why, 'loopback_from_outside');
      return true;
    }
    const why = this.#whyLoop(socket, destination);
    if (why === '') return false;
    this.stats.countLoop();
    this.#cut(socket, destination, `${why}: it was cut, as it would come back for ever`, 'loop_detected');
    return true;
  }

  #cut(socket: Socket, destination: SocketAddress, why: string, details: string): void {
    const now = this.#context.clock.nowMs();
    if (now - (this.#cutToldMs.get(details) ?? -Infinity) >= quietMs) {
      this.#cutToldMs.set(details, now);
      const from = endText(socket.remoteAddress ?? '', socket.remotePort);
      const to = endText(destination.host, destination.port);
      this.#context.log?.warn(
        `listener ${this.config.name}: a connection from ${from} was going to ${to}, ${why} (more of them in the next ${quietMs / 1000} s are only counted)`,
      );
    }
    this.#logUntaken(socket, destination, '', details);
    socket.on('error', ignore);
    socket.resetAndDestroy();
  }

  /** '': it is none. */
  #whyLoop(socket: Socket, { host, port }: SocketAddress): string {
    const { ownConnections, listenerAt } = this.#context;
    const { direction, filterChains } = this.config;
    // What the sidecar sends to its own application, as when that calls itself, may well come to the inbound listener.
    if (
      direction === 'outbound' &&
      ownConnections?.has(socket.remoteAddress ?? '', socket.remotePort ?? 0, host, port) === true
    )
      return "and is this sidecar's own: the redirect rules do not leave its traffic alone (outrigger intercept show)";
    const name = listenerAt?.({ host, port }) ?? null;
    if (name === null) return '';
    // A configuration that names the port says what becomes of those who mean the listener itself.
    const named = filterChains.filter(({ match }) => match.destinationPort === port);
    if (named.length > 0 && !named.some((chain) => chain.name === loopChain)) return '';
    return `which is the listener ${name} of this sidecar: nothing may be sent to its own ports`;
  }

  /** False: nothing has to be known of its first bytes. */
  #inspect(socket: Socket, arrival: Arrival | null): boolean {
    const { config } = this;
    const port = this.destinationPort(socket, arrival);
    const needs = this.#matcher.needs(port, arrival === null ? '' : arrival.destination.host);
    if (needs === 'none') return false;
    if (
      !this.inspectsTls(port) &&
      !(config.inspectHttp === true && needs === 'tls-and-http' && this.inspectsHttp(port))
    )
      return false;
    const serverFirst = config.continueOnTimeout === true && this.#serverFirst.has(this.#key(socket, arrival));
    new Inspection(this, socket, arrival, this.#context.wheel, needs).start(
      config.listenerFiltersTimeoutMs,
      serverFirst,
    );
    return true;
  }

  /** @internal */
  inspectsTls(port: number): boolean {
    const { inspectTls, tlsDisabled } = this.config;
    return inspectTls && (tlsDisabled === undefined || !holds(tlsDisabled, port));
  }

  /** @internal */
  inspectsHttp(port: number): boolean {
    const { httpDisabled } = this.config;
    return httpDisabled === undefined || !holds(httpDisabled, port);
  }

  /** @internal */
  destinationPort(socket: Socket, arrival: Arrival | null): number {
    return arrival === null ? (socket.localPort ?? 0) : arrival.destination.port;
  }

  /** Who calls, and where it was going. */
  #key(socket: Socket, arrival: Arrival | null): string {
    const destination =
      arrival === null
        ? endText(socket.localAddress ?? '', socket.localPort)
        : endText(arrival.destination.host, arrival.destination.port);
    return `${bareAddress(socket.remoteAddress ?? '')} ${destination}`;
  }

  /** @internal Which side of a connection to there speaks first. */
  foundFirst(socket: Socket, arrival: Arrival | null, first: 'server' | 'caller' | 'caller by TLS'): void {
    const key = this.#key(socket, arrival);
    if (first === 'server') this.#serverFirst.add(key);
    else if (first === 'caller') this.#serverFirst.delete(key);
    else this.#serverFirst.addTls(key);
  }

  /** @internal The arrival, with the SNI that an inspector saw. */
  withServerName(socket: Socket, arrival: Arrival | null, serverName: string): Arrival | null {
    if (arrival !== null) return { ...arrival, serverName };
    const { localAddress, localPort } = socket;
    if (localAddress === undefined || localPort === undefined) return null;
    return { destination: { host: bareAddress(localAddress), port: localPort }, origin: null, serverName };
  }

  /** @internal Null: none takes it. */
  chainFor(socket: Socket, arrival: Arrival | null, { hello, protocol }: Seen): RunningChain | null {
    const chain = this.#matcher.find({
      destinationPort: this.destinationPort(socket, arrival),
      destinationAddress: arrival === null ? '' : arrival.destination.host,
      serverName: hello?.serverName ?? '',
      transportProtocol: hello === null ? 'raw_buffer' : 'tls',
      applicationProtocols: hello !== null ? hello.protocols : protocol === '' ? noProtocols : [protocol],
      ...(this.#matcher.looksAtAddresses
        ? { sourceAddress: bareAddress(socket.remoteAddress ?? ''), sourcePort: socket.remotePort ?? 0 }
        : {}),
    });
    return chain === null ? null : this.chains.get(chain)!;
  }

  /** @internal `first`: what was read of it; `ended`: that is all it says. */
  handTo(
    chain: RunningChain | null,
    socket: Socket,
    arrival: Arrival | null,
    first: Buffer | null,
    ended: boolean,
  ): void {
    if (chain !== null) {
      chain.take(socket, arrival, first, ended);
      return;
    }
    this.stats.noFilterChain.value++;
    if (this.#accessLogs.length > 0) {
      const { localAddress = '', localPort = 0 } = socket;
      this.#logUntaken(
        socket,
        arrival?.destination ?? { host: bareAddress(localAddress), port: localPort },
        arrival?.serverName ?? '',
        'filter_chain_not_found',
      );
    }
    socket.on('error', ignore);
    socket.destroy();
  }

  /** @internal The socket by which a connection that was inspected is read on. */
  readOn(socket: Socket): Socket {
    return readAccepted(socket);
  }

  #logUntaken(socket: Socket, destination: SocketAddress, serverName: string, details: string): void {
    const info: DownstreamConnectionInfo = {
      listenerName: this.config.name,
      direction: this.config.direction,
      ...plaintext,
      serverName,
      localAddress: endText(destination.host, destination.port),
      remoteAddress: endText(socket.remoteAddress ?? '', socket.remotePort),
    };
    for (const log of this.#accessLogs) log.writeConnection({ ...untaken, details }, info, 0, 'NotSet');
  }

  /** The chain that takes the connections which that one took, under a changed configuration; null: there is none. */
  successorOf({ name, match }: FilterChainConfig): RunningChain | null {
    const matched = JSON.stringify(match);
    for (const chain of this.chains.values())
      if (chain.config.name === name && JSON.stringify(chain.config.match) === matched) return chain;
    return null;
  }

  drain(): void {
    for (const { manager } of this.chains.values()) manager.drain();
  }
}

const contents = new WeakMap<FilterChainConfig, string>();

/** All that a TCP chain goes by; '' of HTTP. */
function contentOf(chain: FilterChainConfig, { name, direction, bufferLimitBytes }: ListenerConfig): string {
  if (chain.httpConnectionManager !== null) return '';
  let content = contents.get(chain);
  if (content === undefined)
    contents.set(chain, (content = JSON.stringify([chain, name, direction, bufferLimitBytes])));
  return content;
}

/** Envoy's flag of a connection that no filter chain takes. */
const untaken = Object.freeze({
  flag: 'NR',
  bytesReceived: 0,
  bytesSent: 0,
  attempts: 0,
  upstreamHost: '',
  clusterName: '',
  policy: '',
  dryRunDeniedBy: '',
  metadata: null,
});

function holds(predicate: PortPredicate, port: number): boolean {
  switch (predicate.kind) {
    case 'any':
      return true;
    case 'ports':
      return port >= predicate.start && port < predicate.end;
    case 'not':
      return !holds(predicate.of, port);
    case 'and':
      return predicate.of.every((each) => holds(each, port));
    case 'or':
      return predicate.of.some((each) => holds(each, port));
  }
}

const noProtocols: readonly string[] = Object.freeze([]);

function ignore(): void {
  // 'close' follows and is where things end.
}
