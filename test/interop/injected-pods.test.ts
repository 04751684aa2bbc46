/**
 * `outrigger inject -f pod.yaml | podman kube play -`: pods of real containers, of an image that knows nothing of the mesh, with what injection put beside it, under a control plane in a container of the same image. What podman
 * lacks against Kubernetes is in docs/inject.md: sidecars are classic here, identities come of join tokens.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { waitFor } from '../peers/started-program.ts';
import { appImage, appPrograms } from './containers/app-image.ts';
import { builtImage, hostArch, ownFolder } from './containers/built-image.ts';
import { ContainerEngine } from './containers/container-engine.ts';
import { PodNetwork } from './containers/pod-network.ts';
import type { Json } from './envoy-resources.ts';
import type { Call, CallAnswer } from './intercepted-pods.ts';
import { mesh } from './mesh-configuration.ts';
import { spiffeId } from './mesh-with-identities.ts';
import { outriggerProgram, Stage } from './programs.ts';

const ordersIp = '10.96.7.10';
const at = { controlPlane: 2, orders: 10, storefront: 11, report: 12, outside: 13, prober: 14 } as const;
const tlsPort = 15_012;

const stage = new Stage();
let engine: ContainerEngine;
let network: PodNetwork;
let image: string;
let app: string;
let controlPlane: string;
/** Played with each pod, as podman has no namespace to keep them in. */
let rootDocument: Json;

const serviceOf = (name: string, clusterIP: string, ports: readonly Json[]): Json => ({
  apiVersion: 'outrigger.dev/v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop' },
  spec: { clusterIP, ports },
});

const configuration: readonly Json[] = [
  serviceOf('orders', ordersIp, [
    { name: 'http', port: 80, targetPort: 8080, appProtocol: 'http' },
    { name: 'tcp', port: 9000, appProtocol: 'tcp' },
    { name: 'grpc', port: 10_000, appProtocol: 'grpc' },
  ]),
  serviceOf('storefront', '10.96.7.13', [{ name: 'http', port: 80, targetPort: 8080, appProtocol: 'http' }]),
  serviceOf('report', '10.96.7.14', [{ name: 'http', port: 80, targetPort: 8080, appProtocol: 'http' }]),
  {
    apiVersion: 'outrigger.dev/v1',
    kind: 'PeerAuthentication',
    metadata: { name: 'strict', namespace: 'shop' },
    spec: { mtls: { mode: 'STRICT' } },
  },
];

/** The user's manifest: the image, its ports and probes, and two annotations that say where the mesh is. */
function pod(name: string, containers: readonly Json[], more: Json = {}): Json {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'shop',
      labels: { app: name },
      annotations: {
        'outrigger.dev/platform': 'podman',
        'outrigger.dev/control-plane': `${network.address(at.controlPlane)}:${tlsPort}`,
        // Podman publishes each containerPort on the machine, so ports are named here.
        'outrigger.dev/app-ports': name === 'orders' ? '8080,9000,10000' : '8080',
        'outrigger.dev/drain-time': '5',
      },
    },
    spec: { restartPolicy: 'OnFailure', containers, ...more },
  };
}

const container = (name: string, words: readonly string[], more: Json = {}): Json => ({
  name,
  image: app,
  args: words,
  ...more,
});

function injected(...documents: readonly Json[]): Promise<string> {
  const manifest = documents.map((document) => stringify(document)).join('---\n');
  const program = spawn(outriggerProgram, ['inject', '--set', `image=${image}`, '-f', '-'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  return new Promise((resolve, reject) => {
    let [text, said] = ['', ''];
    program.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
    program.stderr.setEncoding('utf8').on('data', (more: string) => (said += more));
    program.once('close', (code) => (code === 0 ? resolve(text) : reject(new Error(said))));
    program.stdin.end(manifest);
  });
}

async function tokenDocument(service: string): Promise<Json> {
  const words = ['identity', 'token', 'create', '--service', `shop/${service}`, '--uses', '2', '--data-dir', '/data'];
  const made = JSON.parse(await inControlPlane(...words, '-o', 'json')) as Json | readonly [Json];
  const { token } = (Array.isArray(made) ? made[0] : made) as { readonly token: string };
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `outrigger-join-token-${service}` },
    data: { token },
  };
}

