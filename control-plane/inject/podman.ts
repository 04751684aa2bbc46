/**
 * Pods for `podman kube play`, which takes Kubernetes' pods with less in them: what its downward API would say is written out, and what cannot work is refused. What it does with each field was seen with podman 4.3.
 */
import type { KnobValues } from './knobs.ts';
import { annotationPrefix } from './own-names.ts';
import type { Pod } from './pod.ts';
import type { PodFields } from './sidecar-container.ts';

/** Podman 4 takes no longer values. */
export const maxPodmanAnnotation = 63;

export function podmanFields(
  { metadata, spec }: Pod,
  { namespace, owner, service }: { readonly namespace: string; readonly owner: string; readonly service: string },
): PodFields {
  return {
    POD_NAME: metadata?.name ?? (owner === '' ? service : owner),
    POD_NAMESPACE: namespace === '' ? (metadata?.namespace ?? 'default') : namespace,
    SERVICE_ACCOUNT: spec.serviceAccountName ?? service,
    // The sidecar takes the first address of its network.
    POD_IP: '',
  };
}

export function podmanFaults(spec: Pod['spec'], values: KnobValues): readonly string[] {
  const faults: string[] = [];
  const wrong = (knob: string, why: string): void => {
    faults.push(`metadata.annotations["${annotationPrefix}${knob}"]: ${why}`);
  };
  if (values['native-sidecar'])
    wrong(
      'native-sidecar',
      'podman kube play waits for every init container to end, so a native sidecar never lets the application start; write "false"',
    );
  if (values.identity === 'kubernetes')
    wrong(
      'identity',
      'podman kube play projects no tokens; write join-token, and play a ConfigMap outrigger-join-token-SERVICE with its key token',
    );
  if (spec.restartPolicy !== 'OnFailure' && spec.restartPolicy !== 'Never')
    faults.push(
      `spec.restartPolicy: ${spec.restartPolicy ?? 'Always, by default'}: podman kube play would start the init container that makes the rules again and again; write OnFailure or Never`,
    );
  return faults;
}
