/**
 * A scripted upstream for tests: transports that connect when told to, and codecs that do as told. Time stands still until `pass`. Checks the contracts of
 * codec.ts as it goes: no stream without room, no event behind the end.
 */
import type { Socket } from 'node:net';
import type { ClientConnection, ClientConnectionOwner, ClientStream, ResponseReceiver } from '../../codec/codec.ts';
import { ProxyError } from '../../codec/proxy-error.ts';
import type {
  ClusterConfig,
  EndpointConfig,
  LoadAssignmentConfig,
  LocalityConfig,
} from '../../config/cluster-config.ts';
import type { Configuration } from '../../config/configuration.ts';
import { TimerWheel } from '../../runtime/timer-wheel.ts';
import { StatStore } from '../../stats/stat-store.ts';
import type { ConnectFailure, ConnectOwner, ConnectTarget } from '../../transport/connect.ts';
import type { ClusterContext } from '../running-cluster.ts';
import type { Cluster, ConnectionOrigin, Host, PendingStream, StreamRequest } from '../upstream.ts';

const fault = (flag: 'UF' | 'UC'): ProxyError =>
  new ProxyError({ flag, source: 'upstream', details: 'scripted', message: 'Scripted.', retry: 'unsent' });

export class ScriptedStream implements ClientStream {
  readonly connection: ScriptedCodec;
  readonly id: number;
  readonly receiver: ResponseReceiver;
  ended = false;

  constructor(connection: ScriptedCodec, id: number, receiver: ResponseReceiver) {
    this.connection = connection;
    this.id = id;
    this.receiver = receiver;
  }

  /** The response is whole; the stream's place is free again. */
  finish(): void {
    if (this.ended) return;
    this.ended = true;
    (this.receiver as ScriptedRequest).onFinished();
    this.connection.freed(this);
  }

  reset(): void {
    if (this.ended) return;
    this.ended = true;
    this.connection.freed(this);
  }

  sendHead(): void {}
  sendData(): void {}
  sendTrailers(): void {}
  pauseReading(): void {}
  resumeReading(): void {}
}

export class ScriptedCodec implements ClientConnection {
  readonly protocol: 'http1' | 'http2';
  readonly owner: ClientConnectionOwner;
  readonly streams = new Set<ScriptedStream>();
  idleTimeoutHintMs = 0;
  maxStreams: number;
  draining = false;
  closed = false;
  begun = 0;

  constructor(protocol: 'http1' | 'http2', owner: ClientConnectionOwner, maxStreams: number) {
    this.protocol = protocol;
    this.owner = owner;
    this.maxStreams = protocol === 'http1' ? 1 : maxStreams;
  }

  readonly localEnd = '';

  get activeStreams(): number {
    return this.streams.size;
  }

  availableStreams(): number {
    return this.draining || this.closed ? 0 : Math.max(0, this.maxStreams - this.streams.size);
  }

  newStream(receiver: ResponseReceiver): ClientStream {
    if (this.availableStreams() === 0) throw new Error('newStream without room');
    const stream = new ScriptedStream(this, ++this.begun, receiver);
    this.streams.add(stream);
    return stream;
  }

  freed(stream: ScriptedStream): void {
    this.streams.delete(stream);
    if (this.draining) {
      if (this.streams.size === 0) this.#close(null);
    } else this.owner.onStreamsAvailable();
  }

  drain(): void {
    if (this.closed) return;
    this.draining = true;
    if (this.streams.size === 0) this.#close(null);
  }

  destroy(error: ProxyError): void {
    if (this.closed) return;
    this.closed = true;
    this.#resetAll(error);
    this.owner.onClose(error);
  }

  /** The peer sends GOAWAY, or `connection: close`. */
  goAway(): void {
    if (this.closed || this.draining) return;
    this.draining = true;
    this.owner.onDraining();
    if (this.streams.size === 0) this.#close(null);
  }

