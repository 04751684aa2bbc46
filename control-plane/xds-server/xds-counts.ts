/** What passes on xDS streams, by type: responses, and what clients answered. */

export class XdsCounts {
  /** By type and what it was. */
  readonly #counts = new Map<string, { readonly type: string; readonly what: string; count: number }>();

  /** `typeUrl`: of a type that is served, of which there are few. */
  add(typeUrl: string, what: 'response' | 'ack' | 'nack'): void {
    const key = `${typeUrl} ${what}`;
    let entry = this.#counts.get(key);
    if (entry === undefined) {
      entry = { type: typeUrl.slice(typeUrl.lastIndexOf('.') + 1), what, count: 0 };
      this.#counts.set(key, entry);
    }
    entry.count++;
  }

  samples(
    what: 'response' | 'ack' | 'nack',
  ): Array<{ readonly labels: { readonly type: string }; readonly value: number }> {
    return [...this.#counts.values()]
      .filter((entry) => entry.what === what)
      .map(({ type, count }) => ({ labels: { type }, value: count }));
  }
}
