/**
 * The sidecar beside callers, on its outbound side: the very connection manager, router, clusters, balancers, limits, health and retries of ../../sidecar, with the configuration that the control plane
 * would send, on virtual time and over a simulated network. One may stand for those of several endpoints.
 */
import type { BreakerRegistry } from '../../sidecar/circuit-breaker/breaker-registry.ts';
import type { ClusterManager } from '../../sidecar/cluster/cluster-manager.ts';
import type { RunningCluster } from '../../sidecar/cluster/running-cluster.ts';
import type { ServerConnection, ServerStream } from '../../sidecar/codec/codec.ts';
import { HeaderFields } from '../../sidecar/codec/header-fields.ts';
import { headerName } from '../../sidecar/codec/header-name.ts';
import { RequestHead } from '../../sidecar/codec/message-head.ts';
import { ActiveStream, type StreamConnection } from '../../sidecar/connection-manager/active-stream.ts';
import { HttpConnectionManager } from '../../sidecar/connection-manager/http-connection-manager.ts';
import type { DownstreamConnectionInfo, HttpContext } from '../../sidecar/connection-manager/http-context.ts';
import { StatStore } from '../../sidecar/stats/stat-store.ts';
import type { CallRecord } from './call-record.ts';
import type { Destination } from './simulated-connection.ts';
import { type SimulatedContext, type SimulatedContextInit, simulatedContext } from './simulated-context.ts';
import { type RequestSpec, servicePort } from './simulation.ts';
import type { Due, VirtualTime } from './virtual-time.ts';

/** Who waits for an answer. */
export interface CallOwner {
  onCallEnded(status: number): void;
}

/** A request that is made again and again, and where its outcomes are counted. */
export interface Calling {
  readonly request: RequestSpec;
  readonly record: CallRecord;
}

export interface OutboundCalls {
  /** Makes the call of that number; its end is told later. */
  call(which: number, owner: CallOwner): void;
}

export interface OutboundSidecarInit extends Omit<SimulatedContextInit, 'stats'> {
  readonly callings: readonly Calling[];
  /** By `ip:port`. */
  readonly destinationAt: (address: string) => Destination | undefined;
}

const info: DownstreamConnectionInfo = Object.freeze({
  listenerName: 'outbound',
  direction: 'outbound',
  secure: false,
  alpn: '',
  serverName: '',
  peer: null,
  localUri: '',
  localAddress: '127.0.0.1:15001',
  remoteAddress: '127.0.0.1:40000',
});

export class OutboundSidecar implements OutboundCalls {
  readonly stats = new StatStore();
  readonly clusters: ClusterManager;
  readonly breakers: BreakerRegistry;
  readonly manager: HttpConnectionManager;
  readonly context: SimulatedContext;
  readonly #time: VirtualTime;
  readonly #callings: readonly Calling[];

  constructor(init: OutboundSidecarInit) {
    const { time, configuration, callings, destinationAt } = init;
    this.#time = time;
    this.#callings = callings;
    this.context = simulatedContext({ ...init, stats: this.stats }, destinationAt);
    this.breakers = this.context.breakers;
    this.clusters = this.context.clusters;
    this.manager = new HttpConnectionManager(
      configuration.manager,
      this.context,
      'outbound',
      configuration.bufferLimitBytes,
    );
  }

  call(which: number, owner: CallOwner): void {
    new SimulatedCall(this, this.#time, this.#callings[which]!, owner).start();
  }

  /** The clusters that its calls lead to. */
  runningCluster(name: string): RunningCluster {
    return this.clusters.cluster(name) as RunningCluster;
  }
}

/** One call: the caller's connection and stream in one. */
class SimulatedCall implements StreamConnection, ServerStream, Due {
  readonly manager: HttpConnectionManager;
  readonly context: HttpContext;
  readonly info = info;
  readonly id = 1;
  readonly #time: VirtualTime;
  readonly #calling: Calling;
  readonly #owner: CallOwner;
  readonly #stream: ActiveStream;

  constructor(sidecar: OutboundSidecar, time: VirtualTime, calling: Calling, owner: CallOwner) {
    this.manager = sidecar.manager;
    this.context = sidecar.context;
    this.#time = time;
    this.#calling = calling;
    this.#owner = owner;
    this.#stream = new ActiveStream(this, this);
  }

  get connection(): ServerConnection {
    throw new Error('a simulated caller has no connection');
  }

  start(): void {
    const { request, record } = this.#calling;
    record.begun++;
    const fields = new HeaderFields();
    for (const name in request.headers) fields.append(headerName(name), request.headers[name]!);
    this.#stream.onHead(
      new RequestHead(request.method, 'http', `${request.service}:${servicePort}`, request.path, '1.1', fields),
      true,
    );
  }

  streamEnded(nowMs: number): void {
    const { status, flag, attempts, startMs } = this.#stream;
    this.#calling.record.count(status, flag, attempts, nowMs - startMs);
    // An application goes on a moment later, not from inside its sidecar.
    this.#time.after(0, this);
  }

  onDue(): void {
    this.#owner.onCallEnded(this.#stream.status);
  }

  sendInformational(): void {}
  sendHead(): void {}
  sendData(): void {}
  sendTrailers(): void {}
  reset(): void {}
  pauseReading(): void {}
  resumeReading(): void {}
}
