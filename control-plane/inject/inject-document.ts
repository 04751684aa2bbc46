/** Injection of one document, with every pod in it: the patch that changes it, and what is to be told of each. What the document was read from is its caller's. */
import type { FieldTexts } from '../../yaml/edited-text.ts';
import { type InjectionInput, injectPod } from './inject-pod.ts';
import { jsonPatch, type PatchOperation } from './json-patch.ts';
import type { RestoredField, TextOf } from './kept-texts.ts';
import type { MeshWide } from './knobs.ts';
import { type Pod, readPod } from './pod.ts';
import { uninjectPod } from './uninject-pod.ts';
import { type FoundPod, findPods } from './workload.ts';

export interface Told {
  /** `refused`: the document is not to be used. */
  readonly kind: 'changed' | 'unchanged' | 'skipped' | 'warning' | 'refused';
  /** `Deployment shop/orders: …`. */
  readonly line: string;
}

export interface PatchedDocument {
  readonly operations: readonly PatchOperation[];
  /** How fields that were put back are to be written. */
  readonly texts: FieldTexts;
  readonly told: readonly Told[];
}

type Change =
  | {
      readonly kind: 'to';
      readonly pod: Pod;
      readonly what: string;
      readonly warnings: readonly string[];
      readonly restored: readonly RestoredField[];
    }
  | { readonly kind: 'skipped'; readonly why: string }
  | { readonly kind: 'refused'; readonly faults: readonly string[] };

/** `defaultNamespace`: of what says none. `textOf`: of the document's fields. */
export function injectDocument(
  document: unknown,
  meshWide: MeshWide,
  defaultNamespace = '',
  textOf?: TextOf,
): PatchedDocument {
  return change(document, defaultNamespace, textOf, (input) => {
    const injection = injectPod(input, meshWide);
    return injection.kind === 'injected'
      ? {
          kind: 'to',
          pod: injection.pod,
          what: `a sidecar of ${injection.service}`,
          warnings: injection.warnings,
          restored: [],
        }
      : injection;
  });
}

export function uninjectDocument(document: unknown): PatchedDocument {
  return change(document, '', undefined, ({ pod }) => {
    const read = readPod(pod);
    if ('faults' in read) return { kind: 'refused', faults: read.faults };
    const before = uninjectPod(read.pod);
    if (before.kind === 'none') return { kind: 'skipped', why: 'has no sidecar' };
    return before.kind === 'refused'
      ? before
      : { kind: 'to', pod: before.pod, what: 'without its sidecar', warnings: [], restored: before.restored };
  });
}

function change(
  document: unknown,
  defaultNamespace: string,
  textOf: TextOf | undefined,
  changeOf: (input: InjectionInput) => Change,
): PatchedDocument {
  const { pods, others } = findPods(document);
  const operations: PatchOperation[] = [];
  const texts = new Map<string, string | { readonly value: unknown }>();
  const told: Told[] = others.map(({ what, why }) => ({ kind: 'skipped', line: `${what}: left as it is: ${why}` }));
  for (const found of pods) {
    const { pod, path, owner } = found;
    // A Pod itself is always a map, as it has a kind.
    if (typeof pod !== 'object' || pod === null || Array.isArray(pod)) {
      const template = path.replace(/^(?:\/items\/\d+)*\//, '').replaceAll('/', '.');
      told.push({
        kind: 'refused',
        line: `${nameOf(found)}: ${template}: ${pod === undefined ? 'is missing' : 'has to be a map'}: it is the pod template, of which a ${found.kind} makes its pods`,
      });
      continue;
    }
    const changed = changeOf({
      pod,
      namespace: found.namespace || defaultNamespace,
      owner,
      ...(textOf === undefined ? {} : { textOf: (at) => textOf(path + at) }),
    });
    const name = nameOf(found);
    if (changed.kind === 'skipped') told.push({ kind: 'skipped', line: `${name}: left as it is: ${changed.why}` });
    else if (changed.kind === 'refused')
      for (const fault of changed.faults) told.push({ kind: 'refused', line: `${name}: ${fault}` });
    else {
      const patch = jsonPatch(pod, changed.pod, path);
      operations.push(...patch);
      for (const { path: at, text, anew } of changed.restored) {
        const written = text ?? anew;
        if (written !== undefined) texts.set(path + at, written);
      }
      told.push(
        patch.length === 0
          ? { kind: 'unchanged', line: `${name}: has ${changed.what} already` }
          : { kind: 'changed', line: `${name}: ${changed.what}` },
        ...changed.warnings.map((warning): Told => ({ kind: 'warning', line: `${name}: ${warning}` })),
      );
    }
  }
  return { operations, told, texts };
}

function nameOf({ kind, namespace, name }: FoundPod): string {
  return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name === '' ? '(no name)' : name}`;
}
