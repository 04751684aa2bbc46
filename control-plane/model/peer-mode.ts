/** Which mode of PeerAuthentication holds for one workload, and who says so. Asked for a proxy's own listener, and for what its callers are told of it. Pure. */
import type { PeerMode } from '../config-kind/policy-resource.ts';
import type { PeerPolicy, PolicyScope } from './policy-set.ts';
import { selects } from './selects.ts';

/** A proxy or a registered instance. */
export interface Workload {
  readonly namespace: string;
  /** That it registers for. */
  readonly service: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The most specific that says something: the port, the workload, the namespace, the mesh. `policy` null: nobody says anything, and the default holds. */
export function peerMode(
  peers: readonly PeerPolicy[],
  workload: Workload,
  appPort: number | null,
): { readonly mode: PeerMode; readonly policy: PeerPolicy | null } {
  const mine = peers.filter(({ scope }) => holdsFor(scope, workload));
  // They come by level; of each level the first counts.
  for (const level of ['workload', 'namespace', 'mesh'] as const) {
    const policy = mine.find((each) => each.level === level);
    const mode = policy?.ports.find(({ port }) => port === appPort)?.mode ?? policy?.mode;
    if (policy !== undefined && mode !== undefined && mode !== null) return { mode, policy };
  }
  return { mode: 'STRICT', policy: null };
}

export function holdsFor({ namespace, workloads }: PolicyScope, { namespace: of, service, labels }: Workload): boolean {
  if (namespace !== '' && namespace !== of) return false;
  return (
    workloads === null ||
    workloads.some((each) => ('service' in each ? each.service === service : selects(each.labels, labels)))
  );
}
