/** The injection webhook behind a real kube-apiserver: registered by what `outrigger webhook` prints, called when a pod is made, its patch taken; pods that cannot have a sidecar are refused with the reason. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePorts } from '../peers/free-port.ts';
import { StartedProgram, waitFor } from '../peers/started-program.ts';
import { KubernetesCluster } from './kubernetes/kubernetes-cluster.ts';
import { outriggerProgram } from './programs.ts';

interface Pod {
  readonly metadata: { readonly annotations?: Record<string, string>; readonly labels?: Record<string, string> };
  readonly spec: {
    readonly initContainers?: ReadonlyArray<{ readonly name: string; readonly restartPolicy?: string }>;
    readonly containers: ReadonlyArray<{
      readonly name: string;
      readonly readinessProbe?: { readonly httpGet?: unknown };
    }>;
    readonly volumes: ReadonlyArray<{ readonly name: string }>;
    readonly terminationGracePeriodSeconds: number;
  };
}

let cluster: KubernetesCluster;
let folder: string;
let controlPlane: StartedProgram | null = null;
let webhookPort = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-webhook-'));
  [webhookPort] = (await freePorts(1)) as [number];
  cluster = await KubernetesCluster.start();
  await startControlPlane();
  const printed = new StartedProgram('outrigger webhook', [
    outriggerProgram,
    ...['webhook', '--url', `https://localhost:${webhookPort}`, '--data-dir', join(folder, 'data')],
  ]);
  await printed.exited;
  await cluster.namespace('shop', 'default');
  await cluster.namespace('plain', 'default');
  await cluster.apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { 'outrigger.dev/inject': 'enabled' } } },
    printed.output,
  );
  // The API server learns of a webhook a moment later.
  await waitFor('the webhook to be called', 20_000, async () => {
    const { body } = await create('shop', { metadata: { name: 'first' } }, true);
    return (body as Pod).spec?.initContainers !== undefined;
  });
}, 120_000);

afterAll(async () => {
  controlPlane?.signal('SIGKILL');
  await controlPlane?.exited;
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function startControlPlane(): Promise<void> {
  const program = new StartedProgram('control-plane', [
    outriggerProgram,
    ...['control-plane', '--data-dir', join(folder, 'data')],
    ...['--listen', '127.0.0.1:0', '--listen-tls', '127.0.0.1:0', '--listen-admin', '127.0.0.1:0'],
    ...[
      '--listen-webhook',
      `127.0.0.1:${webhookPort}`,
      '--webhook-name',
      'localhost',
      '--inject-set',
      'log-level=debug',
    ],
  ]);
  controlPlane = program;
  await waitFor('the control plane', 20_000, () => {
    program.failIfEnded();
    return Promise.resolve(program.output.includes('the injection webhook on'));
  });
}

/** `dry`: nothing stays. */
function create(namespace: string, pod: { readonly metadata: object; readonly spec?: object }, dry = false) {
  const spec = { containers: [{ name: 'web', image: 'a:1' }], ...pod.spec };
  const query = dry ? '?dryRun=All' : '';
  return cluster.api('POST', `/api/v1/namespaces/${namespace}/pods${query}`, {
    apiVersion: 'v1',
    kind: 'Pod',
    ...pod,
    spec,
  });
}

