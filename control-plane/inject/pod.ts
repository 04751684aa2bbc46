/**
 * A pod, or a workload's pod template, as far as injection reads it. Only the shape is checked, so that nothing behind it trips over a hostile one; whether Kubernetes takes the rest is Kubernetes' own
 * question, and what is not named here goes through as it is.
 */
import { z } from 'zod';
import { firstFaults } from './first-faults.ts';

const port = z.looseObject({
  name: z.string().nullish(),
  containerPort: z.int().min(1).max(65_535),
  hostPort: z.number().nullish(),
  protocol: z.string().nullish(),
});

/** What a probe does. */
export const probeHandlers = {
  httpGet: z.looseObject({
    path: z.string().nullish(),
    port: z.union([z.int(), z.string()]),
    host: z.string().nullish(),
    scheme: z.string().nullish(),
    httpHeaders: z.array(z.looseObject({ name: z.string(), value: z.string() })).nullish(),
  }),
  tcpSocket: z.looseObject({ port: z.union([z.int(), z.string()]), host: z.string().nullish() }),
  grpc: z.looseObject({ port: z.int(), service: z.string().nullish() }),
} as const;

const probe = z.looseObject({
  httpGet: probeHandlers.httpGet.nullish(),
  tcpSocket: probeHandlers.tcpSocket.nullish(),
  grpc: probeHandlers.grpc.nullish(),
  timeoutSeconds: z.number().nullish(),
});

const user = { runAsUser: z.number().nullish(), runAsGroup: z.number().nullish() };

const container = z.looseObject({
  name: z.string().min(1),
  restartPolicy: z.string().nullish(),
  env: z.array(z.looseObject({ name: z.string(), value: z.unknown().optional() })).nullish(),
  ports: z.array(port).nullish(),
  startupProbe: probe.nullish(),
  livenessProbe: probe.nullish(),
  readinessProbe: probe.nullish(),
  lifecycle: z
    .looseObject({
      postStart: z.looseObject({ httpGet: z.unknown().optional() }).nullish(),
      preStop: z.looseObject({ httpGet: z.unknown().optional() }).nullish(),
    })
    .nullish(),
  securityContext: z.looseObject(user).nullish(),
  volumeMounts: z.array(z.looseObject({ name: z.string() })).nullish(),
});

const texts = z.record(z.string(), z.string());

const volume = z.looseObject({ name: z.string() });

const pod = z.looseObject({
  metadata: z
    .looseObject({
      name: z.string().nullish(),
      generateName: z.string().nullish(),
      namespace: z.string().nullish(),
      labels: texts.nullish(),
      annotations: texts.nullish(),
      ownerReferences: z.array(z.looseObject({ kind: z.string(), name: z.string() })).nullish(),
    })
    .nullish(),
  spec: z.looseObject({
    containers: z.array(container).min(1),
    initContainers: z.array(container).nullish(),
    volumes: z.array(volume).nullish(),
    hostNetwork: z.boolean().nullish(),
    restartPolicy: z.string().nullish(),
    serviceAccountName: z.string().nullish(),
    terminationGracePeriodSeconds: z.number().nullish(),
    securityContext: z
      .looseObject({ ...user, fsGroup: z.number().nullish(), supplementalGroups: z.array(z.number()).nullish() })
      .nullish(),
    nodeSelector: texts.nullish(),
    os: z.looseObject({ name: z.string() }).nullish(),
  }),
});

export type Pod = z.infer<typeof pod>;
export type Container = z.infer<typeof container>;
export type Probe = z.infer<typeof probe>;
export type Volume = z.infer<typeof volume>;

/** A workload's pod template, or a pod. `owner`: the workload's name, where it is known; '' else. */
export interface PodOfWorkload {
  readonly pod: Pod;
  readonly owner: string;
}

/** More than pods have; within them injection is a matter of milliseconds. */
const maxEntries: ReadonlyArray<readonly [field: readonly [string, string], most: number]> = [
  [['metadata', 'annotations'], 1_024],
  [['metadata', 'labels'], 1_024],
  [['spec', 'containers'], 256],
  [['spec', 'initContainers'], 256],
];
/** Of everything in it, at whatever depth. Each costs some microseconds of the process that serves the whole mesh. */
const maxValues = 50_000;

/** The very value, once its size and shape are known; else each fault by its field, the first ones. */
export function readPod(value: unknown): { readonly pod: Pod } | { readonly faults: readonly string[] } {
  const large = sizeFaults(value);
  if (large.length > 0) return { faults: large };
  const parsed = pod.safeParse(value);
  if (parsed.success) return { pod: value as Pod };
  const faults = parsed.error.issues.map(
    ({ path, message }) => `${fieldPath(path)}: ${inWords(message).slice(0, 200)}`,
  );
  return { faults: firstFaults(faults) };
}

/** As people call what YAML has. */
const shapes: Readonly<Record<string, string>> = {
  object: 'a map',
  record: 'a map',
  array: 'a list',
  string: 'a text (in quotes, where it looks like something else)',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

/** The validator's message. */
function inWords(message: string): string {
  const [, expected = '', received = ''] = /^Invalid input: expected (\w+), received (\w+)/.exec(message) ?? [];
  const wanted = shapes[expected];
  if (wanted === undefined) return message.replace(/^Invalid input: /, '');
  if (received === 'undefined') return `is missing; it has to be ${wanted}`;
  return `has to be ${wanted}, and ${received === 'null' ? 'has no value' : `is ${(shapes[received] ?? received).replace(/ \(.*/, '')}`}`;
}

/** Of what may have any shape; undefined: it has none of that name. */
export function ownField(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

/** Before the shape is looked at: that costs time for each thing that is wrong. */
function sizeFaults(value: unknown): readonly string[] {
  const faults: string[] = [];
  for (const [path, most] of maxEntries) {
    const field = ownField(ownField(value, path[0]), path[1]);
    if (typeof field === 'object' && field !== null && Object.keys(field).length > most)
      faults.push(`${path.join('.')}: has more than ${most} entries; no pod with so many gets a sidecar`);
  }
  if (faults.length === 0 && valuesLeft(value, maxValues) < 0)
    faults.push(`pod: has more than ${maxValues} values in it; no pod with so many gets a sidecar`);
  return faults;
}

/** What is left of `most`; below 0: it has more, and the rest was not looked at. */
function valuesLeft(value: unknown, most: number): number {
  let left = most - 1;
  if (typeof value !== 'object' || value === null) return left;
  for (const inner of Object.values(value)) {
    if (left < 0) return left;
    left = valuesLeft(inner, left);
  }
  return left;
}

function fieldPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path)
    text += typeof part === 'number' ? `[${part}]` : text === '' ? String(part) : `.${String(part).slice(0, 100)}`;
  return text === '' ? 'pod' : text;
}
