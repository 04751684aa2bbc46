/** What a gate counts: Envoy's statistics, and ours for Prometheus by policy. Names of policies come from the configuration, so the labels are bounded. */
import type { Counter, StatStore } from '../../stats/stat-store.ts';

export type DecisionResult = 'allowed' | 'denied' | 'dry_run_allowed' | 'dry_run_denied';

/** Family of {@link PolicyCounters}. */
export const authorizationFamily = 'outrigger_authorization_total';

/** What is said where no policy matched (Envoy's word). */
export const noPolicy = 'none';

export interface DecisionCounts {
  readonly allowed: Counter;
  readonly denied: Counter;
  readonly shadowAllowed: Counter;
  readonly shadowDenied: Counter;
}

/** `scope`: `http.inbound.rbac.`. */
export function decisionCounts(
  store: StatStore,
  scope: string,
  rulesPrefix: string,
  shadowPrefix: string,
): DecisionCounts {
  const counter = (prefix: string, name: string): Counter =>
    store.counter(joinedPrefix(joinedPrefix(scope, prefix), name));
  return {
    allowed: counter(rulesPrefix, 'allowed'),
    denied: counter(rulesPrefix, 'denied'),
    shadowAllowed: counter(shadowPrefix, 'shadow_allowed'),
    shadowDenied: counter(shadowPrefix, 'shadow_denied'),
  };
}

/** With a dot between, unless it is there (Envoy). */
function joinedPrefix(prefix: string, name: string): string {
  if (name === '') return prefix;
  return prefix.endsWith('.') ? prefix + name : `${prefix}.${name}`;
}

/** One counter for each policy and result that occurs; looked up again when statistics were dropped from the store. */
export class PolicyCounters {
  readonly #store: StatStore;
  readonly #result: DecisionResult;
  readonly #byPolicy = new Map<string, Counter>();
  #removals: number;

  constructor(store: StatStore, result: DecisionResult) {
    this.#store = store;
    this.#result = result;
    this.#removals = store.removals;
  }

  /** `direction`: of the listener, which all connections of a gate share. */
  count(policy: string, direction: string): void {
    if (this.#removals !== this.#store.removals) {
      this.#removals = this.#store.removals;
      this.#byPolicy.clear();
    }
    let counter = this.#byPolicy.get(policy);
    if (counter === undefined) {
      counter = this.#store.counter(authorizationFamily, authorizationFamily, {
        direction,
        policy,
        result: this.#result,
      });
      this.#byPolicy.set(policy, counter);
    }
    counter.value++;
  }
}
