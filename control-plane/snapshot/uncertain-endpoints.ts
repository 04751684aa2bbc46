/** After a start without stored leases: which endpoints this control plane may not know all of yet, as instances tell of themselves by their next heartbeat only. */
import type { Model } from '../model/model.ts';
import { outboundCluster } from '../translate/resource-names.ts';

/** Names of load assignments: all but those that a file says something of. */
export function uncertainEndpoints(model: Model): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { ports } of model.services.values())
    for (const { endpoints } of ports)
      if (endpoints.endpoints.every(({ instanceId, source }) => instanceId !== '' && source !== 'kubernetes'))
        names.add(outboundCluster(endpoints.namespace, endpoints.service, endpoints.port));
  return names;
}