async function play(
  name: 'orders' | 'storefront' | 'report',
  containers: readonly Json[],
  more: Json = {},
): Promise<string> {
  const manifest = await injected(rootDocument, await tokenDocument(name), pod(name, containers, more));
  await network.play(name, at[name], manifest);
  const sidecar = `${name}-outrigger-sidecar`;
  const ready = await network.tryPodman(['exec', sidecar, '/usr/bin/outrigger', 'wait', '--timeout', '20s']);
  if (ready.code !== 0) {
    const log = await network.tryPodman(['logs', '--tail', '20', sidecar]);
    throw new Error(`the sidecar of ${name} is not ready: ${ready.stderr}${log.stdout}${log.stderr}`);
  }
  return manifest;
}

/** As an application of the pod makes it. */
async function call(from: string, what: Call): Promise<CallAnswer> {
  return JSON.parse(
    await network.podman(['exec', from, appPrograms.node, appPrograms.call, JSON.stringify(what)]),
  ) as CallAnswer;
}

const seen = (answer: CallAnswer) =>
  JSON.parse(answer.text) as { readonly name: string; readonly held: number; readonly headers: Record<string, string> };
const inControlPlane = (...words: readonly string[]): Promise<string> =>
  network.podman(['exec', controlPlane, '/usr/bin/outrigger', ...words]);

beforeAll(async () => {
  engine = new ContainerEngine();
  [{ name: image }, app] = [await builtImage(engine, hostArch()), await appImage(engine)];
  network = await PodNetwork.make(engine, `10.78.${process.pid % 250}`);
  const config = stage.file('mesh.yaml', mesh(...configuration));
  const data = ownFolder(stage, 'data');
  controlPlane = await network.run('control-plane', at.controlPlane, [
    ...['--read-only', '--cap-drop', 'all', '-v', `${data}:/data`, '-v', `${config}:/mesh.yaml:ro`],
    ...[image, 'control-plane', '--config', '/mesh.yaml', '--data-dir', '/data', '--listen-tls', `0.0.0.0:${tlsPort}`],
  ]);
  await waitFor(
    'the control plane',
    20_000,
    async () =>
      (await network.tryPodman(['logs', controlPlane])).stdout.includes('serving xDS') ||
      (await network.tryPodman(['logs', controlPlane])).stderr.includes('serving xDS'),
    200,
  );
  const root = readFileSync(join(data, 'trust-bundle.pem'), 'utf8');
  rootDocument = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'outrigger-root' },
    data: { 'root.pem': root },
  };
  await play('orders', [
    container('app', [appPrograms.app, 'orders'], {
      readinessProbe: { httpGet: { path: '/', port: 8080 } },
    }),
    container('grpc', ['--port=10000'], {
      command: [appPrograms.grpcServer],
      readinessProbe: { tcpSocket: { port: 10_000 } },
    }),
  ]);
  await play('storefront', [container('app', [appPrograms.app, 'storefront'], {})]);
}, 600_000);

afterAll(async () => {
  network?.removeNow();
  for (const volume of [
    ...['orders', 'storefront', 'report'].map((name) => `outrigger-join-token-${name}`),
    'outrigger-root',
  ])
    await engine?.tryPodman(['volume', 'rm', '--force', volume]);
  await stage.stop();
}, 120_000);

it('HTTP goes by its Host from one application to the other, intercepted on both sides, with mTLS between', async () => {
  let last = '';
  const answer = await waitFor(
    'storefront reaches orders',
    20_000,
    async () => {
      const got = await call('storefront-app', { how: 'http', host: ordersIp, port: 80, name: 'orders.shop' });
      last = JSON.stringify(got);
      return got.status === 200 ? got : null;
    },
    200,
  ).catch(async (error: unknown) => {
    const logs = await Promise.all(
      ['orders', 'storefront'].map((name) => network.tryPodman(['logs', '--tail', '12', `${name}-outrigger-sidecar`])),
    );
    throw new Error(`${String(error)}: ${last}\n${logs.map(({ stdout, stderr }) => stdout + stderr).join('\n')}`);
  });
  expect(seen(answer).name).toBe('orders');
  expect(seen(answer).headers['x-forwarded-client-cert']).toContain(`URI=${spiffeId('storefront')}`);
});

