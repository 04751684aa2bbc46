/** The incremental variant: requests add and take away names, responses say what changed and what is gone. */
import type { ResourceMap } from './served-resource.ts';
import { maxNames, type OutgoingResponse, Subscription } from './subscription.ts';

export interface DeltaRequest {
  readonly nonce: string;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  readonly initialVersions: ReadonlyMap<string, string>;
  /** Null for an ACK. */
  readonly error: string | null;
}

export class DeltaSubscription extends Subscription {
  #first = true;
  /** Names that the client asked for and was not told about: told that they do not exist (xds.md C1.7). */
  readonly #unanswered = new Set<string>();
  /**
   * A wildcard is answered once, even when there is nothing to tell: the client then knows that it has everything, and that this control plane works
   * (go-control-plane does the same).
   */
  #answerOwed = false;

  /** Gives '' or why the request cannot be served. Subscription changes count even with a stale nonce (xds.md C1.3). */
  onRequest(request: DeltaRequest): string {
    if (this.names.size + request.subscribe.length > maxNames || request.initialVersions.size > maxNames)
      return `more than ${maxNames} resource names of ${this.typeUrl}`;
    this.takeAnswer(request.nonce, request.error, '');
    if (this.#first) {
      this.#first = false;
      // Legacy wildcard: the first request names nothing.
      if (request.subscribe.length === 0) this.#beWildcard();
      for (const [name, version] of request.initialVersions) {
        this.sent.set(name, { name, typeUrl: this.typeUrl, version, bytes: new Uint8Array() });
        this.heldBefore.add(name);
      }
    }
    for (const name of request.subscribe) {
      if (name === '*') {
        this.#beWildcard();
        continue;
      }
      // Named again, or for the first time without holding it: must be sent (xds.md C1.8).
      if (!request.initialVersions.has(name)) this.#forget(name);
      this.names.add(name);
      this.#unanswered.add(name);
    }
    for (const name of request.unsubscribe) {
      if (name === '*') {
        this.wildcard = false;
        this.#answerOwed = false;
        for (const held of [...this.sent.keys()]) if (!this.names.has(held)) this.sent.delete(held);
        continue;
      }
      this.names.delete(name);
      this.#unanswered.delete(name);
      // Still covered by the wildcard: the client dropped it and must be told again.
      this.#forget(name);
      if (this.wildcard) this.#unanswered.add(name);
    }
    return '';
  }

  #forget(name: string): void {
    this.sent.delete(name);
    this.heldBefore.delete(name);
  }

  #beWildcard(): void {
    this.wildcard = true;
    this.#answerOwed = true;
  }

  next(resources: ResourceMap, hold: (name: string) => boolean): OutgoingResponse | null {
    if (this.awaiting !== '') return null;
    const changed = this.changed(resources);
    const removed = this.gone(resources).filter((name) => !hold(name));
    for (const name of this.#unanswered)
      if (!resources.has(name) && !this.sent.has(name) && !removed.includes(name)) removed.push(name);
    this.#unanswered.clear();
    if (changed.length === 0 && removed.length === 0 && !this.#answerOwed) return null;
    this.#answerOwed = false;
    const nonce = this.nextNonce();
    this.sending(nonce, changed, removed);
    return { typeUrl: this.typeUrl, nonce, version: '', resources: changed, removed };
  }
}
