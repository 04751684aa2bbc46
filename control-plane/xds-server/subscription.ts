/**
 * What one client has asked for of one type on one stream, what it was sent, and what it answered. The rules that both variants share; sotw-subscription.ts and
 * delta-subscription.ts say how requests and responses look. Pure: no sockets, no clock.
 *
 *   idle ──changed──▶ sent, waiting for the answer ──ACK──▶ idle
 *                                    └──NACK──▶ idle (the refused versions are not sent again)
 */
import type { ResourceMap, ServedResource } from './served-resource.ts';

/** What the client refused and has not taken since. */
export interface RefusedResponse {
  readonly versions: ReadonlyMap<string, string>;
  /** By name, of the response that had it in that version. */
  readonly reasons: ReadonlyMap<string, string>;
  /** Of the last one. */
  readonly details: string;
}

/** A response in either variant; the fields that a variant has not are empty. */
export interface OutgoingResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly version: string;
  readonly resources: readonly ServedResource[];
  readonly removed: readonly string[];
}

/** Bound on names that one client may ask for of one type. */
export const maxNames = 20_000;

export abstract class Subscription {
  readonly typeUrl: string;
  /** Names asked for. */
  readonly names = new Set<string>();
  wildcard = false;
  /** What the client holds as far as we know: versions by name. */
  readonly sent = new Map<string, ServedResource>();
  /** Nonce of the response that waits for its answer; '' when none does. */
  awaiting = '';
  /** What was in the response that waits; after its answer, in the one that was answered last. */
  #inFlight: ReadonlyMap<string, string> = new Map();
  /** Nonce of the response that was answered last. */
  #answered = '';
  refused: RefusedResponse | null = null;
  acknowledgedVersion = '';
  /** Of the last response by state of the world; '' in delta. */
  protected sentVersion = '';
  /** Names that the last response had in another version than the client held. */
  changedNames: readonly string[] = [];
  /** What the client holds and is to be sent all the same. */
  readonly #again = new Set<string>();
  /** What the client says that it has from before this stream. */
  readonly heldBefore = new Set<string>();
  /** Names of which nobody knows yet how they are: who has them keeps them. */
  uncertain: ReadonlySet<string> = new Set();
  #nonces = 0;

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl;
  }

  subscribed(name: string): boolean {
    return this.wildcard || this.names.has(name);
  }

  /**
   * Takes the answer to a response; false when it belongs to an older one. A NACK may follow an ACK, and an ACK that: a client that could not put to work what it had accepted
   * (a listener whose port is taken), and could later. `version`: of an ACK by state of the world, where a request that only changes names has the last nonce too, but after
   * a NACK not the version that was refused.
   */
  protected takeAnswer(nonce: string, error: string | null, version: string): boolean {
    if (nonce === '') return false;
    if (nonce === this.#answered && this.awaiting === '') {
      if (error !== null) this.#refuse(error);
      else if (version === this.sentVersion) this.#accept();
      return true;
    }
    if (nonce !== this.awaiting) return false;
    this.awaiting = '';
    this.#answered = nonce;
    if (error === null) {
      this.#accept();
      this.acknowledgedVersion = version;
    } else this.#refuse(error);
    return true;
  }

  #refuse(details: string): void {
    const versions = new Map(this.refused?.versions);
    const reasons = new Map(this.refused?.reasons);
    for (const name of versions.keys()) if (!this.sent.has(name)) versions.delete(name);
    for (const [name, version] of this.#inFlight) {
      versions.set(name, version);
      reasons.set(name, details);
    }
    for (const name of reasons.keys()) if (!versions.has(name)) reasons.delete(name);
    this.refused = { versions, reasons, details };
  }

  /** A response was answered, whatever was in it. */
  get answered(): boolean {
    return this.#answered !== '';
  }

  /** What an earlier response brought and was refused stays so, until the client takes it in another version or it is gone. */
  #accept(): void {
    if (this.refused === null) return;
    const versions = [...this.refused.versions].filter(([name]) => !this.#inFlight.has(name) && this.sent.has(name));
    this.refused = versions.length === 0 ? null : { ...this.refused, versions: new Map(versions) };
  }

  protected nextNonce(): string {
    this.#nonces++;
    return String(this.#nonces);
  }

  protected sending(nonce: string, resources: readonly ServedResource[], removed: readonly string[]): void {
    this.awaiting = nonce;
    this.#inFlight = new Map(resources.map(({ name, version }) => [name, version]));
    this.changedNames = resources
      .filter(({ name, version }) => this.sent.get(name)?.version !== version)
      .map(({ name }) => name);
    for (const resource of resources) {
      this.sent.set(resource.name, resource);
      this.#again.delete(resource.name);
    }
    for (const name of removed) this.sent.delete(name);
  }

  /** Wanted resources that the client does not have in this version. */
  changed(resources: ResourceMap): ServedResource[] {
    const found: ServedResource[] = [];
    if (this.wildcard) {
      for (const resource of resources.values()) if (!this.#upToDate(resource)) found.push(resource);
    } else {
      for (const name of this.names) {
        const resource = resources.get(name);
        if (resource !== undefined && !this.#upToDate(resource)) found.push(resource);
      }
    }
    return found;
  }

  /** The client keeps what it has of that name from before this stream, whatever is known of it now. */
  keeps(name: string): boolean {
    return this.uncertain.has(name) && this.heldBefore.has(name);
  }

  #upToDate({ name, version }: ServedResource): boolean {
    if (this.keeps(name)) return true;
    return this.sent.get(name)?.version === version && !this.#again.has(name);
  }

  /** Names that the client holds and that are no more. */
  gone(resources: ResourceMap): string[] {
    const found: string[] = [];
    for (const name of this.sent.keys()) if (!resources.has(name)) found.push(name);
    return found;
  }

  /** The client is to be sent these again, though it has them, if it asks for them at all. */
  sendAgain(names: Iterable<string>): void {
    for (const name of this.#again) if (!this.sent.has(name)) this.#again.delete(name);
    for (const name of names) if (this.sent.has(name)) this.#again.add(name);
  }

  /** The next response, or null when there is nothing new or the last one is not answered yet. `hold`: whether the client is not told yet that a name is gone. */
  abstract next(resources: ResourceMap, hold: (name: string) => boolean): OutgoingResponse | null;

  /** Something is to be sent, or waits for its answer. */
  settled(resources: ResourceMap): boolean {
    return this.awaiting === '' && this.changed(resources).length === 0;
  }
}
