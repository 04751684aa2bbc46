/**
 * Makes the mesh's roots known in the cluster, as the leader: in the ConfigMap `outrigger-root` of every namespace that injection may act in, by which sidecars know the control plane. Written when the roots change, when a
 * namespace comes, and when somebody changes or deletes one of ours; one of that name that we did not make is left alone, and told. None is deleted: pods that run may have it mounted.
 *
 * By server-side apply, so that a role can name the one ConfigMap: a `create` by POST cannot be limited to a name.
 */
import { ownNamespaces, rootConfigMap, rootKey } from '../../inject/own-names.ts';
import { ApiFault, faultWords, isPassingWriteFault, isRefusal, type RoleRule } from './api-fault.ts';
import { type KeptNamespace, namespacesKind } from './kept-namespace.ts';
import { type KeptRootConfigMap, ownLabels, rootConfigMapsKind } from './kept-root-config-map.ts';
import { LeaderTurns } from './leader-turns.ts';
import { type ListAndWatch, Reflector } from './reflector.ts';
import { ToldOnce } from './told-once.ts';
import { type Kept, type WatchedKind, watchRule } from './watched-kind.ts';

export interface RootPublisherOptions {
  readonly client: ListAndWatch;
  /** PEM, the newest. */
  readonly roots: () => string;
  /** Beside Kubernetes' own and ours: the control plane's. */
  readonly leftOut: readonly string[];
  readonly after: (delayMs: number, callback: () => void) => () => void;
  readonly nowMs: () => number;
  readonly random: () => number;
  /** One line for the operator, each once. */
  readonly tell: (line: string) => void;
}

/** 50 a second at most: new namespaces first, so that these need not wait for a rotation to be written everywhere. */
const writesPerSpan = 25;
const spanMs = 500;
/** What failed is tried again. */
const restMs = 10_000;
const fieldManager = 'outrigger-control-plane';
const writeRule: RoleRule = { group: '', resource: 'configmaps', verbs: ['create', 'patch'], namespace: '' };

interface Write {
  readonly namespace: string;
  /** Null: there is none yet. */
  readonly before: KeptRootConfigMap | null;
}

export class RootPublisher {
  readonly #options: RootPublisherOptions;
  readonly #namespaces: Reflector<KeptNamespace>;
  readonly #configMaps: Reflector<KeptRootConfigMap>;
  /** By namespace: what was written from which version, and until when it is waited for. */
  readonly #asked = new Map<string, { readonly what: string; readonly untilMs: number }>();
  readonly #told: ToldOnce;
  readonly #turns: LeaderTurns;
  #spanFromMs = -spanMs;
  #inSpan = 0;

  constructor(options: RootPublisherOptions) {
    this.#options = options;
    this.#told = new ToldOnce(options.tell);
    this.#namespaces = this.#reflector(namespacesKind);
    this.#configMaps = this.#reflector(rootConfigMapsKind);
    const watches = [this.#namespaces, this.#configMaps];
    this.#turns = new LeaderTurns({ watches, after: options.after, turn: () => this.#turn() });
  }

  #reflector<T extends Kept>(kind: WatchedKind<T>): Reflector<T> {
    const { client, after, nowMs, random } = this.#options;
    return new Reflector<T>({
      ...{ kind, client, after, nowMs, random },
      onChange: (keys) => {
        for (const key of keys) this.#asked.delete(key);
        this.changed();
      },
      onFault: (fault) => {
        // That the API server is away the source's watches tell.
        if (isRefusal(fault))
          this.#told.tell(
            `the mesh's roots are not kept in the ConfigMaps ${rootConfigMap}: ${faultWords(fault, watchRule(kind))}`,
          );
      },
      onBadObject: (message) => this.#told.tell(message),
    });
  }

  /** This control plane leads. */
  start(): void {
    this.#asked.clear();
    this.#turns.start();
  }

  stop(): void {
    this.#turns.stop();
  }

  /** The roots have changed, or what is in the cluster. */
  changed(): void {
    this.#turns.changed();
  }

  close(): void {
    this.#turns.close();
  }

  async #turn(): Promise<number> {
    if (!this.#namespaces.synced || !this.#configMaps.synced) return restMs;
    const roots = this.#options.roots();
    for (const each of this.#wanted(roots)) {
      if (!this.#turns.leading) break;
      const waitMs = this.#waitMs();
      if (waitMs > 0) return waitMs;
      await this.#write(each, roots);
    }
    return restMs;
  }

  /** 0: one may be written. */
  #waitMs(): number {
    const nowMs = this.#options.nowMs();
    if (nowMs - this.#spanFromMs >= spanMs) {
      this.#spanFromMs = nowMs;
      this.#inSpan = 0;
    }
    return this.#inSpan++ < writesPerSpan ? 0 : Math.ceil(this.#spanFromMs + spanMs - nowMs);
  }

  /** What is missing before what is old. */
  #wanted(roots: string): readonly Write[] {
    const missing: Write[] = [];
    const old: Write[] = [];
    for (const { key: namespace, injects, ending } of this.#namespaces.items.values()) {
      const before = this.#configMaps.items.get(namespace) ?? null;
      if (!injects || ending || ownNamespaces.includes(namespace) || this.#options.leftOut.includes(namespace))
        continue;
      if (before?.roots === roots || this.#isAsked(namespace, before, roots)) continue;
      if (before === null) missing.push({ namespace, before });
      else if (before.isOurs) old.push({ namespace, before });
      else
        this.#told.tell(
          `ConfigMap ${namespace}/${rootConfigMap} is not ours, so it is left as it is, and sidecars in ${namespace} may not know this control plane; delete it, or put outrigger-control-plane into its label app.kubernetes.io/managed-by, and the mesh's roots are kept in it`,
        );
    }
    return [...missing, ...old];
  }

  #isAsked(namespace: string, before: KeptRootConfigMap | null, roots: string): boolean {
    const asked = this.#asked.get(namespace);
    return (
      asked !== undefined && asked.what === `${before?.version ?? ''} ${roots}` && asked.untilMs > this.#options.nowMs()
    );
  }

  async #write({ namespace, before }: Write, roots: string): Promise<void> {
    const untilMs = this.#options.nowMs() + restMs;
    this.#asked.set(namespace, { what: `${before?.version ?? ''} ${roots}`, untilMs });
    // Another's that has come meanwhile is not overwritten, nor one that has changed.
    const query = new URLSearchParams({ fieldManager, force: String(before !== null) });
    const metadata = {
      ...{ name: rootConfigMap, namespace, labels: ownLabels },
      ...(before === null ? {} : { resourceVersion: before.version }),
    };
    try {
      await this.#options.client.call({
        method: 'PATCH',
        path: `/api/v1/namespaces/${namespace}/configmaps/${rootConfigMap}?${query}`,
        contentType: 'application/apply-patch+yaml',
        body: { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { [rootKey]: roots } },
      });
    } catch (error) {
      if (isPassingWriteFault(error)) return;
      if (error instanceof ApiFault && error.status === 403 && error.message.includes('being terminated')) return;
      this.#told.tell(`ConfigMap ${namespace}/${rootConfigMap} cannot be written: ${faultWords(error, writeRule)}`);
    }
  }
}
