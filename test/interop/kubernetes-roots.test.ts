/**
 * Two control planes of one root on a real kube-apiserver, each with exactly the roles of deploy/kubernetes: one leads, and keeps the mesh's roots in the namespaces and in the webhook's configuration, so that a pod of a new
 * namespace gets its sidecar; also while the root is rotated, and after the other took over.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRoot } from '../../certs/authority/create-root.ts';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import { writePem } from '../../certs/x509/pem.ts';
import { freePorts } from '../peers/free-port.ts';
import { StartedProgram, waitFor } from '../peers/started-program.ts';
import { KubernetesCluster } from './kubernetes/kubernetes-cluster.ts';
import { outriggerProgram, Stage } from './programs.ts';

const deploy = join(import.meta.dirname, '../../deploy');
const account = 'outrigger-control-plane';
const configurationPath = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
const leads = /leader \(Lease/;

interface Running {
  readonly program: StartedProgram;
  readonly dataDir: string;
  readonly admin: number;
}

describe('the roots of the mesh in a cluster', () => {
  const stage = new Stage();
  const folder = join(stage.folder, 'ca');
  let cluster: KubernetesCluster;
  let webhookPort = 0;
  let kubeconfig = '';
  let one: Running;
  let two: Running;

  /** Their webhook's port is one: the second takes it when the first is gone, as a Service leads to whoever is there. */
  async function run(name: string, webhook: number): Promise<Running> {
    const [admin] = (await freePorts(1)) as [number];
    const dataDir = join(stage.folder, name);
    const program = stage.start(name, [
      outriggerProgram,
      ...['control-plane', '--source', 'kubernetes', '--kubeconfig', kubeconfig, '--data-dir', dataDir],
      ...['--ca-certificate', join(folder, 'tls.crt'), '--ca-key', join(folder, 'tls.key')],
      ...['--listen', '127.0.0.1:0', '--listen-tls', '127.0.0.1:0', '--listen-admin', `127.0.0.1:${admin}`],
      ...['--listen-webhook', `127.0.0.1:${webhook}`, '--webhook-name', 'localhost', '--certificate-lifetime', '10s'],
    ]);
    await waitFor(`${name} to be ready`, 20_000, async () => {
      program.failIfEnded();
      return fetch(`http://127.0.0.1:${admin}/healthz/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
    return { program, dataDir, admin };
  }

  const bundle = ({ dataDir }: Running): string => readFileSync(join(dataDir, 'trust-bundle.pem'), 'utf8');
  const configMap = async (namespace: string): Promise<string> => {
    const { body } = await cluster.api('GET', `/api/v1/namespaces/${namespace}/configmaps/outrigger-root`);
    return (body as { data?: Record<string, string> }).data?.['root.pem'] ?? '';
  };
  const bundles = async (name: string): Promise<readonly string[]> => {
    const { body } = await cluster.api('GET', `${configurationPath}/${name}`);
    const { webhooks } = body as { webhooks: ReadonlyArray<{ clientConfig: { caBundle?: string } }> };
    return webhooks.map(({ clientConfig }) => Buffer.from(clientConfig.caBundle ?? '', 'base64').toString());
  };
  /** What the API server says of a pod: `injected`, or why not. Nothing stays. */
  const made = async (namespace: string): Promise<string> => {
    const { status, body } = await cluster.api('POST', `/api/v1/namespaces/${namespace}/pods?dryRun=All`, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web' },
      spec: { containers: [{ name: 'web', image: 'a:1' }] },
    });
    const text = JSON.stringify(body);
    return status === 201 && text.includes('outrigger-sidecar') ? 'injected' : `${status} ${text.slice(0, 300)}`;
  };
  const enabled = (name: string): object => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: { 'outrigger.dev/inject': 'enabled' } },
  });
  const serviceAccount = (namespace: string): object => ({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { namespace, name: 'default' },
  });
  const newRoot = (): void => {
    const { chain, key } = createRoot('cluster.local', issuingClock(Date.now));
    writeFileSync(join(folder, 'tls.key'), key.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
    writeFileSync(join(folder, 'tls.crt'), writePem('CERTIFICATE', ...chain.map(({ der }) => der)));
  };

  beforeAll(async () => {
    mkdirSync(folder);
    newRoot();
    [webhookPort] = (await freePorts(1)) as [number];
    cluster = await KubernetesCluster.start();
    await cluster.namespace('outrigger-system', 'default');
    const texts = ['kubernetes/control-plane-rbac.yaml', 'crds/peerauthentications.outrigger.dev.yaml'];
    await cluster.apply(...texts.map((file) => readFileSync(join(deploy, file), 'utf8')));
    const theirs = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: 'theirs', name: 'outrigger-root' },
      data: { 'root.pem': 'something else' },
    };
    await cluster.apply(enabled('theirs'), theirs);
    const printed = new StartedProgram('outrigger webhook', [
      outriggerProgram,
      ...['webhook', '--url', `https://localhost:${webhookPort}`, '--trust-bundle', join(folder, 'tls.crt')],
    ]);
    await printed.exited;
    // As the chart makes it: nobody has said yet by whom the webhook is signed. And one of somebody else.
    const bare = printed.output.replaceAll(/^ +caBundle: (?:\|-?\n(?: {8,}.*\n)+|.*\n)/gm, '');
    expect(bare).not.toContain('caBundle');
    const foreign = printed.output
      .replace('name: outrigger-inject', 'name: foreign-inject')
      .replaceAll('outrigger.dev/inject', 'example.com/inject');
    await cluster.apply(bare, foreign);
    kubeconfig = cluster.kubeconfig(account, await cluster.token('outrigger-system', account));
    one = await run('one', webhookPort);
    await one.program.line(leads, 20_000);
    two = await run('two', 0);
  }, 120_000);
  afterAll(async () => {
    await stage.stop();
    await cluster?.stop();
  });

  it('are in the ConfigMaps and in our configuration; in those of others nothing has changed', async () => {
    await waitFor(`the caBundle\n${one.program.output}`, 10_000, async () =>
      (await bundles('outrigger-inject')).every((each) => each === bundle(one)),
    );
    await waitFor('the roots in default', 10_000, async () => (await configMap('default')) === bundle(one));
    await waitFor('the warning', 5_000, () =>
      Promise.resolve(one.program.output.includes('ConfigMap theirs/outrigger-root is not ours')),
    );
    expect(await configMap('theirs')).toBe('something else');
    expect(await configMap('kube-system')).toBe('');
    const foreign = readFileSync(join(folder, 'tls.crt'), 'utf8');
    expect(new Set(await bundles('foreign-inject'))).toEqual(new Set([foreign]));
    expect(one.program.output).not.toMatch(/\b403\b/);
    expect(two.program.output).not.toMatch(leads);
  });

  it('a pod of a new namespace gets its sidecar, and its roots within a second', async () => {
    const beganMs = performance.now();
    await cluster.api('POST', '/api/v1/namespaces', enabled('shop'));
    await waitFor('the roots in shop', 5_000, async () => (await configMap('shop')) === bundle(one), 5);
    expect(performance.now() - beganMs).toBeLessThan(1_000);
    await cluster.apply(serviceAccount('shop'));
    await waitFor('a pod with a sidecar', 20_000, async () => (await made('shop')) === 'injected');
  });

  it('what somebody else makes of them is mended', async () => {
    await cluster.api('PATCH', '/api/v1/namespaces/shop/configmaps/outrigger-root', { data: { 'root.pem': 'forged' } });
    await waitFor('the roots in shop', 5_000, async () => (await configMap('shop')) === bundle(one));
    await cluster.api('DELETE', '/api/v1/namespaces/shop/configmaps/outrigger-root');
    await waitFor('the roots in shop again', 5_000, async () => (await configMap('shop')) === bundle(one));
  });

  it('while the root is rotated both are in it, and every pod that is made gets its sidecar', async () => {
    const old = bundle(one);
    newRoot();
    const answers: string[] = [];
    let both = false;
    await waitFor(
      `the new root alone\n${one.program.output}`,
      150_000,
      async () => {
        answers.push(await made('shop'));
        const [now = ''] = await bundles('outrigger-inject');
        if (now.length > old.length && now.includes(old.trim())) both = true;
        return both && now.length <= old.length && now !== old && now === bundle(one);
      },
      200,
    );
    expect(both).toBe(true);
    expect(new Set(answers)).toEqual(new Set(['injected']));
    await waitFor('the new root in shop', 5_000, async () => (await configMap('shop')) === bundle(one));
  }, 180_000);

  it('when the leader is killed the other takes over within its Lease, and keeps them', async () => {
    one.program.signal('SIGKILL');
    await one.program.exited;
    await two.program.line(leads, 30_000);
    await cluster.api('POST', '/api/v1/namespaces', enabled('later'));
    await waitFor(
      `the roots in later\n${two.program.output}`,
      5_000,
      async () => (await configMap('later')) === bundle(two),
    );
    // The status too.
    const path = '/apis/outrigger.dev/v1/namespaces/later/peerauthentications';
    await cluster.apply({
      apiVersion: 'outrigger.dev/v1',
      kind: 'PeerAuthentication',
      metadata: { namespace: 'later', name: 'strict' },
      spec: { mtls: { mode: 'STRICT' } },
    });
    await waitFor('its status', 10_000, async () => {
      const { body } = await cluster.api('GET', `${path}/strict`);
      const { status } = body as { status?: { conditions?: ReadonlyArray<{ type: string; status: string }> } };
      return status?.conditions?.some((each) => each.type === 'Accepted' && each.status === 'True');
    });
    expect(two.program.output).not.toMatch(/\b403\b/);
  }, 60_000);
});
