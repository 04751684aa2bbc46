/**
 * The chart, installed by helm into a real kube-apiserver, and the control plane run as its Deployment says: the same words, account and roles, on this machine's addresses. What the roles grant is compared with what the
 * API server's audit log says was used.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { createRoot } from '../../certs/authority/create-root.ts';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import { writePem } from '../../certs/x509/pem.ts';
import { chartFolder, manifestsFile, renderChart } from '../../deploy/helm/chart.ts';
import { freePorts } from '../peers/free-port.ts';
import { type StartedProgram, waitFor } from '../peers/started-program.ts';
import { KubernetesCluster } from './kubernetes/kubernetes-cluster.ts';
import { ReleasedApiServer } from './kubernetes/released-api-server.ts';
import { outriggerProgram, peer, Stage } from './programs.ts';

const namespace = 'outrigger-system';
const account = 'outrigger-control-plane';
const user = `system:serviceaccount:${namespace}:${account}`;
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const policies = {
  TrafficPolicy: { targetRefs: [{ kind: 'Service', name: 'orders' }], timeouts: { request: '7s' } },
  PeerAuthentication: { mtls: { mode: 'STRICT' } },
  AuthorizationPolicy: { action: 'ALLOW', rules: [{}] },
  RequestAuthentication: {
    jwtRules: [
      { issuer: 'https://issuer.test', jwks: JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] }) },
    ],
  },
  FaultPolicy: {
    targetRefs: [{ kind: 'Service', name: 'orders' }],
    for: '1h',
    faults: [{ abort: { httpStatus: 503, percent: 1 } }],
  },
  RateLimitPolicy: {
    targetRefs: [{ kind: 'Service', name: 'orders' }],
    local: [{ limit: { requests: 100, per: '1s' } }],
  },
  Telemetry: { accessLog: { mode: 'errors' } },
};

interface Deployment {
  readonly kind: string;
  readonly spec: {
    readonly template: {
      readonly metadata: object;
      readonly spec: { readonly containers: ReadonlyArray<{ readonly args: readonly string[] }> };
    };
  };
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

const stage = new Stage();
let cluster: KubernetesCluster;
let tokenFile = '';
let released: ReleasedApiServer;

const deploymentOf = (text: string): Deployment =>
  parseAllDocuments(text)
    .map((each) => each.toJS() as Deployment | null)
    .find((each) => each?.kind === 'Deployment')!;

interface Running {
  readonly program: StartedProgram;
  readonly tls: number;
  readonly admin: number;
  readonly webhook: number;
  readonly dataDir: string;
}

/** As the Deployment says, but for addresses, files and where the API server is. `paths`: by what they are in a pod. */
async function run(
  name: string,
  deployment: Deployment,
  paths: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const [xds, tls, admin, webhook] = (await freePorts(4)) as [number, number, number, number];
  const dataDir = join(stage.folder, name);
  const here: Readonly<Record<string, string>> = {
    '0.0.0.0:15012': `127.0.0.1:${tls}`,
    '0.0.0.0:15014': `127.0.0.1:${admin}`,
    '0.0.0.0:15017': `127.0.0.1:${webhook}`,
    ...paths,
  };
  const words = deployment.spec.template.spec.containers[0]!.args.map((word) =>
    Object.entries(here).reduce((text, [there, local]) => text.replace(there, local), word),
  );
  const program = stage.start(
    name,
    [
      outriggerProgram,
      ...words,
      ...[
        '--listen',
        `127.0.0.1:${xds}`,
        '--kubeconfig',
        cluster.kubeconfig(name, readFileSync(tokenFile, 'utf8'), namespace),
      ],
      // By which the API server reaches this one.
      ...['--webhook-name', 'localhost'],
    ],
    { OUTRIGGER_DATA_DIR: dataDir },
  );
  await waitFor(`${name} to be ready`, 20_000, async () => {
    program.failIfEnded();
    return fetch(`http://127.0.0.1:${admin}/healthz/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  return { program, tls, admin, webhook, dataDir };
}

const text = async (path: string, ...fields: readonly string[]): Promise<string> => {
  const { body } = await cluster.api('GET', path);
  return String(
    fields.reduce((value: unknown, field) => (value as Record<string, unknown> | undefined)?.[field], body) ?? '',
  );
};

describe('the chart in a cluster', () => {
  let controlPlane: Running;

  beforeAll(async () => {
    cluster = await KubernetesCluster.start({ audit: true });
    await cluster.namespace('shop', 'default', 'storefront');
    await cluster.apply(readFileSync(peer('gateway-api-crds'), 'utf8'));
    released = await ReleasedApiServer.start(
      cluster.url,
      readFileSync(cluster.caFile, 'utf8'),
      cluster.adminToken,
      'v1.34.1',
    );
    // The first of the two commands of docs/kubernetes.md.
    await helm('install', 'outrigger', chartFolder, '--create-namespace');
    tokenFile = stage.file('token', await cluster.token(namespace, account));
    controlPlane = await run('control-plane', deploymentOf(renderChart(peer('helm'))));
  }, 120_000);
  afterAll(async () => {
    await stage.stop();
    await released?.stop();
    await cluster?.stop();
  });

  it('is taken as manifests too, and its pods are by the restricted Pod Security Standard', async () => {
    await cluster.kubectl(['apply', '--server-side', '--force-conflicts', '--dry-run=server', '-f', manifestsFile]);
    await cluster.kubectl(['label', 'namespace', namespace, 'pod-security.kubernetes.io/enforce=restricted']);
    const { template } = deploymentOf(readFileSync(manifestsFile, 'utf8')).spec;
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { ...template.metadata, name: 'try' }, spec: template.spec };
    const made = await cluster.api('POST', `/api/v1/namespaces/${namespace}/pods?dryRun=All`, pod);
    expect(made.status, JSON.stringify(made.body)).toBe(201);
    const root = { securityContext: { runAsUser: 0, runAsNonRoot: false } };
    const refused = await cluster.api('POST', `/api/v1/namespaces/${namespace}/pods?dryRun=All`, {
      ...pod,
      spec: { ...template.spec, ...root },
    });
    expect(refused.status).toBe(403);
  });

  it("keeps the mesh's roots in each namespace that may have sidecars, also in one that comes later", async () => {
    const roots = readFileSync(join(controlPlane.dataDir, 'trust-bundle.pem'), 'utf8');
    const map = (name: string): Promise<string> =>
      text(`/api/v1/namespaces/${name}/configmaps/outrigger-root`, 'data', 'root.pem');
    await waitFor(
      `the roots in shop\n${controlPlane.program.output}`,
      20_000,
      async () => (await map('shop')) === roots,
    );
    await cluster.namespace('later');
    await waitFor('the roots in later', 5_000, async () => (await map('later')) === roots);
    expect(await map('kube-system')).toBe('');
    expect(await map(namespace)).toBe('');
  });

  it('tells the API server whom the webhook is signed by: it is called, and puts sidecars in', async () => {
    const path = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/outrigger-inject';
    const configuration = async () =>
      (await cluster.api('GET', path)).body as {
        webhooks: Array<{ name: string; clientConfig: { caBundle?: string; url?: string; service?: object } }>;
      };
    const roots = readFileSync(join(controlPlane.dataDir, 'trust-bundle.pem')).toString('base64');
    await waitFor('the caBundle', 20_000, async () =>
      (await configuration()).webhooks.every(({ clientConfig }) => clientConfig.caBundle === roots),
    );
    // There are no Services here that lead anywhere.
    const { webhooks, ...rest } = await configuration();
    const url = `https://localhost:${controlPlane.webhook}/inject`;
    await cluster.api('PUT', path, {
      ...rest,
      webhooks: webhooks.map((each) => ({ ...each, clientConfig: { url } })),
    });
    // The second command. The caBundle that was lost is written again meanwhile.
    await cluster.kubectl(['label', 'namespace', 'shop', 'outrigger.dev/inject=enabled']);
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'orders' },
      spec: { containers: [{ name: 'web', image: 'a:1' }] },
    };
    const made = await waitFor('a pod with a sidecar', 30_000, async () => {
      const { status, body } = await cluster.api('POST', '/api/v1/namespaces/shop/pods?dryRun=All', pod);
      return status === 201 && JSON.stringify(body).includes('outrigger-sidecar') ? JSON.stringify(body) : null;
    });
    expect(made).toContain('--control-plane-tls=outrigger-control-plane.outrigger-system.svc:15012');
    expect(made).toContain('"image":"outrigger:0.1.0"');
    const elsewhere = await cluster.api('POST', '/api/v1/namespaces/later/pods?dryRun=All', pod);
    expect(JSON.stringify(elsewhere.body)).not.toContain('outrigger-sidecar');
    // As it was.
    const now = await configuration();
    const { status } = await cluster.api('PUT', path, {
      ...now,
      webhooks: now.webhooks.map((each, at) => ({ ...each, clientConfig: webhooks[at]!.clientConfig })),
    });
    expect(status).toBe(200);
  });

  it('grants what is used, all of it, and nothing more', async () => {
    await cluster.apply(
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { namespace: 'shop', name: 'orders' },
        spec: { ports: [{ name: 'http', port: 80 }] },
      },
      ...['HTTPRoute', 'GRPCRoute'].map((kind, at) => ({
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind,
        metadata: { namespace: 'shop', name: 'orders' },
        spec: {
          parentRefs: [{ group: '', kind: 'Service', name: ['orders', 'nobody'][at] }],
          rules: [{ backendRefs: [{ name: 'orders', port: 80 }] }],
        },
      })),
      ...Object.entries(policies).map(([kind, spec]) => ({
        apiVersion: 'outrigger.dev/v1',
        kind,
        metadata: { namespace: 'shop', name: 'one' },
        spec,
      })),
    );
    const [sidecarAdmin] = (await freePorts(1)) as [number];
    await stage.serviceSidecar('storefront', sidecarAdmin, [
      ...['--service', 'shop/storefront', '--no-register', '--listen-metrics', 'off', '--app-port', '1'],
      ...[
        '--kubernetes-token-file',
        stage.file('sidecar-token', await cluster.token('shop', 'storefront', 'outrigger')),
      ],
      ...['--trust-bundle', join(controlPlane.dataDir, 'trust-bundle.pem')],
      ...['--control-plane-tls', `127.0.0.1:${controlPlane.tls}`],
      ...[
        '--outbound-listen',
        '127.0.0.1:0',
        '--inbound-listen',
        '127.0.0.1:0',
        '--admin',
        `127.0.0.1:${sidecarAdmin}`,
      ],
    ]);
    const granted = await grants();
    const missing = (): readonly string[] => {
      const used = uses();
      return [...granted].filter((each) => !used.has(each));
    };
    await waitFor('everything that is granted to be used', 30_000, () => missing().length === 0).catch(
      (error: Error) => {
        throw new Error(`${error.message}; unused: ${missing().join(' · ')}\n${controlPlane.program.output}`);
      },
    );
    // What the API server refused, the roles lack.
    expect(cluster.audit(user).filter(({ responseStatus }) => responseStatus?.code === 403)).toEqual([]);
    expect([...uses()].filter((each) => !granted.has(each))).toEqual([]);
    expect(controlPlane.program.output).not.toMatch(/\(403|"level":"error"/);
  });

  it('with more than one replica and a root of yours: each is ready, they have one root, one leads, and the next does when it stops', async () => {
    const { chain, key } = createRoot('cluster.local', issuingClock(Date.now));
    const ca = join(stage.folder, 'ca');
    mkdirSync(ca);
    writeFileSync(join(ca, 'tls.crt'), writePem('CERTIFICATE', ...chain.map(({ der }) => der)));
    writeFileSync(join(ca, 'tls.key'), key.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o440 });
    const flags = ['replicas=2', 'ca.secretName=ca', 'persistence.enabled=false'].flatMap((each) => ['--set', each]);
    const deployment = deploymentOf(renderChart(peer('helm'), flags));
    await controlPlane.program.stop();
    const one = await run('replica-1', deployment, { '/etc/outrigger/ca': ca });
    await one.program.line(/leader \(Lease/, 20_000);
    const two = await run('replica-2', deployment, { '/etc/outrigger/ca': ca });
    const bundle = readFileSync(join(one.dataDir, 'trust-bundle.pem'), 'utf8');
    expect(readFileSync(join(two.dataDir, 'trust-bundle.pem'), 'utf8')).toBe(bundle);
    // Whoever believes in one believes the other.
    for (const port of [two.tls, two.webhook]) await shakesHands(port, bundle);
    await waitFor(
      'the new root in shop',
      20_000,
      async () => (await text('/api/v1/namespaces/shop/configmaps/outrigger-root', 'data', 'root.pem')) === bundle,
    );
    expect(two.program.output).not.toMatch(/leader \(Lease/);
    await one.program.stop();
    await two.program.line(/leader \(Lease/, 20_000);
  });

  it('is upgraded and uninstalled by helm: kinds, what was made of them, and the root stay', async () => {
    const flags = ['replicas=2', 'ca.secretName=ca', 'persistence.enabled=false'].flatMap((each) => ['--set', each]);
    await helm('upgrade', 'outrigger', chartFolder, '--reuse-values', ...flags);
    const deployment = `/apis/apps/v1/namespaces/${namespace}/deployments/${account}`;
    expect(await text(deployment, 'spec', 'strategy', 'type')).toBe('RollingUpdate');
    const webhook = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/outrigger-inject';
    // What the control plane has written stays.
    expect(JSON.stringify((await cluster.api('GET', webhook)).body).match(/"caBundle":"[^"]{100}/g)).toHaveLength(2);
    await helm('rollback', 'outrigger', '1');
    expect(await text(deployment, 'spec', 'strategy', 'type')).toBe('Recreate');
    await helm('uninstall', 'outrigger');
    expect((await cluster.api('GET', deployment)).status).toBe(404);
    expect(await text('/apis/outrigger.dev/v1/namespaces/shop/trafficpolicies/one', 'metadata', 'name')).toBe('one');
    const claim = `/api/v1/namespaces/${namespace}/persistentvolumeclaims/${account}`;
    expect(await text(claim, 'metadata', 'name')).toBe(account);
    const left = await cluster.kubectl([
      'get',
      'clusterrole,clusterrolebinding,mutatingwebhookconfiguration',
      '-o',
      'name',
    ]);
    expect(left).not.toContain('outrigger');
  });
});

