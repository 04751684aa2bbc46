/**
 * Names of callers as label values of metrics: only identities that were proven, and so many of them at most. What else comes is `overflow`, and is counted. Callers of another trust domain carry it in front
 * (`other:shop/orders`), and each such domain has so many labels of its own, that it can take none of ours.
 */
import type { Counter } from '../stats/stat-store.ts';
import { overflowLabel } from './request-metric-bounds.ts';

/** More callers than this of one service are not told apart. */
const mostSources = 200;
const mostOfForeignDomain = 50;
/** Callers of further domains are `overflow`. */
const mostForeignDomains = 16;

export class SourceLabels {
  readonly #overflows: Counter | null;
  readonly #known = new Set<string>();
  readonly #foreign = new Map<string, Set<string>>();

  /** `overflows`: counts callers who get no label of their own; null: nobody wants to know. */
  constructor(overflows: Counter | null = null) {
    this.#overflows = overflows;
  }

  /** `service`: `namespace/service account` of a verified identity; '': there is none, and no label of its own. `foreignDomain`: its trust domain, where it is not ours; ''. */
  of(service: string, foreignDomain = ''): string {
    if (service === '') return '';
    if (foreignDomain === '') return this.#label(this.#known, service, mostSources);
    let known = this.#foreign.get(foreignDomain);
    if (known === undefined) {
      if (this.#foreign.size >= mostForeignDomains) return this.#overflow();
      known = new Set();
      this.#foreign.set(foreignDomain, known);
    }
    return this.#label(known, `${foreignDomain}:${service}`, mostOfForeignDomain);
  }

  #label(known: Set<string>, name: string, most: number): string {
    if (known.has(name)) return name;
    if (known.size >= most) return this.#overflow();
    known.add(name);
    return name;
  }

  #overflow(): string {
    if (this.#overflows !== null) this.#overflows.value++;
    return overflowLabel;
  }
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
