/** Our kinds as CustomResourceDefinitions, by file name under deploy/crds/. Rules between fields are not in them: those the control plane checks, and says in the object's condition Accepted. */
import { stringify } from 'yaml';
import { z } from 'zod';
import { kinds } from '../../config-kind/kind.ts';
import { type Schema, structuralSchema } from './crd-schema.ts';
import { documentKinds } from './watched-kinds.ts';

const group = 'outrigger.dev';

const shortNames: Readonly<Record<string, string>> = {
  TrafficPolicy: 'tpol',
  PeerAuthentication: 'pauth',
  AuthorizationPolicy: 'apol',
  RequestAuthentication: 'rauth',
  FaultPolicy: 'fpol',
  RateLimitPolicy: 'rlpol',
  Telemetry: 'tele',
};

export function customResourceDefinitions(): Map<string, string> {
  const files = new Map<string, string>();
  for (const { kind, plural } of documentKinds.filter((each) => each.group === group)) {
    const ours = kinds.find((each) => each.kind === kind && each.apiVersion === `${group}/v1`)!;
    const schema = z.toJSONSchema(ours.schema, { io: 'input', unrepresentable: 'any' }) as Schema;
    const { spec } = schema['properties'] as Readonly<Record<string, Schema>>;
    files.set(
      `${plural}.${group}.yaml`,
      `# Made by \`node control-plane/source/kubernetes/print-crds.ts\`; do not edit.\n${stringify(
        definition(kind, plural, structuralSchema(spec!)),
        { lineWidth: 0, aliasDuplicateObjects: false },
      )}`,
    );
  }
  return files;
}

function definition(kind: string, plural: string, spec: Schema): object {
  const shortName = shortNames[kind];
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, labels: { 'app.kubernetes.io/part-of': 'outrigger' } },
    spec: {
      group,
      scope: 'Namespaced',
      names: {
        kind,
        plural,
        singular: kind.toLowerCase(),
        listKind: `${kind}List`,
        ...(shortName === undefined ? {} : { shortNames: [shortName] }),
        categories: ['outrigger'],
      },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [
            column('Accepted'),
            column('Programmed'),
            { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
          ],
          schema: {
            openAPIV3Schema: {
              type: 'object',
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec,
                status: statusSchema,
              },
            },
          },
        },
      ],
    },
  };
}

function column(type: string): object {
  return { name: type, type: 'string', jsonPath: `.status.conditions[?(@.type=="${type}")].status` };
}

/** Kubernetes' own metav1.Condition. */
const statusSchema: Schema = {
  type: 'object',
  description: 'Written by the control plane',
  properties: {
    conditions: {
      type: 'array',
      maxItems: 8,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
      items: {
        type: 'object',
        required: ['type', 'status', 'reason', 'message', 'lastTransitionTime'],
        properties: {
          type: { type: 'string', maxLength: 316 },
          status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
          reason: { type: 'string', maxLength: 1024, minLength: 1 },
          message: { type: 'string', maxLength: 32_768 },
          observedGeneration: { type: 'integer', format: 'int64', minimum: 0 },
          lastTransitionTime: { type: 'string', format: 'date-time' },
        },
      },
    },
  },
};
