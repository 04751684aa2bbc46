/** What the control plane counts about identities. Every label is one of our own words: nothing that a caller sends becomes one. */

import type { PlainSample } from '../../metrics/metric-family.ts';

class Counter {
  readonly #counts = new Map<string, { readonly labels: Readonly<Record<string, string>>; value: number }>();

  add(labels: Readonly<Record<string, string>>): void {
    const key = JSON.stringify(labels);
    const held = this.#counts.get(key);
    if (held === undefined) this.#counts.set(key, { labels, value: 1 });
    else held.value++;
  }

  get samples(): PlainSample[] {
    return [...this.#counts.values()];
  }
}

export class IdentityMetrics {
  readonly #certificates = new Counter();
  readonly #refused = new Counter();

  /** `proof`: also `sds`, of those that are made for proxies here. `result`: `issued`, or why not. */
  signed(proof: 'join_token' | 'kubernetes_token' | 'certificate' | 'sds' | 'none', result: string): void {
    this.#certificates.add({ proof, result });
  }

  /** A stream, call or connection that a door did not let in, or ended. */
  refused(reason: string): void {
    this.#refused.add({ reason });
  }

  get certificates(): PlainSample[] {
    return this.#certificates.samples;
  }

  get refusals(): PlainSample[] {
    return this.#refused.samples;
  }
}
