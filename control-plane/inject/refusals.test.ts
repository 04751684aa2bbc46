/** Pods that cannot have a sidecar: one clear reason for each thing that is wrong, and what to do. */
import { describe, expect, test } from 'vitest';
import { type Injection, injectPod } from './inject-pod.ts';
import { lockedByDefault } from './knobs.ts';

function inject(
  change: { readonly metadata?: object | null; readonly spec?: object } = {},
  namespace = 'shop',
): Injection {
  const { metadata = { name: 'a' }, spec = {} } = change;
  return injectPod(
    { pod: { metadata, spec: { containers: [{ name: 'web', image: 'a:1' }], ...spec } }, namespace, owner: 'a' },
    {},
  );
}
const annotated = (annotations: object): Injection => inject({ metadata: { annotations } });
const web = (fields: object): Injection => inject({ spec: { containers: [{ name: 'web', ...fields }] } });
function faults(injection: Injection): string {
  if (injection.kind !== 'refused') throw new Error(JSON.stringify(injection));
  return injection.faults.join('\n');
}

describe('refused, with the next step', () => {
  test.each<[string, Injection, string]>([
    [
      'a pod of its node’s network',
      inject({ spec: { hostNetwork: true } }),
      "spec.hostNetwork: the pod uses its node's network, and rules for the sidecar would intercept the whole node; take hostNetwork away, or annotate the pod outrigger.dev/inject: disabled",
    ],
    ['Windows', inject({ spec: { os: { name: 'windows' } } }), 'spec.os: the sidecar runs on Linux'],
    [
      'the sidecar’s user, for all containers',
      inject({ spec: { securityContext: { runAsUser: 1337 } } }),
      "spec.securityContext.runAsUser: 1337 is the sidecar's user",
    ],
    [
      'the sidecar’s user',
      web({ securityContext: { runAsUser: 1337 } }),
      'spec.containers[0].securityContext.runAsUser: 1337',
    ],
    [
      'the sidecar’s group',
      web({ securityContext: { runAsGroup: 1337 } }),
      "spec.containers[0].securityContext.runAsGroup: 1337 is the sidecar's group",
    ],
    [
      'the sidecar’s user in an init container',
      inject({ spec: { initContainers: [{ name: 'i', securityContext: { runAsUser: 1337 } }] } }),
      'spec.initContainers[0].securityContext.runAsUser: 1337',
    ],
    ...[15_000, 15_001, 15_006, 15_020, 15_053].map((port): [string, Injection, string] => [
      `port ${port}`,
      web({ ports: [{ containerPort: port }] }),
      `spec.containers[0].ports[0].containerPort: ${port} is the sidecar's port`,
    ]),
    [
      'one of those ports by annotation',
      annotated({ 'outrigger.dev/app-ports': '15020' }),
      'metadata.annotations["outrigger.dev/app-ports"]: 15020 is the sidecar\'s port',
    ],
    [
      'a container that is named like ours',
      inject({ spec: { containers: [{ name: 'outrigger-sidecar' }] } }),
      'spec.containers[0].name: "outrigger-sidecar" is what our container is called, and this one is not ours; rename it',
    ],
    [
      'an init container that is named like ours',
      inject({ spec: { initContainers: [{ name: 'outrigger-init' }] } }),
      'spec.initContainers[0].name: "outrigger-init"',
    ],
    [
      'a volume that is named like ours',
      inject({ spec: { volumes: [{ name: 'outrigger-token' }] } }),
      'spec.volumes[0].name: "outrigger-token"',
    ],
    [
      'two containers of one name',
      inject({ spec: { initContainers: [{ name: 'web' }] } }),
      'spec.containers[0].name: "web" occurs twice',
    ],
    [
      'an unknown annotation',
      annotated({ 'outrigger.dev/interceptoin': 'none' }),
      'metadata.annotations["outrigger.dev/interceptoin"]: is not known; did you mean outrigger.dev/interception?',
    ],
    [
      'an annotation that nothing is near',
      annotated({ 'outrigger.dev/xyzzy': '' }),
      'is not known; docs/inject.md lists what is',
    ],
    [
      'a bad word',
      annotated({ 'outrigger.dev/interception': 'tproxi' }),
      'metadata.annotations["outrigger.dev/interception"]: "tproxi" is not one of redirect, tproxy, cni, none; did you mean "tproxy"?',
    ],
    [
      'a bad port',
      annotated({ 'outrigger.dev/exclude-inbound-ports': '80,70000' }),
      'has "70000", which is not a port from 1 to 65535',
    ],
    [
      'a bad range of ports',
      annotated({ 'outrigger.dev/opaque-ports': '90-80' }),
      'has "90-80", which is not a range of ports',
    ],
    [
      'a bad range',
      annotated({ 'outrigger.dev/exclude-outbound-ranges': '10.0.0.0/33' }),
      'has "10.0.0.0/33", which is not an address range',
    ],
    ['a bad quantity', annotated({ 'outrigger.dev/memory-limit': 'lots' }), '"lots" is not a quantity'],
    [
      'a bad label inject',
      inject({ metadata: { labels: { 'outrigger.dev/inject': 'yes' } } }),
      'metadata.labels["outrigger.dev/inject"]: "yes" is not one of enabled, disabled',
    ],
    [
      'two services',
      inject({ metadata: { labels: { 'outrigger.dev/service': 'b' }, annotations: { 'outrigger.dev/service': 'c' } } }),
      'is not what the annotation of the same name says ("c")',
    ],
    [
      'no interception and no port',
      annotated({ 'outrigger.dev/interception': 'none' }),
      'without interception the sidecar stands before exactly one port of the application, and there are 0',
    ],
    [
      'a name that no service can have',
      inject({ metadata: { labels: { app: 'Shop_1' } } }),
      'nothing says of which service the pod is an instance',
    ],
    [
      'a state that is not ours',
      annotated({ 'outrigger.dev/injected': '{}' }),
      'is not what injection wrote; take it out',
    ],
    [
      'a state without a sidecar',
      annotated({ 'outrigger.dev/injected': '{"version":1,"created":[],"empty":[],"annotations":[],"labels":[]}' }),
      'says that the pod has a sidecar, and there is no container outrigger-sidecar',
    ],
    [
      'the sidecar’s group, by fsGroup',
      inject({ spec: { securityContext: { fsGroup: 1337 } } }),
      'spec.securityContext.fsGroup: 1337 is the sidecar',
    ],
    [
      'the sidecar’s group, by others',
      inject({ spec: { securityContext: { supplementalGroups: [5, 1337] } } }),
      'spec.securityContext.supplementalGroups[1]: 1337 is the sidecar',
    ],
    [
      'a container that has the sidecar’s token',
      web({ volumeMounts: [{ name: 'outrigger-token', mountPath: '/t' }] }),
      'spec.containers[0].volumeMounts[0].name: "outrigger-token" is the sidecar',
    ],
    [
      'a list that is not there',
      inject({ spec: { containers: undefined } }),
      'spec.containers: is missing; it has to be a list',
    ],
    [
      'a list that is none',
      inject({ spec: { containers: { name: 'a' } } }),
      'spec.containers: has to be a list, and is a map',
    ],
    ['labels that are a list', inject({ metadata: { labels: [] } }), 'metadata.labels: has to be a map, and is a list'],
    [
      'a number that is a text',
      web({ ports: [{ containerPort: '80' }] }),
      'spec.containers[0].ports[0].containerPort: has to be a',
    ],
    ['no containers', inject({ spec: { containers: [] } }), 'spec.containers: '],
    ['a shape that is no pod’s', injectPod({ pod: 'pod', namespace: 'shop', owner: '' }, {}), 'pod: '],
    ['annotations that are no texts', annotated({ a: 1 }), 'metadata.annotations.a: '],
  ])('%s', (_, injection, expected) => {
    expect(faults(injection)).toContain(expected);
  });

  test('all that is wrong is told at once', () => {
    expect(
      faults(
        inject({
          metadata: { annotations: { 'outrigger.dev/dns': 'on', 'outrigger.dev/x': '' } },
          spec: { hostNetwork: true },
        }),
      ).split('\n'),
    ).toHaveLength(3);
  });
});

