/** Names of callers as label values of metrics: only identities that were proven, and so many of them at most. What else comes is `other`. */

/** More callers than this of one service are not told apart. */
const mostSources = 200;

export class SourceLabels {
  readonly #known = new Set<string>();

  /** `service`: `namespace/service account` of a verified identity; '': there is none, and no label of its own. */
  of(service: string): string {
    if (service === '' || this.#known.has(service)) return service;
    if (this.#known.size >= mostSources) return 'other';
    this.#known.add(service);
    return service;
  }
}
