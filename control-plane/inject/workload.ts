/** Where the pod is in what Kubernetes takes: a Pod itself, a workload's pod template, the items of a List. Kinds that make no pods, or that nobody here knows, have none. */
import { pointer } from '../../yaml/json-pointer.ts';

/** A pod, or a pod template, within a document. */
export interface FoundPod {
  /** JSON Pointer of what has `metadata` and `spec` of a pod. */
  readonly path: string;
  readonly kind: string;
  readonly name: string;
  /** '' when it says none. */
  readonly namespace: string;
  /** The workload's name; '' of a Pod. */
  readonly owner: string;
  readonly pod: unknown;
}

/** Something of a document that has no pod; `what`: its kind and name. */
export interface FoundOther {
  readonly what: string;
  readonly why: string;
}

export interface FoundPods {
  readonly pods: readonly FoundPod[];
  readonly others: readonly FoundOther[];
}

/** By group and kind: where its pod template is. */
const templates: ReadonlyMap<string, readonly string[]> = new Map([
  ['v1 Pod', []],
  ['v1 PodTemplate', ['template']],
  ['v1 ReplicationController', ['spec', 'template']],
  ['apps/v1 Deployment', ['spec', 'template']],
  ['apps/v1 StatefulSet', ['spec', 'template']],
  ['apps/v1 DaemonSet', ['spec', 'template']],
  ['apps/v1 ReplicaSet', ['spec', 'template']],
  ['batch/v1 Job', ['spec', 'template']],
  ['batch/v1 CronJob', ['spec', 'jobTemplate', 'spec', 'template']],
]);
const workloadKinds: ReadonlySet<string> = new Set([...templates.keys()].map((each) => each.split(' ')[1]!));
const maxListDepth = 8;

export function findPods(document: unknown): FoundPods {
  const pods: FoundPod[] = [];
  const others: FoundOther[] = [];
  find(document, [], 0, pods, others);
  return { pods, others };
}

function find(
  value: unknown,
  path: readonly (string | number)[],
  depth: number,
  pods: FoundPod[],
  others: FoundOther[],
): void {
  const resource = isMap(value) ? value : {};
  const { apiVersion, kind } = resource;
  const metadata = isMap(resource['metadata']) ? resource['metadata'] : {};
  const name = text(metadata['name']) || text(metadata['generateName']);
  const what = name === '' ? text(kind) || 'a document without a kind' : `${text(kind)} ${name}`;
  if (text(kind).endsWith('List') && Array.isArray(resource['items'])) {
    if (depth === maxListDepth)
      others.push({ what, why: `lists stand within each other more than ${maxListDepth} deep` });
    else
      for (const [index, item] of resource['items'].entries())
        find(item, [...path, 'items', index], depth + 1, pods, others);
    return;
  }
  const at = templates.get(`${text(apiVersion)} ${text(kind)}`);
  if (at === undefined) {
    others.push({
      what,
      why: workloadKinds.has(text(kind))
        ? `${JSON.stringify(apiVersion)} is not the group of a ${text(kind)} that is known here`
        : 'makes no pods that are known here',
    });
    return;
  }
  let pod: unknown = resource;
  for (const part of at) pod = isMap(pod) ? pod[part] : undefined;
  pods.push({
    path: pointer([...path, ...at]),
    kind: text(kind),
    name,
    namespace: text(metadata['namespace']),
    owner: at.length === 0 ? '' : name,
    pod,
  });
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
