import type { ParentReference, ServicePortSpec, ServiceResource } from '../config-kind/resource.ts';

/** Ports of a Service that a parent reference names. */
export function parentPorts(parent: ParentReference, service: ServiceResource): ServicePortSpec[] {
  return service.ports.filter(
    ({ port, name }) =>
      (parent.port === null || port === parent.port) && (parent.portName === '' || name === parent.portName),
  );
}
