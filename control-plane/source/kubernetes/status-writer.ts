/**
 * Writes the status of routes and policies, as the leader: looks now and then what each is to say, and writes those that say something else, a few in a second. A write carries the resourceVersion that it was made
 * from, as the list of a route's parents belongs to others too; one that lost the race is looked at again when its newer version has come.
 */

import type { Call } from './api-client.ts';
import { ApiFault, faultWords } from './api-fault.ts';
import { type Condition, controllerName, policyConditions, routeConditions, type StatusContext } from './conditions.ts';
import type { MeshDocument } from './mesh-documents.ts';
import { type Fields, field, fieldsOf, listOf, textOf } from './object-fields.ts';
import { ToldOnce } from './told-once.ts';
import { collectionPath } from './watched-kind.ts';
import { type DocumentKind, documentKinds } from './watched-kinds.ts';

export interface StatusWriterOptions {
  readonly call: (call: Call) => Promise<unknown>;
  readonly documents: () => Iterable<MeshDocument>;
  /** Null: not now; what is there is not in the model yet. */
  readonly context: () => StatusContext | null;
  readonly after: (delayMs: number, callback: () => void) => () => void;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  /** One line for the operator, each once. */
  readonly tell: (line: string) => void;
}

/** What proxies refuse is not told to us, so it is looked at. */
const lookMs = 2_000;
/** After a change of the mesh: proxies need a moment to answer, and rollouts change again. */
const settleMs = 300;
/** Of each ten seconds. */
const writesPerSpan = 50;
const spanMs = 10_000;
/** An object whose write failed is left alone for so long. */
const restMs = 15_000;

