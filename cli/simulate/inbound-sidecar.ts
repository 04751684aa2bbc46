/**
 * The sidecar before an instance, on its inbound side: its connection manager and gates (faults, limits) of ../../sidecar. Made only where a policy asks for more than to hand requests on: a fleet has one for each
 * endpoint.
 */
import { BreakerRegistry } from '../../sidecar/circuit-breaker/breaker-registry.ts';
import { ClusterManager } from '../../sidecar/cluster/cluster-manager.ts';
import type { ServerConnection, ServerStream } from '../../sidecar/codec/codec.ts';
import { HeaderFields } from '../../sidecar/codec/header-fields.ts';
import { RequestHead, type ResponseHead } from '../../sidecar/codec/message-head.ts';
import { ProxyError } from '../../sidecar/codec/proxy-error.ts';
import { ActiveStream, type StreamConnection } from '../../sidecar/connection-manager/active-stream.ts';
import { HttpConnectionManager } from '../../sidecar/connection-manager/http-connection-manager.ts';
import type { DownstreamConnectionInfo, HttpContext } from '../../sidecar/connection-manager/http-context.ts';
import { LazyGate } from '../../sidecar/filters/lazy-gate.ts';
import { RouteTable } from '../../sidecar/router/route-table.ts';
import type { Random } from '../../sidecar/runtime/clock.ts';
import type { StatStore } from '../../sidecar/stats/stat-store.ts';
import type { SideConfiguration } from './mesh-configuration.ts';
import { eventLog, noAccessLogs } from './outbound-sidecar.ts';
import { connectTo, SimulatedConnection } from './simulated-connection.ts';
import type { ArrivingRequest, Exchange, InboundDoor, SimulatedEndpoint } from './simulated-endpoint.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface InboundSidecarInit {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly configuration: SideConfiguration;
  readonly endpoint: SimulatedEndpoint;
  /** One for all sidecars of a service: the sums are what counts. */
  readonly stats: StatStore;
  readonly localService: string;
  readonly onEvent: (message: string) => void;
}

export class InboundSidecar implements InboundDoor {
  readonly manager: HttpConnectionManager;
  readonly context: HttpContext;
  readonly info: DownstreamConnectionInfo;
  /** Its gates' code is there. */
  readonly ready: Promise<unknown>;

  constructor({ time, random, configuration, endpoint, stats, localService, onEvent }: InboundSidecarInit) {
    const log = eventLog(time, onEvent);
    const breakers = new BreakerRegistry({ stats, clock: time, random, log });
    const routeTable = new RouteTable(configuration.table, breakers);
    const application = { endpoint, roundTripMs: 0, behindDoor: true };
    const clusters = new ClusterManager({
      stats,
      clock: time,
      wheel: time.wheel,
      random,
      log,
      breakers,
      openTransport: (target, owner) => connectTo(time, application, target, owner),
      createCodec: (protocol, socket, owner) => new SimulatedConnection(protocol, socket, owner, time),
    });
    clusters.apply(configuration.configuration);
    this.context = {
      clusters,
      breakers,
      routeTables: { routeTable: () => routeTable },
      stats,
      clock: time,
      wheel: time.wheel,
      random,
      log,
      localService,
      accessLogSinks: noAccessLogs,
    };
    this.info = {
      listenerName: 'inbound',
      direction: 'inbound',
      secure: false,
      alpn: '',
      serverName: '',
      peer: null,
      localUri: '',
      localAddress: `${endpoint.host}:15006`,
      remoteAddress: '10.0.0.1:40000',
    };
    this.manager = new HttpConnectionManager(
      configuration.manager,
      this.context,
      'inbound',
      configuration.bufferLimitBytes,
    );
    this.ready = Promise.all(this.manager.gates.flatMap((gate) => (gate instanceof LazyGate ? [gate.loaded] : [])));
  }

  take(exchange: Exchange, request: ArrivingRequest): void {
    new InboundRequest(this, exchange).start(request);
  }
}

/** A request on its way through the sidecar before the application. */
class InboundRequest implements StreamConnection, ServerStream {
  readonly manager: HttpConnectionManager;
  readonly context: HttpContext;
  readonly info: DownstreamConnectionInfo;
  readonly id = 1;
  readonly #exchange: Exchange;
  readonly #stream: ActiveStream;
  #status = 0;
  #fields: HeaderFields | null = null;

  constructor(sidecar: InboundSidecar, exchange: Exchange) {
    this.manager = sidecar.manager;
    this.context = sidecar.context;
    this.info = sidecar.info;
    this.#exchange = exchange;
    this.#stream = new ActiveStream(this, this);
  }

  get connection(): ServerConnection {
    throw new Error('a simulated request has no connection');
  }

  start({ method, path, authority, fields }: ArrivingRequest): void {
    this.#exchange.onGivenUp = () => this.#stream.onReset(callerGone);
    const head = new RequestHead(method, 'http', authority, path, '1.1', HeaderFields.of(...fields));
    this.#stream.onHead(head, true);
  }

  sendHead(head: ResponseHead): void {
    this.#status = head.status;
    // What it says of when to come again. The head is its sender's.
    if (head.status >= 400) this.#fields = head.fields.clone();
  }

  streamEnded(): void {
    this.#exchange.onGivenUp = null;
    // Without a head it was cut: to the caller, a status like any other that a sidecar makes up.
    this.#exchange.answer(this.#status === 0 ? 503 : this.#status, this.#fields ?? new HeaderFields());
  }

  sendInformational(): void {}
  sendData(): void {}
  sendTrailers(): void {}
  reset(): void {}
  pauseReading(): void {}
  resumeReading(): void {}
}

const callerGone = new ProxyError({
  flag: 'DC',
  source: 'downstream',
  details: 'downstream_remote_disconnect',
  message: 'The caller gave the request up.',
});
