/** Secrets between the stream and those who use them: which are asked for, when waiting for them is over, and who gets them. */
import type { ClusterConfig } from '../../config/cluster-config.ts';
import type { Configured } from '../../config/configuration.ts';
import type { ListenerConfig } from '../../config/listener-config.ts';
import { clusterSecrets, listenerSecrets } from '../../config/secret-references.ts';
import type { SecretReference } from '../../config/tls-config.ts';
import type { SecretValue } from '../../secret/secret.ts';
import { adsSecretNames } from './configuration-references.ts';
import type { TypeState } from './type-state.ts';

/** Where secrets go. Apart from the configuration: connections look there for the newest one, nothing else is made anew. */
export interface SecretSink {
  /** Whether that name is answered here, by the sidecar's own identity: then it is not asked for. */
  isLocal(name: string): boolean;
  set(key: string, name: string, version: string, value: SecretValue): unknown;
  refuse(key: string, why: string): void;
  remove(key: string): void;
}

/** Secrets from services of their own; see ../sds/secret-services.ts. */
export interface SecretServiceLookup {
  want(references: Iterable<SecretReference>): void;
  settled(reference: SecretReference): boolean;
}

type Resources<T> = Iterable<readonly [string, Configured<T>]>;

export class SecretDelivery {
  readonly #state: TypeState;
  readonly #sink: SecretSink | null;
  readonly #services: SecretServiceLookup | null;
  /** Values as they were handed on, by name. */
  readonly #handedOn = new Map<string, unknown>();

  /** `sink` null: no secrets are asked for. */
  constructor(state: TypeState, sink: SecretSink | null, services: SecretServiceLookup | null) {
    this.#state = state;
    this.#sink = sink;
    this.#services = services;
  }

  /** Names that come by ADS, of all that these refer to; those that the sidecar answers itself are not among them. Services of their own are asked for theirs on the way. */
  wanted(
    clusters: ReadonlyArray<Resources<ClusterConfig>>,
    listeners: ReadonlyArray<Resources<ListenerConfig>>,
  ): Set<string> {
    const sink = this.#sink;
    if (sink === null) return new Set();
    const references: SecretReference[] = [];
    for (const each of clusters) for (const [, { value }] of each) references.push(...clusterSecrets(value));
    for (const each of listeners) for (const [, { value }] of each) references.push(...listenerSecrets(value));
    this.#services?.want(references);
    return new Set(adsSecretNames(references).filter((name) => !sink.isLocal(name)));
  }

  /** Accepted secrets go on to who uses them; one that was taken away goes on until nobody refers to it, as a connection without it would only fail. */
  handOn(): void {
    const sink = this.#sink;
    if (sink === null) return;
    const { resources, refused, wanted } = this.#state;
    for (const [name, { value, version }] of resources) {
      if (this.#handedOn.get(name) === value) continue;
      this.#handedOn.set(name, value);
      sink.set(name, name, version, value as SecretValue);
    }
    for (const [name, { details }] of refused) sink.refuse(name, details);
    for (const name of this.#handedOn.keys()) {
      if (wanted.has(name)) continue;
      this.#handedOn.delete(name);
      sink.remove(name);
    }
  }

  /** Waiting for these is over: they are here, or will not come. Those in files never hold anything up. */
  settled(references: readonly SecretReference[]): boolean {
    const [sink, services] = [this.#sink, this.#services];
    if (sink === null) return true;
    if (services !== null && !references.every((each) => services.settled(each))) return false;
    return adsSecretNames(references).every((name) => sink.isLocal(name) || this.#state.settled(name));
  }
}
