/** Faults on purpose that a proxy has now, in words: for CSDS, and so for `outrigger status`. */
import { faultText } from '../model/limit-text.ts';
import type { Model } from '../model/model.ts';
import type { ProxyNode } from '../translate/proxy-node.ts';
import { proxyPolicies } from '../translate/proxy-policies.ts';

export function activeFaults({ policies }: Pick<Model, 'policies'>, proxy: ProxyNode): string[] {
  if ((proxy.appPort === null && proxy.interception === 'NONE') || proxy.kind === 'grpc') return [];
  return proxyPolicies(policies, proxy)
    .faults.filter(({ over }) => !over)
    .map(({ namespace, name, faults, endsAtMs }) => {
      const end = endsAtMs === null ? 'without end' : `until ${new Date(endsAtMs).toISOString()}`;
      return `FaultPolicy ${namespace}/${name} ${end}: ${faults.map(faultText).join('; ')}`;
    });
}
