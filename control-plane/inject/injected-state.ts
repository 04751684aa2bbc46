/** What the state annotation of an injected pod says: by which version, and what was there before where the change itself does not show it. */
import { z } from 'zod';
import { stateAnnotation } from './own-names.ts';
import type { Pod } from './pod.ts';

/** More than the bounds of a pod let there be. */
const paths = z.array(z.string()).max(2_048);
const added = z.array(z.string()).max(16);

const state = z.strictObject({
  version: z.literal(1),
  /** Maps and lists that were not there, by their path in the pod (`spec.volumes`, `web.lifecycle`). */
  created: paths,
  /** The same, of those that stood there without a value (`volumes:`). */
  empty: paths,
  /** Those that were added, beside this one. */
  annotations: added,
  labels: added,
  /** `terminationGracePeriodSeconds` before, where it was changed; null: there was none. */
  grace: z.number().nullable().optional(),
  /** How a file wrote what was changed, where its value does not show it: by the field, or the probe's path (kept-texts.ts). */
  texts: z.record(z.string(), z.string()).optional(),
});

export type InjectedState = z.infer<typeof state>;

const pieceName = new RegExp(`^${stateAnnotation.replaceAll('.', '\\.')}(?:\\.[1-9]\\d?)?$`);

export function isStateAnnotation(name: string): boolean {
  return pieceName.test(name);
}

/** As annotations: one, or where values may not be longer than `maxLength` several, `….1` and so on behind it. */
export function writeState(value: InjectedState, maxLength = Number.POSITIVE_INFINITY): Record<string, string> {
  const text = JSON.stringify(value);
  const pieces: Record<string, string> = {};
  for (let at = 0, number = 0; at < text.length; at += maxLength, number++)
    pieces[number === 0 ? stateAnnotation : `${stateAnnotation}.${number}`] = text.slice(at, at + maxLength);
  return pieces;
}

/** `none`: it was never injected. `broken`: what stands there is not ours, or was changed. */
export function readState(pod: Pod): InjectedState | 'none' | 'broken' {
  const annotations = pod.metadata?.annotations ?? {};
  if (!Object.hasOwn(annotations, stateAnnotation)) return 'none';
  const numberOf = (name: string): number => Number(name.slice(stateAnnotation.length + 1));
  const text = Object.keys(annotations)
    .filter(isStateAnnotation)
    .toSorted((a, b) => numberOf(a) - numberOf(b))
    .map((name) => annotations[name]!)
    .join('');
  try {
    const parsed = state.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : 'broken';
  } catch {
    return 'broken';
  }
}
