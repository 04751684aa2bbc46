import { describe, expect, test } from 'vitest';
import { documentsOf, fixtures, goldenPath } from './fixtures.test-data.ts';
import { injectDocument, uninjectDocument } from './inject-document.ts';
import { changeManifests, type ManifestFile, manifestsText } from './inject-manifests.ts';

const inject = (...files: readonly ManifestFile[]) =>
  changeManifests(files, (document, textOf) => injectDocument(document, {}, '', textOf));
const uninject = (...files: readonly ManifestFile[]) => changeManifests(files, uninjectDocument);
const file = (text: string, name = 'a.yaml'): ManifestFile => ({ name, text });

describe.each(fixtures)('fixtures/$name', (fixture) => {
  test('comes out as its golden file says', async () => {
    const { documents, told, faults } = inject(fixture);
    expect(faults).toEqual([]);
    const said = told.map(({ kind, line }) => `# ${kind}: ${line}\n`).join('');
    await expect(`${said}${manifestsText(documents, 'yaml')}`).toMatchFileSnapshot(
      goldenPath(fixture.name.replace('.yaml', '.injected.yaml')),
    );
  });

  test('injected again it is the same text', () => {
    const once = manifestsText(inject(fixture).documents, 'yaml');
    const { documents, told } = inject(file(once));
    expect(manifestsText(documents, 'yaml')).toBe(once);
    expect(told.filter(({ kind }) => kind === 'changed')).toEqual([]);
  });

  // JSON, and what stands for other parts, is written anew.
  test.runIf(fixture.name === 'workloads.yaml')('uninjected it is the same text', () => {
    const once = manifestsText(inject(fixture).documents, 'yaml');
    expect(manifestsText(uninject(file(once)).documents, 'yaml')).toBe(fixture.text);
  });

  test('uninjected it is what it was, and as JSON too', () => {
    const before = documentsOf(fixture);
    for (const format of ['yaml', 'json'] as const) {
      const once = manifestsText(inject(fixture).documents, format);
      const { documents } = uninject(file(once));
      const after = documents.flatMap(({ value }) => (value === undefined ? [] : [value]));
      expect(format === 'json' && before.length > 1 ? (after[0] as { items: unknown }).items : after).toEqual(before);
    }
  });
});

test('what nothing is changed in goes through word for word, and a second document gets its ---', () => {
  const text = '# top\na:   1   # odd\n...\n%YAML 1.2\n---\n{b: 0x1F, c: 1e3,\n d: 99999999999999999999}\n# end\n';
  expect(manifestsText(inject(file(text)).documents, 'yaml')).toBe(text);
  expect(manifestsText(inject(file('a: 1'), file('b: 2\n', 'b.yaml')).documents, 'yaml')).toBe('a: 1\n---\nb: 2\n');
  expect(manifestsText(inject(file('')).documents, 'yaml')).toBe('');
});

test('comments, order, quotes and numbers of what is changed stay', () => {
  const text = `# a pod
apiVersion: v1
kind: Pod
metadata:
  name: 'one' # its name
spec:
  # how long
  terminationGracePeriodSeconds: 10 # seconds
  containers:
    # the only one
    - name: one
      image: "one:1"
      securityContext: {runAsUser: 0x11, fsGroup: 010}
      args: [12:30, 2024-01-01, yes]
`;
  const injected = manifestsText(inject(file(text)).documents, 'yaml');
  for (const line of [
    "  name: 'one' # its name",
    '  # how long',
    '  terminationGracePeriodSeconds: 60 # seconds',
    '    # the only one',
    '      image: "one:1"',
    '      securityContext: {runAsUser: 0x11, fsGroup: 010}',
    '      args: [12:30, 2024-01-01, yes]',
  ])
    expect(injected).toContain(`${line}\n`);
  expect(manifestsText(uninject(file(injected)).documents, 'yaml')).toBe(text);
});

test('what is no YAML, or too deep, is told with its place, and nothing is given', () => {
  expect(inject(file('a: 1\n---\nb: [\n')).faults[0]).toMatch(/^a\.yaml:4:1: Flow sequence/);
  const deep = `a: ${'['.repeat(200)}${']'.repeat(200)}`;
  expect(inject(file(deep)).faults).toEqual([
    'a.yaml:1:103: is nested too deep: more than 100 maps and lists stand within each other',
  ]);
  expect(inject(file('a: &a [*a]\n')).faults[0]).toContain('a.yaml:1:1: ');
});

test('a file that was injected and changed since keeps the change when it is uninjected', () => {
  const pod = 'apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - {name: a, image: "a:1"}\n';
  const injected = manifestsText(inject(file(pod)).documents, 'yaml').replace(
    '  volumes:\n',
    '  volumes:\n    - name: mine\n      emptyDir: {}\n',
  );
  const [document] = uninject(file(injected)).documents;
  expect(document!.value).toEqual({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a' },
    spec: { containers: [{ name: 'a', image: 'a:1' }], volumes: [{ name: 'mine', emptyDir: {} }] },
  });
});

