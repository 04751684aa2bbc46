/** The files of deploy/ that belong to this source: as they are made, and as much as the code needs, no more. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RE2JS } from 're2js';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { rootConfigMap } from '../../inject/own-names.ts';
import { webhookConfigurationName } from '../../inject/webhook/webhook-configuration.ts';
import { type Schema, structuralSchema } from './crd-schema.ts';
import { customResourceDefinitions } from './custom-resource-definitions.ts';
import { namespacesKind } from './kept-namespace.ts';
import { rootConfigMapsKind } from './kept-root-config-map.ts';
import { leaseName } from './kubernetes-control.ts';
import { documentKinds, endpointSlicesKind, podsKind, servicesKind } from './watched-kinds.ts';

const deploy = join(import.meta.dirname, '../../../deploy');

test('deploy/crds holds our kinds as they are (node control-plane/source/kubernetes/print-crds.ts writes them)', () => {
  const made = customResourceDefinitions();
  expect(readdirSync(join(deploy, 'crds')).toSorted()).toEqual([...made.keys()].toSorted());
  for (const [file, text] of made) expect(readFileSync(join(deploy, 'crds', file), 'utf8'), file).toBe(text);
});

test("every pattern in them is one for Go's regular expressions", () => {
  for (const text of customResourceDefinitions().values())
    for (const [, pattern] of text.matchAll(/ pattern: (.*)/g))
      expect(() => RE2JS.compile(parseAllDocuments(pattern!)[0]!.toJS() as string), pattern).not.toThrow();
});

test.each<[Schema, Schema]>([
  [
    { type: 'string', const: 'a' },
    { type: 'string', enum: ['a'] },
  ],
  [{ type: ['string', 'null'] }, { type: 'string', nullable: true }],
  [{ description: 'x' }, { description: 'x', 'x-kubernetes-preserve-unknown-fields': true }],
  [
    { type: 'integer', exclusiveMinimum: 0, maximum: Number.MAX_SAFE_INTEGER },
    { type: 'integer', minimum: 0, exclusiveMinimum: true },
  ],
  [
    { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: false, propertyNames: {} },
    { type: 'object', properties: { a: { type: 'string' } } },
  ],
  [
    {
      oneOf: [
        { type: 'object', properties: { type: { const: 'A' }, a: { type: 'string' } }, required: ['type', 'a'] },
        { type: 'object', properties: { type: { const: 'B' } }, required: ['type'] },
      ],
    },
    {
      type: 'object',
      properties: { type: { type: 'string', enum: ['A', 'B'] }, a: { type: 'string' } },
      required: ['type'],
    },
  ],
])('structural form (%#)', (schema, wanted) => {
  expect(structuralSchema(schema)).toEqual(wanted);
});

test('what has none is told where it stands', () => {
  const schema = { type: 'object', properties: { a: { anyOf: [] } } };
  expect(() => structuralSchema(schema)).toThrow('spec.a: anyOf has no structural form');
});

test('the roles allow what is watched and written, and nothing else', () => {
  const documents = parseAllDocuments(readFileSync(join(deploy, 'kubernetes/control-plane-rbac.yaml'), 'utf8')).map(
    (each) =>
      each.toJS() as {
        kind: string;
        rules?: Array<{ apiGroups: string[]; resources: string[]; verbs: string[]; resourceNames?: string[] }>;
      },
  );
  const allowed = (kind: string): string[] =>
    documents
      .filter((each) => each.kind === kind)
      .flatMap(({ rules = [] }) =>
        rules.flatMap(({ apiGroups, resources, verbs, resourceNames = [] }) =>
          resources.map((resource) =>
            `${apiGroups[0]}/${resource} ${verbs.join(',')} ${resourceNames.join(',')}`.trim(),
          ),
        ),
      )
      .toSorted();
  const watched = [servicesKind, endpointSlicesKind, podsKind, ...documentKinds];
  const wanted = [
    ...watched.map(({ group, plural }) => `${group}/${plural} list,watch`),
    ...documentKinds.map(({ group, plural }) => `${group}/${plural}/status patch`),
    'authentication.k8s.io/tokenreviews create',
    `/${namespacesKind.plural} list,watch`,
    `/${rootConfigMapsKind.plural} list,watch,create,patch ${rootConfigMap}`,
    `admissionregistration.k8s.io/mutatingwebhookconfigurations list,watch,patch ${webhookConfigurationName}`,
  ];
  expect(allowed('ClusterRole')).toEqual(wanted.toSorted());
  expect(allowed('Role')).toEqual([
    'coordination.k8s.io/leases create',
    `coordination.k8s.io/leases get,update ${leaseName}`,
  ]);
});