it('TCP goes by its Service’s address, by mTLS, and the server may speak first', async () => {
  expect(await call('storefront-app', { how: 'tcp', host: ordersIp, port: 9000, until: '\n' })).toEqual({
    status: 0,
    text: 'orders greets\n',
    error: '',
  });
});

it('gRPC: a client and a server that know of no mesh call each other through it', async () => {
  for (const test of ['large_unary', 'server_streaming', 'ping_pong'])
    await network.podman([
      ...['exec', 'storefront-app', appPrograms.grpcClient, `--server_host=${ordersIp}`, '--server_port=10000'],
      `--test_case=${test}`,
    ]);
}, 60_000);

it('who is in no mesh is refused by HTTP with the reason, and by TCP with nothing', async () => {
  const outside = await network.run('outside', at.outside, [app, appPrograms.app, 'outside']);
  const orders = network.address(at.orders);
  const answer = await call(outside, { how: 'http', host: orders, port: 8080, name: 'orders.shop' });
  expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('mTLS')]);
  expect((await call(outside, { how: 'tcp', host: orders, port: 9000, until: '\n' })).text).toBe('');
});

it('the application’s probes are answered by the sidecar, which asks the application', async () => {
  const outside = await network.run('prober', at.prober, [app, appPrograms.app, 'prober']);
  const probe = (path: string): Promise<CallAnswer> =>
    call(outside, { how: 'http', host: network.address(at.orders), port: 15_020, name: 'kubelet', path });
  expect((await probe('/app-health/app/readiness')).status).toBe(200);
  expect((await probe('/app-health/grpc/readiness')).status).toBe(200);
  expect((await probe('/healthz/ready')).status).toBe(200);
  expect((await probe('/app-health/app/liveness')).status).toBe(404);
});

it('a job’s container calls through the mesh, and its end is the pod’s for who waits for it; a classic sidecar goes on until the pod is taken down', async () => {
  await play(
    'report',
    [
      container(
        'job',
        [appPrograms.call, JSON.stringify({ how: 'http', host: ordersIp, port: 80, name: 'orders.shop' })],
        {},
      ),
    ],
    { restartPolicy: 'Never' },
  );
  expect((await network.podman(['wait', 'report-job'])).trim()).toBe('0');
  await network.podman(['pod', 'stop', 'report'], { timeoutMs: 60_000 });
  expect(await exitCodeOf('report-outrigger-sidecar')).toBe(0);
}, 120_000);

it('a pod that is told to end finishes what it has in hand, leaves the registry, and ends with 0', async () => {
  const holding = call('storefront-app', { how: 'http', host: ordersIp, port: 80, name: 'orders.shop', path: '/hold' });
  await waitFor(
    'orders to hold the request',
    20_000,
    async () => {
      const answer = await call('storefront-app', { how: 'http', host: ordersIp, port: 80, name: 'orders.shop' });
      return answer.status === 200 && seen(answer).held === 1;
    },
    200,
  );
  await network.podman(['pod', 'stop', '--time', '60', 'orders'], { timeoutMs: 90_000 });
  expect(await holding).toEqual({ status: 200, text: 'finished', error: '' });
  expect([await exitCodeOf('orders-app'), await exitCodeOf('orders-outrigger-sidecar')]).toEqual([0, 0]);
  // Not by the end of its lease, which is later.
  expect(await inControlPlane('get', 'endpoints')).not.toContain(network.address(at.orders));
  await waitFor(
    'storefront to know of no instance',
    20_000,
    async () => {
      const after = await call('storefront-app', { how: 'http', host: ordersIp, port: 80, name: 'orders.shop' });
      return after.status === 503 && after.text.includes('"UH"');
    },
    200,
  );
}, 120_000);

async function exitCodeOf(name: string): Promise<number> {
  const [found] = JSON.parse(await network.podman(['inspect', name])) as [
    { readonly State: { readonly ExitCode: number } },
  ];
  return found.State.ExitCode;
}
