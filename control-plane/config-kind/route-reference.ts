/** `parentRefs` and `backendRefs` of routes: both lead to Services only (GAMMA, GEP-1426). */
import { z } from 'zod';
import { dnsLabel } from './dns-name.ts';
import { backendFilters, headerModifiers } from './header-filter.ts';
import type { BackendReference, ParentReference } from './resource.ts';

export const portNumber = z
  .int({ error: 'is not a port number: a whole number from 1 to 65535' })
  .min(1, { error: 'is not a port number: a whole number from 1 to 65535' })
  .max(65_535, { error: 'is not a port number: a whole number from 1 to 65535' });

const coreGroup = z.literal('', { error: 'is not supported; a Service is of the core group, written as ""' });
const serviceKind = z.literal('Service', { error: 'is not supported yet; only a Service is accepted' });

export const parentRefs = z
  .array(
    z.strictObject({
      group: coreGroup.describe(
        '"", the core group. The default of the Gateway API is its own group, so it has to be written',
      ),
      kind: serviceKind,
      namespace: dnsLabel
        .optional()
        .describe(
          "Default: the route's namespace. Another one makes it a consumer route: it holds for callers in the route's namespace only",
        ),
      name: dnsLabel,
      port: portNumber.optional().describe('Default: every port'),
      sectionName: dnsLabel.optional().describe('Name of a port; default: every port'),
    }),
  )
  .min(1, { error: 'is empty; name at least one Service' })
  .max(32, { error: 'has more than 32 entries' });

export const backendRefs = z
  .array(
    z.strictObject({
      group: coreGroup.optional(),
      kind: serviceKind.optional(),
      namespace: dnsLabel.optional().describe("Default: the route's namespace"),
      name: dnsLabel,
      port: portNumber,
      weight: z
        .int({ error: 'is not a weight: a whole number from 0 to 1000000' })
        .min(0, { error: 'is not a weight: a whole number from 0 to 1000000' })
        .max(1_000_000, { error: 'is not a weight: a whole number from 0 to 1000000' })
        .optional()
        .describe('Default: 1; 0: nothing goes there'),
      filters: backendFilters.optional(),
    }),
  )
  .max(64, { error: 'has more than 64 entries' });

export function parentReferences(refs: z.output<typeof parentRefs>, namespace: string): ParentReference[] {
  return refs.map((ref, at) => ({
    namespace: ref.namespace ?? namespace,
    name: ref.name,
    port: ref.port ?? null,
    portName: ref.sectionName ?? '',
    path: `spec.parentRefs[${at}]`,
  }));
}

export function backendReferences(
  refs: z.output<typeof backendRefs> | undefined,
  namespace: string,
  rulePath: string,
): BackendReference[] {
  return (refs ?? []).map((ref, at) => ({
    namespace: ref.namespace ?? namespace,
    name: ref.name,
    port: ref.port,
    weight: ref.weight ?? 1,
    ...headerModifiers(ref.filters ?? []),
    path: `${rulePath}.backendRefs[${at}]`,
  }));
}
