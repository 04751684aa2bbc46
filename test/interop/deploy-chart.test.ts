/** The chart, the manifests made from it, and the image's recipe, by the programs that judge such things: helm, kubernetes-validate (Kubernetes' schemas of the oldest release that we take and of the newest), hadolint. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { webhookConfiguration } from '../../control-plane/inject/webhook/webhook-configuration.ts';
import { chartFolder, manifestsFile, manifestsText, renderChart, runHelm } from '../../deploy/helm/chart.ts';
import { expectValid } from './kubernetes-schemas.ts';
import { peer } from './programs.ts';

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

const folder = mkdtempSync(join(tmpdir(), 'outrigger-chart-'));
afterAll(() => rmSync(folder, { recursive: true }));

const manifests = (text: string): readonly Manifest[] =>
  parseAllDocuments(text)
    .map((each) => each.toJS() as Manifest | null)
    .filter((each) => each !== null);
const set = (...values: readonly string[]): readonly string[] => values.flatMap((value) => ['--set', value]);
const kinds = (text: string): readonly string[] => manifests(text).map(({ kind }) => kind);

const several = ['replicas=3', 'ca.secretName=mesh-ca', 'persistence.enabled=false'];
/** By what they are: flags of helm. */
const ways: Readonly<Record<string, readonly string[]>> = {
  default: [],
  'more than one replica': set(
    ...several,
    'ca.rootsKey=ca.crt',
    'etcd.endpoints={etcd-0.etcd:2379,etcd-1.etcd:2379}',
    'etcd.tlsSecretName=etcd',
  ),
  minimal: set(
    'crds.install=false',
    'injector.enabled=false',
    'publishRoot=false',
    'networkPolicy.enabled=false',
    'prometheus.annotations=false',
    'persistence.existingClaim=mine',
  ),
  'everything said': set(
    'image.repository=registry.example:5000/mesh/outrigger',
    `image.digest=sha256:${'a'.repeat(64)}`,
    'imagePullSecrets[0].name=registry',
    'ipFamily=IPv6',
    'egress=registry-only',
    'sidecar.interception=tproxy',
    'sidecar.dns=enabled',
    'sidecar.drain-time=60',
    'injector.certificate.secretName=webhook',
    'injector.certificate.caBundle=-----BEGIN CERTIFICATE-----',
    'injector.excludedNamespaces={monitoring}',
    'injector.namespaceSelector.matchExpressions[0].key=team',
    'injector.namespaceSelector.matchExpressions[0].operator=Exists',
    'persistence.storageClassName=fast',
    'persistence.accessMode=ReadWriteOncePod',
    'podDisruptionBudget.enabled=true',
    'podLabels.team=mesh',
    'podAnnotations.note=x',
    'service.annotations.note=x',
    'serviceAccount.annotations.note=x',
    'tolerations[0].operator=Exists',
    'priorityClassName=system-cluster-critical',
    'extraArgs={--federate=other=/etc/other.pem}',
  ),
};

