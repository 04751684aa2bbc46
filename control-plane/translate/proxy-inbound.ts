/** What TrafficPolicies say of one workload: those of the Services that it is behind, and of their ports that lead to its application. */
import { type InboundTraffic, noInboundTraffic } from '../config-kind/traffic-resource.ts';
import { equalData } from '../model/keep-identity.ts';
import { holdsFor } from '../model/peer-mode.ts';
import type { InboundRules } from '../model/policy-set.ts';
import { mergedInboundTraffic } from '../model/traffic-index.ts';
import type { ProxyNode } from './proxy-node.ts';

/** The Service that the workload is named for comes before others that pick it; what stands first counts, field by field. */
export function proxyInbound(rules: readonly InboundRules[], proxy: ProxyNode): InboundTraffic {
  const mine = rules.filter(({ scope }) => holdsFor(scope, proxy));
  if (mine.length === 0) return noInboundTraffic;
  const byService = [...Map.groupBy(mine, ({ service }) => service)];
  return mergedInboundTraffic(
    byService
      .toSorted(([a], [b]) => Number(b === proxy.service) - Number(a === proxy.service) || (a < b ? -1 : 1))
      .map(([, ports]) => ofApplication(ports, proxy.appPort)),
  );
}

/** Of the ports that target the application, the lowest first; where none does, nobody knows by which port a request came, and what all of them say holds. */
function ofApplication(ports: readonly InboundRules[], appPort: number | null): InboundTraffic {
  const byPort = ports.toSorted((a, b) => a.port - b.port);
  const targeting = byPort.filter(({ targetPort }) => targetPort === appPort);
  if (targeting.length > 0) return mergedInboundTraffic(targeting.map(({ traffic }) => traffic));
  const named = byPort.filter(({ targetPort }) => targetPort === null);
  const [first, ...others] = named.length > 0 ? named : byPort;
  const agreed = Object.entries(first!.traffic).filter(([field, value]) =>
    others.every(({ traffic }) => equalData(traffic[field as keyof InboundTraffic], value)),
  );
  return { ...noInboundTraffic, ...Object.fromEntries(agreed) };
}
