/** Why a pod cannot get a sidecar: each reason with the next step. Looks at pods without one only (uninject-pod.ts comes before), and not into images: which user one of them says is not known here. */
import { ownContainers, ownPorts, ownVolumes, proxyId } from './own-names.ts';
import type { Container, Pod } from './pod.ts';

const without = 'or annotate the pod outrigger.dev/inject: disabled to run it outside of the mesh';

/** Every reason; none: it can. */
export function podFaults({ spec }: Pod): readonly string[] {
  const faults: string[] = [];
  if (spec.hostNetwork === true)
    faults.push(
      `spec.hostNetwork: the pod uses its node's network, and rules for the sidecar would intercept the whole node; take hostNetwork away, ${without}`,
    );
  if (spec.os?.name === 'windows' || spec.nodeSelector?.['kubernetes.io/os'] === 'windows')
    faults.push(`spec.os: the sidecar runs on Linux, and this pod on Windows; ${without.slice(3)}`);
  userFaults('spec', spec.securityContext, faults);
  memberFaults(spec.securityContext, faults);
  const seen = new Set<string>();
  for (const [list, containers] of [
    ['initContainers', spec.initContainers ?? []],
    ['containers', spec.containers],
  ] as const)
    for (const [index, container] of containers.entries()) {
      const at = `spec.${list}[${index}]`;
      if (ownContainers.includes(container.name))
        faults.push(
          `${at}.name: ${JSON.stringify(container.name)} is what our container is called, and this one is not ours; rename it (one of an older injection goes with outrigger uninject)`,
        );
      if (seen.has(container.name))
        faults.push(`${at}.name: ${JSON.stringify(container.name)} occurs twice; each container has a name of its own`);
      seen.add(container.name);
      containerFaults(at, container, faults);
    }
  for (const [index, { name }] of (spec.volumes ?? []).entries())
    if (ownVolumes.includes(name))
      faults.push(
        `spec.volumes[${index}].name: ${JSON.stringify(name)} is what our volume is called, and this one is not ours; rename it`,
      );
  return faults;
}

function containerFaults(at: string, { securityContext, ports, volumeMounts }: Container, faults: string[]): void {
  userFaults(at, securityContext, faults);
  for (const [index, { name }] of (volumeMounts ?? []).entries())
    if (ownVolumes.includes(name))
      faults.push(
        `${at}.volumeMounts[${index}].name: ${JSON.stringify(name)} is the sidecar's volume, with what proves who it is: no other container has it; mount a volume of your own (a projected token, a ConfigMap)`,
      );
  for (const [index, { containerPort, protocol }] of (ports ?? []).entries()) {
    const what = ownPorts.get(containerPort);
    if (what !== undefined && (protocol ?? 'TCP') !== 'SCTP')
      faults.push(
        `${at}.ports[${index}].containerPort: ${containerPort} is the sidecar's port (${what}); let the application listen on another`,
      );
  }
}

/** A member of the group can make a program that runs as it, and so pass by the rules. */
function memberFaults(context: Pod['spec']['securityContext'], faults: string[]): void {
  const at = 'spec.securityContext';
  const why = `${proxyId} is the sidecar's group, and a process that is in it can pass by the mesh; take another group, ${without}`;
  if (context?.fsGroup === proxyId) faults.push(`${at}.fsGroup: ${why}`);
  for (const [index, group] of (context?.supplementalGroups ?? []).entries())
    if (group === proxyId) faults.push(`${at}.supplementalGroups[${index}]: ${why}`);
}

function userFaults(at: string, context: Container['securityContext'], faults: string[]): void {
  for (const [field, what] of [
    ['runAsUser', 'user'],
    ['runAsGroup', 'group'],
  ] as const)
    if (context?.[field] === proxyId)
      faults.push(
        `${at}.securityContext.${field}: ${proxyId} is the sidecar's ${what}: by it the rules tell its traffic, so this container's calls would pass by the mesh; run it as another ${what}, ${without}`,
      );
}