describe('the chart', () => {
  test('helm lint --strict has nothing to say of it, whatever is set', () => {
    for (const flags of Object.values(ways)) {
      const { status, stdout } = runHelm(peer('helm'), ['lint', '--strict', chartFolder, ...flags]);
      expect(status, stdout).toBe(0);
      expect(stdout).not.toMatch(/\[(?:INFO|WARNING|ERROR)\]/);
    }
  });

  test.each(Object.entries(ways))('%s: what comes of it is what Kubernetes takes, 1.29 and 1.37', (name, flags) => {
    validate(name.replaceAll(' ', '-'), renderChart(peer('helm'), flags));
  });

  test.each<[values: readonly string[], says: RegExp]>([
    [['replica=2'], /additional properties 'replica' not allowed/],
    [['image.repo=x'], /additional properties 'repo' not allowed/],
    [['sidecar.egres=allow'], /additional properties 'egres' not allowed/],
    [['sidecar.interception=tproxi'], /interception/],
    [['egress=deny'], /egress/],
    [['replicas=0'], /replicas/],
    [['trustDomain=Upper'], /trustDomain/],
    [['persistence.accessMode=ReadWriteMany'], /accessMode/],
    [['certificateLifetime=1day'], /certificateLifetime/],
    [['replicas=2'], /replicas: 2 needs ca\.secretName/],
    [['replicas=2', 'ca.secretName=ca'], /replicas: 2 needs persistence\.enabled: false/],
    [['persistence.enabled=false'], /persistence\.enabled: false needs ca\.secretName/],
    [[...several, 'sidecar.register=true'], /sidecar\.register: true works with replicas: 1 only/],
    [[...several, 'sidecar.identity=join-token'], /sidecar\.identity: join-token works with replicas: 1 only/],
    [['publishRoot=false'], /injector\.enabled needs publishRoot: true, or a certificate/],
    [['injector.certificate.secretName=x'], /secretName needs injector\.certificate\.caBundle/],
    [['injector.certificate.caBundle=-----BEGIN CERTIFICATE-----'], /goes with injector\.certificate\.secretName/],
  ])('refuses %j in words', (values, says) => {
    expect(() => renderChart(peer('helm'), set(...values))).toThrow(says);
  });

  test('has a budget, spread and a rolling update with more than one replica only', () => {
    const one = renderChart(peer('helm'));
    expect(kinds(one)).not.toContain('PodDisruptionBudget');
    expect(one).toMatch(/type: Recreate/);
    expect(one).not.toMatch(/podAntiAffinity|topologySpreadConstraints/);
    const three = renderChart(peer('helm'), ways['more than one replica']);
    expect(kinds(three)).toContain('PodDisruptionBudget');
    expect(kinds(three)).not.toContain('PersistentVolumeClaim');
    expect(three).toMatch(/podAntiAffinity[\s\S]*topologySpreadConstraints/);
    expect(three).toMatch(/type: RollingUpdate/);
  });

  test('registers the webhook as `outrigger webhook` does', () => {
    const found = manifests(renderChart(peer('helm'))).find(({ kind }) => kind === 'MutatingWebhookConfiguration')!;
    const service = { namespace: 'outrigger-system', name: 'outrigger-webhook', port: 443 };
    const printed = webhookConfiguration({ service, url: '', caBundle: '', failurePolicy: 'Fail' }) as Manifest;
    expect(found.metadata.name).toBe(printed.metadata.name);
    expect(found['webhooks']).toEqual(printed['webhooks']);
  });

  test('has the roles of deploy/kubernetes, and with publishRoot what that takes', () => {
    const rules = (text: string): ReadonlyArray<readonly [string, string]> =>
      manifests(text)
        .filter(({ kind }) => kind === 'ClusterRole' || kind === 'Role')
        .flatMap((role) =>
          (role['rules'] as readonly object[]).map((rule) => [role.kind, JSON.stringify(rule)] as const),
        );
    const theirs = readFileSync(join(import.meta.dirname, '../../deploy/kubernetes/control-plane-rbac.yaml'), 'utf8');
    const whole = rules(renderChart(peer('helm')));
    expect(whole.map(([, rule]) => rule).toSorted()).toEqual(
      rules(theirs)
        .map(([, rule]) => rule)
        .toSorted(),
    );
    const bare = rules(renderChart(peer('helm'), ways['minimal']));
    const more = whole.filter((rule) => !bare.some((each) => each[1] === rule[1]));
    expect(more.map(([kind, rule]) => `${kind} ${rule}`)).toEqual([
      'ClusterRole {"apiGroups":[""],"resources":["namespaces"],"verbs":["list","watch"]}',
      'ClusterRole {"apiGroups":[""],"resources":["configmaps"],"resourceNames":["outrigger-root"],"verbs":["list","watch","create","patch"]}',
      'ClusterRole {"apiGroups":["admissionregistration.k8s.io"],"resources":["mutatingwebhookconfigurations"],"resourceNames":["outrigger-inject"],"verbs":["list","watch","patch"]}',
    ]);
  });

  test('leaves the namespace out that it is installed into', () => {
    const text = runHelm(peer('helm'), ['template', 'mesh', chartFolder, '--namespace', 'mesh']).stdout;
    expect(text).toMatch(/operator: NotIn\s+values:(?:\s+- [a-z-]+)*\s+- mesh\n/);
    expect(text).toContain('--inject-set=control-plane=outrigger-control-plane.mesh.svc:15012');
    expect(text).toContain('--webhook-name=outrigger-webhook.mesh.svc');
    expect(() => runHelmIn('kube-system')).toThrow(/a namespace of its own/);
  });
});

test('deploy/manifests is what comes of the chart (node deploy/helm/print-manifests.ts writes it), and valid', () => {
  const text = readFileSync(manifestsFile, 'utf8');
  expect(text).toBe(manifestsText(peer('helm')));
  validate('manifests', text);
});

test('hadolint has nothing to say of the image’s Containerfile', () => {
  const file = join(import.meta.dirname, '../../deploy/image/Containerfile');
  const { status, stdout, stderr } = spawnSync(peer('hadolint'), ['--no-color', file], { encoding: 'utf8' });
  expect(`${stdout}${stderr}`).toBe('');
  expect(status).toBe(0);
});

function runHelmIn(namespace: string): void {
  const { status, stderr } = runHelm(peer('helm'), ['template', 'mesh', chartFolder, '--namespace', namespace]);
  if (status !== 0) throw new Error(stderr);
}

/** There are none of kinds without a schema. */
function validate(name: string, text: string): void {
  const files = manifests(text).map((manifest, index) => {
    const file = join(folder, `${name}-${index}-${manifest.kind}.json`);
    writeFileSync(file, JSON.stringify(manifest));
    return file;
  });
  expect(files.length).toBeGreaterThan(5);
  expectValid(files);
}