  /** The peer closes the connection. */
  closeByPeer(): void {
    if (this.closed) return;
    const error = this.streams.size > 0 ? fault('UC') : null;
    this.closed = true;
    if (error !== null) this.#resetAll(error);
    this.owner.onClose(error);
  }

  #close(error: ProxyError | null): void {
    if (this.closed) return;
    this.closed = true;
    this.owner.onClose(error);
  }

  #resetAll(error: ProxyError): void {
    for (const stream of this.streams) {
      stream.ended = true;
      this.streams.delete(stream);
      stream.receiver.onReset(error);
    }
  }
}

/** A connection that is being made. */
export class ScriptedTransport {
  readonly target: ConnectTarget;
  readonly owner: ConnectOwner;
  settled = false;

  constructor(target: ConnectTarget, owner: ConnectOwner) {
    this.target = target;
    this.owner = owner;
  }

  cancel(): void {
    this.settled = true;
  }

  connect(alpn = ''): void {
    if (this.settled) return;
    this.settled = true;
    const nothing = (): void => {};
    const socket = {
      bytesRead: 0,
      bytesWritten: 0,
      on: nothing,
      write: nothing,
      destroy: nothing,
      destroySoon: nothing,
    };
    this.owner.onConnected(socket as unknown as Socket, alpn);
  }

  fail(reason: ConnectFailure = 'refused'): void {
    if (this.settled) return;
    this.settled = true;
    this.owner.onConnectFailed(fault('UF'), reason);
  }
}

/** A request that notes what it hears, and insists that it hears each thing once. */
export class ScriptedRequest implements StreamRequest {
  answers = 0;
  stream: ScriptedStream | null = null;
  host: Host | null = null;
  reused = false;
  error: ProxyError | null = null;
  finished = false;
  pending: PendingStream | null = null;
  cancelled = false;
  readonly cluster: Cluster;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  /** Asks; returns itself. */
  ask(
    version: '1.1' | '2' = '1.1',
    triedHosts: readonly Host[] | null = null,
    origin: ConnectionOrigin | null = null,
  ): this {
    this.pending = this.cluster.requestStream(this, { triedHosts, origin }, version);
    return this;
  }

  get waiting(): boolean {
    return this.answers === 0 && !this.cancelled;
  }

  cancel(): void {
    if (!this.waiting) return;
    this.cancelled = true;
    this.pending!.cancel();
  }

  onStreamReady(stream: ClientStream, host: Host, reused: boolean): void {
    this.#answer();
    this.stream = stream as ScriptedStream;
    this.host = host;
    this.reused = reused;
  }

  onStreamFailed(error: ProxyError, host: Host | null): void {
    this.#answer();
    this.error = error;
    this.host = host;
  }

  onFinished(): void {
    this.#end(200);
  }

  onReset(error: ProxyError): void {
    this.error = error;
    this.#end(0);
  }

  #answer(): void {
    if (this.cancelled) throw new Error('an answer after cancel');
    if (++this.answers > 1) throw new Error('a second answer');
  }

  #end(status: number): void {
    if (this.finished) throw new Error('a second end');
    this.finished = true;
    this.cluster.onResponse(this.host!, status, 1);
  }

  onInformational(): void {}
  onHead(): void {}
  onData(): void {}
  onTrailers(): void {}
  onWriteBlocked(): void {}
  onWriteReady(): void {}
}

