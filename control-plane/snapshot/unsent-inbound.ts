/** What TrafficPolicies say of a workload that its proxy is not sent, because only sidecars of ours know it: to be said, as the application is not protected as they say. */
import type { Model } from '../model/model.ts';
import { proxyInbound } from '../translate/proxy-inbound.ts';
import type { ProxyNode } from '../translate/proxy-node.ts';

/** `inboundLimits, priorities`; '' : nothing. */
export function unsentInbound({ policies }: Model, proxy: ProxyNode): string {
  if (proxy.kind !== 'envoy' || proxy.appPort === null) return '';
  const { limits, priorities } = proxyInbound(policies.inbound, proxy);
  return [
    ...(limits === null || limits === 'off' ? [] : ['inboundLimits']),
    ...(priorities.length === 0 ? [] : ['priorities']),
  ].join(', ');
}
