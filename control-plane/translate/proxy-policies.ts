/** Which policies hold for one proxy. Pure; the answer is the same object as long as it says the same. */

import type { PeerMode } from '../config-kind/policy-resource.ts';
import { equalLists } from '../model/keep-identity.ts';
import { holdsFor, peerMode } from '../model/peer-mode.ts';
import type { Authorization, PolicySet, RequestPolicy } from '../model/policy-set.ts';
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
    ...modeOf(policies, proxy),
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
function modeOf({ peers }: PolicySet, proxy: ProxyNode): Pick<ProxyPolicies, 'mode' | 'modeReason'> {
  if (proxy.identity === null) return { mode: 'DISABLE', modeReason: 'no identity' };
  const { mode, policy } = peerMode(peers, proxy, proxy.appPort);
  return {
    mode,
    modeReason:
      policy === null
        ? 'mTLS STRICT (the default)'
        : `PeerAuthentication ${policy.namespace}/${policy.name}: mTLS ${mode}`,
  };
}
