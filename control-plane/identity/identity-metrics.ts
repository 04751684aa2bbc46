/** What the control plane counts about identities. Every label is one of our own words: nothing that a caller sends becomes one. */

class Counter {
  readonly #counts = new Map<string, number>();

  add(labels: string): void {
    this.#counts.set(labels, (this.#counts.get(labels) ?? 0) + 1);
  }

  lines(name: string): string[] {
    return [`# TYPE ${name} counter`, ...[...this.#counts].map(([labels, count]) => `${name}{${labels}} ${count}`)];
  }
}

export class IdentityMetrics {
  readonly #certificates = new Counter();
  readonly #refused = new Counter();

  /** `proof`: also `sds`, of those that are made for proxies here. `result`: `issued`, or why not. */
  signed(proof: 'join_token' | 'kubernetes_token' | 'certificate' | 'sds' | 'none', result: string): void {
    this.#certificates.add(`proof="${proof}",result="${result}"`);
  }

  /** A stream, call or connection that the TLS door did not let in, or ended. */
  refused(reason: string): void {
    this.#refused.add(`reason="${reason}"`);
  }

  lines(): string[] {
    return [
      ...this.#certificates.lines('outrigger_identity_certificates_total'),
      ...this.#refused.lines('outrigger_door_refused_total'),
    ];
  }
}
