/** Which service a pod is an instance of, by its own metadata; other meshes look at the same labels in the same order. */
import { serviceLabel } from './own-names.ts';
import type { Pod } from './pod.ts';

const serviceName = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;

/** `annotated`: of outrigger.dev/service, '' for none. `owner`: the workload's name, '' when only the pod is known. Gives '' when nothing says a name that a service can have. */
export function podService({ metadata }: Pod, annotated: string, owner: string): string {
  const labels = metadata?.labels ?? {};
  const said = [annotated, labels[serviceLabel], labels['app.kubernetes.io/name'], labels['app']];
  for (const name of [...said.map((text) => text ?? ''), owner || ownName(metadata)])
    if (name !== '') return serviceName.test(name) ? name : '';
  return '';
}

/** Of a pod that a controller made: the name of what the user wrote. */
function ownName(metadata: Pod['metadata']): string {
  const owner = metadata?.ownerReferences?.find(({ kind }) => owners.has(kind));
  if (owner === undefined) return metadata?.name || (metadata?.generateName ?? '').replace(/-$/, '');
  const hash = metadata?.labels?.['pod-template-hash'] ?? '';
  // A Deployment's ReplicaSet, and a CronJob's Job, which is named by its minute.
  if (owner.kind === 'ReplicaSet' && hash !== '' && owner.name.endsWith(`-${hash}`))
    return owner.name.slice(0, -hash.length - 1);
  return owner.kind === 'Job' ? owner.name.replace(/-\d{8,10}$/, '') : owner.name;
}

const owners: ReadonlySet<string> = new Set(['ReplicaSet', 'ReplicationController', 'StatefulSet', 'DaemonSet', 'Job']);
