/** What is kept of a Service of Kubernetes: its ports, selector and addresses as our own resource. What the API server has accepted is not checked again field by field. */
import { coreService, coreServiceResource } from '../../config-kind/core-service.ts';
import type { ServiceResource } from '../../config-kind/resource.ts';
import { pathText, schemaFaults } from '../../config-kind/schema-fault.ts';
import { kubernetesPlace } from './kubernetes-place.ts';
import { field, fieldsOf, listOf, objectName, textOf, textsOf } from './object-fields.ts';
import type { Kept } from './watched-kind.ts';

/** Names the accounts that a Service's instances may be, with commas, where Pods do not say it. */
export const accountsAnnotation = 'outrigger.dev/service-accounts';

export interface KeptService extends Kept {
  /** Null: it is none for the mesh, and `problem` says why. */
  readonly resource: ServiceResource | null;
  readonly problem: string;
  /** Null: its Pods'. */
  readonly accounts: readonly string[] | null;
}

export function keepService(object: unknown): KeptService {
  const { key, version, namespace, name } = objectName(object);
  const spec = field(object, 'spec');
  const metadata = field(object, 'metadata');
  const none = (problem: string): KeptService => ({ key, version, resource: null, problem, accounts: null });
  if (field(spec, 'type') === 'ExternalName')
    return none(
      'is of type ExternalName, which is no service of the mesh: callers reach that name as they would without',
    );
  const ports = listOf(field(spec, 'ports')).filter((port) => (field(port, 'protocol') ?? 'TCP') === 'TCP');
  // Nothing that a sidecar could do: no word about it.
  if (ports.length === 0) return none('');
  const document = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace,
      labels: textsOf(field(metadata, 'labels')),
      ...only(metadata, ['creationTimestamp']),
    },
    spec: {
      ...only(spec, ['clusterIP', 'clusterIPs']),
      ports: ports.map((port) => only(port, ['name', 'port', 'targetPort', 'appProtocol'])),
      selector: textsOf(field(spec, 'selector')),
    },
  };
  const read = coreService.safeParse(document);
  if (!read.success) {
    const faults = schemaFaults(read.error, document, 'Service', coreService);
    return none(faults.map(({ path, message }) => `${pathText(path)}: ${message}`).join('; '));
  }
  const annotation = textOf(field(field(metadata, 'annotations'), accountsAnnotation));
  const accounts = annotation.split(',').flatMap((text) => (text.trim() === '' ? [] : [text.trim()]));
  return {
    key,
    version,
    resource: coreServiceResource(read.data, kubernetesPlace),
    problem: '',
    accounts: accounts.length === 0 ? null : accounts,
  };
}

function only(value: unknown, keys: readonly string[]): Record<string, unknown> {
  const fields = fieldsOf(value);
  return Object.fromEntries(keys.filter((key) => Object.hasOwn(fields, key)).map((key) => [key, fields[key]]));
}
