/** Which policies have a say about a service, by what each says that it holds for (`the mesh`, `namespace shop`, `shop/orders`, `version=v1 in shop`, `Service shop/payments:80`, `HTTPRoute shop/pay#rule`). */
import type { PolicyRow, RouteRow } from './mesh-data.ts';

/** `service`: `namespace/name`. Policies of labels are there too, as they may hold for some of its instances. */
export function applyingPolicies(
  policies: readonly PolicyRow[],
  service: string,
  routes: readonly RouteRow[],
): readonly PolicyRow[] {
  const namespace = service.slice(0, service.indexOf('/'));
  const ofService = new Set(
    routes
      .filter((route) => route.service.startsWith(`${service}:`))
      .map((route) => `${route.kind} ${route.namespace}/${route.name}`),
  );
  const holds = (text: string): boolean => {
    if (text === 'the mesh' || text === `namespace ${namespace}` || text === service) return true;
    const bare = text.replace(/ \(not in force\)$/, '');
    if (bare === `Service ${service}` || bare.startsWith(`Service ${service}:`)) return true;
    if (ofService.has(bare.split('#', 1)[0]!)) return true;
    return /^[^ ]+=/.test(text) && (!text.includes(' in ') || text.endsWith(` in ${namespace}`));
  };
  return policies.filter(({ holdsFor }) => holdsFor.some(holds));
}
