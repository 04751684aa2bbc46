/**
 * When policies for a limited time are over. Looked at whenever the configuration changes, and by a timer when the next one ends; then whoever builds the model is told. A policy without a time of creation begins when it is
 * first seen here, and again when what it says changes.
 */
import type { FaultPolicyResource } from '../config-kind/policy-resource.ts';
import type { Resource } from '../config-kind/resource.ts';
import { equalLists } from './keep-identity.ts';

export interface PolicyEnd {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly over: boolean;
}

/** Of FaultPolicies by `namespace/name`; one without an end is not there. */
export type PolicyEndings = ReadonlyMap<string, PolicyEnd>;

export interface PolicyEndsOptions {
  readonly wallMs: () => number;
  readonly after: (delayMs: number, callback: () => void) => () => void;
  /** The next policy is over: `endings` has changed. */
  readonly onChange: () => void;
}

/** A timer cannot wait longer. */
const maxDelayMs = 2 ** 31 - 1;

export class PolicyEnds {
  readonly #options: PolicyEndsOptions;
  #resources: readonly Resource[] = [];
  /** When a policy was first seen, by its name and what it says. */
  #seen = new Map<string, number>();
  #endings: PolicyEndings = new Map();
  #cancel: () => void = () => {};

  constructor(options: PolicyEndsOptions) {
    this.#options = options;
  }

  /** The same map as long as it says the same. */
  get endings(): PolicyEndings {
    return this.#endings;
  }

  use(resources: readonly Resource[]): void {
    this.#resources = resources;
    this.#look();
  }

  close(): void {
    this.#cancel();
  }

  #look(): void {
    this.#cancel();
    const nowMs = this.#options.wallMs();
    const seen = new Map<string, number>();
    const endings = new Map<string, PolicyEnd>();
    let nextMs = Infinity;
    for (const resource of this.#resources) {
      if (resource.kind !== 'FaultPolicy') continue;
      const atMs = this.#endOf(resource, nowMs, seen);
      if (atMs === null) continue;
      const over = atMs <= nowMs;
      endings.set(`${resource.namespace}/${resource.name}`, { atMs, over });
      if (!over) nextMs = Math.min(nextMs, atMs);
    }
    this.#seen = seen;
    const same = equalLists(
      [...this.#endings],
      [...endings],
      ([nameA, a], [nameB, b]) => nameA === nameB && a.atMs === b.atMs && a.over === b.over,
    );
    if (!same) this.#endings = endings;
    if (nextMs < Infinity)
      this.#cancel = this.#options.after(Math.min(nextMs - nowMs, maxDelayMs), () => {
        const before = this.#endings;
        this.#look();
        if (this.#endings !== before) this.#options.onChange();
      });
  }

  #endOf(policy: FaultPolicyResource, nowMs: number, seen: Map<string, number>): number | null {
    const { untilMs, forMs, createdAt } = policy;
    if (untilMs !== null) return untilMs;
    if (forMs === null) return null;
    if (createdAt !== '') return Date.parse(createdAt) + forMs;
    const { namespace, name, faults, targets, maxActive } = policy;
    const key = JSON.stringify([namespace, name, forMs, faults, targets, maxActive]);
    const since = this.#seen.get(key) ?? nowMs;
    seen.set(key, since);
    return since + forMs;
  }
}
