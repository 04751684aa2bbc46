/** What connected proxies have refused (NACK) and hold no newer version of, one line each: what conditions on routes and policies are made from. */
import { refusedListener } from '../../admin/refused-listener.ts';
import type { ProxyNode } from '../../translate/proxy-node.ts';
import type { ConnectedProxy } from '../../xds-server/connected-proxy.ts';
import { typeOrder } from '../../xds-server/served-resource.ts';
import type { Subscription } from '../../xds-server/subscription.ts';

export interface Refusal {
  readonly proxy: ProxyNode;
  readonly type: 'inbound listener' | 'clusters' | 'routes';
  /** Name of the xDS resource. */
  readonly resource: string;
  /** The proxy's words. */
  readonly text: string;
}

export function refusalsOf(proxies: Iterable<ConnectedProxy>): readonly Refusal[] {
  const refusals: Refusal[] = [];
  for (const connected of proxies) {
    const { proxy, session } = connected;
    const listener = refusedListener(connected);
    if (listener !== '') refusals.push({ proxy, type: 'inbound listener', resource: 'inbound', text: listener });
    for (const [type, typeUrl] of [
      ['clusters', typeOrder.cluster],
      ['routes', typeOrder.routes],
    ] as const) {
      const subscription: Subscription | undefined = session.subscriptions.get(typeUrl);
      const refused = subscription?.refused ?? null;
      if (subscription === undefined || refused === null) continue;
      for (const [resource, version] of refused.versions)
        if (subscription.sent.get(resource)?.version === version)
          refusals.push({ proxy, type, resource, text: refused.reasons.get(resource) ?? refused.details });
    }
  }
  return refusals;
}