export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #told: ToldOnce;
  /** By `Kind namespace/name`: the version from which it was written last, until a newer one has come; and who rests. */
  readonly #written = new Map<string, string>();
  readonly #restsUntil = new Map<string, number>();
  #cancel: (() => void) | null = null;
  #soon = false;
  #running = false;
  #busy = false;
  #spanFromMs = 0;
  #inSpan = 0;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    this.#told = new ToldOnce(options.tell, 1_000);
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#arm(0);
  }

  stop(): void {
    this.#running = false;
    this.#cancel?.();
    this.#cancel = null;
    this.#soon = false;
  }

  /** Something has changed. */
  wake(): void {
    if (this.#running && !this.#soon && !this.#busy) this.#arm(settleMs);
  }

  #arm(delayMs: number): void {
    this.#cancel?.();
    this.#soon = delayMs < lookMs;
    this.#cancel = this.#options.after(delayMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    this.#soon = false;
    this.#busy = true;
    const context = this.#options.context();
    if (context !== null) await this.#writeAll([...this.#options.documents()], context);
    this.#busy = false;
    if (this.#running) this.#arm(context === null ? settleMs : lookMs);
  }

  async #writeAll(documents: readonly MeshDocument[], context: StatusContext): Promise<void> {
    for (const mesh of documents) {
      if (!this.#running) break;
      const body = this.#wanted(mesh, context);
      if (body === null) continue;
      if (!this.#mayWrite()) break;
      await this.#write(mesh, body);
    }
    this.#forget(documents);
  }

  #mayWrite(): boolean {
    const nowMs = this.#options.nowMs();
    if (nowMs - this.#spanFromMs >= spanMs) {
      this.#spanFromMs = nowMs;
      this.#inSpan = 0;
    }
    return this.#inSpan++ < writesPerSpan;
  }

  /** Null: nothing is to be written. */
  #wanted(mesh: MeshDocument, context: StatusContext): object | null {
    const { document } = mesh;
    const name = nameOf(mesh);
    if (this.#written.get(name) === document.version) return null;
    if ((this.#restsUntil.get(name) ?? 0) > this.#options.nowMs()) return null;
    const now = new Date(this.#options.wallMs()).toISOString().replace(/\.\d+Z$/, 'Z');
    const { kind, generation, status, parents } = document;
    if (kind !== 'HTTPRoute' && kind !== 'GRPCRoute') {
      const conditions = merged(listOf(field(status, 'conditions')), policyConditions(mesh, context), generation, now);
      return conditions === null ? null : { conditions };
    }
    const before = listOf(field(status, 'parents')).map(fieldsOf);
    const isOurs = (each: Fields): boolean => each['controllerName'] === controllerName;
    let changed = false;
    const ours = parents.map((parentRef, at): Fields => {
      const old = before.find((each) => isOurs(each) && sameParent(fieldsOf(each['parentRef']), parentRef));
      const conditions = merged(listOf(old?.['conditions']), routeConditions(mesh, at, context), generation, now);
      changed ||= conditions !== null;
      return { parentRef, controllerName, conditions: conditions ?? listOf(old?.['conditions']) };
    });
    // A parent that is no more is ours no more.
    changed ||= before.filter(isOurs).length !== ours.length;
    return changed ? { parents: [...before.filter((each) => !isOurs(each)), ...ours] } : null;
  }

  async #write(mesh: MeshDocument, status: object): Promise<void> {
    const { document } = mesh;
    const name = nameOf(mesh);
    const kind = documentKinds.find((each) => each.kind === document.kind)!;
    try {
      await this.#options.call({
        method: 'PATCH',
        path: objectPath(kind, document.namespace, document.name),
        body: { metadata: { resourceVersion: document.version }, status },
      });
      this.#written.set(name, document.version);
    } catch (error) {
      // Gone, or changed meanwhile: the watch brings what is there now.
      if (error instanceof ApiFault && (error.status === 404 || error.status === 409)) {
        this.#restsUntil.set(name, this.#options.nowMs() + lookMs);
        return;
      }
      this.#restsUntil.set(name, this.#options.nowMs() + restMs);
      const rule = { group: kind.group, resource: `${kind.plural}/status`, verbs: ['patch'], namespace: '' };
      this.#told.tell(`the status of ${name} cannot be written: ${faultWords(error, rule)}`);
    }
  }

  #forget(documents: readonly MeshDocument[]): void {
    const known = new Set(documents.map(nameOf));
    for (const map of [this.#written, this.#restsUntil])
      for (const name of map.keys()) if (!known.has(name)) map.delete(name);
  }
}

function nameOf({ document }: MeshDocument): string {
  return `${document.kind} ${document.key}`;
}

function objectPath(kind: DocumentKind, namespace: string, name: string): string {
  const at = collectionPath(kind).lastIndexOf('/');
  const path = collectionPath(kind);
  return `${path.slice(0, at)}/namespaces/${namespace}${path.slice(at)}/${name}/status`;
}

/** The conditions as they are to be written; null: they stand there already. Others' conditions stay, and a time changes only with its status. */
function merged(
  before: readonly unknown[],
  wanted: readonly Condition[],
  observedGeneration: number,
  now: string,
): readonly object[] | null {
  let changed = false;
  const mine = wanted.map((condition) => {
    const old = fieldsOf(before.find((each) => field(each, 'type') === condition.type));
    const same =
      old['status'] === condition.status &&
      old['reason'] === condition.reason &&
      old['message'] === condition.message &&
      old['observedGeneration'] === observedGeneration;
    changed ||= !same;
    const since = old['status'] === condition.status ? textOf(old['lastTransitionTime']) || now : now;
    return { ...condition, observedGeneration, lastTransitionTime: since };
  });
  const others = before.filter((each) => !wanted.some(({ type }) => type === field(each, 'type'))).map(fieldsOf);
  return changed ? [...others, ...mine] : null;
}

/** As the API server gives it back, defaults may stand in it that we did not see; these fields say which it is. */
function sameParent(a: Fields, b: Fields): boolean {
  return ['group', 'kind', 'namespace', 'name', 'port', 'sectionName'].every((key) => a[key] === b[key]);
}
