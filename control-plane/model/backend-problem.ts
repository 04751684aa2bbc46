/** Whether a port that a route or a policy sends requests to can take them. */

import type { BackendReference, ServiceResource } from '../config-kind/resource.ts';
import type { CollectorTarget } from '../config-kind/telemetry-resource.ts';

/** Why a backend cannot take requests, or null. */
export function backendProblem(
  backend: Pick<BackendReference, 'namespace' | 'name' | 'port'>,
  services: ReadonlyMap<string, ServiceResource>,
): string | null {
  const service = services.get(`${backend.namespace}/${backend.name}`);
  if (service === undefined) return noService(backend.namespace, backend.name);
  const port = service.ports.find(({ port }) => port === backend.port);
  if (port === undefined)
    return `Service ${backend.namespace}/${backend.name} has no port ${backend.port}; it has ${portList(service)}`;
  return port.protocol === 'tcp'
    ? `port ${backend.port} of Service ${backend.namespace}/${backend.name} speaks tcp`
    : null;
}

/** Why a service that counts for limits cannot be asked, or null. It is asked by gRPC. */
export function countingProblem(
  { namespace, service: name, port }: { readonly namespace: string; readonly service: string; readonly port: number },
  services: ReadonlyMap<string, ServiceResource>,
): string | null {
  const problem = backendProblem({ namespace, name, port }, services);
  if (problem !== null) return problem;
  const { protocol } = services.get(`${namespace}/${name}`)!.ports.find((each) => each.port === port)!;
  return protocol === 'http'
    ? `port ${port} of Service ${namespace}/${name} speaks http; limits are asked by gRPC (appProtocol grpc or http2)`
    : null;
}

/** Why a Service cannot take telemetry, or null. Of addresses nothing is known. */
export function collectorProblem(
  target: CollectorTarget,
  overGrpc: boolean,
  services: ReadonlyMap<string, ServiceResource>,
): string | null {
  if (target.kind === 'address') return null;
  const { namespace, service: name, port } = target;
  const problem = backendProblem({ namespace, name, port }, services);
  if (problem !== null) return problem;
  const { protocol } = services.get(`${namespace}/${name}`)!.ports.find((each) => each.port === port)!;
  return overGrpc && protocol === 'http'
    ? `port ${port} of Service ${namespace}/${name} speaks http, and it is told by gRPC (appProtocol grpc or http2)`
    : null;
}

export function noService(namespace: string, name: string): string {
  return `there is no Service ${namespace}/${name}`;
}

/** `Kind namespace/name`, or a kind, whose absence is what a warning is about; null: it is about something else. */
export function absentText(message: string): string | null {
  const service = /^there is no (Service [^\s;]+)/.exec(message);
  if (service !== null) return service[1]!;
  return message.includes('no RequestAuthentication of') ? 'RequestAuthentication' : null;
}

/** Ports as messages list them. */
export function portList(service: ServiceResource): string {
  return service.ports.map(({ port, name }) => (name === '' ? String(port) : `${port} (${name})`)).join(', ');
}
