/** How limits of RateLimitPolicies are named in descriptors: by the key of their first entry, and `namespace/policy#global-0` as its value. Whoever counts finds the limit by it. */

/** Filters of one workload at most, as Envoy tells them apart by stages 0 to 10. */
export const maxLimitFilters = 11;

export const ruleKey = 'rule';

export function limitName(
  { namespace, name }: { readonly namespace: string; readonly name: string },
  scope: 'local' | 'global',
  at: number,
): string {
  return `${namespace}/${name}#${scope}-${at}`;
}
