/** Endpoints of one Service's ports from both sources: registered instances, and those that its file lists. */
import type { ServiceResource } from '../config-kind/resource.ts';
import type { Endpoint, PortDefinition } from './model.ts';
import type { RegisteredInstance } from './registered-instance.ts';

/** Whether every label of the selector is there with its value. */
export function selects(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);
}

/** Sorted; of two at one address and port the registered one counts, and of two registered ones that with the smaller instance id. */
export function mergeEndpoints(
  definition: PortDefinition,
  resource: ServiceResource,
  instances: readonly RegisteredInstance[],
): Endpoint[] {
  const byAddress = new Map<string, Endpoint>();
  const add = (endpoint: Endpoint): void => {
    const key = `${endpoint.address} ${endpoint.port}`;
    const there = byAddress.get(key);
    if (
      there === undefined ||
      (there.instanceId !== '' && endpoint.instanceId !== '' && endpoint.instanceId < there.instanceId)
    )
      byAddress.set(key, endpoint);
  };
  for (const instance of instances) {
    if (instance.portName !== '' && instance.portName !== definition.name) continue;
    const { address, port, zone, labels, healthy, instanceId, identity } = instance;
    add({ address, port, weight: Math.max(1, instance.weight), zone, labels, healthy, instanceId, identity });
  }
  for (const { address, port, weight, zone, labels } of resource.endpoints) {
    add({
      address,
      port: port ?? definition.targetPort ?? definition.port,
      weight,
      zone,
      labels,
      healthy: true,
      instanceId: '',
      identity: '',
    });
  }
  return [...byAddress.values()].toSorted(
    (a, b) => compare(a.zone, b.zone) || compare(a.address, b.address) || a.port - b.port,
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
