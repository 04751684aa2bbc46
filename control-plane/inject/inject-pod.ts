/**
 * The one change that puts a sidecar into a pod: (pod, values for all pods) → the pod with it, or why not. Pure; `outrigger inject` and the webhook both call it, and send what differs as one patch. A
 * pod that has a sidecar already gets the one that it would get today.
 */
import { addDrainHook, hookWarnings, type OriginalProbe, rewriteProbes } from './app-probes.ts';
import { podFaults } from './check-pod.ts';
import { firstFaults } from './first-faults.ts';
import { initContainerOf } from './init-container.ts';
import { type InjectedState, writeState } from './injected-state.ts';
import { keptTexts, type TextOf } from './kept-texts.ts';
import { type KnobValues, type LockedKnobs, type MeshWide, readKnobs } from './knobs.ts';
import {
  annotationPrefix,
  healthPort,
  joinTokenSecret,
  ownNamespaces,
  ownPorts,
  rootConfigMap,
  rootVolume,
  serviceLabel,
  tokenAudience,
  tokenVolume,
} from './own-names.ts';
import { type Container, ownField, type Pod, type PodOfWorkload, readPod, type Volume } from './pod.ts';
import { podService } from './pod-service.ts';
import { maxPodmanAnnotation, podmanFaults, podmanFields } from './podman.ts';
import { sidecarContainerOf } from './sidecar-container.ts';
import { uninjectPod } from './uninject-pod.ts';

export interface InjectionInput {
  /** As it came. */
  readonly pod: unknown;
  /** Where it is made; '' when nobody says. */
  readonly namespace: string;
  /** The name of the workload whose template it is; '' for a pod. */
  readonly owner: string;
  /** Of a file. Default: there are no texts. */
  readonly textOf?: TextOf;
}

export type Injection =
  | { readonly kind: 'injected'; readonly pod: Pod; readonly service: string; readonly warnings: readonly string[] }
  /** It is to be as it is. */
  | { readonly kind: 'skipped'; readonly why: string }
  /** It cannot have a sidecar. `faults`: by field of the pod, each with the next step. */
  | { readonly kind: 'refused'; readonly faults: readonly string[] };

/** Kubernetes' own, where a pod says nothing. */
const defaultGraceSeconds = 30;
/** Behind the drain, for the sidecar and the application to end. */
const graceBehindDrainSeconds = 15;

const noText: TextOf = () => null;
const nothing: LockedKnobs = new Set();

/** `locked`: none, where the author of the pod's file injects it. */
export function injectPod(
  { pod: given, namespace, owner, textOf = noText }: InjectionInput,
  meshWide: MeshWide,
  locked: LockedKnobs = nothing,
): Injection {
  if (ownNamespaces.includes(namespace))
    return { kind: 'skipped', why: `the namespace ${namespace} has no sidecars: what the mesh stands on is in it` };
  // Whatever else is in it.
  if (injectWord(given) === 'disabled') return { kind: 'skipped', why: `${annotationPrefix}inject: disabled` };
  const read = readPod(given);
  if ('faults' in read) return { kind: 'refused', faults: read.faults };
  const before = uninjectPod(read.pod);
  if (before.kind === 'refused') return before;
  const pod = before.kind === 'uninjected' ? before.pod : read.pod;
  const knobs = readKnobs(pod.metadata?.annotations ?? {}, meshWide, locked);
  const faults = ['faults' in knobs ? knobs.faults : [], labelFaults(pod), podFaults(pod)].flat();
  if (faults.length > 0 || 'faults' in knobs) return { kind: 'refused', faults: firstFaults(faults) };
  const { values } = knobs;
  const kept: KeptTexts = (probes, state) =>
    keptTexts(read.pod, textOf, probes, state, before.kind === 'uninjected' ? before.restored : []);
  const service = podService(pod, values.service, owner);
  const appPorts = portsOf(pod, values);
  const more = wantedFaults(pod, values, service, appPorts);
  if (more.length > 0) return { kind: 'refused', faults: firstFaults(more) };
  return { kind: 'injected', ...withSidecar({ pod, owner }, namespace, values, service, appPorts, kept), service };
}

/** As an annotation, or as a label. */
function injectWord(pod: unknown): unknown {
  const metadata = ownField(pod, 'metadata');
  const name = `${annotationPrefix}inject`;
  return ownField(ownField(metadata, 'annotations'), name) ?? ownField(ownField(metadata, 'labels'), name);
}

