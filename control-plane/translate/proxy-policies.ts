/** Which policies hold for one proxy. Pure; the answer is the same object as long as it says the same. */

import type { PeerMode } from '../config-kind/policy-resource.ts';
import type { InboundTraffic } from '../config-kind/traffic-resource.ts';
import { equalLists, keepIdentity } from '../model/keep-identity.ts';
import { holdsFor, peerMode, type Workload } from '../model/peer-mode.ts';
import type { Authorization, Faults, PeerPolicy, PolicySet, RateLimits, RequestPolicy } from '../model/policy-set.ts';
import { proxyInbound } from './proxy-inbound.ts';
import type { ProxyNode } from './proxy-node.ts';
import { type ProxyTelemetry, proxyTelemetry } from './proxy-telemetry.ts';

export interface ProxyPolicies {
  readonly mode: PeerMode;
  /** Who says so: `PeerAuthentication shop/strict: mTLS STRICT`, `mTLS STRICT (the default)`. */
  readonly modeReason: string;
  readonly authorizations: readonly Authorization[];
  readonly requests: readonly RequestPolicy[];
  /** Also those that are over. */
  readonly faults: readonly Faults[];
  readonly rateLimits: readonly RateLimits[];
  readonly inbound: InboundTraffic;
  readonly telemetry: ProxyTelemetry;
}

/** Reason of a proxy without identity that no policy speaks of. */
export const plaintextByDefault = 'no identity, and no PeerAuthentication';

const kept = new WeakMap<ProxyNode, { readonly from: PolicySet; readonly policies: ProxyPolicies }>();

export function proxyPolicies(policies: PolicySet, proxy: ProxyNode): ProxyPolicies {
  const last = kept.get(proxy);
  if (last?.from === policies) return last.policies;
  const now: ProxyPolicies = {
    ...modeAt(policies, proxy, proxy.appPort),
    authorizations: policies.authorizations.filter(({ scope }) => holdsFor(scope, proxy)),
    requests: policies.requests.filter(({ scope }) => holdsFor(scope, proxy)),
    faults: policies.faults.filter(({ scope }) => holdsFor(scope, proxy)),
    rateLimits: policies.rateLimits.filter(({ scope }) => holdsFor(scope, proxy)),
    inbound: keepIdentity(last?.policies.inbound, proxyInbound(policies.inbound, proxy)),
    telemetry: keepIdentity(last?.policies.telemetry, proxyTelemetry(policies.telemetry, proxy)),
  };
  const before = last?.policies;
  const same =
    before !== undefined &&
    before.modeReason === now.modeReason &&
    before.inbound === now.inbound &&
    before.telemetry === now.telemetry &&
    equalLists(before.authorizations, now.authorizations, Object.is) &&
    equalLists(before.requests, now.requests, Object.is) &&
    equalLists(before.faults, now.faults, Object.is) &&
    equalLists(before.rateLimits, now.rateLimits, Object.is);
  kept.set(proxy, { from: policies, policies: same ? before : now });
  return same ? before : now;
}

/** Of one port of the application; null: of those that nobody named. Without an identity there is no mTLS, so nobody gets through where a policy says STRICT; by the default alone plaintext does, as for who is not in the mesh yet. */
export function modeAt(
  { peers }: PolicySet,
  proxy: ProxyNode,
  port: number | null,
): Pick<ProxyPolicies, 'mode' | 'modeReason'> {
  const { mode, policy } = peerMode(peers, proxy, port);
  const wanted = { mode, modeReason: reasonOf(mode, policy) };
  if (proxy.identity !== null) return wanted;
  if (policy === null) return { mode: 'DISABLE', modeReason: plaintextByDefault };
  return mode === 'STRICT'
    ? { mode, modeReason: `${wanted.modeReason}, and this proxy has no identity` }
    : { mode: 'DISABLE', modeReason: 'no identity' };
}

/** What policies say, whether the workload can do mTLS or not. */
export function wantedMode(
  { peers }: PolicySet,
  workload: Workload & Pick<ProxyNode, 'appPort'>,
): Pick<ProxyPolicies, 'mode' | 'modeReason'> {
  const { mode, policy } = peerMode(peers, workload, workload.appPort);
  return { mode, modeReason: reasonOf(mode, policy) };
}

function reasonOf(mode: PeerMode, policy: PeerPolicy | null): string {
  return policy === null
    ? 'mTLS STRICT (the default)'
    : `PeerAuthentication ${policy.namespace}/${policy.name}: mTLS ${mode}`;
}
