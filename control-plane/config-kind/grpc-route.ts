/** GRPCRoute (`gateway.networking.k8s.io/v1`) with Services as parents: what of it is accepted. */
import { z } from 'zod';
import { backendFilters, headerModifiers } from './header-filter.ts';
import { routeMetadata } from './object-metadata.ts';
import type { GrpcMatch, GrpcRouteResource, GrpcRule, Place } from './resource.ts';
import { backendReferences, backendRefs, parentReferences, parentRefs } from './route-reference.ts';
import { grpcRetry, grpcRetrySettings } from './route-retry.ts';
import { ruleName } from './rule-name.ts';
import { checkRegexPair, checkRegexPart, headerMatches, matchType, valueMatches } from './value-match.ts';

const serviceShape = /^[A-Za-z_][A-Za-z_0-9]*(?:\.[A-Za-z_][A-Za-z_0-9]*)*$/;
const methodShape = /^[A-Za-z_][A-Za-z_0-9]*$/;

const methodMatch = z
  .strictObject({
    type: matchType.optional().describe('Default: Exact'),
    service: z
      .string()
      .max(1024, { error: 'is longer than 1024 characters' })
      .optional()
      .describe('package.Service; default: any'),
    method: z.string().max(1024, { error: 'is longer than 1024 characters' }).optional().describe('Default: any'),
  })
  .check((context) => {
    const { type, service, method } = context.value;
    const add = (path: string[], message: string): number =>
      context.issues.push({ code: 'custom', continue: true, input: context.value, path, message });
    if (service === undefined && method === undefined) add([], 'has neither service nor method; give at least one');
    for (const [name, text, shape, example] of [
      ['service', service, serviceShape, 'shop.Payments'],
      ['method', method, methodShape, 'Pay'],
    ] as const) {
      if (text === undefined) continue;
      if (type === 'RegularExpression') checkRegexPart(context, text, [name]);
      else if (!shape.test(text))
        add([name], `${JSON.stringify(text)} is not a gRPC ${name} name; write it as ${example}`);
    }
    if (type === 'RegularExpression' && service !== undefined && method !== undefined)
      checkRegexPair(context, [service, method], ['method']);
  });

const rule = z.strictObject({
  name: ruleName.optional(),
  matches: z
    .array(z.strictObject({ method: methodMatch.optional(), headers: headerMatches.optional() }))
    .max(64, { error: 'has more than 64 entries' })
    .optional()
    .describe('Default: everything'),
  filters: backendFilters.optional(),
  backendRefs: backendRefs.optional(),
  retry: grpcRetry.optional().describe('Default: one more attempt where the service saw nothing of the request'),
});

export const grpcRoute = z.strictObject({
  apiVersion: z.literal('gateway.networking.k8s.io/v1'),
  kind: z.literal('GRPCRoute'),
  metadata: routeMetadata,
  spec: z.strictObject({
    parentRefs,
    rules: z
      .array(rule)
      .max(64, { error: 'has more than 64 entries' })
      .optional()
      .describe('Default: one rule that matches everything and has no backend: UNAVAILABLE'),
  }),
  status: z.unknown().optional().describe('Ignored: written by whoever serves the route'),
});

type WrittenRule = z.output<typeof rule>;

/** The validated document as our own type. */
export function grpcRouteResource(document: z.output<typeof grpcRoute>, place: Place): GrpcRouteResource {
  const namespace = document.metadata.namespace ?? 'default';
  const rules = document.spec.rules ?? [];
  return {
    kind: 'GRPCRoute',
    namespace,
    name: document.metadata.name,
    place,
    referencePlaces: new Map(),
    createdAt: document.metadata.creationTimestamp ?? '',
    parents: parentReferences(document.spec.parentRefs, namespace),
    rules: (rules.length === 0 ? [{}] : rules).map((each, at) => grpcRule(each, namespace, `spec.rules[${at}]`)),
  };
}

function grpcRule(written: WrittenRule, namespace: string, path: string): GrpcRule {
  return {
    matches: matchesOf(written.matches),
    backends: backendReferences(written.backendRefs, namespace, path),
    ...headerModifiers(written.filters ?? []),
    name: written.name ?? '',
    retry: grpcRetrySettings(written.retry),
  };
}

function matchesOf(written: WrittenRule['matches']): GrpcMatch[] {
  return (written === undefined || written.length === 0 ? [{}] : written).map(
    (each: NonNullable<WrittenRule['matches']>[number]) => ({
      type: each.method?.type ?? 'Exact',
      service: each.method?.service ?? '',
      method: each.method?.method ?? '',
      headers: valueMatches(each.headers, true),
    }),
  );
}
