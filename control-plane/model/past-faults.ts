/** FaultPolicies whose time is over already: for who reads files once (`outrigger validate`). A running control plane takes them away, and says so in `outrigger get policies`. */
import { type Resource, resourceName } from '../config-kind/resource.ts';
import { PolicyEnds } from './policy-ends.ts';
import type { ReferenceWarning } from './reference-warning.ts';

export function pastFaults(resources: readonly Resource[], wallMs: () => number): ReferenceWarning[] {
  const ends = new PolicyEnds({ wallMs, after: () => () => undefined, onChange: () => undefined });
  ends.use(resources);
  const { endings } = ends;
  return resources.flatMap((resource): ReferenceWarning[] => {
    if (resource.kind !== 'FaultPolicy') return [];
    const end = endings.get(`${resource.namespace}/${resource.name}`);
    if (end?.over !== true) return [];
    const path = resource.untilMs === null ? 'spec.for' : 'spec.until';
    return [
      {
        resource: resourceName(resource),
        place: resource.referencePlaces.get(path) ?? resource.place,
        path,
        message: `was over on ${new Date(end.atMs).toISOString()}: the policy does nothing`,
      },
    ];
  });
}
