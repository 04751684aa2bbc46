/** Endpoints of one Service's ports from both sources: instances, registered or of Kubernetes, and those that its file lists. */
import type { ServiceResource } from '../config-kind/resource.ts';
import type { Endpoint, PortDefinition } from './model.ts';
import { peerMode } from './peer-mode.ts';
import type { PeerPolicy } from './policy-set.ts';
import type { RegisteredInstance } from './registered-instance.ts';

/** Which registered instances callers with an identity are not sent to: those without, where one of the service has one, or where a policy says STRICT. By the default alone they are. */
function plainCallersOnly(
  instances: readonly RegisteredInstance[],
  { targetPort, port }: Pick<PortDefinition, 'targetPort' | 'port'>,
  peers: readonly PeerPolicy[],
): (instance: RegisteredInstance) => boolean {
  const proven = instances.some(({ identity }) => identity !== '');
  return (instance) => {
    if (instance.identity !== '') return false;
    // Of Kubernetes' own word it is behind the Service: it only has no sidecar.
    if (proven && instance.source !== 'kubernetes') return true;
    const { mode, policy } = peerMode(peers, instance, targetPort ?? port);
    return mode === 'STRICT' && policy !== null;
  };
}

/**
 * Sorted, and each address and port once: of two registered instances the one with an identity counts, then the smaller instance id; a registered one before one of the file, unless it is one
 * that callers with an identity are not sent to. So nobody without proof takes an address from anybody.
 */
export function mergeEndpoints(
  definition: PortDefinition,
  resource: ServiceResource,
  instances: readonly RegisteredInstance[],
  peers: readonly PeerPolicy[],
): Endpoint[] {
  const isPlain = plainCallersOnly(instances, definition, peers);
  const byAddress = new Map<string, Endpoint>();
  const add = (endpoint: Endpoint): void => {
    const key = `${endpoint.address} ${endpoint.port}`;
    const there = byAddress.get(key);
    if (there === undefined || goesBefore(endpoint, there)) byAddress.set(key, endpoint);
  };
  for (const instance of instances) {
    if (instance.portName !== '' && instance.portName !== definition.name) continue;
    const { address, zone, labels, healthy, instanceId, identity } = instance;
    add({
      address,
      port: portOf(instance, definition, resource.ports.length === 1),
      weight: Math.max(1, instance.weight),
      zone,
      labels,
      healthy,
      instanceId,
      identity,
      takesMtls:
        identity !== '' && peerMode(peers, instance, definition.targetPort ?? definition.port).mode !== 'DISABLE',
      plainCallersOnly: isPlain(instance),
      ...(instance.draining === true ? { draining: true } : {}),
      ...(instance.source === undefined ? {} : { source: instance.source }),
    });
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
      takesMtls: false,
      plainCallersOnly: false,
    });
  }
  return [...byAddress.values()].toSorted(
    (a, b) => compare(a.zone, b.zone) || compare(a.address, b.address) || a.port - b.port,
  );
}

/** Where callers of this port of the Service reach the instance. */
function portOf(
  { port, byTargetPort = false }: Pick<RegisteredInstance, 'port' | 'byTargetPort'>,
  definition: Pick<PortDefinition, 'port' | 'targetPort'>,
  onlyPort: boolean,
): number {
  if (!byTargetPort || (onlyPort && port !== 0)) return port;
  return definition.targetPort ?? (port === 0 ? definition.port : port);
}

function goesBefore(endpoint: Endpoint, there: Endpoint): boolean {
  if (there.instanceId === '') return false;
  if (endpoint.instanceId === '') return there.plainCallersOnly;
  const proven = Number(endpoint.identity !== '') - Number(there.identity !== '');
  return proven > 0 || (proven === 0 && endpoint.instanceId < there.instanceId);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
