/** A probe by one request over a connection of its own: opens it, lets the protocol ask and judge, and tells the outcome once. What is asked, and what the answer means, is the protocol's: http-exchange.ts, grpc-exchange.ts. */
import type { ClientStream, ResponseReceiver } from '../../codec/codec.ts';
import type { HeaderFields } from '../../codec/header-fields.ts';
import type { ResponseHead } from '../../codec/message-head.ts';
import type { ProxyError } from '../../codec/proxy-error.ts';
import type { RunningHost } from '../running-host.ts';
import type { Probe, ProbeContext, ProbeOwner } from './probe.ts';
import { ProbeConnection, type ProbeConnectionOwner } from './probe-connection.ts';

export const probeUserAgent = 'outrigger/HC';

/** What an answer says of the host; see ProbeOwner. */
export type ProbeVerdict =
  | { readonly passed: true; readonly degraded: boolean }
  | { readonly passed: false; readonly reason: string; readonly retriable?: boolean; readonly excludes?: boolean };

/** One check after another, in one protocol. The receiving methods give null as long as nothing is decided; at the end of the answer they decide. */
export interface ProbeExchange {
  readonly protocol: 'http1' | 'http2';
  /** Authority where the endpoint has none of its own; '': the cluster's name. */
  readonly authority: string;
  /** A new check: nothing is left of the one before. */
  begin(): void;
  ask(stream: ClientStream, authority: string): void;
  onHead(head: ResponseHead, endStream: boolean): ProbeVerdict | null;
  /** The chunk is lent for the time of this call. */
  onData(chunk: Buffer, endStream: boolean): ProbeVerdict | null;
  onTrailers(trailers: HeaderFields): ProbeVerdict;
}

export class RequestProbe implements Probe, ProbeConnectionOwner, ResponseReceiver {
  readonly #exchange: ProbeExchange;
  readonly #reuse: boolean;
  readonly #host: RunningHost;
  readonly #context: ProbeContext;
  readonly #owner: ProbeOwner;
  readonly #line: ProbeConnection;
  #running = false;

  /** `reuse`: the connection stays for the next check. */
  constructor(exchange: ProbeExchange, reuse: boolean, host: RunningHost, context: ProbeContext, owner: ProbeOwner) {
    this.#exchange = exchange;
    this.#reuse = reuse;
    this.#host = host;
    this.#context = context;
    this.#owner = owner;
    this.#line = new ProbeConnection(exchange.protocol, host, context, this);
  }

  start(): void {
    this.#running = true;
    this.#exchange.begin();
    this.#line.open();
  }

  giveUp(): void {
    this.close();
  }

  close(): void {
    this.#running = false;
    this.#line.close();
  }

  onLineReady(): void {
    if (!this.#running) return;
    const authority =
      this.#host.endpoint.healthCheck?.hostname || this.#exchange.authority || this.#context.clusterName;
    this.#exchange.ask(this.#line.newStream(this), authority);
  }

  onLineFailed(reason: string): void {
    this.#failed(reason);
  }

  onInformational(): void {
    // Says nothing about the host.
  }

  onHead(head: ResponseHead, endStream: boolean): void {
    if (this.#running) this.#decide(this.#exchange.onHead(head, endStream), endStream);
  }

  onData(chunk: Buffer, endStream: boolean): void {
    if (this.#running) this.#decide(this.#exchange.onData(chunk, endStream), endStream);
  }

  onTrailers(trailers: HeaderFields): void {
    if (this.#running) this.#decide(this.#exchange.onTrailers(trailers), true);
  }

  onReset(error: ProxyError): void {
    this.#failed(error.message);
  }

  onWriteBlocked(): void {
    // A few bytes are all that is sent.
  }

  onWriteReady(): void {
    // See onWriteBlocked.
  }

  #failed(reason: string): void {
    if (!this.#running) return;
    this.#running = false;
    this.#owner.onProbeFailed('network', reason);
  }

  /** `whole`: the answer is over. What else comes of one that is not is not waited for. */
  #decide(verdict: ProbeVerdict | null, whole: boolean): void {
    if (verdict === null) return;
    this.#running = false;
    if (!this.#reuse || !whole) this.#line.finish();
    if (verdict.passed) this.#owner.onProbePassed(verdict.degraded);
    else {
      const { reason, retriable = false, excludes = false } = verdict;
      this.#owner.onProbeFailed('active', reason, retriable, excludes);
    }
  }
}
