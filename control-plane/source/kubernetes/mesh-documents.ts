/**
 * Routes and policies of the API server as resources. A faulty one is refused alone: what it said before stays in force, as far as this control plane has seen it, now or before it was started, and its faults are told. A change that leaves the spec
 * as it was (the status that we write ourselves) leaves the resource the same object.
 */
import type { Resource } from '../../config-kind/resource.ts';
import type { SourceFault } from '../configuration-files.ts';
import type { KeptDocument } from './kept-document.ts';
import { kubernetesPlace } from './kubernetes-place.ts';
import { type GoodDocument, resourceOf } from './last-good-documents.ts';

export interface MeshDocument {
  readonly document: KeptDocument;
  /** Null: nothing of it. */
  readonly inForce: (GoodDocument & { readonly resource: Resource }) | null;
}

export class MeshDocuments {
  /** By `Kind namespace/name`. */
  readonly #documents = new Map<string, MeshDocument>();
  /** From before the start: of what is faulty now, until it is known that it never was. */
  #before: ReadonlyMap<string, GoodDocument>;
  resources: readonly Resource[] = [];
  faults: readonly SourceFault[] = [];

  constructor(before: ReadonlyMap<string, GoodDocument> = new Map()) {
    this.#before = before;
  }

  /** Everything has been listed: whatever is made from now on was not there before the start. */
  forgetTheStart(): void {
    this.#before = new Map();
  }

  /** By `Kind namespace/name`. */
  get inForce(): ReadonlyMap<string, GoodDocument> {
    return new Map(
      [...this.#documents].flatMap(([name, { inForce }]) => (inForce === null ? [] : [[name, inForce] as const])),
    );
  }

  get all(): Iterable<MeshDocument> {
    return this.#documents.values();
  }

  get size(): number {
    return this.#documents.size;
  }

  /** True when resources or faults are others than before. */
  onChange(kind: string, items: ReadonlyMap<string, KeptDocument>, keys: ReadonlySet<string>): boolean {
    let changed = false;
    for (const key of keys) {
      const name = `${kind} ${key}`;
      const before = this.#documents.get(name);
      const document = items.get(key);
      if (document === undefined) {
        changed ||= before !== undefined;
        this.#documents.delete(name);
        continue;
      }
      const inForce = inForceOf(document, before === undefined ? this.#fromBefore(name, document) : before.inForce);
      this.#documents.set(name, { document, inForce });
      changed ||= inForce?.resource !== before?.inForce?.resource || !sameFaults(document, before?.document);
    }
    if (!changed) return false;
    const all = [...this.#documents.values()];
    this.resources = all.flatMap(({ inForce }) => (inForce === null ? [] : [inForce.resource]));
    this.faults = all.flatMap(({ document, inForce }) =>
      document.faults.map((message) => ({
        ...kubernetesPlace,
        path: '',
        message: `${document.kind} ${document.key}: ${message}`,
        covered: true,
        meanwhile: meanwhile(document, inForce),
      })),
    );
    return true;
  }

  /** Only what is faulty now: the others say themselves what they are. */
  #fromBefore(name: string, { resource, uid }: KeptDocument): MeshDocument['inForce'] {
    const good = this.#before.get(name);
    if (resource !== null || good === undefined || good.uid !== uid) return null;
    const was = resourceOf(good);
    return was === null ? null : { ...good, resource: was };
  }
}

/** What holds in the place of a faulty document; '' when it is good. */
export function meanwhile({ faults }: KeptDocument, inForce: MeshDocument['inForce']): string {
  if (faults.length === 0) return '';
  return inForce === null
    ? 'nothing of it is in force'
    : `what it said before (generation ${inForce.generation}) stays in force`;
}

function inForceOf(
  { resource, generation, uid, text }: KeptDocument,
  before: MeshDocument['inForce'],
): MeshDocument['inForce'] {
  // One of the same name that was made anew is another one.
  const same = before !== null && before.uid === uid;
  if (resource === null) return same ? before : null;
  return same && generation !== 0 && before.generation === generation ? before : { resource, generation, uid, text };
}

function sameFaults({ faults }: KeptDocument, before: KeptDocument | undefined): boolean {
  return (
    before !== undefined &&
    faults.length === before.faults.length &&
    faults.every((fault, at) => fault === before.faults[at])
  );
}
