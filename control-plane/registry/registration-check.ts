/** Checks a registration; the answer names the field at fault. */
import { isIP } from 'node:net';
import type { Instance } from '../../proto/generated/outrigger/registry/v1/registry_pb.js';

const label = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const maxLabels = 64;

/** '' when it is fine. */
export function instanceFault(instance: Instance | undefined): string {
  if (instance === undefined) return 'instance is missing';
  for (const field of ['namespace', 'service'] as const) {
    if (!label.test(instance[field]))
      return `instance.${field}: ${JSON.stringify(instance[field])} is not a name (lower case letters, digits and -, at most 63)`;
  }
  if (instance.instanceId === '' || instance.instanceId.length > 253 || !/^[\x21-\x7e]+$/.test(instance.instanceId)) {
    return `instance.instance_id: ${JSON.stringify(instance.instanceId.slice(0, 80))} is not an id of 1 to 253 printable characters`;
  }
  if (isIP(instance.address) === 0 || instance.address === '0.0.0.0' || instance.address === '::')
    return `instance.address: ${JSON.stringify(instance.address)} is not an IP address that can be called`;
  if ((instance.port < 1 && !instance.byTargetPort) || instance.port > 65535)
    return `instance.port: ${instance.port} is not a port (1 to 65535)`;
  if (instance.weight > 128) return `instance.weight: ${instance.weight} is above 128`;
  if (instance.portName.length > 63 || instance.zone.length > 253)
    return 'instance.port_name or instance.zone is too long';
  const labels = Object.entries(instance.labels);
  if (labels.length > maxLabels) return `instance.labels: ${labels.length} labels; the limit is ${maxLabels}`;
  for (const [key, value] of labels)
    if (key === '' || key.length > 317 || value.length > 63)
      return `instance.labels: ${JSON.stringify(key.slice(0, 80))} is not a label`;
  return '';
}
