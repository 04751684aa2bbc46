/** Takes a sidecar out of a pod: what injection put in goes, what it changed is as it was, and all else stays, also what was added since. The exact inverse of inject-pod.ts. */
import { type AppProbes, readAppProbes, removeDrainHook, restoreProbes } from './app-probes.ts';
import { type InjectedState, isStateAnnotation, readState } from './injected-state.ts';
import { type RestoredField, restoredFields } from './kept-texts.ts';
import { appProbesVariable, ownContainers, ownVolumes, sidecarContainer, stateAnnotation } from './own-names.ts';
import type { Container, Pod } from './pod.ts';

export type Uninjection =
  | { readonly kind: 'uninjected'; readonly pod: Pod; readonly restored: readonly RestoredField[] }
  /** It has no sidecar of ours. */
  | { readonly kind: 'none' }
  | { readonly kind: 'refused'; readonly faults: readonly string[] };

export function uninjectPod(pod: Pod): Uninjection {
  const state = readState(pod);
  if (state === 'none') return { kind: 'none' };
  const { spec } = pod;
  const all = [...(spec.initContainers ?? []), ...spec.containers];
  const sidecar = all.find(({ name }) => name === sidecarContainer);
  const at = `metadata.annotations["${stateAnnotation}"]`;
  if (state === 'broken')
    return {
      kind: 'refused',
      faults: [`${at}: is not what injection wrote; take it out, and what is named outrigger-… with it`],
    };
  if (sidecar === undefined)
    return {
      kind: 'refused',
      faults: [`${at}: says that the pod has a sidecar, and there is no container ${sidecarContainer}; take it out`],
    };
  const probes = probesOf(sidecar);
  if (probes === null)
    return {
      kind: 'refused',
      faults: [
        `container ${sidecarContainer}: its variable ${appProbesVariable} is not what injection wrote, so the application's probes are not known; take the sidecar out by hand`,
      ],
    };
  const restored = new Set<string>();
  const before = without(pod, state, probes, restored);
  return { kind: 'uninjected', pod: before, restored: restoredFields(before, state, restored) };
}

function without(pod: Pod, state: InjectedState, probes: AppProbes, restoredProbes: Set<string>): Pod {
  const restored = (containers: readonly Container[]): Container[] =>
    containers
      .filter(({ name }) => !ownContainers.includes(name))
      .map((each) => removeDrainHook(restoreProbes(each, probes, restoredProbes), state));
  const { created, empty } = state;
  /** What it was before, when nothing else has come into it. */
  const orNone = <Value>(path: string, value: Value, isEmpty: boolean): Value | null | undefined =>
    !isEmpty ? value : created.includes(path) ? undefined : empty.includes(path) ? null : value;
  const texts = (field: 'annotations' | 'labels', added: readonly string[]): Readonly<Record<string, string>> =>
    Object.fromEntries(
      Object.entries(pod.metadata?.[field] ?? {}).filter(([name]) => !added.includes(name) && !isStateAnnotation(name)),
    );
  let metadata = pod.metadata ?? {};
  for (const [field, added] of [
    ['labels', state.labels],
    ['annotations', state.annotations],
  ] as const) {
    const kept = texts(field, added);
    metadata = withField(metadata, field, orNone(`metadata.${field}`, kept, Object.keys(kept).length === 0));
  }
  const keptMetadata = orNone('metadata', metadata, Object.keys(metadata).length === 0);
  let spec: Pod['spec'] = { ...pod.spec, containers: restored(pod.spec.containers) };
  const inits = restored(pod.spec.initContainers ?? []);
  if ((pod.spec.initContainers ?? null) !== null)
    spec = withField(spec, 'initContainers', orNone('spec.initContainers', inits, inits.length === 0));
  const volumes = (pod.spec.volumes ?? []).filter(({ name }) => !ownVolumes.includes(name));
  if ((pod.spec.volumes ?? null) !== null)
    spec = withField(spec, 'volumes', orNone('spec.volumes', volumes, volumes.length === 0));
  if (state.grace !== undefined)
    spec = withField(
      spec,
      'terminationGracePeriodSeconds',
      state.grace ?? (empty.includes('spec.terminationGracePeriodSeconds') ? null : undefined),
    );
  return withField({ ...pod, spec }, 'metadata', keptMetadata) as Pod;
}

/** In its place; undefined takes it away. */
function withField<Value extends object>(value: Value, name: string, field: unknown): Value {
  if (field !== undefined) return { ...value, [name]: field };
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== name)) as Value;
}

/** Null: they are not what was written. */
function probesOf({ env }: Container): AppProbes | null {
  const text = env?.find(({ name }) => name === appProbesVariable)?.value;
  if (text === undefined) return {};
  return typeof text === 'string' ? readAppProbes(text) : null;
}