/** As the administrator, to its end. */
async function helm(...words: readonly string[]): Promise<string> {
  const config = stage.file(
    'helm.kubeconfig',
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'test', cluster: { server: released.url } }],
      contexts: [{ name: 'admin', context: { cluster: 'test' } }],
      'current-context': 'admin',
    }),
  );
  const flags = ['--namespace', namespace, '--kubeconfig', config];
  const program = stage.start(`helm-${words[0]}`, [peer('helm'), ...words, ...flags], { HOME: stage.folder });
  const how = await program.exited;
  if (how !== 'exit code 0') throw new Error(`helm ${words.join(' ')} ended (${how}):\n${program.output}`);
  return program.output;
}

/** `group/resource verb name`, of the roles that the API server has. */
async function grants(): Promise<Set<string>> {
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  const roles = await Promise.all(
    [`${rbac}/clusterroles/${account}`, `${rbac}/namespaces/${namespace}/roles/${account}`].map(
      async (path) => (await cluster.api('GET', path)).body as { rules: readonly Rule[] },
    ),
  );
  return new Set(
    roles.flatMap(({ rules }) =>
      rules.flatMap(({ apiGroups, resources, verbs, resourceNames = [''] }) =>
        apiGroups.flatMap((group) =>
          resources.flatMap((resource) =>
            verbs.flatMap((verb) => resourceNames.map((name) => `${group}/${resource} ${verb} ${name}`.trim())),
          ),
        ),
      ),
    ),
  );
}

/** The same of what was asked for. */
function uses(): Set<string> {
  const named = new Set(['configmaps', 'mutatingwebhookconfigurations', 'leases']);
  return new Set(
    cluster.audit(user).flatMap(({ verb, objectRef, responseStatus }) => {
      // /version and the like, that everybody may read.
      if (objectRef === undefined) return [];
      const { apiGroup = '', resource, subresource, name = '' } = objectRef;
      const what = `${apiGroup}/${resource}${subresource === undefined ? '' : `/${subresource}`}`;
      const whose = named.has(resource) && verb !== 'create' ? ` ${name}` : '';
      const uses = [`${what} ${verb}${whose}`];
      // Server-side apply of what was not there takes both.
      if (verb === 'patch' && responseStatus?.code === 201) uses.push(`${what} create${whose}`);
      return uses;
    }),
  );
}

function shakesHands(port: number, ca: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca, checkServerIdentity: () => undefined }, () => {
      resolve();
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
