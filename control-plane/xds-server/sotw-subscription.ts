/** State of the world: a request says all names, a response of LDS or CDS is everything, of RDS and EDS what changed. */
import { createHash } from 'node:crypto';
import { isFullState, type ResourceMap, type ServedResource } from './served-resource.ts';
import { maxNames, type OutgoingResponse, Subscription } from './subscription.ts';

export interface SotwRequest {
  readonly nonce: string;
  readonly version: string;
  readonly names: readonly string[];
  /** Null for an ACK. */
  readonly error: string | null;
}

export class SotwSubscription extends Subscription {
  /** A name was given on this stream: an empty list means "none" from then on (xds.md C1.9). */
  #named = false;
  #first = true;
  /** The client must hear, even if nothing changed. */
  #owed = false;

  /** Gives '' or why the request cannot be served. */
  onRequest(request: SotwRequest): string {
    if (request.names.length > maxNames)
      return `${request.names.length} resource names of ${this.typeUrl}; the limit is ${maxNames}`;
    // A stale nonce: a newer request of this type follows (xds.md C1.2).
    if (!this.#first && request.nonce !== '' && request.nonce !== this.awaiting && this.awaiting !== '') return '';
    if (request.nonce !== '' && !this.#first) this.takeAnswer(request.nonce, request.error, request.version);
    this.#subscribe(request.names);
    if (this.#first) {
      this.#first = false;
      this.#owed = isFullState(this.typeUrl);
      // A version on a new stream: it has them, though nobody knows in which version each.
      if (request.version !== '') for (const name of this.names) this.heldBefore.add(name);
    }
    return '';
  }

  #subscribe(names: readonly string[]): void {
    if (names.length > 0) this.#named = true;
    this.wildcard = names.includes('*') || (!this.#named && isFullState(this.typeUrl));
    const next = new Set(names.filter((name) => name !== '*'));
    for (const name of this.names) {
      if (next.has(name)) continue;
      this.names.delete(name);
      this.heldBefore.delete(name);
      // What is asked for again later must be sent again (xds.md C1.8).
      if (!this.wildcard) this.sent.delete(name);
    }
    for (const name of next) {
      if (this.names.has(name)) continue;
      this.names.add(name);
      // Newly named: owed, even when the client may hold it from before.
      if (!isFullState(this.typeUrl)) this.sent.delete(name);
      else this.#owed = true;
    }
  }

  next(resources: ResourceMap, hold: (name: string) => boolean): OutgoingResponse | null {
    if (this.awaiting !== '') return null;
    return isFullState(this.typeUrl) ? this.#fullState(resources, hold) : this.#changes(resources);
  }

  #fullState(resources: ResourceMap, hold: (name: string) => boolean): OutgoingResponse | null {
    const wanted: ServedResource[] = [];
    for (const resource of resources.values()) if (this.subscribed(resource.name)) wanted.push(resource);
    const gone: string[] = [];
    for (const name of this.gone(resources)) {
      if (hold(name)) wanted.push(this.sent.get(name)!);
      else gone.push(name);
    }
    const changed = this.changed(resources).length > 0 || gone.length > 0;
    if (!changed && !this.#owed) return null;
    this.#owed = false;
    const nonce = this.nextNonce();
    this.sending(nonce, wanted, gone);
    this.sentVersion = versionOf(wanted);
    return { typeUrl: this.typeUrl, nonce, version: this.sentVersion, resources: wanted, removed: [] };
  }

  #changes(resources: ResourceMap): OutgoingResponse | null {
    const changed = this.changed(resources);
    // Deletion is implied when the parent stops referring; forget it, so that a return is sent.
    for (const name of this.gone(resources)) this.sent.delete(name);
    if (changed.length === 0) return null;
    const nonce = this.nextNonce();
    this.sending(nonce, changed, []);
    this.sentVersion = versionOf([...this.sent.values()]);
    return {
      typeUrl: this.typeUrl,
      nonce,
      version: this.sentVersion,
      resources: changed,
      removed: [],
    };
  }
}

/** A version for a set of resources: equal sets give equal versions, on whatever control plane. */
function versionOf(resources: readonly ServedResource[]): string {
  const hash = createHash('sha256');
  for (const { name, version } of [...resources].sort((a, b) => (a.name < b.name ? -1 : 1)))
    hash.update(`${name}\0${version}\0`);
  return hash.digest('hex').slice(0, 16);
}
