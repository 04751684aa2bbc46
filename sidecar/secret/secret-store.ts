/**
 * All secrets of a sidecar by name. A version that cannot be loaded is refused and the last good one stays; a secret that nobody provides any more stays for who uses it until it is
 * removed. Whoever opens connections looks here for each one, so the newest version is always the one in use.
 */
import type { Clock } from '../runtime/clock.ts';
import { makeSecret, type Secret, type SecretFault, type SecretValue, sameSecretValue, secretFault } from './secret.ts';

/** Gives the secrets that are there now. */
export interface SecretLookup {
  /** The newest version that loads; undefined: none has come. */
  get(key: string): Secret | undefined;
  /** Why the last version that came was refused; '' when it was not. */
  refusal(key: string): string;
}

/** Told of each new version, and of removals (null). */
export type SecretListener = (secret: Secret | null, key: string) => void;

export class SecretStore implements SecretLookup {
  readonly #clock: Clock;
  readonly #secrets = new Map<string, Secret>();
  readonly #refusals = new Map<string, string>();
  readonly #subscribers = new Map<string, Set<SecretListener>>();
  readonly #observers = new Set<SecretListener>();
  readonly #local: ReadonlySet<string>;

  /** `local`: names that the sidecar's own identity answers. */
  constructor(clock: Clock, local: ReadonlySet<string> = new Set()) {
    this.#clock = clock;
    this.#local = local;
  }

  isLocal(name: string): boolean {
    return this.#local.has(name);
  }

  get(key: string): Secret | undefined {
    return this.#secrets.get(key);
  }

  refusal(key: string): string {
    return this.#refusals.get(key) ?? '';
  }

  all(): Iterable<Secret> {
    return this.#secrets.values();
  }

  /** Takes a new version; gives why it is refused, or null. The same text under another version is no news to anybody. */
  set(key: string, name: string, version: string, value: SecretValue): SecretFault | null {
    const before = this.#secrets.get(key);
    if (before !== undefined && sameSecretValue(before.value, value)) {
      this.#refusals.delete(key);
      return null;
    }
    const fault = secretFault(value);
    if (fault !== null) {
      this.refuse(key, `${fault.field}: ${fault.message}`);
      return fault;
    }
    this.#refusals.delete(key);
    const secret = makeSecret(key, name, version, this.#clock.wallMs(), value);
    this.#secrets.set(key, secret);
    this.#tell(secret, key);
    return null;
  }

  /** A version came that could not even be read. */
  refuse(key: string, why: string): void {
    this.#refusals.set(key, why);
  }

  /** Nobody refers to it any more. */
  remove(key: string): void {
    this.#refusals.delete(key);
    if (this.#secrets.delete(key)) this.#tell(null, key);
  }

  /** Calls `listener` for each new version of a secret from now on. Gives the function that ends it. */
  subscribe(key: string, listener: SecretListener): () => void {
    const listeners = this.#subscribers.get(key) ?? new Set();
    this.#subscribers.set(key, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#subscribers.get(key) === listeners) this.#subscribers.delete(key);
    };
  }

  /** The same for every secret. */
  observe(listener: SecretListener): () => void {
    this.#observers.add(listener);
    return () => this.#observers.delete(listener);
  }

  #tell(secret: Secret | null, key: string): void {
    for (const listener of [...(this.#subscribers.get(key) ?? []), ...this.#observers]) listener(secret, key);
  }
}