function labelFaults({ metadata }: Pod): readonly string[] {
  const name = `${annotationPrefix}inject`;
  const word = metadata?.labels?.[name];
  return word === undefined || word === 'enabled' || word === 'disabled'
    ? []
    : [`metadata.labels[${JSON.stringify(name)}]: ${JSON.stringify(word)} is not one of enabled, disabled`];
}

/** What values ask for that cannot be. */
function wantedFaults(
  { metadata, spec }: Pod,
  values: KnobValues,
  service: string,
  appPorts: readonly number[],
): readonly string[] {
  const faults: string[] = [];
  const label = metadata?.labels?.[serviceLabel] ?? service;
  if (label !== service)
    faults.push(
      `metadata.labels["${serviceLabel}"]: ${JSON.stringify(label)} is not what the annotation of the same name says (${JSON.stringify(service)}); let one of them be`,
    );
  if (service === '')
    faults.push(
      `metadata: nothing says of which service the pod is an instance (no annotation ${annotationPrefix}service, and no label app.kubernetes.io/name or app, or workload, that is named as a service can be); annotate it ${annotationPrefix}service: NAME`,
    );
  if (values.interception === 'none' && appPorts.length !== 1)
    faults.push(
      `metadata.annotations["${annotationPrefix}interception"]: without interception the sidecar stands before exactly one port of the application, and there are ${appPorts.length}; name it with ${annotationPrefix}app-ports`,
    );
  if (values.platform === 'podman') faults.push(...podmanFaults(spec, values));
  for (const port of values['app-ports'])
    if (ownPorts.has(port))
      faults.push(
        `metadata.annotations["${annotationPrefix}app-ports"]: ${port} is the sidecar's port (${ownPorts.get(port)}); let the application listen on another`,
      );
  return faults;
}

function portsOf({ spec }: Pod, values: KnobValues): readonly number[] {
  if (values['app-ports'].length > 0) return values['app-ports'];
  const ports = [...spec.containers, ...(spec.initContainers ?? []).filter(isNative)]
    .flatMap(({ ports }) => ports ?? [])
    .filter(({ protocol }) => (protocol ?? 'TCP') === 'TCP')
    .map(({ containerPort }) => containerPort);
  return [...new Set(ports)];
}

function isNative({ restartPolicy }: Container): boolean {
  return restartPolicy === 'Always';
}

/** Labels that Kubernetes makes for one generation of pods: no policy chooses by them. */
const generationLabels: ReadonlySet<string> = new Set([
  'pod-template-hash',
  'controller-revision-hash',
  'pod-template-generation',
  'controller-uid',
  'batch.kubernetes.io/controller-uid',
  'batch.kubernetes.io/job-name',
  'job-name',
  'statefulset.kubernetes.io/pod-name',
  'apps.kubernetes.io/pod-index',
]);

/** Of probes by their paths, and of what the record names. */
type KeptTexts = (
  probes: readonly string[],
  state: Pick<InjectedState, 'grace' | 'empty'>,
) => Readonly<Record<string, string>>;

