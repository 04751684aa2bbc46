/** Which policies hold for one proxy. Pure; the answer is the same object as long as it says the same. */

import type { PeerMode } from '../config-kind/policy-resource.ts';
import { equalLists } from '../model/keep-identity.ts';
import type { Authorization, PolicyScope, PolicySet, RequestPolicy } from '../model/policy-set.ts';
import type { ProxyNode } from './proxy-node.ts';

export interface ProxyPolicies {
  readonly mode: PeerMode;
  /** Who says so: `PeerAuthentication shop/strict: mTLS STRICT`, `mTLS STRICT (the default)`. */
  readonly modeReason: string;
  readonly authorizations: readonly Authorization[];
  readonly requests: readonly RequestPolicy[];
}

const kept = new WeakMap<ProxyNode, { readonly from: PolicySet; readonly policies: ProxyPolicies }>();

export function proxyPolicies(policies: PolicySet, proxy: ProxyNode): ProxyPolicies {
  const last = kept.get(proxy);
  if (last?.from === policies) return last.policies;
  const now: ProxyPolicies = {
    ...peerMode(policies, proxy),
    authorizations: policies.authorizations.filter(({ scope }) => holdsFor(scope, proxy)),
    requests: policies.requests.filter(({ scope }) => holdsFor(scope, proxy)),
  };
  const before = last?.policies;
  const same =
    before !== undefined &&
    before.modeReason === now.modeReason &&
    equalLists(before.authorizations, now.authorizations, Object.is) &&
    equalLists(before.requests, now.requests, Object.is);
  kept.set(proxy, { from: policies, policies: same ? before : now });
  return same ? before : now;
}

/** Without an identity there is no mTLS. */
function peerMode(policies: PolicySet, proxy: ProxyNode): Pick<ProxyPolicies, 'mode' | 'modeReason'> {
  if (proxy.identity === null) return { mode: 'DISABLE', modeReason: 'no identity' };
  return wantedMode(policies, proxy);
}

/** What policies choose by. */
export type Workload = Pick<ProxyNode, 'namespace' | 'service' | 'labels' | 'appPort'>;

/** What policies say, whether it can do mTLS or not. The most specific that says something: the port, the workload, the namespace, the mesh. */
export function wantedMode({ peers }: PolicySet, proxy: Workload): Pick<ProxyPolicies, 'mode' | 'modeReason'> {
  const mine = peers.filter(({ scope }) => holdsFor(scope, proxy));
  // They come by level; of each level the first counts.
  for (const level of ['workload', 'namespace', 'mesh'] as const) {
    const policy = mine.find((each) => each.level === level);
    const mode = policy?.ports.find(({ port }) => port === proxy.appPort)?.mode ?? policy?.mode;
    if (policy !== undefined && mode !== undefined && mode !== null)
      return { mode, modeReason: `PeerAuthentication ${policy.namespace}/${policy.name}: mTLS ${mode}` };
  }
  return { mode: 'STRICT', modeReason: 'mTLS STRICT (the default)' };
}

export function holdsFor({ namespace, workloads }: PolicyScope, proxy: Workload): boolean {
  if (namespace !== '' && namespace !== proxy.namespace) return false;
  return (
    workloads === null ||
    workloads.some((workload) =>
      'service' in workload
        ? workload.service === proxy.service
        : Object.entries(workload.labels).every(
            ([key, value]) => Object.hasOwn(proxy.labels, key) && proxy.labels[key] === value,
          ),
    )
  );
}
