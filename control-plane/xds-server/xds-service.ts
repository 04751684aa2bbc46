/**
 * The ADS service over grpc-js: turns messages of either variant into what sessions understand, and back. A client that breaks the protocol is told why, by a gRPC status, and
 * its stream ends.
 */
import { create } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { Node } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  type DiscoveryRequest,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
  ResourceSchema,
} from '../../proto/generated/envoy/service/discovery/v3/discovery_pb.js';
import { readProxyNode } from '../translate/proxy-node.ts';
import { type AdsSession, deltaSession, type SessionOwner, sotwSession } from './ads-session.ts';
import type { ConnectedProxy, ProxyRegistry } from './connected-proxy.ts';
import type { DeltaSubscription } from './delta-subscription.ts';
import type { ServedResource } from './served-resource.ts';
import type { SotwSubscription } from './sotw-subscription.ts';
import type { OutgoingResponse } from './subscription.ts';
import { UnservedTypes } from './unserved-types.ts';

export interface XdsServiceOptions {
  readonly proxies: ProxyRegistry;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  readonly after: (delayMs: number, callback: () => void) => () => void;
  readonly random: () => number;
  /** Streams are ended after this long, give or take a tenth, so that clients spread over control planes again. 0: never. */
  readonly maxStreamAgeMs: number;
}

type Stream =
  | ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>
  | ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

/** What is the same for both variants: the node of the first message, the end of the stream. */
class StreamHandler implements SessionOwner {
  readonly stream: Stream;
  readonly #options: XdsServiceOptions;
  readonly #encode: (response: OutgoingResponse) => unknown;
  readonly #stopAge: () => void;
  #stopLater: () => void = () => {};
  #ended = false;
  connected: ConnectedProxy | null = null;
  session!: ConnectedProxy['session'];
  readonly #unserved = new UnservedTypes((typeUrl) =>
    this.#options.log.warn(
      `proxy ${this.connected!.proxy.id} asks for ${JSON.stringify(typeUrl.slice(0, 200))}, which is not served here: it is told that there is nothing`,
    ),
  );

  constructor(stream: Stream, options: XdsServiceOptions, encode: (response: OutgoingResponse) => unknown) {
    this.stream = stream;
    this.#options = options;
    this.#encode = encode;
    stream.on('end', () => this.end());
    stream.on('cancelled', () => this.close());
    stream.on('error', () => this.close());
    const { maxStreamAgeMs } = options;
    this.#stopAge =
      maxStreamAgeMs > 0 ? options.after(maxStreamAgeMs * (0.9 + options.random() * 0.2), () => this.end()) : () => {};
  }

  get ended(): boolean {
    return this.#ended;
  }

  send(response: OutgoingResponse): void {
    if (!this.#ended) (this.stream as { write(message: unknown): boolean }).write(this.#encode(response));
  }

  nowMs(): number {
    return this.#options.nowMs();
  }

  flushLater(delayMs: number): void {
    this.#stopLater();
    this.#stopLater = this.#options.after(delayMs, () => {
      if (!this.#ended) this.session.flush();
    });
  }

  /** The first message must say who this is; false ends the stream. */
  identify(node: Node | undefined, variant: 'sotw' | 'delta'): boolean {
    if (this.connected !== null) return true;
    if (node === undefined) return this.refuse('the first message of a stream needs a node');
    const read = readProxyNode(node);
    if ('faults' in read) return this.refuse(read.faults.join('; '));
    this.connected = {
      node,
      proxy: read.proxy,
      peer: this.stream.getPeer(),
      variant,
      connectedWallMs: this.#options.wallMs(),
      session: this.session,
      snapshot: null,
    };
    this.#options.log.info(
      `proxy ${read.proxy.id} (${read.proxy.cluster}) connected from ${this.connected.peer} (${variant})`,
    );
    this.#options.proxies.add(this.connected);
    return true;
  }

  refuse(details: string): false {
    this.#options.log.warn(`ended an xDS stream from ${this.stream.getPeer()}: ${details}`);
    this.stream.emit('error', { code: status.INVALID_ARGUMENT, details });
    this.close();
    return false;
  }

  /** A request that no subscription takes: for no type, or for one that is not served. */
  answerUnserved(typeUrl: string, answer: (unserved: UnservedTypes) => OutgoingResponse | null): void {
    if (typeUrl === '') {
      this.refuse('type_url: is missing; a request on an aggregated stream names its type');
      return;
    }
    const response = answer(this.#unserved);
    if (response !== null) this.send(response);
  }

  logAnswer(typeUrl: string, error: string | null): void {
    if (error !== null)
      this.#options.log.warn(
        `proxy ${this.connected!.proxy.id} refused ${typeUrl.slice(typeUrl.lastIndexOf('.') + 1)}: ${error}`,
      );
  }

  /** Ends the stream in order; the client comes back. */
  end(): void {
    if (this.#ended) return;
    this.close();
    this.stream.end();
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopAge();
    this.#stopLater();
    if (this.connected !== null) {
      this.#options.proxies.remove(this.connected);
      this.#options.log.info(`proxy ${this.connected.proxy.id} disconnected`);
    }
  }
}

