/** How limits of RateLimitPolicies are named in descriptors: by the key of their first entry, and `namespace/policy#global-0` as its value. Whoever counts finds the limit by it. */

export const ruleKey = 'rule';

export function limitName(
  { namespace, name }: { readonly namespace: string; readonly name: string },
  scope: 'local' | 'global',
  at: number,
): string {
  return `${namespace}/${name}#${scope}-${at}`;
}
