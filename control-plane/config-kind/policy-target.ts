/** `targetRefs` and `selector` of policies: for which workloads one holds. */
import { z } from 'zod';
import { dnsLabel, labels } from './dns-name.ts';
import type { PolicyBase, PolicyTargets } from './policy-resource.ts';
import type { Place } from './resource.ts';

/** Policies of this namespace that name no workload hold for the whole mesh. */
export const rootNamespace = 'outrigger';

/** Fields of every policy's `spec`. One of them may stand. */
export const targetFields = {
  targetRefs: z
    .array(
      z.strictObject({
        group: z
          .literal('', { error: 'is not supported; a Service is of the core group, written as "" or left out' })
          .optional(),
        kind: z.literal('Service', { error: 'is not supported; only a Service is accepted' }),
        name: dnsLabel.describe("A Service of the policy's namespace: the policy holds for the instances behind it"),
      }),
    )
    .min(1, { error: 'is empty; leave it out for every workload of the namespace' })
    .max(64, { error: 'has more than 64 entries' })
    .optional(),
  selector: z
    .strictObject({ matchLabels: labels })
    .optional()
    .describe('Labels of the instances that the policy holds for; instead of targetRefs'),
};

interface WrittenMetadata {
  readonly namespace?: string | undefined;
  readonly name: string;
  readonly creationTimestamp?: string | null | undefined;
}

interface WrittenTargets {
  readonly targetRefs?: ReadonlyArray<{ readonly name: string }> | undefined;
  readonly selector?: { readonly matchLabels: Readonly<Record<string, string>> } | undefined;
}

/** Adds a fault when both stand, or when the selector says nothing. */
export function checkTargets(context: {
  readonly value: WrittenTargets;
  readonly issues: z.core.$ZodRawIssue[];
}): void {
  const { value, issues } = context;
  const add = (path: string[], message: string): number =>
    issues.push({ code: 'custom', continue: true, input: value, path, message });
  if (value.selector === undefined) return;
  if (value.targetRefs !== undefined) add(['selector'], 'stands beside targetRefs; one of them says whom it is for');
  if (Object.keys(value.selector.matchLabels).length === 0)
    add(['selector', 'matchLabels'], 'is empty; name at least one label, or leave the selector out');
}

/** What every policy has, whatever it says. */
export function policyBase(
  { metadata, spec }: { readonly metadata: WrittenMetadata; readonly spec: WrittenTargets },
  place: Place,
): PolicyBase {
  return {
    namespace: metadata.namespace ?? 'default',
    name: metadata.name,
    place,
    referencePlaces: new Map(),
    createdAt: metadata.creationTimestamp ?? '',
    targets: policyTargets(spec),
  };
}

function policyTargets({ targetRefs, selector }: WrittenTargets): PolicyTargets {
  return {
    services: (targetRefs ?? []).map(({ name }, at) => ({ name, path: `spec.targetRefs[${at}]` })),
    labels: selector?.matchLabels ?? null,
  };
}
