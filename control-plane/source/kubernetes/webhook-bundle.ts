/**
 * Keeps, as the leader, the `caBundle` by which the API server knows the injection webhook what the mesh's roots are: in the MutatingWebhookConfiguration of one name, and there in the entries that are ours. Written when the roots
 * change (both are in it while a root takes another's place), and when somebody installs it anew, or changes it. It makes none, and never touches another.
 */
import { ownWebhookSuffix } from '../../inject/webhook/webhook-configuration.ts';
import { faultWords, isPassingWriteFault, isRefusal } from './api-fault.ts';
import { LeaderTurns } from './leader-turns.ts';
import { field, listOf, textOf } from './object-fields.ts';
import { type ListAndWatch, Reflector } from './reflector.ts';
import { ToldOnce } from './told-once.ts';
import { type Kept, type WatchedKind, watchRule } from './watched-kind.ts';

export interface WebhookBundleOptions {
  readonly client: ListAndWatch;
  /** Of the MutatingWebhookConfiguration. */
  readonly name: string;
  /** PEM, the newest. */
  readonly roots: () => string;
  readonly after: (delayMs: number, callback: () => void) => () => void;
  readonly nowMs: () => number;
  readonly random: () => number;
  /** One line for the operator, each once. */
  readonly tell: (line: string) => void;
}

interface KeptWebhooks extends Kept {
  readonly entries: ReadonlyArray<{ readonly name: string; readonly caBundle: string }>;
}

/** What failed is tried again. */
const restMs = 10_000;
const group = 'admissionregistration.k8s.io';
const plural = 'mutatingwebhookconfigurations';
const path = `/apis/${group}/v1/${plural}`;

function webhooksKind(name: string): WatchedKind<KeptWebhooks> {
  return {
    ...{ group, plural, apiVersion: 'v1', optional: false },
    // A role that names this one allows to list and watch by it.
    fieldSelector: `metadata.name=${name}`,
    keep: (object) => ({
      key: textOf(field(field(object, 'metadata'), 'name')),
      version: textOf(field(field(object, 'metadata'), 'resourceVersion')),
      entries: listOf(field(object, 'webhooks')).map((each) => ({
        name: textOf(field(each, 'name')),
        caBundle: textOf(field(field(each, 'clientConfig'), 'caBundle')),
      })),
    }),
  };
}

export class WebhookBundle {
  readonly #options: WebhookBundleOptions;
  readonly #kind: WatchedKind<KeptWebhooks>;
  readonly #configurations: Reflector<KeptWebhooks>;
  readonly #told: ToldOnce;
  readonly #turns: LeaderTurns;

  constructor(options: WebhookBundleOptions) {
    this.#options = options;
    this.#told = new ToldOnce(options.tell);
    const { client, name, after, nowMs, random } = options;
    this.#kind = webhooksKind(name);
    this.#configurations = new Reflector({
      ...{ kind: this.#kind, client, after, nowMs, random },
      onChange: () => this.changed(),
      onFault: (fault) => {
        // That the API server is away the source's watches tell.
        if (isRefusal(fault)) this.#cannot(fault);
      },
      onBadObject: (message) => this.#told.tell(message),
    });
    this.#turns = new LeaderTurns({ watches: [this.#configurations], after, turn: () => this.#turn() });
  }

  /** This control plane leads. */
  start(): void {
    this.#turns.start();
  }

  stop(): void {
    this.#turns.stop();
  }

  /** The roots have changed, or the configuration. */
  changed(): void {
    this.#turns.changed();
  }

  close(): void {
    this.#turns.close();
  }

  async #turn(): Promise<number> {
    if (this.#configurations.synced) await this.#keep();
    return restMs;
  }

  async #keep(): Promise<void> {
    const { client, name, roots } = this.#options;
    const what = `MutatingWebhookConfiguration ${name}`;
    const found = this.#configurations.items.get(name);
    if (found === undefined) {
      this.#told.tell(
        `there is no ${what}, so no pod gets a sidecar when it is made; \`outrigger webhook | kubectl apply -f -\` or the chart makes it, --webhook-configuration names another`,
      );
      return;
    }
    const ours = found.entries.filter((each) => each.name.endsWith(ownWebhookSuffix));
    if (ours.length === 0) {
      this.#told.tell(`${what} has no entry of ours (…${ownWebhookSuffix}), so it is left as it is`);
      return;
    }
    const caBundle = Buffer.from(roots()).toString('base64');
    const old = ours.filter((each) => each.caBundle !== caBundle);
    if (old.length === 0) return;
    try {
      await client.call({
        method: 'PATCH',
        path: `${path}/${name}`,
        // Entries are told by their names; all else in them, and the others, stay.
        contentType: 'application/strategic-merge-patch+json',
        body: {
          metadata: { resourceVersion: found.version },
          webhooks: old.map((each) => ({ name: each.name, clientConfig: { caBundle } })),
        },
      });
    } catch (error) {
      if (!isPassingWriteFault(error)) this.#cannot(error);
    }
  }

  #cannot(fault: unknown): void {
    const rule = { ...watchRule(this.#kind), verbs: ['list', 'watch', 'patch'] };
    this.#told.tell(
      `the API server cannot be told by which roots it knows the injection webhook: ${faultWords(fault, rule)}, resourceNames: [${this.#options.name}]`,
    );
  }
}
