/** `outrigger validate`: what it prints, and the exit code. What it finds is tested with control-plane/source. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { captureOutput, temporaryFolder } from './test/command-output.ts';
import { validate } from './validate.ts';

const file = join(temporaryFolder('validate'), 'mesh.yaml');
const nowMs = Date.parse('2026-06-01T00:00:00Z');
const output = captureOutput();

const service = (protocol: string): string => `apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: a, namespace: shop }
spec:
  ports:
    - { name: db, port: 5432, appProtocol: ${protocol} }
`;

const deniesNobody = `apiVersion: outrigger.dev/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: shop }
spec:
  action: DENY
  rules: []
`;

test.each([
  ['neither', service('tcp'), '1 file, 1 resource: no fault\n', 0],
  ['a warning', deniesNobody, '1 file, 1 resource: 0 faults, 1 warning\n', 0],
  ['a fault', service('smoke'), '1 file, 0 resources: 1 fault\n', 1],
])('the last line counts faults and warnings (%s)', async (_what, text, line, code) => {
  writeFileSync(file, text);
  expect(await validate([file], { output: 'table' }, () => nowMs)).toBe(code);
  expect(output.err).toBe(line);
});

test('a warning of a rule has its line, not that of the document', async () => {
  writeFileSync(
    file,
    `${service('http')}---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r, namespace: shop }
spec:
  parentRefs: [{ kind: Service, group: '', name: b, port: 80 }]
  rules:
    - matches: [{ path: { type: PathPrefix, value: / } }]
---
${deniesNobody}`,
  );
  await validate([file], { output: 'table' }, () => nowMs);
  expect(output.out.split('\n').map((line) => /:(\d+:\d+: \S+):/.exec(line)?.[1])).toEqual([
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
  await validate([file], { output: 'table' }, () => nowMs);
  // That there is no Service shop/a is not said: there is one, with a fault.
  expect(output.out.split('\n').map((line) => line.replace(/^.*?mesh.yaml:/, '').slice(0, 60))).toEqual([
    expect.stringContaining('6:31: spec.ports[0].appProtocol'),
    expect.stringContaining('metadata.name: Service shop/twice stands at'),
    expect.stringContaining('14:21: spec.rules[0].backendRefs[0]: there is no'),
    '',
  ]);
});

test('a policy for a limited time that is over is a warning, at the line that says when', async () => {
  const policy = (name: string, when: string, created = ''): string => `---
apiVersion: outrigger.dev/v1
kind: FaultPolicy
metadata: { name: ${name}, namespace: shop${created} }
spec:
  targetRefs: [{ kind: Service, name: a }]
  ${when}
  faults: [{ abort: { httpStatus: 503 } }]
`;
  const created = ', creationTimestamp: "2026-05-31T00:00:00Z"';
  writeFileSync(
    file,
    [
      service('http'),
      policy('past', 'until: "2026-05-01T00:00:00Z"'),
      policy('now', 'until: "2026-06-01T00:00:01Z"'),
      policy('once', 'for: 1h', created),
      policy('fresh', 'for: 1h'),
    ].join(''),
  );
  expect(await validate([file], { output: 'table' }, () => nowMs)).toBe(0);
  expect(output.out).toBe(
    `${file}:13:3: spec.until: was over on 2026-05-01T00:00:00.000Z: the policy does nothing (warning)\n` +
      `${file}:29:3: spec.for: was over on 2026-05-31T01:00:00.000Z: the policy does nothing (warning)\n`,
  );
});
