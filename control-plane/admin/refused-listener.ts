/** Whether a proxy refused its inbound listener, which carries the policies: it goes on by the policies that it had before. */
import { inboundListenerName } from '../translate/resource-names.ts';
import type { ConnectedProxy } from '../xds-server/connected-proxy.ts';
import { typeOrder } from '../xds-server/served-resource.ts';
import type { Subscription } from '../xds-server/subscription.ts';

/** What it said, of the version that it was sent last; '' when it has taken it. */
export function refusedListener({ session }: Pick<ConnectedProxy, 'session'>): string {
  const subscription: Subscription | undefined = session.subscriptions.get(typeOrder.listener);
  const refused = subscription?.refused ?? null;
  const sent = subscription?.sent.get(inboundListenerName);
  if (refused === null || sent === undefined || refused.versions.get(inboundListenerName) !== sent.version) return '';
  return refused.reasons.get(inboundListenerName) ?? refused.details;
}
