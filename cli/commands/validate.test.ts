/** `outrigger validate`: what it prints, and the exit code. What it finds is tested with control-plane/source. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { validate } from './validate.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-validate-'));
const file = join(folder, 'mesh.yaml');
let out: string;
let err: string;

beforeEach(() => {
  out = '';
  err = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true));
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const service = (protocol: string): string => `apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: a, namespace: shop }
spec:
  ports:
    - { name: db, port: 5432, appProtocol: ${protocol} }
`;

test.each([
  ['http', '1 file, 1 resource: no fault\n', 0],
  ['tcp', '1 file, 1 resource: 0 faults, 1 warning\n', 0],
  ['smoke', '1 file, 0 resources: 1 fault\n', 1],
])('the last line counts faults and warnings (appProtocol: %s)', async (protocol, line, code) => {
  writeFileSync(file, service(protocol));
  expect(await validate([file], { output: 'table' })).toBe(code);
  expect(err).toBe(line);
});

test('a warning of a port or a rule has its line, not that of the document', async () => {
  writeFileSync(
    file,
    `${service('tcp')}---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r, namespace: shop }
spec:
  parentRefs: [{ kind: Service, group: '', name: b, port: 80 }]
  rules:
    - matches: [{ path: { type: PathPrefix, value: / } }]
---
apiVersion: outrigger.dev/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: shop }
spec:
  action: DENY
  rules: []
`,
  );
  await validate([file], { output: 'table' });
  expect(out.split('\n').map((line) => /:(\d+:\d+: \S+):/.exec(line)?.[1])).toEqual([
    '6:7: spec.ports[0]',
    '12:16: spec.parentRefs[0]',
    '14:7: spec.rules[0]',
    '21:3: spec.rules',
    undefined,
  ]);
});

test('a fault of one document hides neither faults nor warnings of the others, in the same file or another', async () => {
  writeFileSync(
    file,
    `${service('smoke')}---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r, namespace: shop }
spec:
  parentRefs: [{ kind: Service, group: '', name: a, port: 80 }]
  rules:
    - backendRefs: [{ name: gone, port: 80 }]
---
${service('http').replace('name: a', 'name: twice')}---
${service('http').replace('name: a', 'name: twice')}`,
  );
  await validate([file], { output: 'table' });
  // That there is no Service shop/a is not said: there is one, with a fault.
  expect(out.split('\n').map((line) => line.replace(/^.*?mesh.yaml:/, '').slice(0, 60))).toEqual([
    expect.stringContaining('6:31: spec.ports[0].appProtocol'),
    expect.stringContaining('metadata.name: Service shop/twice stands at'),
    expect.stringContaining('14:21: spec.rules[0].backendRefs[0]: there is no'),
    '',
  ]);
});
