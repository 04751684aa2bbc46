/** Limits that the control plane counts, found by the first entry of a descriptor. Made anew when policies change. */
import type { GlobalLimit, LimitUnit } from '../config-kind/policy-resource.ts';
import { limitName, ruleKey } from '../model/limit-name.ts';
import type { PolicySet } from '../model/policy-set.ts';

export interface CountedLimit {
  /** `shop/orders#global-0` */
  readonly name: string;
  /** Of the policy. */
  readonly namespace: string;
  readonly requests: number;
  readonly unit: LimitUnit;
}

export interface DescriptorEntry {
  readonly key: string;
  readonly value: string;
}

export const unitMs: Readonly<Record<LimitUnit, number>> = {
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
};

export class LimitTable {
  #from: PolicySet['rateLimits'] = [];
  #byName: ReadonlyMap<string, CountedLimit> = new Map();

  /** Null: there is no such limit (any more). */
  limitOf({ rateLimits }: Pick<PolicySet, 'rateLimits'>, entries: readonly DescriptorEntry[]): CountedLimit | null {
    if (rateLimits !== this.#from) {
      this.#from = rateLimits;
      this.#byName = tableOf(rateLimits);
    }
    const rule = entries[0];
    return rule?.key === ruleKey ? (this.#byName.get(rule.value) ?? null) : null;
  }
}

function tableOf(policies: PolicySet['rateLimits']): Map<string, CountedLimit> {
  const table = new Map<string, CountedLimit>();
  for (const policy of policies) {
    if (policy.service !== null) continue;
    for (const [at, { requests, unit }] of (policy.global as readonly GlobalLimit[]).entries()) {
      const name = limitName(policy, 'global', at);
      table.set(name, { name, namespace: policy.namespace, requests, unit });
    }
  }
  return table;
}
