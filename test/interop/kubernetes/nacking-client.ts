/** An xDS client (state of the world, no TLS) that takes what it is sent, until it is told to refuse its listeners. */
import { create } from '@bufbuild/protobuf';
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import { AggregatedDiscoveryService } from '../../../proto/generated/envoy/service/discovery/v3/ads_pb.js';
import {
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
} from '../../../proto/generated/envoy/service/discovery/v3/discovery_pb.js';
import { grpcService } from '../../../proto/grpc-service.ts';

const listenerType = 'type.googleapis.com/envoy.config.listener.v3.Listener';

export class NackingClient {
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<DiscoveryRequest, DiscoveryResponse>;
  #last: DiscoveryResponse | null = null;
  #fault = '';

  constructor(port: number, node: { readonly id: string; readonly cluster: string; readonly appPort: number }) {
    const { path, requestSerialize, responseDeserialize } =
      grpcService(AggregatedDiscoveryService)['streamAggregatedResources']!;
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    });
    this.#stream = this.#client.makeBidiStreamRequest(
      path,
      requestSerialize as (request: DiscoveryRequest) => Buffer,
      responseDeserialize as (bytes: Buffer) => DiscoveryResponse,
    );
    this.#stream.on('error', () => {});
    this.#stream.on('data', (response: DiscoveryResponse) => {
      this.#last = response;
      this.#answer(response);
    });
    this.#stream.write(
      create(DiscoveryRequestSchema, {
        node: { id: node.id, cluster: node.cluster, metadata: { app_port: node.appPort }, userAgentName: 'outrigger' },
        typeUrl: listenerType,
      }),
    );
  }

  /** The listeners that it has, or is sent next. */
  refuse(fault: string): void {
    this.#fault = fault;
    if (this.#last !== null) this.#answer(this.#last);
  }

  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }

  #answer({ versionInfo, nonce }: DiscoveryResponse): void {
    const refused = this.#fault === '' ? {} : { errorDetail: { code: 3, message: this.#fault } };
    this.#stream.write(
      create(DiscoveryRequestSchema, {
        typeUrl: listenerType,
        versionInfo: this.#fault === '' ? versionInfo : '',
        responseNonce: nonce,
        ...refused,
      }),
    );
  }
}
