/** Circuit breakers that a client is not sent, because only sidecars of ours know them: to be said, as the policy is in force elsewhere. */
import type { Model } from '../model/model.ts';
import type { ClientKind } from '../translate/proxy-node.ts';

/** `shop/payments, shop/reads`: the policies; '' : none. */
export function unsentBreakers({ policies }: Model, kind: ClientKind): string {
  if (kind === 'outrigger') return '';
  return policies.traffic
    .filter(({ route, cluster, targets }) => {
      const settings = cluster.circuitBreaker ?? route.circuitBreaker;
      return settings !== null && settings !== 'off' && targets.some(({ inForce }) => inForce);
    })
    .map(({ namespace, name }) => `${namespace}/${name}`)
    .join(', ');
}
