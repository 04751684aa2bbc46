/** Whether a port can be asked by a health check. Envoy refuses the whole cluster where it can't. */
import type { ServicePortSpec } from '../config-kind/resource.ts';
import type { HealthCheckSettings } from '../config-kind/traffic-resource.ts';

/** gRPC goes over HTTP/2. */
export function isPossible({ probe }: HealthCheckSettings, { protocol }: Pick<ServicePortSpec, 'protocol'>): boolean {
  return probe.type !== 'grpc' || protocol === 'grpc' || protocol === 'http2';
}
