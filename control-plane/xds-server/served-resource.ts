/** What the stream server serves: opaque resources with names and versions. It knows nothing of services. */

export interface ServedResource {
  readonly name: string;
  readonly typeUrl: string;
  /** Changes whenever the bytes do. */
  readonly version: string;
  readonly bytes: Uint8Array;
}

/** All resources of one type. */
export type ResourceMap = ReadonlyMap<string, ServedResource>;

const prefix = 'type.googleapis.com/envoy.config.';

/** In the order in which they are sent: make before break (xds.md C1.13). */
export const typeOrder = {
  secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
  cluster: `${prefix}cluster.v3.Cluster`,
  endpoints: `${prefix}endpoint.v3.ClusterLoadAssignment`,
  listener: `${prefix}listener.v3.Listener`,
  routes: `${prefix}route.v3.RouteConfiguration`,
} as const;

export const servedTypes: readonly string[] = Object.values(typeOrder);

/** Types whose SotW responses are the full state: absent means deleted. */
export function isFullState(typeUrl: string): boolean {
  return typeUrl === typeOrder.cluster || typeUrl === typeOrder.listener;
}

/** A proxy's whole configuration. */
export interface ServedSnapshot {
  resources(typeUrl: string): ResourceMap;
  /** Load assignments of which not all may be known yet: a client that has one from before keeps it, as "there is none" would be a guess. */
  readonly uncertainEndpoints?: ReadonlySet<string>;
}
