/** Ports that no request is sent to: routes of their Service lead each to another, or answer it. What a policy says of their hosts holds for nothing. */
import type { Resource, ServiceResource } from '../config-kind/resource.ts';
import { collectorsOf } from '../config-kind/telemetry.ts';
import { parentPorts } from './parent-ports.ts';

/** `namespace/name:port`. A Service that anything may send to is not among them, be it a route of another. */
export function portsLedAway(resources: readonly Resource[]): ReadonlySet<string> {
  const services = new Map<string, ServiceResource>();
  for (const resource of resources)
    if (resource.kind === 'Service') services.set(`${resource.namespace}/${resource.name}`, resource);
  const ledAway = new Set<string>();
  for (const resource of resources) {
    if (resource.kind !== 'HTTPRoute' && resource.kind !== 'GRPCRoute') continue;
    for (const parent of resource.parents) {
      const name = `${parent.namespace}/${parent.name}`;
      const service = services.get(name);
      // A route of another namespace is for the callers there only.
      if (service === undefined || parent.namespace !== resource.namespace) continue;
      for (const { port, protocol } of parentPorts(parent, service))
        if (protocol !== 'tcp') ledAway.add(`${name}:${port}`);
    }
  }
  if (ledAway.size > 0) for (const key of resources.flatMap(sentTo)) ledAway.delete(key);
  return ledAway;
}

function sentTo(resource: Resource): string[] {
  switch (resource.kind) {
    case 'HTTPRoute':
    case 'GRPCRoute':
      return resource.rules.flatMap(({ backends }) => backends.filter(({ weight }) => weight > 0).map(backendKey));
    case 'TrafficPolicy': {
      const { fallback } = resource.route;
      return fallback === null || fallback === 'off' || fallback.service === null ? [] : [backendKey(fallback.service)];
    }
    case 'RateLimitPolicy':
      return resource.service === null ? [] : [serviceKey(resource.service)];
    case 'AuthorizationPolicy':
      return resource.external === null ? [] : [serviceKey(resource.external)];
    case 'Telemetry':
      return collectorsOf(resource).flatMap(({ target }) => (target.kind === 'service' ? [serviceKey(target)] : []));
    default:
      return [];
  }
}

interface Sent {
  readonly namespace: string;
  readonly port: number;
}

function backendKey({ namespace, name, port }: Sent & { readonly name: string }): string {
  return `${namespace}/${name}:${port}`;
}

function serviceKey({ namespace, service, port }: Sent & { readonly service: string }): string {
  return `${namespace}/${service}:${port}`;
}
