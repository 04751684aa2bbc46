/** What to say when the Lease cannot be had: what nobody does meanwhile, which is more than status, and what mends it. */
import { ApiFault, faultWords } from './api-fault.ts';
import type { ApiServer } from './api-server.ts';

export interface LeaderWork {
  /** ConfigMaps with the mesh's roots. */
  readonly roots: boolean;
  /** The caBundle of the webhook's configuration. */
  readonly bundle: boolean;
}

/** One line for a user. `lease`: the Lease's name. */
export function leaseFaultLine(
  fault: unknown,
  lease: string,
  { namespace, inPod }: ApiServer,
  work: LeaderWork,
): string {
  const undone = ['the status of routes and policies is not written'];
  if (work.roots) undone.push('the ConfigMap outrigger-root of namespaces is not kept, so new sidecars do not start');
  if (work.bundle)
    undone.push(
      "the webhook's caBundle is not kept, so the API server may not believe the webhook and refuse every pod that is to get a sidecar",
    );
  const rule = { group: 'coordination.k8s.io', resource: 'leases', verbs: ['get', 'create', 'update'], namespace };
  const words =
    fault instanceof ApiFault && fault.status === 404
      ? `the API server has no namespace ${namespace} (404: ${fault.message})`
      : faultWords(fault, rule);
  const otherwise = inPod
    ? ''
    : `; or is the control plane's namespace, where its roles are, another one? name it with --kubernetes-namespace`;
  return `Lease ${namespace}/${lease} cannot be had, and only who has it writes, so from here ${undone.join('; ')}. ${words}${otherwise}`;
}
