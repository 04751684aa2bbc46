/** Providers of tokens of one proxy: the rules of the RequestAuthentications that hold for it, each under a name that says where it stands. */
import type { RequestPolicy, TokenRule } from '../model/policy-set.ts';

export const jwtFilterName = 'envoy.filters.http.jwt_authn';

export interface TokenProvider {
  /** `shop/users#rule-0`; also the key of its payloads in metadata. */
  readonly name: string;
  readonly rule: TokenRule;
}

/** One per issuer, as Envoy chooses by it: of several the first, by the policy's name. */
export function tokenProviders(policies: readonly RequestPolicy[]): TokenProvider[] {
  const byIssuer = new Map<string, TokenProvider>();
  for (const { namespace, name, rules } of policies) {
    for (const [at, rule] of rules.entries())
      if (!byIssuer.has(rule.issuer)) byIssuer.set(rule.issuer, { name: `${namespace}/${name}#rule-${at}`, rule });
  }
  return [...byIssuer.values()];
}