test('left as they are: disabled ones, by annotation or label, and the namespaces of Kubernetes and of the mesh', () => {
  for (const namespace of ['kube-system', 'kube-public', 'kube-node-lease', 'outrigger-system'])
    expect(inject({ spec: { hostNetwork: true } }, namespace).kind).toBe('skipped');
  for (const field of ['annotations', 'labels'])
    expect(
      inject({ metadata: { [field]: { 'outrigger.dev/inject': 'disabled' } }, spec: { hostNetwork: true } }),
    ).toMatchObject({ kind: 'skipped' });
});

test('names that JavaScript knows are names like others', () => {
  const labels = JSON.parse('{"__proto__":"x","constructor":"y","app":"a"}') as object;
  expect(inject({ metadata: { labels, annotations: JSON.parse('{"__proto__":"z"}') as object } })).toMatchObject({
    kind: 'injected',
    service: 'a',
  });
  expect(faults(annotated({ 'outrigger.dev/constructor': '' }))).toContain('is not known');
});

test.each<[object, string, string]>([
  [{ annotations: { 'outrigger.dev/service': 'x' }, labels: { app: 'y' } }, 'owner', 'x'],
  [{ labels: { 'outrigger.dev/service': 'w', app: 'y' } }, 'owner', 'w'],
  [{ labels: { 'app.kubernetes.io/name': 'z', app: 'y' } }, 'owner', 'z'],
  [{ labels: { app: 'y' } }, 'owner', 'y'],
  [{}, 'owner', 'owner'],
  [
    { labels: { 'pod-template-hash': '5d4f' }, ownerReferences: [{ kind: 'ReplicaSet', name: 'orders-5d4f' }] },
    '',
    'orders',
  ],
  [{ ownerReferences: [{ kind: 'Job', name: 'nightly-29384710' }] }, '', 'nightly'],
  [{ ownerReferences: [{ kind: 'StatefulSet', name: 'ledger' }] }, '', 'ledger'],
  [{ ownerReferences: [{ kind: 'Robot', name: 'r2' }], generateName: 'bare-' }, '', 'bare'],
  [{ name: 'alone' }, '', 'alone'],
])('of %j the service of a pod of %j is %s', (metadata, owner, service) => {
  const pod = { metadata, spec: { containers: [{ name: 'web' }] } };
  expect(injectPod({ pod, namespace: 'shop', owner }, {})).toMatchObject({ kind: 'injected', service });
});

