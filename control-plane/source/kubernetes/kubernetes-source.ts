/** Kubernetes as a source: watches everything, and tells what comes of it as resources and instances, changes that come close together once. Nothing before all has been listed once: half a mesh must never be served. */
import type { Logger } from 'pino';
import type { Resource } from '../../config-kind/resource.ts';
import type { RegisteredInstance } from '../../model/registered-instance.ts';
import type { SourceFault, SourceState } from '../configuration-files.ts';
import type { Fault } from '../fault.ts';
import type { SourceClock } from '../source-clock.ts';
import { ApiHealth } from './api-health.ts';
import type { KeptDocument } from './kept-document.ts';
import { kubernetesPlace } from './kubernetes-place.ts';
import { LastGoodDocuments } from './last-good-documents.ts';
import { type MeshDocument, MeshDocuments } from './mesh-documents.ts';
import { MeshServices } from './mesh-services.ts';
import { type ListAndWatch, Reflector } from './reflector.ts';
import type { Kept, WatchedKind } from './watched-kind.ts';
import { documentKinds, endpointSlicesKind, podsKind, servicesKind } from './watched-kinds.ts';

/** Long enough to gather what one rollout step changes, short against the second that an endpoint may take. */
const gatherMs = 20;
const maxBadObjects = 100;

export interface KubernetesSourceOptions {
  readonly client: ListAndWatch;
  /** For messages. */
  readonly url: string;
  /** '' : there are no identities. */
  readonly trustDomain: string;
  readonly clock: Pick<SourceClock, 'after' | 'nowMs'>;
  readonly random: () => number;
  readonly log: Logger;
  /** Where the last good routes and policies are kept over a restart; null: nowhere. */
  readonly dataDir: string | null;
  /** Also when everything has been listed for the first time. */
  readonly onChange: () => void;
}

export class KubernetesSource {
  readonly #options: KubernetesSourceOptions;
  readonly #health: ApiHealth;
  readonly #services: MeshServices;
  readonly #lastGood: LastGoodDocuments;
  readonly #documents: MeshDocuments;
  readonly #reflectors: ReadonlyArray<Reflector<Kept>>;
  readonly #serviceItems: () => ReadonlyMap<string, { readonly key: string; readonly problem: string }>;
  #cancelGather: (() => void) | null = null;
  #documentsChanged = false;
  #ready = false;
  #resources: readonly Resource[] = [];
  #warnings: readonly Fault[] = [];
  readonly #badObjects = new Set<string>();
  readonly #awaiting: Array<() => void> = [];

  constructor(options: KubernetesSourceOptions) {
    this.#options = options;
    const { dataDir, clock, log } = options;
    this.#lastGood = new LastGoodDocuments({
      dataDir,
      log,
      after: (delayMs, callback) => clock.after(delayMs, callback),
    });
    this.#documents = new MeshDocuments(this.#lastGood.load());
    this.#health = new ApiHealth(options.url, options.log, () => this.#ready);
    const services = this.#reflector(servicesKind, (keys) => this.#services.onServices(keys));
    const slices = this.#reflector(endpointSlicesKind, (keys) => this.#services.onSlices(keys));
    const pods = this.#reflector(podsKind, (keys) => this.#services.onPods(keys));
    this.#services = new MeshServices({
      services: () => services.items,
      slices: () => slices.items,
      pods: () => pods.items,
      trustDomain: options.trustDomain,
    });
    this.#serviceItems = () => services.items;
    const documents = documentKinds.map((kind) => {
      const reflector: Reflector<KeptDocument> = this.#reflector(kind, (keys) => {
        if (this.#documents.onChange(kind.kind, reflector.items, keys)) this.#documentsChanged = true;
      });
      return reflector;
    });
    this.#reflectors = [services, slices, pods, ...documents];
  }

  #reflector<T extends Kept>(kind: WatchedKind<T>, onChange: (keys: ReadonlySet<string>) => void): Reflector<T> {
    const { client, clock, random } = this.#options;
    return new Reflector({
      kind,
      client,
      after: (delayMs, callback) => clock.after(delayMs, callback),
      nowMs: () => clock.nowMs(),
      random,
      onChange: (keys) => {
        onChange(keys);
        this.#cancelGather ??= clock.after(gatherMs, () => this.#publish());
      },
      onFault: (fault) => {
        this.#health.told(kind, fault);
        if (fault === null) for (const reflector of this.#reflectors) reflector.hurry();
      },
      onBadObject: (message) => this.#onBadObject(message),
    });
  }

  start(): void {
    for (const reflector of this.#reflectors) void reflector.run();
  }

  /** Everything has been listed once. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Resolves when it is ready. */
  whenReady(): Promise<void> {
    return this.#ready ? Promise.resolve() : new Promise((resolve) => void this.#awaiting.push(resolve));
  }

  /** What is wrong with the API server, which it tells the log itself. */
  get apiFaults(): readonly SourceFault[] {
    return this.#health.faults;
  }

  /** Faults: of objects. */
  get state(): SourceState {
    return {
      resources: this.#resources,
      faults: this.#documents.faults,
      warnings: this.#warnings,
    };
  }

  get instances(): readonly RegisteredInstance[] {
    return this.#services.instances;
  }

  /** What has arrived has been told; nothing is being gathered. */
  get settled(): boolean {
    return this.#ready && this.#cancelGather === null;
  }

  get documents(): Iterable<MeshDocument> {
    return this.#documents.all;
  }

  /** Whom a workload may be that no Service is named after; empty: nobody is known. */
  accountsOfWorkload(namespace: string, name: string): readonly string[] {
    return this.#services.accountsOfWorkload(namespace, name);
  }

  close(): void {
    this.#cancelGather?.();
    this.#lastGood.close();
    for (const reflector of this.#reflectors) reflector.close();
  }

  #publish(): void {
    this.#cancelGather = null;
    if (!this.#reflectors.every(({ synced }) => synced)) return;
    const first = !this.#ready;
    this.#ready = true;
    const resourcesBefore = this.#services.resources;
    const changed = this.#services.make() || this.#documentsChanged || first;
    if (this.#services.resources !== resourcesBefore || this.#documentsChanged || first) {
      this.#resources = [...this.#services.resources, ...this.#documents.resources];
      this.#warnings = this.#problems();
    }
    if (first) this.#documents.forgetTheStart();
    if (first || this.#documentsChanged) this.#lastGood.saveSoon(() => this.#documents.inForce);
    this.#documentsChanged = false;
    if (changed) this.#options.onChange();
    for (const resolve of this.#awaiting.splice(0)) resolve();
  }

  #problems(): readonly Fault[] {
    return [...this.#serviceItems().values()].flatMap(({ key, problem }) =>
      problem === '' ? [] : [{ ...kubernetesPlace, path: '', message: `Service ${key}: ${problem}` }],
    );
  }

  #onBadObject(message: string): void {
    if (this.#badObjects.has(message) || this.#badObjects.size >= maxBadObjects) return;
    this.#badObjects.add(message);
    this.#options.log.error(`the API server sent what is not as Kubernetes says: ${message}; it is left out`);
  }
}
