/**
 * RequestAuthentication (`outrigger.dev/v1`): whose tokens (JWT) are good, and what becomes of what they say. As in Istio a request without a token passes, one with a bad token is answered
 * 401; that there must be one is said by an AuthorizationPolicy with requestPrincipals.
 */
import { dirname, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { handedHeaderName, tokenHeaderName } from './header-filter.ts';
import { keySetFault } from './key-set-text.ts';
import { routeMetadata } from './object-metadata.ts';
import type { JwtRule, KeySource, RequestAuthenticationResource } from './policy-resource.ts';
import { checkTargets, policyBase, targetFields } from './policy-target.ts';
import type { Place } from './resource.ts';

const text = (what: string): z.ZodString =>
  z
    .string()
    .min(1, { error: `is empty; ${what} is expected` })
    .max(1_024, { error: 'is longer than 1024 characters' });

/** Whoever can change the keys on their way can sign tokens of anybody. */
function isSafeUri(text: string): boolean {
  if (!URL.canParse(text)) return true;
  const { protocol, hostname } = new URL(text);
  return (
    protocol !== 'http:' || hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname)
  );
}

const jwtRule = z
  .strictObject({
    issuer: text('the issuer').describe('The iss claim, as it is in the token'),
    audiences: z
      .array(text('an audience'))
      .min(1, { error: 'is empty; leave it out for any audience' })
      .max(64, { error: 'has more than 64 entries' })
      .optional()
      .describe('One of them is in the aud claim. Default: any'),
    jwks: z
      .string()
      .check(({ value, issues }) => {
        const fault = keySetFault(value);
        // In words that stand alone: what was written may be a secret, and is not shown.
        if (fault !== null)
          issues.push({ code: 'custom', continue: true, input: value, path: [], message: `The key set ${fault}` });
      })
      .optional()
      .describe('The keys as JSON (RFC 7517)'),
    jwksFile: text('a path')
      .optional()
      .describe('A file with the keys; a relative path starts from the folder of this file'),
    jwksUri: z
      .url({ protocol: /^https?$/, error: 'is not an http or https URL' })
      .max(2_048)
      .refine(isSafeUri, {
        error:
          'is not https: keys that come by http can be replaced on their way (http is for a loopback address only)',
      })
      .optional()
      .describe(
        'https; http for a loopback address only. Where the control plane fetches the keys; until it has them every token is refused',
      ),
    fromHeaders: z
      .array(
        z.strictObject({
          name: tokenHeaderName,
          prefix: z
            .string()
            .max(64)
            .regex(/^[\u0020-\u007e]*$/, { error: 'is not printable text' })
            .optional()
            .describe('What stands before the token, with its space: "Bearer "'),
        }),
      )
      .min(1, { error: 'is empty; leave it out' })
      .max(16, { error: 'has more than 16 entries' })
      .optional()
      .describe(
        'Default, when fromParams is not there either: Authorization: Bearer, and the query parameter access_token',
      ),
    fromParams: z
      .array(text('the name of a query parameter'))
      .min(1, { error: 'is empty; leave it out' })
      .max(16, { error: 'has more than 16 entries' })
      .optional(),
    outputClaimToHeaders: z
      .array(
        z.strictObject({ header: handedHeaderName, claim: text('the name of a claim').describe('a.b: b within a') }),
      )
      .max(32, { error: 'has more than 32 entries' })
      .optional()
      .describe('Claims that the application gets as headers; what a caller sends under these names is taken off'),
    forwardOriginalToken: z.boolean().optional().describe('Whether the application gets the token. Default: false'),
  })
  .check(({ value, issues }) => {
    const given = (['jwks', 'jwksFile', 'jwksUri'] as const).filter((field) => value[field] !== undefined);
    if (given.length === 1) return;
    issues.push({
      code: 'custom',
      continue: true,
      input: value,
      path: [given[1] ?? 'jwks'],
      message:
        given.length === 0
          ? 'is missing; jwks, jwksFile or jwksUri is expected'
          : `stands beside ${given[0]}; one of them says where the keys are`,
    });
  });

export const requestAuthentication = z.strictObject({
  apiVersion: z.literal('outrigger.dev/v1'),
  kind: z.literal('RequestAuthentication'),
  metadata: routeMetadata,
  spec: z
    .strictObject({
      ...targetFields,
      jwtRules: z
        .array(jwtRule)
        .min(1, { error: 'is empty; a policy has at least one rule' })
        .max(32, { error: 'has more than 32 entries' })
        .check(({ value, issues }) => {
          const seen = new Set<string>();
          for (const [at, { issuer }] of value.entries()) {
            if (seen.has(issuer))
              issues.push({
                code: 'custom',
                continue: true,
                input: issuer,
                path: [at, 'issuer'],
                message: 'occurs twice; name each issuer once',
              });
            seen.add(issuer);
          }
        }),
    })
    .check((context) => checkTargets(context)),
  status: z.unknown().optional().describe('Ignored'),
});

/** The validated document as our own type. */
export function requestAuthenticationResource(
  document: z.output<typeof requestAuthentication>,
  place: Place,
): RequestAuthenticationResource {
  const { spec } = document;
  return {
    kind: 'RequestAuthentication',
    ...policyBase(document, place),
    rules: spec.jwtRules.map((written, at) => jwtRuleOf(written, `spec.jwtRules[${at}]`, place)),
  };
}

function jwtRuleOf(written: z.output<typeof jwtRule>, path: string, place: Place): JwtRule {
  return {
    issuer: written.issuer,
    audiences: written.audiences ?? [],
    keys: keySource(written, path, place),
    fromHeaders: (written.fromHeaders ?? []).map(({ name, prefix }) => ({ name, prefix: prefix ?? '' })),
    fromParams: written.fromParams ?? [],
    outputClaimToHeaders: written.outputClaimToHeaders ?? [],
    forwardOriginalToken: written.forwardOriginalToken ?? false,
  };
}

function keySource({ jwks, jwksFile, jwksUri }: z.output<typeof jwtRule>, path: string, { file }: Place): KeySource {
  if (jwks !== undefined) return { from: 'inline', jwks };
  if (jwksFile === undefined) return { from: 'uri', uri: jwksUri!, path: `${path}.jwksUri` };
  return {
    from: 'file',
    file: isAbsolute(jwksFile) ? jwksFile : join(dirname(file), jwksFile),
    path: `${path}.jwksFile`,
  };
}
