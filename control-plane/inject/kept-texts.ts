/**
 * How a file wrote what injection changes in a pod: its quotes, comments and order are in no value, so the record of the original (injected-state.ts) holds the text of those fields, and uninject writes them as they were. Only
 * for fields that nobody could write so from their value; a pod that came without a text (to the webhook) has none.
 */

import { pointer } from '../../yaml/json-pointer.ts';
import { probeFields, probeHandler } from './app-probes.ts';
import type { InjectedState } from './injected-state.ts';
import { appHealthPath } from './own-names.ts';
import type { Pod } from './pod.ts';

/** The text of a field by its JSON Pointer in the pod that was given; null: there is none to be kept. */
export type TextOf = (path: string) => string | null;

/** A field that uninject put back, by its JSON Pointer in the pod that it gives. */
export interface RestoredField {
  readonly path: string;
  /** In the record. */
  readonly key: string;
  /** Null: nothing was kept. */
  readonly text: string | null;
  /** What stood there says nothing of how it was written: without a text it is written anew, as this. */
  readonly anew?: { readonly value: unknown };
}

/** What a field has to be worth being kept: an annotation has its bounds. */
const maxTextLength = 2_048;

/** By their key in the record: those of the probes that went through the sidecar (`probes`: their paths), and the fields that it names. `given`: the pod as it came, where its fields have their texts. */
export function keptTexts(
  given: Pod,
  textOf: TextOf,
  probes: readonly string[],
  { grace, empty }: Pick<InjectedState, 'grace' | 'empty'>,
  before: readonly RestoredField[],
): Readonly<Record<string, string>> {
  const texts: Record<string, string> = {};
  const note = (key: string, path: string): void => {
    const restored = before.find((each) => each.key === key);
    // What was injected before has its text in the record, and not in the file any more.
    const text = restored === undefined ? textOf(path) : restored.text;
    if (text !== null && text.length <= maxTextLength) texts[key] = text;
  };
  const wanted = new Set(probes);
  for (const list of ['initContainers', 'containers'] as const)
    for (const [index, container] of (given.spec[list] ?? []).entries())
      for (const field of probeFields) {
        const key = probePath(container.name, field);
        const handler = wanted.has(key) ? probeHandler(container[field] ?? {}) : undefined;
        if (handler !== undefined) note(key, pointer(['spec', list, index, field, handler]));
      }
  if (grace !== undefined && grace !== null) note(graceKey, pointerOf(graceKey));
  for (const key of empty) if (isOfPod(key)) note(key, pointerOf(key));
  return texts;
}

/** Of the pod without its sidecar: what uninject wrote there. */
export function restoredFields(
  pod: Pod,
  { grace, empty, texts = {} }: InjectedState,
  probes: ReadonlySet<string>,
): readonly RestoredField[] {
  const fields: RestoredField[] = [];
  const textOf = (key: string): string | null => (Object.hasOwn(texts, key) ? texts[key]! : null);
  for (const list of ['initContainers', 'containers'] as const)
    for (const [index, container] of (pod.spec[list] ?? []).entries())
      for (const field of probeFields) {
        const key = probePath(container.name, field);
        const handler = probes.has(key) ? probeHandler(container[field] ?? {}) : undefined;
        if (handler !== undefined)
          fields.push({
            key,
            path: pointer(['spec', list, index, field, handler]),
            text: textOf(key),
            anew: { value: container[field]![handler] },
          });
      }
  for (const key of grace === undefined ? empty : [...empty, graceKey])
    if (isOfPod(key)) fields.push({ key, path: pointerOf(key), text: textOf(key) });
  return fields;
}

export const graceKey = 'spec.terminationGracePeriodSeconds';

function isOfPod(key: string): boolean {
  return /^(?:metadata|spec)(?:\.[a-zA-Z]+)?$/.test(key);
}

function pointerOf(key: string): string {
  return pointer(key.split('.'));
}

function probePath(container: string, field: (typeof probeFields)[number]): string {
  return `${appHealthPath}${container}/${field.slice(0, -'Probe'.length)}`;
}