describe('the injection webhook behind kube-apiserver', () => {
  test('a pod gets its sidecar: the patch is taken, and what was defaulted stays', async () => {
    const probe = { httpGet: { path: '/ready', port: 'http' } };
    const containers = [
      { name: 'web', image: 'a:1', ports: [{ name: 'http', containerPort: 8080 }], readinessProbe: probe },
    ];
    const { status, body } = await create('shop', {
      metadata: { name: 'orders', labels: { app: 'orders' } },
      spec: { containers },
    });
    expect(status).toBe(201);
    const { metadata, spec } = body as Pod;
    expect(spec.initContainers).toMatchObject([
      { name: 'outrigger-init' },
      { name: 'outrigger-sidecar', restartPolicy: 'Always' },
    ]);
    expect(spec.containers).toMatchObject([
      { name: 'web', readinessProbe: { httpGet: { path: '/app-health/web/readiness', port: 15_020 } } },
    ]);
    expect(spec.volumes.map(({ name }) => name)).toEqual(expect.arrayContaining(['outrigger-token', 'outrigger-root']));
    expect(spec.terminationGracePeriodSeconds).toBe(60);
    expect(metadata.labels).toMatchObject({ app: 'orders', 'outrigger.dev/service': 'orders' });
    expect(JSON.stringify(spec.initContainers)).toContain('--log-level=debug');
  });

  test('a manifest that was injected before gets no second sidecar', async () => {
    const made = await create('shop', { metadata: { name: 'once' } }, true);
    const { spec, metadata } = made.body as Pod & { readonly metadata: Record<string, unknown> };
    const again = await create('shop', {
      metadata: { name: 'twice', annotations: metadata.annotations, labels: { app: 'once' } },
      spec,
    });
    expect(again.status).toBe(201);
    expect((again.body as Pod).spec.initContainers!.map(({ name }) => name)).toEqual([
      'outrigger-init',
      'outrigger-sidecar',
    ]);
  });

  test('namespaces and labels choose: not asked for, turned off, asked for by one pod', async () => {
    const inits = async (namespace: string, metadata: object): Promise<unknown> =>
      ((await create(namespace, { metadata })).body as Pod).spec.initContainers?.length ?? 0;
    expect(await inits('plain', { name: 'a' })).toBe(0);
    expect(await inits('plain', { name: 'b', labels: { 'outrigger.dev/inject': 'enabled' } })).toBe(2);
    expect(await inits('shop', { name: 'c', labels: { 'outrigger.dev/inject': 'disabled' } })).toBe(0);
    expect(await inits('shop', { name: 'd', annotations: { 'outrigger.dev/inject': 'disabled' } })).toBe(0);
  });

  test.each<[string, { readonly metadata: object; readonly spec?: object }, string]>([
    [
      'of its node’s network',
      { metadata: { name: 'x' }, spec: { hostNetwork: true } },
      'spec.hostNetwork: the pod uses its node',
    ],
    [
      'of the sidecar’s user',
      { metadata: { name: 'x' }, spec: { securityContext: { runAsUser: 1337 } } },
      '1337 is the sidecar',
    ],
    [
      'on the sidecar’s port',
      {
        metadata: { name: 'x' },
        spec: { containers: [{ name: 'web', image: 'a:1', ports: [{ containerPort: 15_006 }] }] },
      },
      "15006 is the sidecar's port",
    ],
    [
      'with a container named like ours',
      { metadata: { name: 'x' }, spec: { containers: [{ name: 'outrigger-sidecar', image: 'a:1' }] } },
      'is not ours; rename it',
    ],
    [
      'with an unknown annotation',
      { metadata: { name: 'x', annotations: { 'outrigger.dev/interceptoin': 'none' } } },
      'did you mean outrigger.dev/interception?',
    ],
    [
      'that only says it has a sidecar',
      {
        metadata: {
          name: 'x',
          annotations: {
            'outrigger.dev/injected': '{"version":1,"created":[],"empty":[],"annotations":[],"labels":[]}',
          },
        },
      },
      'there is no container outrigger-sidecar',
    ],
  ])('a pod %s is refused, with the reason', async (_, pod, reason) => {
    const { status, body } = await create('shop', pod);
    expect(status).toBe(422);
    expect((body as { readonly message: string }).message).toContain(
      'admission webhook "namespace.inject.outrigger.dev" denied the request: outrigger: ',
    );
    expect((body as { readonly message: string }).message).toContain(reason);
  });

  test('while the webhook is away no pod comes without its sidecar (failurePolicy Fail), and all goes on when it is back', async () => {
    controlPlane!.signal('SIGTERM');
    await controlPlane!.exited;
    const { status, body } = await create('shop', { metadata: { name: 'late' } });
    expect(status).toBe(500);
    expect((body as { readonly message: string }).message).toContain('failed calling webhook');
    await startControlPlane();
    expect((await create('shop', { metadata: { name: 'late' } })).status).toBe(201);
  });
});
