/**
 * Names of callers as label values of metrics: only identities that were proven, and so many of them at most. What else comes is `other`. Callers of another trust domain carry it in front
 * (`other:shop/orders`), and each such domain has so many labels of its own, that it can take none of ours.
 */

/** More callers than this of one service are not told apart. */
const mostSources = 200;
const mostOfForeignDomain = 50;
/** Callers of further domains are `other`. */
const mostForeignDomains = 16;

export class SourceLabels {
  readonly #known = new Set<string>();
  readonly #foreign = new Map<string, Set<string>>();

  /** `service`: `namespace/service account` of a verified identity; '': there is none, and no label of its own. `foreignDomain`: its trust domain, where it is not ours; ''. */
  of(service: string, foreignDomain = ''): string {
    if (service === '') return '';
    if (foreignDomain === '') return label(this.#known, service, mostSources);
    let known = this.#foreign.get(foreignDomain);
    if (known === undefined) {
      if (this.#foreign.size >= mostForeignDomains) return 'other';
      known = new Set();
      this.#foreign.set(foreignDomain, known);
    }
    return label(known, `${foreignDomain}:${service}`, mostOfForeignDomain);
  }
}

function label(known: Set<string>, name: string, most: number): string {
  if (known.has(name)) return name;
  if (known.size >= most) return 'other';
  known.add(name);
  return name;
}

/** Of the peer's URI name, by our own; '' when both are of one trust domain, or ours is not known. */
export function foreignDomainOf(peerUri: string, ownUri: string): string {
  const own = trustDomainOf(ownUri);
  const peer = trustDomainOf(peerUri);
  return own === '' || own === peer ? '' : peer;
}

function trustDomainOf(uri: string): string {
  return /^spiffe:\/\/([^/]+)/.exec(uri)?.[1] ?? '';
}
