/**
 * AuthorizationPolicy (`outrigger.dev/v1`): who may call what. Names and meaning are Istio's; `EXTERNAL` (Istio's CUSTOM) names the service that is asked in the policy itself. Default deny
 * is an ALLOW policy without rules.
 */
import { z } from 'zod';
import { authorizationRule, rule } from './authorization-rule.ts';
import { dnsLabel } from './dns-name.ts';
import { duration, durationMs } from './duration.ts';
import { handedHeaderName, headerName } from './header-filter.ts';
import { routeMetadata } from './object-metadata.ts';
import type { AuthorizationPolicyResource, ExternalAuthorization } from './policy-resource.ts';
import { checkTargets, policyBase, targetFields } from './policy-target.ts';
import type { Place } from './resource.ts';
import { portNumber } from './route-reference.ts';

const defaultTimeoutMs = 200;

const headerNames = z.array(headerName).max(64, { error: 'has more than 64 entries' });

const external = z
  .strictObject({
    service: z.strictObject({
      name: dnsLabel,
      namespace: dnsLabel.optional().describe("Default: the policy's namespace"),
      port: portNumber,
    }),
    protocol: z
      .enum(['grpc', 'http'])
      .describe("grpc: Envoy's envoy.service.auth.v3; http: the answer's status decides"),
    failOpen: z
      .boolean()
      .optional()
      .describe('Whether requests pass when the service does not answer. Default: false, they are denied'),
    timeout: duration.optional().describe('Default: 200ms'),
    pathPrefix: z
      .string()
      .max(1_024, { error: 'is longer than 1024 characters' })
      .regex(/^\/[-A-Za-z0-9/._~]*$/, { error: 'is not a path: it begins with /' })
      .optional()
      .describe('Stands before the path of the request; http only'),
    includeRequestHeaders: headerNames
      .optional()
      .describe(
        'What the service is told of the headers. Default: all (grpc), or host, method, path, authorization (http)',
      ),
    headersToUpstream: z
      .array(handedHeaderName)
      .max(64, { error: 'has more than 64 entries' })
      .optional()
      .describe("Headers of the service's answer that the application gets; http only: a grpc service says so itself"),
  })
  .check(({ value, issues }) => {
    if (value.protocol !== 'grpc') return;
    for (const field of ['pathPrefix', 'headersToUpstream'] as const) {
      if (value[field] !== undefined)
        issues.push({
          code: 'custom',
          continue: true,
          input: value,
          path: [field],
          message: 'has no meaning with protocol grpc; remove it',
        });
    }
  });

export const authorizationPolicy = z.strictObject({
  apiVersion: z.literal('outrigger.dev/v1'),
  kind: z.literal('AuthorizationPolicy'),
  metadata: routeMetadata,
  spec: z
    .strictObject({
      ...targetFields,
      action: z
        .enum(['ALLOW', 'DENY', 'EXTERNAL'])
        .optional()
        .describe(
          'DENY goes before EXTERNAL, that before ALLOW. As soon as one ALLOW policy holds for a workload, only what one of them matches is allowed. Default: ALLOW',
        ),
      dryRun: z.boolean().optional().describe('Only counted and logged. Default: false'),
      rules: z
        .array(rule)
        .max(2_000, { error: 'has more than 2000 entries' })
        .optional()
        .describe(
          'One of them. Default: none; an ALLOW policy without rules allows nothing, an empty rule {} matches everything',
        ),
      external: external.optional().describe('With action EXTERNAL: who is asked'),
    })
    .check((context) => {
      checkTargets(context);
      const { value, issues } = context;
      const add = (path: string[], message: string): number =>
        issues.push({ code: 'custom', continue: true, input: value, path, message });
      const isExternal = value.action === 'EXTERNAL';
      if (isExternal && value.external === undefined)
        add(['external'], 'is missing; action EXTERNAL needs the service that is asked');
      if (!isExternal && value.external !== undefined)
        add(['external'], 'stands without action EXTERNAL; set the action, or remove it');
      if (isExternal && value.rules !== undefined)
        add(['rules'], 'is not supported yet beside action EXTERNAL: the service is asked about every request');
      if (isExternal && value.dryRun !== undefined)
        add(['dryRun'], 'is not supported beside action EXTERNAL: an answer of the service holds');
    }),
  status: z.unknown().optional().describe('Ignored'),
});

/** The validated document as our own type. */
export function authorizationPolicyResource(
  document: z.output<typeof authorizationPolicy>,
  place: Place,
): AuthorizationPolicyResource {
  const { spec } = document;
  const base = policyBase(document, place);
  const { namespace } = base;
  return {
    kind: 'AuthorizationPolicy',
    ...base,
    action: spec.action ?? 'ALLOW',
    dryRun: spec.dryRun ?? false,
    rules: (spec.rules ?? []).map((each) => authorizationRule(each, namespace)),
    external: spec.external === undefined ? null : externalOf(spec.external, namespace),
  };
}

function externalOf(written: z.output<typeof external>, namespace: string): ExternalAuthorization {
  const { service, protocol, failOpen, timeout, pathPrefix, includeRequestHeaders, headersToUpstream } = written;
  return {
    namespace: service.namespace ?? namespace,
    service: service.name,
    port: service.port,
    protocol,
    failOpen: failOpen ?? false,
    timeoutMs: timeout === undefined ? defaultTimeoutMs : durationMs(timeout),
    pathPrefix: pathPrefix ?? '',
    includeRequestHeaders: includeRequestHeaders?.map((name) => name.toLowerCase()) ?? null,
    headersToUpstream: (headersToUpstream ?? []).map((name) => name.toLowerCase()),
    path: 'spec.external.service',
  };
}