/** What people and kubectl write, to be had back to the byte. */
const texts: Readonly<Record<string, string>> = {
  'quotes, comments and order of probes': `apiVersion: apps/v1
kind: Deployment
metadata:
  name: orders   # name
spec:
  template:
    spec:
      terminationGracePeriodSeconds:   10    # seconds
      containers:
        # the only one
        - name: orders     # its name
          image: 'orders:1'
          livenessProbe:
            periodSeconds: 5
            httpGet:
              # a path
              port: 8080   # where
              path: "/h?x=$(A)"
              httpHeaders:
                - {name: a, value: "b"}
            # how often
            failureThreshold: 3
          readinessProbe: { tcpSocket: { port: 'http' }, periodSeconds: 3 }
          startupProbe:
            grpc: {port: 9000}   # gRPC
            timeoutSeconds: 2
          ports: [ { name: http, containerPort: 8080 } ]

---
# nothing here
apiVersion: v1
kind: ConfigMap
metadata:   {name: c}
`,
  'lists that are not indented, as kubectl writes them': `apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata:
    annotations:
      a: b
    labels:
      app: one
    name: one
  spec:
    containers:
    - image: one:1
      livenessProbe:
        httpGet:
          httpHeaders:
          - name: a
            value: b
          path: /h
          port: 80
          scheme: HTTP
        periodSeconds: 3
      name: one
      ports:
      - containerPort: 80
        protocol: TCP
    volumes:
    - emptyDir: {}
      name: v
- apiVersion: v1
  kind: Pod
  metadata:
    name: two
    labels: {app: two}
  spec:
    containers:
    - name: two
      image: two:1
      args:
      - |
        some
          text
kind: List
metadata:
  resourceVersion: ""
`,
  'lists and maps without a value, or all in one line': `apiVersion: v1
kind: Pod
metadata: {name: a, labels: {}, annotations: }
spec:
  volumes:   # none
  initContainers: ~   # none either
  terminationGracePeriodSeconds: 0x0A
  containers: [{name: a, image: "a:1", livenessProbe: {tcpSocket: {port: 80}}}]
`,
  'tags, odd numbers and blanks': `apiVersion:   v1
kind: Pod

metadata:
    name: a

    annotations:
        n:   !!str 012
        b: "0x1"


spec:

    restartPolicy:   "Always"
    containers:
        -   name: a
            env:
                - { name: A, value: !!str 012 }
            securityContext: {runAsUser: 0x11, fsGroup: 010}

# the end
`,
};

describe.each(Object.entries(texts))('%s', (_, text) => {
  test.each([
    ['', (all: string) => all],
    [', with line ends of Windows', (all: string) => all.replaceAll('\n', '\r\n')],
    [', without a line end at its end', (all: string) => all.trimEnd()],
  ])('come back to the byte%s', (_, written) => {
    const before = written(text);
    const injected = manifestsText(inject(file(before)).documents, 'yaml');
    expect(injected).toContain('outrigger-sidecar');
    expect(manifestsText(inject(file(injected)).documents, 'yaml')).toBe(injected);
    expect(manifestsText(uninject(file(injected)).documents, 'yaml')).toBe(before);
    // Every line of the file is there but those that are changed.
    if (before.includes('\r\n')) expect(injected.replaceAll('\r\n', '')).not.toContain('\n');
  });
});

test('a probe that was changed since is not put back as its old text says', () => {
  const pod =
    'apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n    - name: a\n      livenessProbe:\n        httpGet: {path: "/h", port: 80}\n';
  const injected = manifestsText(inject(file(pod)).documents, 'yaml');
  const since = injected.replace(/livenessProbe:\n.*\n/, 'livenessProbe:\n        tcpSocket: {port: 81}\n');
  const again = manifestsText(inject(file(since)).documents, 'yaml');
  expect(manifestsText(uninject(file(again)).documents, 'yaml')).toBe(
    pod.replace('httpGet: {path: "/h", port: 80}', 'tcpSocket: {port: 81}'),
  );
});

test('a text in the record that says something else than the pod is not believed', () => {
  const pod =
    'apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n    - name: a\n      livenessProbe:\n        httpGet: {path: "/h", port: 80}\n';
  const forged = manifestsText(inject(file(pod)).documents, 'yaml').replace(
    '"httpGet: {path: \\"/h\\", port: 80}"',
    '"exec: {command: [evil]}\\n"',
  );
  expect(forged).toContain('evil');
  const text = manifestsText(uninject(file(forged)).documents, 'yaml');
  expect(text).not.toContain('evil');
  expect(documentsOf(file(text))).toEqual(documentsOf(file(pod)));
});

test('a workload without a pod template is told by the field that it lacks', () => {
  const { told } = inject(
    file(
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {replicas: 1}\n---\nkind: List\nitems:\n- {apiVersion: batch/v1, kind: CronJob, metadata: {name: z}}\n',
    ),
  );
  expect(told.map(({ kind, line }) => `${kind} ${line}`)).toEqual([
    'refused a.yaml:1:1: Deployment x: spec.template: is missing: it is the pod template, of which a Deployment makes its pods',
    'refused a.yaml:6:1: CronJob z: spec.jobTemplate.spec.template: is missing: it is the pod template, of which a CronJob makes its pods',
  ]);
});
