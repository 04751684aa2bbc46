/**
 * The sidecar before an instance, on its inbound side: its connection manager and gates (faults, limits and their queue, adaptive concurrency) of ../../sidecar. Made only where a policy asks for more than to hand requests on: a fleet has one for each
 * endpoint.
 */
import type { ServerConnection, ServerStream } from '../../sidecar/codec/codec.ts';
import { HeaderFields } from '../../sidecar/codec/header-fields.ts';
import { RequestHead, type ResponseHead } from '../../sidecar/codec/message-head.ts';
import { ProxyError } from '../../sidecar/codec/proxy-error.ts';
import { ActiveStream, type StreamConnection } from '../../sidecar/connection-manager/active-stream.ts';
import { HttpConnectionManager } from '../../sidecar/connection-manager/http-connection-manager.ts';
import type { DownstreamConnectionInfo, HttpContext } from '../../sidecar/connection-manager/http-context.ts';
import { LazyGate } from '../../sidecar/filters/lazy-gate.ts';
import { StatStore } from '../../sidecar/stats/stat-store.ts';
import { type SimulatedContextInit, simulatedContext } from './simulated-context.ts';
import type { ArrivingRequest, Exchange, InboundDoor, ServiceCounts, SimulatedEndpoint } from './simulated-endpoint.ts';

export interface InboundSidecarInit extends Omit<SimulatedContextInit, 'stats'> {
  readonly endpoint: SimulatedEndpoint;
}

export class InboundSidecar implements InboundDoor {
  readonly manager: HttpConnectionManager;
  readonly context: HttpContext;
  readonly info: DownstreamConnectionInfo;
  /** Its gates' code is there. */
  readonly ready: Promise<unknown>;
  readonly #counts: ServiceCounts;

  constructor(init: InboundSidecarInit) {
    const { time, configuration, endpoint } = init;
    this.#counts = endpoint.context.counts;
    const application = { endpoint, roundTripMs: 0, behindDoor: true };
    this.context = {
      // Figures of its own: limits count by what they show.
      ...simulatedContext({ ...init, stats: new StatStore() }, () => application),
      defer: (callback) => time.after(0, { onDue: callback }),
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

  /** It was not for the application. */
  onRefused(): void {
    this.#counts.refused++;
  }
}

/** A request on its way through the sidecar before the application. */
class InboundRequest implements StreamConnection, ServerStream {
  readonly manager: HttpConnectionManager;
  readonly context: HttpContext;
  readonly info: DownstreamConnectionInfo;
  readonly id = 1;
  readonly #sidecar: InboundSidecar;
  readonly #exchange: Exchange;
  readonly #stream: ActiveStream;
  #status = 0;
  #fields: HeaderFields | null = null;

  constructor(sidecar: InboundSidecar, exchange: Exchange) {
    this.#sidecar = sidecar;
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
    const { attempts, status } = this.#stream;
    if (attempts === 0 && status >= 400 && !this.#exchange.over) this.#sidecar.onRefused();
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
