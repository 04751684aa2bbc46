/** What policies say that a client is not sent, because only sidecars of ours know it: to be said, as it is in force elsewhere, and nobody is protected there as the policy says. */
import type { Model } from '../model/model.ts';
import { leftOutOf } from '../translate/own-extensions.ts';
import { proxyInbound } from '../translate/proxy-inbound.ts';
import type { ProxyNode } from '../translate/proxy-node.ts';

/** In words, each with what holds in its place; empty: nothing. */
export function unsentPolicies(model: Model, proxy: ProxyNode): readonly string[] {
  if (proxy.kind === 'outrigger') return [];
  return [...breakers(model), ...leftOutOf(model, proxy.kind), ...inbound(model, proxy)];
}

function breakers({ policies }: Model): string[] {
  const names = policies.traffic
    .filter(({ route, cluster, targets }) => {
      const settings = cluster.circuitBreaker ?? route.circuitBreaker;
      return settings !== null && settings !== 'off' && targets.some(({ inForce }) => inForce);
    })
    .map(({ namespace, name }) => `${namespace}/${name}`);
  return names.length === 0
    ? []
    : [`circuitBreaker of TrafficPolicy ${names.join(', ')} (outlier detection and limits hold)`];
}

/** Of an Envoy in front of the workload; gRPC clients stand in front of nothing. */
function inbound({ policies }: Model, proxy: ProxyNode): string[] {
  if (proxy.kind !== 'envoy' || (proxy.appPort === null && proxy.interception === 'NONE')) return [];
  const { limits, priorities } = proxyInbound(policies.inbound, proxy);
  const fields = [
    ...(limits === null || limits === 'off' ? [] : ['inboundLimits']),
    ...(priorities.length === 0 ? [] : ['priorities']),
  ];
  return fields.length === 0
    ? []
    : [
        `${fields.join(' and ')} of TrafficPolicies in front of their applications (adaptiveConcurrency, rate limits and the limits of callers hold)`,
      ];
}
