/** Names of xDS resources (docs: interfaces.md "Proxies as the control plane sees them"). Pure text. */

export const outboundName = 'outbound';
export const inboundListenerName = 'inbound';

/** A cluster that no configuration ever has: the share of a route whose backend does not exist goes there and is answered `cluster_not_found_response_code`. */
export const missingBackendCluster = 'outbound|0||backend.invalid';

export function outboundCluster(namespace: string, service: string, port: number, subset = ''): string {
  return `outbound|${port}|${subset}|${service}.${namespace}`;
}

/** Listener, and route configuration, of a service's port that has an address of its own (`outrigger run --upstream`): named as the cluster that they lead to. */
export function upstreamName(namespace: string, service: string, port: number): string {
  return outboundCluster(namespace, service, port);
}

/** Route of an upstream that does not exist; its answer says why. `run` looks for it. */
export const unknownUpstreamRoute = 'outrigger#unknown-upstream';

/** Route of a host that the egress policy refuses; its answer says so. */
export const egressRefusedRoute = 'outrigger#egress-refused';

/** Cluster, and route configuration, that lead to the application beside a proxy. */
export function inboundName(appPort: number): string {
  return `inbound|${appPort}||`;
}

/** Where a connection was going before the kernel redirected it. */
export const passthroughCluster = 'outbound|passthrough||';
/** Nowhere: what the egress policy refuses. */
export const refusedCluster = 'outbound|refused||';
/** The application, on the port that the caller named. */
export const inboundPassthroughCluster = 'inbound|passthrough||';
/** Nowhere: what may not reach the application. */
export const inboundRefusedCluster = 'inbound|refused||';
export const dnsListenerName = 'dns';

/** Listener and route configuration of a service's port for proxyless gRPC. */
export function grpcListenerName(namespace: string, service: string, port: number | null): string {
  return port === null ? `${service}.${namespace}` : `${service}.${namespace}:${port}`;
}
