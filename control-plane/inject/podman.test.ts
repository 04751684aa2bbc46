/** Pods for `podman kube play`: nothing in them that it does not know, and what it cannot do is refused. */
import { expect, test } from 'vitest';
import { type Injection, injectPod } from './inject-pod.ts';
import type { Container, Pod } from './pod.ts';
import { uninjectPod } from './uninject-pod.ts';

const pod = (annotations: object = {}, spec: object = { restartPolicy: 'OnFailure' }): Pod =>
  ({
    metadata: {
      name: 'orders',
      labels: { app: 'orders' },
      annotations: { 'outrigger.dev/platform': 'podman', ...annotations },
    },
    spec: { containers: [{ name: 'web', image: 'a:1', ports: [{ containerPort: 8080 }] }], ...spec },
  }) as Pod;

function inject(given: Pod): Injection {
  return injectPod({ pod: given, namespace: 'shop', owner: '' }, {});
}

function injected(given: Pod): Pod {
  const done = inject(given);
  if (done.kind !== 'injected') throw new Error(JSON.stringify(done));
  return done.pod;
}

test('what the downward API would say stands in the arguments, as podman fills in no variables; the address is the sidecar’s to find', () => {
  const sidecar = injected(pod()).spec.containers[0] as Container & { readonly args: readonly string[] };
  expect(sidecar.args).toEqual(
    expect.arrayContaining(['--service=shop/orders', '--node-id=orders.shop', '--service-account=orders']),
  );
  expect(sidecar.args.filter((word) => word.includes('$(') || word.startsWith('--address'))).toEqual([]);
  expect(sidecar.env).toEqual([]);
});

test('the sidecar is a container of its own, proves itself by a join token, registers itself, and has no probes that podman would make with curl', () => {
  const { spec } = injected(pod());
  expect(spec.containers.map(({ name }) => name)).toEqual(['outrigger-sidecar', 'web']);
  expect(spec.initContainers?.map(({ name }) => name)).toEqual(['outrigger-init']);
  expect(spec.volumes).toContainEqual({
    name: 'outrigger-token',
    configMap: { name: 'outrigger-join-token-orders' },
  });
  const sidecar = spec.containers[0] as Container & { readonly args: readonly string[] };
  expect(sidecar.args).not.toContain('--no-register');
  // Podman publishes what is listed there on the machine, where two pods would clash.
  expect(sidecar.ports).toBeUndefined();
  expect([sidecar.livenessProbe, sidecar.readinessProbe, sidecar.startupProbe]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test('no annotation is longer than podman takes', () => {
  const { annotations = {} } = injected(pod()).metadata ?? {};
  expect(Object.values(annotations ?? {}).filter((value) => value.length > 63)).toEqual([]);
  expect(Object.keys(annotations ?? {})).toContain('outrigger.dev/injected.1');
});

test('again gives the same', () => {
  expect(injected(injected(pod()))).toEqual(injected(pod()));
});

test('uninject gives back the pod as it was', () => {
  expect(uninjectPod(injected(pod()))).toMatchObject({ kind: 'uninjected', pod: pod() });
});

test.each([
  [
    'a native sidecar',
    pod({ 'outrigger.dev/native-sidecar': 'true' }),
    'never lets the application start; write "false"',
  ],
  [
    'a projected token',
    pod({ 'outrigger.dev/identity': 'kubernetes' }),
    'podman kube play projects no tokens; write join-token',
  ],
  [
    'init containers that are started again',
    pod({}, {}),
    'spec.restartPolicy: Always, by default: podman kube play would start',
  ],
])('refused, with the next step: %s', (_what, given, why) => {
  const done = inject(given);
  expect(done.kind === 'refused' && done.faults.join('\n')).toContain(why);
});
