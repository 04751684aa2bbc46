/** The ADS stream as Envoy's `envoy_grpc` has it: a gRPC call through a cluster of the sidecar's own. */
import type { ClusterLookup } from '../../cluster/upstream.ts';
import type { GrpcSourceConfig } from '../../config/bootstrap-config.ts';
import { GrpcCall } from '../../grpc/grpc-call.ts';
import type { AdsStream, AdsStreamEvents, AdsTransport } from './ads-client.ts';

/** gRPC's own default is 4 MiB; large meshes send more at once. */
const maxMessageBytes = 64 * 1024 * 1024;

export class ClusterAdsTransport implements AdsTransport {
  readonly #clusters: ClusterLookup;
  readonly #config: GrpcSourceConfig;

  constructor(clusters: ClusterLookup, config: GrpcSourceConfig) {
    this.#clusters = clusters;
    this.#config = config;
  }

  open(path: string, events: AdsStreamEvents): AdsStream {
    const { clusterName, authority, initialMetadata } = this.#config;
    const cluster = this.#clusters.cluster(clusterName);
    if (cluster === undefined) {
      events.onEnd(`there is no cluster ${clusterName}`);
      return { send: () => {}, close: () => {} };
    }
    const call = new GrpcCall(
      { cluster, path, authority, metadata: initialMetadata, maxMessageBytes },
      {
        onMessage: (message) => events.onMessage(message),
        onDraining: () => events.onDraining?.(),
        onEnd: ({ code, message }) =>
          events.onEnd(code === 0 ? 'it ended the stream' : message || `gRPC status ${code}`),
      },
    );
    // Asking for a stream may fail at once; the owner must have the object by then.
    queueMicrotask(() => call.start());
    return { send: (message) => call.send(message), close: () => call.cancel() };
  }
}
