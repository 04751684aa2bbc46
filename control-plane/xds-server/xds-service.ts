/**
 * ADS and SDS over grpc-js: turns messages of either variant into what sessions understand, and back. A client that breaks the protocol is told why, by a gRPC status, and its stream ends.
 */
import { create } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import {
  Metadata,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  type DiscoveryRequest,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
  ResourceSchema,
} from '../../proto/generated/envoy/service/discovery/v3/discovery_pb.js';
import { deltaSession, sotwSession } from './ads-session.ts';
import type { ServedResource } from './served-resource.ts';
import { type Stream, StreamHandler, type StreamScope, type XdsServiceOptions } from './stream-handler.ts';
import { StreamsOfOne } from './streams-of-one.ts';
import type { OutgoingResponse } from './subscription.ts';

type SotwStream = ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>;
type DeltaStream = ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

export class XdsService {
  readonly #options: XdsServiceOptions;
  readonly #handlers = new Set<StreamHandler>();
  readonly #streams = new StreamsOfOne();

  constructor(options: XdsServiceOptions) {
    this.#options = options;
  }

  /** The handlers for AggregatedDiscoveryService. */
  readonly implementation = {
    streamAggregatedResources: (stream: SotwStream): void => this.#sotw(stream, 'ads'),
    deltaAggregatedResources: (stream: DeltaStream): void => this.#delta(stream, 'ads'),
  };

  /** The handlers for SecretDiscoveryService: for clients that ask for secrets on a stream of their own. */
  readonly secretImplementation = {
    streamSecrets: (stream: SotwStream): void => this.#sotw(stream, 'secrets'),
    deltaSecrets: (stream: DeltaStream): void => this.#delta(stream, 'secrets'),
    fetchSecrets: (
      _call: ServerUnaryCall<DiscoveryRequest, DiscoveryResponse>,
      answer: sendUnaryData<DiscoveryResponse>,
    ): void => answer(noFetching),
  };

  /** Ends every stream in order: this control plane is going away. */
  endStreams(): void {
    for (const handler of [...this.#handlers]) handler.end();
  }

  /** Ends the streams of those who may no more be who their node says: the accounts of services have changed. */
  checkIdentities(): void {
    for (const handler of [...this.#handlers]) handler.checkIdentity();
  }

  #begin(stream: Stream, scope: StreamScope, encode: (response: OutgoingResponse) => unknown): StreamHandler {
    const handler = new StreamHandler(stream, this.#options, scope, this.#streams, encode);
    this.#handlers.add(handler);
    for (const event of ['end', 'cancelled', 'close'] as const) stream.on(event, () => this.#handlers.delete(handler));
    return handler;
  }

  #sotw(stream: SotwStream, scope: StreamScope): void {
    const handler = this.#begin(stream, scope, encodeSotw);
    const session = sotwSession(handler);
    handler.session = session;
    stream.on('data', (request: DiscoveryRequest) => {
      if (handler.ended || !handler.identify(request.node, 'sotw')) return;
      const subscription = session.subscription(handler.typeOf(request.typeUrl));
      if (subscription === null) {
        handler.answerUnserved(request.typeUrl, (unserved) => unserved.sotw(request.typeUrl, request.resourceNames));
        return;
      }
      const error = request.errorDetail?.message ?? null;
      const { awaiting } = subscription;
      const fault = subscription.onRequest({
        nonce: request.responseNonce,
        version: request.versionInfo,
        names: request.resourceNames,
        error,
      });
      if (fault !== '') handler.refuse(fault);
      else handler.afterRequest(subscription, error);
      if (handler.ended) return;
      session.flush();
      handler.countAnswer(subscription.typeUrl, awaiting, request.responseNonce, error);
    });
  }

  #delta(stream: DeltaStream, scope: StreamScope): void {
    const handler = this.#begin(stream, scope, encodeDelta);
    const session = deltaSession(handler);
    handler.session = session;
    stream.on('data', (request: DeltaDiscoveryRequest) => {
      if (handler.ended || !handler.identify(request.node, 'delta')) return;
      const subscription = session.subscription(handler.typeOf(request.typeUrl));
      if (subscription === null) {
        handler.answerUnserved(request.typeUrl, (unserved) =>
          unserved.delta(request.typeUrl, request.resourceNamesSubscribe),
        );
        return;
      }
      const error = request.errorDetail?.message ?? null;
      const { awaiting } = subscription;
      const fault = subscription.onRequest({
        nonce: request.responseNonce,
        subscribe: request.resourceNamesSubscribe,
        unsubscribe: request.resourceNamesUnsubscribe,
        initialVersions: new Map(Object.entries(request.initialResourceVersions)),
        error,
      });
      if (fault !== '') handler.refuse(fault);
      else handler.afterRequest(subscription, error);
      if (handler.ended) return;
      session.flush();
      handler.countAnswer(subscription.typeUrl, awaiting, request.responseNonce, error);
    });
  }
}

/** A certificate that is fetched once is one that nobody renews. */
const noFetching: ServiceError = Object.assign(new Error('secrets are streamed'), {
  name: 'XdsError',
  code: status.UNIMPLEMENTED,
  details: 'secrets are not served by FetchSecrets; use StreamSecrets, DeltaSecrets or ADS',
  metadata: new Metadata(),
});

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