describe('a hostile pod costs no more than others', () => {
  const many = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`outrigger.dev/zz${at}`, 'x']));

  test('ten faults are told, and that there are more; no word is looked for behind them', () => {
    const lines = faults(annotated(many(1_000))).split('\n');
    expect(lines).toHaveLength(11);
    expect(lines.at(-1)).toBe('and more');
    const ports = Array.from({ length: 100 }, () => ({ containerPort: 15_000 }));
    expect(faults(web({ ports })).split('\n')).toHaveLength(11);
  });

  test.each<[string, Injection, string]>([
    ['annotations', annotated(many(16_000)), 'metadata.annotations: has more than 1024 entries'],
    ['labels', inject({ metadata: { labels: many(2_000) } }), 'metadata.labels: has more than 1024 entries'],
    [
      'containers',
      inject({ spec: { containers: Array.from({ length: 16_000 }, (_, at) => ({ name: `c${at}` })) } }),
      'spec.containers: has more than 256 entries',
    ],
    [
      'init containers',
      inject({ spec: { initContainers: Array.from({ length: 257 }, (_, at) => ({ name: `c${at}` })) } }),
      'spec.initContainers: has more than 256 entries',
    ],
    [
      'anything, whatever its shape',
      web({ ports: Array.from({ length: 200_000 }, () => 1) }),
      'pod: has more than 50000 values in it',
    ],
  ])('it has a bounded number of %s', (_, injection, expected) => {
    expect(faults(injection)).toContain(expected);
  });
});

test('a pod that is disabled is left as it is, whatever its size and shape', () => {
  const annotations = Object.fromEntries(Array.from({ length: 2_000 }, (_, at) => [`a${at}`, at]));
  expect(annotated({ ...annotations, 'outrigger.dev/inject': 'disabled' }).kind).toBe('skipped');
});

describe('locked knobs', () => {
  const lockedImage = (image: string, meshWide: object = {}): Injection =>
    injectPod(
      {
        pod: {
          metadata: { name: 'a', annotations: { 'outrigger.dev/image': image } },
          spec: { containers: [{ name: 'web' }] },
        },
        namespace: 'shop',
        owner: '',
      },
      meshWide,
      new Set(['image'] as const),
    );

  test('are refused, unless a pod says what holds anyway', () => {
    expect(faults(lockedImage('evil.example/root:1'))).toBe(
      'metadata.annotations["outrigger.dev/image"]: is not a pod\'s to say here, as the operator has locked it (outrigger control-plane --inject-lock); take it out',
    );
    expect(lockedImage('good:1', { image: 'good:1' }).kind).toBe('injected');
  });

  test('are not gone round by the platform, which has other defaults', () => {
    const pod = {
      metadata: { name: 'a', annotations: { 'outrigger.dev/platform': 'podman' } },
      spec: { containers: [{ name: 'web' }] },
    };
    expect(faults(injectPod({ pod, namespace: 'shop', owner: '' }, {}, new Set(lockedByDefault)))).toContain(
      'annotations["outrigger.dev/platform"]: is not a pod',
    );
  });

  test('are none where files are injected', () => {
    expect(annotated({ 'outrigger.dev/image': 'mine:1' }).kind).toBe('injected');
  });
});
