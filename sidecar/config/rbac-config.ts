/** Our frozen form of Envoy's RBAC filter: who may do what, and what is only tried (`shadow_rules`). Compiled by sidecar/filters/rbac; made and validated only in sidecar/xds. */
import type { HeaderMatchConfig, StringMatchConfig } from './route-config.ts';

export interface RbacConfig {
  readonly kind: 'rbac';
  /** The filter's configured name: what routes call it. */
  readonly name: string;
  readonly rules: RbacRulesConfig | null;
  readonly shadowRules: RbacRulesConfig | null;
  readonly rulesStatPrefix: string;
  readonly shadowStatPrefix: string;
}

/** What a route has instead. Both null: nothing is judged there. */
export interface RbacRouteConfig {
  readonly kind: 'rbac';
  readonly rules: RbacRulesConfig | null;
  readonly shadowRules: RbacRulesConfig | null;
  readonly shadowStatPrefix: string;
}

export interface RbacRulesConfig {
  /** `allow`: what no policy matches is denied; `deny`: what a policy matches is; `log`: nothing is. */
  readonly action: 'allow' | 'deny' | 'log';
  /** In the order in which Envoy asks them: by name, as bytes. */
  readonly policies: readonly RbacPolicyConfig[];
}

/** Matches when one of the permissions, one of the principals and the condition do. */
export interface RbacPolicyConfig {
  readonly name: string;
  readonly permissions: readonly RbacRuleConfig[];
  readonly principals: readonly RbacRuleConfig[];
  readonly condition: RbacConditionConfig | null;
}

/** A parsed CEL expression. */
export interface RbacConditionConfig {
  /** `google.api.expr.v1alpha1.Expr`, as bytes: the same as `cel.expr.Expr`. */
  readonly expression: Uint8Array;
}

/** Permissions and principals are the same to us: something to be found true of a request. */
export type RbacRuleConfig =
  | { readonly kind: 'any' }
  | { readonly kind: 'all-of'; readonly rules: readonly RbacRuleConfig[] }
  | { readonly kind: 'any-of'; readonly rules: readonly RbacRuleConfig[] }
  | { readonly kind: 'not'; readonly rule: RbacRuleConfig }
  | { readonly kind: 'header'; readonly header: HeaderMatchConfig }
  /** Without the query. */
  | { readonly kind: 'path'; readonly match: StringMatchConfig }
  | { readonly kind: 'address'; readonly of: RbacAddress; readonly range: AddressRangeConfig }
  /** Of this end; `end` is outside. */
  | { readonly kind: 'port'; readonly start: number; readonly end: number }
  | { readonly kind: 'server-name'; readonly match: StringMatchConfig }
  /** `match` null: whoever showed a certificate. */
  | { readonly kind: 'authenticated'; readonly match: StringMatchConfig | null }
  | { readonly kind: 'metadata'; readonly metadata: MetadataMatchConfig };

/** `destination`: this end; `peer`: the other end of the connection (source_ip, direct_remote_ip); `client`: who x-forwarded-for says it is for (remote_ip). */
export type RbacAddress = 'destination' | 'peer' | 'client';

export interface AddressRangeConfig {
  /** IP literal. */
  readonly address: string;
  readonly prefixBits: number;
}

export interface MetadataMatchConfig {
  readonly filter: string;
  readonly path: readonly string[];
  readonly value: ValueMatchConfig;
  readonly invert: boolean;
}

export type ValueMatchConfig =
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'number'; readonly exact: number }
  /** `end` is outside. */
  | { readonly kind: 'number-range'; readonly start: number; readonly end: number }
  | { readonly kind: 'string'; readonly match: StringMatchConfig }
  /** `present` false matches nothing (Envoy). */
  | { readonly kind: 'present'; readonly present: boolean }
  | { readonly kind: 'list'; readonly oneOf: ValueMatchConfig }
  | { readonly kind: 'any-of'; readonly values: readonly ValueMatchConfig[] };