export class ScriptedUpstream {
  now = 10_000;
  readonly stats = new StatStore();
  readonly transports: ScriptedTransport[] = [];
  readonly codecs: ScriptedCodec[] = [];
  /** Of HTTP/2 connections made from now on. */
  maxStreams = 100;
  readonly clock = { nowMs: () => this.now, wallMs: () => this.now };
  #callback: (() => void) | null = null;
  #wakeAt = 0;
  readonly wheel = new TimerWheel(this.clock, (callback, delayMs) => {
    this.#callback = callback;
    this.#wakeAt = this.now + delayMs;
    return () => {
      this.#callback = null;
    };
  });
  #seed = 1;
  readonly random = (): number => {
    this.#seed = (Math.imul(this.#seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return this.#seed / 0x80000000;
  };
  readonly context: ClusterContext = {
    stats: this.stats,
    clock: this.clock,
    wheel: this.wheel,
    random: this.random,
    createCodec: (protocol, _socket, owner) => {
      const codec = new ScriptedCodec(protocol, owner, this.maxStreams);
      this.codecs.push(codec);
      // As the HTTP/2 codec does: ready a little later; tests call ready().
      return codec;
    },
    openTransport: (target, owner) => {
      const transport = new ScriptedTransport(target, owner);
      this.transports.push(transport);
      return transport;
    },
  };

  pass(ms: number): void {
    const end = this.now + ms;
    while (this.#callback !== null && this.#wakeAt <= end) {
      this.now = Math.max(this.now, this.#wakeAt);
      const callback = this.#callback;
      this.#callback = null;
      callback();
    }
    this.now = end;
  }

  /** Connects everything that is being connected. */
  connectAll(alpn = ''): void {
    for (const transport of this.transports) transport.connect(alpn);
    for (const codec of this.codecs) if (codec.protocol === 'http2' && !codec.closed) codec.owner.onReady();
  }

  counter(name: string): number {
    return this.stats.counters.get(name)?.value ?? NaN;
  }

  gauge(name: string): number {
    return this.stats.gauges.get(name)?.value ?? NaN;
  }
}

export function endpoint(address: string, more: Partial<EndpointConfig> = {}): EndpointConfig {
  const at = address.lastIndexOf(':');
  return {
    address: { host: address.slice(0, at), port: Number(address.slice(at + 1)) },
    weight: 1,
    health: 'healthy',
    hostname: '',
    metadata: {},
    ...more,
  };
}

export function locality(endpoints: readonly EndpointConfig[], more: Partial<LocalityConfig> = {}): LocalityConfig {
  return { region: '', zone: '', subZone: '', weight: 1, priority: 0, endpoints, ...more };
}

export function assignment(...localities: readonly LocalityConfig[]): LoadAssignmentConfig {
  return { clusterName: 'payments', localities };
}

export function clusterConfig(more: Partial<ClusterConfig> = {}): ClusterConfig {
  return {
    name: 'payments',
    statName: 'payments',
    discovery: { kind: 'static', assignment: assignment(locality([endpoint('10.0.0.1:80')])) },
    loadBalancing: { kind: 'round-robin' },
    connectTimeoutMs: 1_000,
    tls: null,
    protocol: 'http1',
    http2: {
      maxConcurrentStreams: 100,
      initialStreamWindowBytes: 65_535,
      initialConnectionWindowBytes: 65_535,
      headerTableBytes: 4_096,
      allowConnect: false,
      keepAliveIntervalMs: 0,
      keepAliveTimeoutMs: 0,
    },
    limits: { maxConnections: 1_024, maxPendingRequests: 1_024, maxRequests: 1_024, maxRetries: 3 },
    idleTimeoutMs: 60_000,
    maxRequestsPerConnection: 0,
    maxConnectionDurationMs: 0,
    maxHeadBytes: 65_536,
    maxFields: 200,
    bufferLimitBytes: 1 << 20,
    panicThresholdPercent: 50,
    ...more,
  };
}

export function configuration(
  clusters: readonly ClusterConfig[],
  assignments: Readonly<Record<string, LoadAssignmentConfig>> = {},
): Configuration {
  const origin = { version: '1', origin: 'dynamic', updatedWallMs: 0, raw: new Uint8Array() } as const;
  return {
    listeners: new Map(),
    routeTables: new Map(),
    clusters: new Map(clusters.map((value) => [value.name, { ...origin, value }])),
    assignments: new Map(Object.entries(assignments).map(([name, value]) => [name, { ...origin, value }])),
  };
}
