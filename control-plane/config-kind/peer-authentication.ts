/** PeerAuthentication (`outrigger.dev/v1`): whether callers must come by mTLS, per workload and per port of the application. */
import { z } from 'zod';
import { routeMetadata } from './object-metadata.ts';
import type { PeerAuthenticationResource } from './policy-resource.ts';
import { checkTargets, policyBase, targetFields } from './policy-target.ts';
import type { Place } from './resource.ts';

const mode = z
  .enum(['STRICT', 'PERMISSIVE', 'DISABLE'])
  .describe('STRICT: mTLS only. PERMISSIVE: mTLS and plaintext. DISABLE: plaintext only');

const portKey = z.string().refine((text) => /^[1-9][0-9]{0,4}$/.test(text) && Number(text) <= 65_535, {
  error: 'is not a port number: a whole number from 1 to 65535',
});

export const peerAuthentication = z.strictObject({
  apiVersion: z.literal('outrigger.dev/v1'),
  kind: z.literal('PeerAuthentication'),
  metadata: routeMetadata,
  spec: z
    .strictObject({
      ...targetFields,
      mtls: z
        .strictObject({ mode })
        .optional()
        .describe('Default: as the next less specific policy says; without any, STRICT'),
      portLevelMtls: z
        .record(portKey, z.strictObject({ mode }))
        .optional()
        .describe('By the port that the application listens on. Needs targetRefs or a selector'),
    })
    .check((context) => {
      checkTargets(context);
      const { value, issues } = context;
      const add = (path: string[], message: string): number =>
        issues.push({ code: 'custom', continue: true, input: value, path, message });
      if (value.portLevelMtls !== undefined && value.targetRefs === undefined && value.selector === undefined)
        add(['portLevelMtls'], 'needs targetRefs or a selector: ports are those of a workload');
      if (value.mtls === undefined && value.portLevelMtls === undefined)
        add(['mtls'], 'is missing, and portLevelMtls too: the policy says nothing');
    }),
  status: z.unknown().optional().describe('Ignored'),
});

/** The validated document as our own type. */
export function peerAuthenticationResource(
  document: z.output<typeof peerAuthentication>,
  place: Place,
): PeerAuthenticationResource {
  const { spec } = document;
  return {
    kind: 'PeerAuthentication',
    ...policyBase(document, place),
    mode: spec.mtls?.mode ?? null,
    ports: Object.entries(spec.portLevelMtls ?? {}).map(([port, each]) => ({ port: Number(port), mode: each.mode })),
  };
}
