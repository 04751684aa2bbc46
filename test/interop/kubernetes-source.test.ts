/**
 * Kubernetes as a source, for real: kube-apiserver with etcd, kubectl as the user, our control plane under exactly the roles of deploy/kubernetes, and real sidecars. Pods are programs with addresses of a network
 * namespace; what controllers and kubelets do (EndpointSlices, readiness) the test writes.
 */
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../peers/free-port.ts';
import { type StartedProgram, waitFor } from '../peers/started-program.ts';
import { adsBootstrap } from './envoy-resources.ts';
import { ask, instanceOf, type Question } from './exchange.ts';
import { KubernetesCluster } from './kubernetes/kubernetes-cluster.ts';
import { NackingClient } from './kubernetes/nacking-client.ts';
import { PodNetwork } from './kubernetes/pod-network.ts';
import { outriggerProgram, peer, Stage } from './programs.ts';

const deploy = join(import.meta.dirname, '../../deploy');
const crdFiles = [
  'trafficpolicies',
  'peerauthentications',
  'authorizationpolicies',
  'requestauthentications',
  'faultpolicies',
  'ratelimitpolicies',
].map((plural) => join(deploy, 'crds', `${plural}.outrigger.dev.yaml`));

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
}

describe('control-plane --source kubernetes', () => {
  const stage = new Stage();
  let network: PodNetwork;
  let cluster: KubernetesCluster;
  let controlPlane: StartedProgram;
  let ports: readonly [xds: number, tls: number, admin: number, proxyAdmin: number, outbound: number, inbound: number];
  const dataDir = join(stage.folder, 'data');

  beforeAll(async () => {
    network = new PodNetwork();
    ports = (await freePorts(6)) as unknown as typeof ports;
    const [xdsPort, tlsPort, adminPort, proxyAdmin, outbound, inbound] = ports;
    cluster = await KubernetesCluster.start();
    await cluster.namespace('outrigger-system', 'default');
    await cluster.namespace('shop', 'default', 'storefront', 'orders-runner', 'thief');
    const texts = [...crdFiles, join(deploy, 'kubernetes/control-plane-rbac.yaml'), peer('gateway-api-crds')];
    await cluster.apply(...texts.map((file) => readFileSync(file, 'utf8')));
    await cluster.apply(
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { namespace: 'shop', name: 'orders' },
        spec: { selector: { app: 'orders' }, ports: [{ name: 'http', port: 80, targetPort: 'web' }] },
      },
      pod('orders-a', { app: 'orders' }, 'orders-runner'),
      pod('orders-b', { app: 'orders' }, 'orders-runner'),
      slice('orders', [{ address: network.addresses[0]!, pod: 'orders-a' }]),
    );
    for (const [at, name] of ['a', 'b'].entries()) {
      const listen = `${network.addresses[at]}:8080`;
      const program = stage.start(
        `backend-${name}`,
        network.inside([peer('backend'), '--instance', name, '--http', listen]),
      );
      await program.line(/^(\{.*\})$/m);
    }
    const token = await cluster.token('outrigger-system', 'outrigger-control-plane');
    const kubeconfig = cluster.kubeconfig('outrigger-control-plane', token);
    controlPlane = stage.start('control-plane', [
      outriggerProgram,
      'control-plane',
      ...['--source', 'kubernetes', '--kubeconfig', kubeconfig, '--data-dir', dataDir],
      ...['--listen', `127.0.0.1:${xdsPort}`, '--listen-tls', `0.0.0.0:${tlsPort}`],
      ...['--listen-admin', `127.0.0.1:${adminPort}`],
    ]);
    await waitFor('the control plane to be ready', 20_000, async () => {
      controlPlane.failIfEnded();
      return fetch(`http://127.0.0.1:${adminPort}/healthz/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
    await stage.sidecar(
      adsBootstrap({
        node: {
          id: 'storefront-1',
          cluster: 'shop/storefront',
          metadata: { outbound_listen: `127.0.0.1:${outbound}`, inbound_listen: `127.0.0.1:${inbound}` },
        },
        adminPort: proxyAdmin,
        xdsPort,
        variant: 'DELTA_GRPC',
      }),
    );
  }, 120_000);
  afterAll(async () => {
    await stage.stop();
    await cluster?.stop();
    network?.remove();
  });

  const answeredBy = (instance: string, question: Question = { host: 'orders.shop' }): Promise<boolean> =>
    waitFor(
      `an answer of ${instance}\n${controlPlane.output}`,
      10_000,
      () =>
        ask(ports[4], question).then(
          (answer) => answer.status === 200 && instanceOf(answer) === instance,
          () => false,
        ),
      5,
    );

  const conditionsOf = async (plural: string, name: string): Promise<readonly Condition[]> => {
    const group = plural.endsWith('routes') ? 'gateway.networking.k8s.io' : 'outrigger.dev';
    const { body } = await cluster.api('GET', `/apis/${group}/v1/namespaces/shop/${plural}/${name}`);
    const { status, metadata } = body as {
      status?: {
        parents?: ReadonlyArray<{ controllerName: string; conditions: Condition[] }>;
        conditions?: Condition[];
      };
      metadata: { generation: number };
    };
    const found =
      status?.parents?.find(({ controllerName }) => controllerName === 'outrigger.dev/controller')?.conditions ??
      status?.conditions ??
      [];
    return found.filter(({ observedGeneration }) => observedGeneration === metadata.generation);
  };

  /** Waits for it; '' : any reason. */
  const condition = (plural: string, name: string, type: string, status: string, reason = ''): Promise<Condition> =>
    waitFor(`${plural} ${name} to be ${type} ${status} ${reason}\n${controlPlane.output}`, 10_000, async () => {
      const found = (await conditionsOf(plural, name)).find((each) => each.type === type);
      return found?.status === status && (reason === '' || found.reason === reason) ? found : null;
    });

  it('serves what kubectl has made, under no more than the roles of deploy/kubernetes', async () => {
    await answeredBy('a');
    const services = (await (await fetch(`http://127.0.0.1:${ports[2]}/api/v1/services`)).json()) as unknown[];
    expect(services).toContainEqual(expect.objectContaining({ namespace: 'shop', name: 'orders', endpoints: 1 }));
    await waitFor('the Lease', 10_000, async () =>
      (await cluster.kubectl(['get', 'lease', '-n', 'outrigger-system'])).includes('outrigger-control-plane'),
    );
  });

  it('brings a changed EndpointSlice to a sidecar within a second', async () => {
    const took: number[] = [];
    for (let round = 0; round < 8; round++) {
      const at = 1 - (round % 2);
      const name = ['a', 'b'][at]!;
      const { status } = await cluster.api('PATCH', '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices/orders', {
        endpoints: slice('orders', [{ address: network.addresses[at]!, pod: `orders-${name}` }]).endpoints,
      });
      const from = performance.now();
      expect(status).toBe(200);
      await answeredBy(name);
      took.push(performance.now() - from);
    }
    took.sort((a, b) => a - b);
    const [least, middle, most] = [took[0]!, took[4]!, took.at(-1)!];
    console.log(
      `a changed EndpointSlice reaches a sidecar in ${middle.toFixed(0)} ms (${least.toFixed(0)}–${most.toFixed(0)}), patch answered to first request there`,
    );
    expect(middle).toBeLessThan(1000);
  });

  it('drains endpoints that terminate, and sends nothing to those that are not ready', async () => {
    await cluster.apply(
      slice('orders', [
        {
          address: network.addresses[0]!,
          pod: 'orders-a',
          conditions: { ready: false, serving: true, terminating: true },
        },
        { address: network.addresses[1]!, pod: 'orders-b' },
        { address: network.addresses[2]!, pod: 'orders-c', conditions: { ready: false } },
      ]),
    );
    await waitFor('the sidecar to know', 10_000, async () =>
      (await (await fetch(`http://127.0.0.1:${ports[3]}/clusters?format=json`)).text()).includes('"DRAINING"'),
    );
    await answeredBy('b');
    for (let call = 0; call < 20; call++) expect(instanceOf(await ask(ports[4], { host: 'orders.shop' }))).toBe('b');
    await cluster.apply(slice('orders', [{ address: network.addresses[0]!, pod: 'orders-a' }]));
    await answeredBy('a');
  });

  it('routes by an HTTPRoute, and says in its status that it does, or why it does not', async () => {
    await cluster.apply(
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { namespace: 'shop', name: 'orders-next' },
        spec: { clusterIP: 'None', ports: [{ port: 80 }] },
      },
      {
        ...slice('orders-next', [{ address: network.addresses[1]!, pod: 'orders-b' }]),
        ports: [{ name: '', port: 8080 }],
      },
      route('by-header', [
        {
          matches: [{ headers: [{ name: 'x-next', value: 'yes' }] }],
          backendRefs: [{ name: 'orders-next', port: 80 }],
        },
        { backendRefs: [{ name: 'orders', port: 80 }] },
      ]),
      route('nowhere', [{ matches: [{ path: { value: '/nowhere' } }], backendRefs: [{ name: 'nobody', port: 80 }] }]),
    );
    await answeredBy('b', { host: 'orders.shop', headers: { 'x-next': 'yes' } });
    await answeredBy('a');
    expect(await condition('httproutes', 'by-header', 'Accepted', 'True')).toMatchObject({ reason: 'Accepted' });
    await condition('httproutes', 'by-header', 'ResolvedRefs', 'True', 'ResolvedRefs');
    expect(await condition('httproutes', 'nowhere', 'ResolvedRefs', 'False', 'BackendNotFound')).toMatchObject({
      message: expect.stringContaining('there is no Service shop/nobody'),
    });
  });

  it('refuses a faulty object alone: what it said before stays in force, and the fault is its condition', async () => {
    await cluster.apply(
      route('by-header', [
        {
          filters: [{ type: 'RequestMirror', requestMirror: { backendRef: { name: 'orders-next', port: 80 } } }],
          backendRefs: [{ name: 'orders', port: 80 }],
        },
      ]),
    );
    expect(await condition('httproutes', 'by-header', 'Accepted', 'False', 'UnsupportedValue')).toMatchObject({
      message: expect.stringMatching(/RequestMirror.*what it said before \(generation 1\) stays in force/s),
    });
    await answeredBy('b', { host: 'orders.shop', headers: { 'x-next': 'yes' } });
    await cluster.kubectl(['delete', 'httproute', '-n', 'shop', 'by-header', 'nowhere']);
    await answeredBy('a', { host: 'orders.shop', headers: { 'x-next': 'yes' } });
  });

  it('takes our own kinds as CRDs: kubectl refuses what the schema knows, the condition says the rest', async () => {
    await cluster.apply(
      policy('TrafficPolicy', 'orders', {
        targetRefs: [{ kind: 'Service', name: 'orders' }],
        timeouts: { request: '7s' },
      }),
      policy('TrafficPolicy', 'nobody', {
        targetRefs: [{ kind: 'Service', name: 'nobody' }],
        timeouts: { request: '7s' },
      }),
      policy('AuthorizationPolicy', 'bad', { action: 'ALLOW', rules: [{ when: [{ cel: 'request.method ==' }] }] }),
    );
    await condition('trafficpolicies', 'orders', 'Accepted', 'True');
    await condition('trafficpolicies', 'orders', 'Programmed', 'True');
    await condition('trafficpolicies', 'nobody', 'Accepted', 'False', 'TargetNotFound');
    await condition('authorizationpolicies', 'bad', 'Accepted', 'False', 'Invalid');
    await expect(
      cluster.apply(
        policy('TrafficPolicy', 'typo', { targetRefs: [{ kind: 'Service', name: 'orders' }], timeout: '7s' }),
      ),
    ).rejects.toThrow(/timeout/);
    expect(await cluster.kubectl(['get', 'trafficpolicies', '-n', 'shop'])).toMatch(/orders\s+True\s+True/);
  });

  it('says in a condition that a proxy refuses a policy, and that it does no more', async () => {
    await cluster.apply(
      policy('PeerAuthentication', 'plain', {
        mtls: { mode: 'PERMISSIVE' },
        targetRefs: [{ kind: 'Service', name: 'orders' }],
      }),
    );
    await condition('peerauthentications', 'plain', 'Programmed', 'True');
    const client = new NackingClient(ports[0], { id: 'orders-x', cluster: 'shop/orders', appPort: 8080 });
    try {
      client.refuse('mTLS is not my cup of tea');
      expect(await condition('peerauthentications', 'plain', 'Programmed', 'False', 'Refused')).toMatchObject({
        message: expect.stringContaining('orders-x refused it: mTLS is not my cup of tea'),
      });
    } finally {
      client.close();
    }
    await condition('peerauthentications', 'plain', 'Programmed', 'True');
  });

  it.each(['envoy', 'sidecar'] as const)(
    'says the same of a real %s that cannot take its listener, in its words',
    async (kind) => {
      const taken = createServer();
      await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
      const [admin, outbound] = (await freePorts(2)) as [number, number];
      const inbound = (taken.address() as AddressInfo).port;
      const metadata = {
        app_port: 8080,
        inbound_listen: `127.0.0.1:${inbound}`,
        outbound_listen: `127.0.0.1:${outbound}`,
      };
      const node = { id: `orders-${kind}`, cluster: 'shop/orders', metadata };
      const proxy = await stage[kind](
        adsBootstrap({ node, adminPort: admin, xdsPort: ports[0], variant: 'DELTA_GRPC' }),
        { awaitReady: false },
      );
      try {
        const { message } = await condition('peerauthentications', 'plain', 'Programmed', 'False', 'Refused');
        expect(message).toContain(`orders-${kind} refused it: `);
        expect(message).toContain(kind === 'envoy' ? 'Address already in use' : String(inbound));
      } finally {
        await proxy.program.stop();
        await new Promise((resolve) => taken.close(resolve));
      }
      await condition('peerauthentications', 'plain', 'Programmed', 'True');
    },
  );

  it("lets a proxy be a workload of its Pods' account, and of no other", async () => {
    const tls = ports[1];
    const start = async (account: string, name: string): Promise<StartedProgram> =>
      stage.start(
        `sidecar-${name}`,
        network.inside([
          outriggerProgram,
          'sidecar',
          ...['--service', 'shop/orders', '--app-port', '8080', '--no-register', '--listen-metrics', 'off'],
          ...[
            '--kubernetes-token-file',
            stage.file(`token-${name}`, await cluster.token('shop', account, 'outrigger')),
          ],
          ...['--trust-bundle', join(dataDir, 'trust-bundle.pem'), '--control-plane-tls', `${network.host}:${tls}`],
          ...['--inbound-listen', `${network.addresses[0]}:15006`, '--outbound-listen', '127.0.0.1:15001'],
          ...['--admin', `127.0.0.1:${account === 'thief' ? 15009 : 15000}`],
        ]),
      );
    const thief = await start('thief', 'thief');
    await thief.line(/thief/, 15_000);
    await waitFor('the refusal', 15_000, () => /sa\/thief/.test(controlPlane.output) || /sa\/thief/.test(thief.output));
    await thief.stop();
    await start('orders-runner', 'orders');
    const known = async (): Promise<boolean> => {
      const rows = (await (await fetch(`http://127.0.0.1:${ports[2]}/api/v1/proxies`)).json()) as Array<{
        identity: string;
      }>;
      return rows.some(({ identity }) => identity === 'spiffe://cluster.local/ns/shop/sa/orders-runner');
    };
    await waitFor(`the sidecar of orders\n${controlPlane.output}`, 20_000, known);
    // Whatever was done so far, the roles allowed it.
    expect(controlPlane.output).not.toMatch(/\(403/);
  });

  it('has sidecars speak mTLS to a Pod that has one, by what the API server says of its account', async () => {
    const [outbound, admin] = (await freePorts(2)) as [number, number];
    const application = stage.start(
      'application',
      network.inside([peer('backend'), '--instance', 'meshed', '--http', '127.0.0.1:8080']),
    );
    await application.line(/^(\{.*\})$/m);
    // The one of the test before is its sidecar.
    const injected = pod('orders-meshed', { app: 'orders' }, 'orders-runner', ['outrigger-sidecar']);
    await cluster.kubectl(['delete', 'peerauthentication', '-n', 'shop', 'plain']);
    await cluster.apply(injected, {
      ...slice('orders', [{ address: network.addresses[0]!, pod: 'orders-meshed' }]),
      ports: [{ name: 'http', port: 15_006 }],
    });
    await stage.serviceSidecar('storefront', admin, [
      ...['--service', 'shop/storefront', '--no-register', '--listen-metrics', 'off', '--app-port', '1'],
      ...['--kubernetes-token-file', stage.file('token-s', await cluster.token('shop', 'storefront', 'outrigger'))],
      ...['--trust-bundle', join(dataDir, 'trust-bundle.pem'), '--control-plane-tls', `127.0.0.1:${ports[1]}`],
      ...['--outbound-listen', `127.0.0.1:${outbound}`, '--inbound-listen', '127.0.0.1:0'],
      ...['--admin', `127.0.0.1:${admin}`],
    ]);
    const answer = await waitFor('an answer by mTLS', 10_000, async () => {
      const got = await ask(outbound, { host: 'orders.shop' });
      return instanceOf(got) === 'meshed' ? got : null;
    });
    expect(answer.body).toContain('spiffe://cluster.local/ns/shop/sa/storefront');
    // STRICT by default: who has no identity gets nothing there.
    await waitFor('a refusal', 10_000, async () => (await ask(ports[4], { host: 'orders.shop' })).status !== 200);
    await cluster.kubectl(['delete', 'pod', '-n', 'shop', 'orders-meshed', '--force', '--grace-period=0']);
    await cluster.apply(slice('orders', [{ address: network.addresses[0]!, pod: 'orders-a' }]));
    await answeredBy('a');
  });

  it('goes on while the API server is away, says so once, and hears of what comes after it, also when its watches have expired', async () => {
    const before = controlPlane.output.length;
    await cluster.killApiServer();
    await waitFor('a word about it', 15_000, () =>
      /does not answer as it should/.test(controlPlane.output.slice(before)),
    );
    for (let call = 0; call < 10; call++) expect((await ask(ports[4], { host: 'orders.shop' })).status).toBe(200);
    await cluster.forgetThePast();
    await cluster.startApiServer();
    await cluster.apply(slice('orders', [{ address: network.addresses[1]!, pod: 'orders-b' }]));
    await waitFor('an answer of b', 40_000, () =>
      ask(ports[4], { host: 'orders.shop' }).then(
        (answer) => instanceOf(answer) === 'b',
        () => false,
      ),
    );
    await waitFor('word that it is there again', 40_000, () =>
      /is there again/.test(controlPlane.output.slice(before)),
    );
    expect(controlPlane.output.slice(before).match(/does not answer as it should/g), controlPlane.output).toHaveLength(
      1,
    );
  });

  it('names the rule that a role lacks', async () => {
    await cluster.api('PATCH', '/apis/rbac.authorization.k8s.io/v1/clusterroles/outrigger-control-plane', {
      rules: [{ apiGroups: [''], resources: ['services'], verbs: ['list', 'watch'] }],
    });
    const token = await cluster.token('outrigger-system', 'outrigger-control-plane');
    const kubeconfig = cluster.kubeconfig('second', token);
    const second = stage.start('second', [
      outriggerProgram,
      'control-plane',
      ...['--source', 'kubernetes', '--kubeconfig', kubeconfig, '--data-dir', join(stage.folder, 'second')],
      ...['--listen', '127.0.0.1:0', '--listen-tls', 'off', '--listen-admin', '127.0.0.1:0'],
    ]);
    await second.line(/resources: \[.*pods.*\], verbs: \[list, watch\]/, 15_000);
    await second.stop();
  });
});

function pod(
  name: string,
  labels: Readonly<Record<string, string>>,
  serviceAccountName: string,
  sidecars: readonly string[] = [],
): object {
  const container = { name: 'app', image: 'example.test/app', ports: [{ name: 'web', containerPort: 8080 }] };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'shop', name, labels },
    spec: {
      serviceAccountName,
      containers: [container],
      initContainers: sidecars.map((each) => ({ name: each, image: 'example.test/sidecar', restartPolicy: 'Always' })),
    },
  };
}

/** As the EndpointSlice controller writes it. */
function slice(
  service: string,
  endpoints: ReadonlyArray<{ readonly address: string; readonly pod: string; readonly conditions?: object }>,
) {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: 'shop', name: service, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080 }],
    endpoints: endpoints.map(({ address, pod: name, conditions = { ready: true } }) => ({
      addresses: [address],
      conditions,
      targetRef: { kind: 'Pod', namespace: 'shop', name },
    })),
  };
}

function route(name: string, rules: readonly object[]): object {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { namespace: 'shop', name },
    spec: { parentRefs: [{ group: '', kind: 'Service', name: 'orders' }], rules },
  };
}

function policy(kind: string, name: string, spec: object): object {
  return { apiVersion: 'outrigger.dev/v1', kind, metadata: { namespace: 'shop', name }, spec };
}