function withSidecar(
  { pod, owner }: PodOfWorkload,
  namespace: string,
  knobs: KnobValues,
  service: string,
  appPorts: readonly number[],
  kept: KeptTexts,
): { readonly pod: Pod; readonly warnings: readonly string[] } {
  const { metadata, spec } = pod;
  const created: string[] = [];
  const empty: string[] = [];
  const warnings: string[] = [];
  /** A list or map of the pod, which may not be there. */
  const noted = <Value>(path: string, value: Value | null | undefined, none: Value): Value => {
    if (value === undefined) created.push(path);
    else if (value === null) empty.push(path);
    return value ?? none;
  };
  const intercepted = knobs.interception !== 'none';
  const probes: Record<string, OriginalProbe> = {};
  const application = (container: Container): Container => {
    warnings.push(...(intercepted ? hookWarnings(container) : []));
    const rewritten =
      intercepted && knobs.probes === 'rewrite' ? rewriteProbes(container, probes, warnings) : container;
    return addDrainHook(rewritten, created, empty);
  };
  const containers = spec.containers.map(application);
  const inits = (spec.initContainers ?? []).map((each) => (isNative(each) ? application(each) : each));
  const labels = Object.entries(metadata?.labels ?? {}).filter(([key]) => !generationLabels.has(key));
  const fields = knobs.platform === 'podman' ? podmanFields(pod, { namespace, owner, service }) : null;
  const sidecar = sidecarContainerOf({ knobs, service, appPorts, labels: Object.fromEntries(labels), probes, fields });
  const init = initContainerOf(knobs);
  const ours = init === null ? [] : [init];
  const native = knobs['native-sidecar'];
  // A native sidecar is there before the application's init containers; beside a classic one they come before the rules, as nobody would take their calls.
  const allInits = native ? [...ours, sidecar, ...inits] : [...inits, ...ours];
  if (!native && spec.restartPolicy !== undefined && spec.restartPolicy !== null && spec.restartPolicy !== 'Always')
    warnings.push(
      `restartPolicy ${spec.restartPolicy} with ${annotationPrefix}native-sidecar: "false": the pod does not end when its containers have, as the sidecar goes on; a native one ends with them`,
    );
  const grace = graceOf(spec.terminationGracePeriodSeconds, knobs);
  if (grace !== null && spec.terminationGracePeriodSeconds === null) empty.push('spec.terminationGracePeriodSeconds');
  const before = noted('metadata', metadata, {} as NonNullable<Pod['metadata']>);
  const annotations = noted('metadata.annotations', before.annotations, {});
  const ownLabels = noted('metadata.labels', before.labels, {});
  const named: Record<string, string> = Object.hasOwn(ownLabels, serviceLabel) ? {} : { [serviceLabel]: service };
  const scraped = knobs.prometheus ? scrapeAnnotations(annotations, warnings) : {};
  const initContainers =
    allInits.length === 0 ? undefined : (noted('spec.initContainers', spec.initContainers, []), allInits);
  const volumes = volumesOf(knobs, service);
  const allVolumes = volumes.length === 0 ? undefined : [...noted('spec.volumes', spec.volumes, []), ...volumes];
  const changed = grace === null ? {} : { grace: spec.terminationGracePeriodSeconds ?? null };
  // Podman's short annotations have no place for them.
  const texts = fields === null ? kept(Object.keys(probes), { ...changed, empty }) : {};
  const state: InjectedState = {
    version: 1,
    created,
    empty,
    annotations: Object.keys(scraped),
    labels: Object.keys(named),
    ...changed,
    ...(Object.keys(texts).length === 0 ? {} : { texts }),
  };
  return {
    pod: {
      ...pod,
      metadata: {
        ...before,
        labels: { ...ownLabels, ...named },
        annotations: {
          ...annotations,
          ...scraped,
          ...writeState(state, fields === null ? undefined : maxPodmanAnnotation),
        },
      },
      spec: {
        ...spec,
        ...(initContainers === undefined ? {} : { initContainers }),
        containers: native ? containers : [sidecar, ...containers],
        ...(allVolumes === undefined ? {} : { volumes: allVolumes }),
        ...(grace === null ? {} : { terminationGracePeriodSeconds: grace }),
      },
    },
    warnings,
  };
}

/** Null: what is there is long enough. */
function graceOf(given: number | null | undefined, knobs: KnobValues): number | null {
  const wanted = knobs['drain-time'] + graceBehindDrainSeconds;
  return (given ?? defaultGraceSeconds) >= wanted ? null : wanted;
}

function scrapeAnnotations(own: Readonly<Record<string, string>>, warnings: string[]): Record<string, string> {
  const given = Object.keys(own).filter((name) => name.startsWith('prometheus.io/'));
  if (given.length > 0) {
    warnings.push(
      `the annotations ${given.join(', ')} are the application's and stay; the sidecar's metrics are on port ${healthPort} (/metrics)`,
    );
    return {};
  }
  return { 'prometheus.io/scrape': 'true', 'prometheus.io/port': String(healthPort), 'prometheus.io/path': '/metrics' };
}

function volumesOf({ identity, platform }: KnobValues, service: string): readonly Volume[] {
  if (identity === 'none') return [];
  return [
    identity === 'kubernetes'
      ? {
          name: tokenVolume,
          projected: {
            sources: [{ serviceAccountToken: { audience: tokenAudience, expirationSeconds: 3_600, path: 'token' } }],
          },
        }
      : platform === 'podman'
        ? // Podman 4 hands out Secrets as they are written, in base64, and has no namespaces to keep those of several services apart.
          { name: tokenVolume, configMap: { name: `${joinTokenSecret}-${service}` } }
        : { name: tokenVolume, secret: { secretName: joinTokenSecret } },
    { name: rootVolume, configMap: { name: rootConfigMap } },
  ];
}