export class XdsService {
  readonly #options: XdsServiceOptions;
  readonly #handlers = new Set<StreamHandler>();

  constructor(options: XdsServiceOptions) {
    this.#options = options;
  }

  /** The handlers for AggregatedDiscoveryService. */
  readonly implementation = {
    streamAggregatedResources: (stream: ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>): void =>
      this.#sotw(stream),
    deltaAggregatedResources: (stream: ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>): void =>
      this.#delta(stream),
  };

  /** Ends every stream in order: this control plane is going away. */
  endStreams(): void {
    for (const handler of [...this.#handlers]) handler.end();
  }

  #begin(stream: Stream, encode: (response: OutgoingResponse) => unknown): StreamHandler {
    const handler = new StreamHandler(stream, this.#options, encode);
    this.#handlers.add(handler);
    for (const event of ['end', 'cancelled', 'close'] as const) stream.on(event, () => this.#handlers.delete(handler));
    return handler;
  }

  #sotw(stream: ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>): void {
    const handler = this.#begin(stream, encodeSotw);
    const session: AdsSession<SotwSubscription> = sotwSession(handler);
    handler.session = session;
    stream.on('data', (request: DiscoveryRequest) => {
      if (handler.ended || !handler.identify(request.node, 'sotw')) return;
      const subscription = session.subscription(request.typeUrl);
      if (subscription === null) {
        handler.answerUnserved(request.typeUrl, (unserved) => unserved.sotw(request.typeUrl, request.resourceNames));
        return;
      }
      const error = request.errorDetail?.message ?? null;
      handler.logAnswer(request.typeUrl, error);
      const fault = subscription.onRequest({
        nonce: request.responseNonce,
        version: request.versionInfo,
        names: request.resourceNames,
        error,
      });
      if (fault !== '') handler.refuse(fault);
      else session.flush();
    });
  }

  #delta(stream: ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>): void {
    const handler = this.#begin(stream, encodeDelta);
    const session: AdsSession<DeltaSubscription> = deltaSession(handler);
    handler.session = session;
    stream.on('data', (request: DeltaDiscoveryRequest) => {
      if (handler.ended || !handler.identify(request.node, 'delta')) return;
      const subscription = session.subscription(request.typeUrl);
      if (subscription === null) {
        handler.answerUnserved(request.typeUrl, (unserved) =>
          unserved.delta(request.typeUrl, request.resourceNamesSubscribe),
        );
        return;
      }
      const error = request.errorDetail?.message ?? null;
      handler.logAnswer(request.typeUrl, error);
      const fault = subscription.onRequest({
        nonce: request.responseNonce,
        subscribe: request.resourceNamesSubscribe,
        unsubscribe: request.resourceNamesUnsubscribe,
        initialVersions: new Map(Object.entries(request.initialResourceVersions)),
        error,
      });
      if (fault !== '') handler.refuse(fault);
      else session.flush();
    });
  }
}

function any(resource: ServedResource) {
  return create(AnySchema, { typeUrl: resource.typeUrl, value: resource.bytes });
}

function encodeSotw(response: OutgoingResponse): DiscoveryResponse {
  return create(DiscoveryResponseSchema, {
    typeUrl: response.typeUrl,
    nonce: response.nonce,
    versionInfo: response.version,
    resources: response.resources.map(any),
  });
}

function encodeDelta(response: OutgoingResponse): DeltaDiscoveryResponse {
  return create(DeltaDiscoveryResponseSchema, {
    typeUrl: response.typeUrl,
    nonce: response.nonce,
    resources: response.resources.map((resource) =>
      create(ResourceSchema, { name: resource.name, version: resource.version, resource: any(resource) }),
    ),
    removedResources: [...response.removed],
  });
}
