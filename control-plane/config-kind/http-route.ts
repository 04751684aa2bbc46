/**
 * HTTPRoute (`gateway.networking.k8s.io/v1`) with Services as parents: what of it is accepted. Everything else of the Gateway API is refused with its field path
 * (unsupported-field.ts has the words).
 */
import { z } from 'zod';
import { preciseHostname } from './dns-name.ts';
import { duration, durationMs, optionalMs } from './duration.ts';
import {
  type HeaderFilter,
  headerModifiers,
  oncePerType,
  requestHeaderFilter,
  responseHeaderFilter,
} from './header-filter.ts';
import { routeMetadata } from './object-metadata.ts';
import type {
  HttpMatch,
  HttpRouteResource,
  HttpRule,
  PathModifier,
  Place,
  RedirectFilter,
  RewriteFilter,
} from './resource.ts';
import { backendReferences, backendRefs, parentReferences, parentRefs, portNumber } from './route-reference.ts';
import { httpRetry, httpRetrySettings } from './route-retry.ts';
import { ruleName } from './rule-name.ts';
import { checkRegex, headerMatches, queryMatches, valueMatches } from './value-match.ts';

const maxPathLength = 1024;

const pathValue = z.string().max(maxPathLength, { error: `is longer than ${maxPathLength} characters` });

const pathMatch = z
  .strictObject({
    type: z.enum(['Exact', 'PathPrefix', 'RegularExpression']).optional().describe('Default: PathPrefix'),
    value: pathValue.optional().describe('Default: /'),
  })
  .check((context) => {
    const { type, value = '/' } = context.value;
    if (type === 'RegularExpression') checkRegex(context, value, ['value']);
    else {
      const fault = pathFault(value);
      if (fault !== null)
        context.issues.push({ code: 'custom', continue: true, input: value, path: ['value'], message: fault });
    }
  });

/** Gateway API's rules for Exact and PathPrefix values. */
function pathFault(value: string): string | null {
  if (!value.startsWith('/')) return 'is not a path: it begins with /';
  if (/\/\/|\/\.\.?(?:\/|$)/.test(value)) return 'is not a path in normal form: no //, /./ or /../';
  if (/%2f/i.test(value)) return 'holds an encoded slash, which no request path in normal form has';
  if (!/^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+$/.test(value))
    return "is not a path: letters, digits, -._~!$&'()*+,;=:@/ and %XX (RFC 3986 3.3); no ? and no #";
  return null;
}

const replacement = z
  .string()
  .max(maxPathLength, { error: `is longer than ${maxPathLength} characters` })
  .regex(/^(?:[\x21\x22\x24\x26-\x3e\x40-\x7e]|%[0-9a-fA-F]{2})*$/, {
    error: 'is not a path: no white space, control characters, ? or #, and what is beyond ASCII as %XX',
  });

const fullPath = replacement.refine((value) => value.startsWith('/'), { error: 'is not a path: it begins with /' });
const prefixPath = replacement.refine((value) => value === '' || value.startsWith('/'), {
  error: 'is not a path: it begins with /',
});

const pathModifier = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ReplaceFullPath'), replaceFullPath: fullPath }),
  z.strictObject({ type: z.literal('ReplacePrefixMatch'), replacePrefixMatch: prefixPath }),
]);

const redirectStatuses = [301, 302, 303, 307, 308] as const;

const redirectFilter = z.strictObject({
  type: z.literal('RequestRedirect'),
  requestRedirect: z.strictObject({
    scheme: z.enum(['http', 'https']).optional(),
    hostname: preciseHostname.optional(),
    path: pathModifier.optional(),
    port: portNumber.optional(),
    statusCode: z
      .literal(redirectStatuses, { error: 'is not a redirect that can be sent: one of 301, 302, 303, 307, 308' })
      .optional()
      .describe('Default: 302'),
  }),
});

const rewriteFilter = z.strictObject({
  type: z.literal('URLRewrite'),
  urlRewrite: z.strictObject({ hostname: preciseHostname.optional(), path: pathModifier.optional() }),
});

const filters = z
  .array(z.discriminatedUnion('type', [requestHeaderFilter, responseHeaderFilter, redirectFilter, rewriteFilter]))
  .max(16, { error: 'has more than 16 entries' })
  .check(oncePerType);

const match = z.strictObject({
  path: pathMatch.optional().describe('Default: PathPrefix /'),
  headers: headerMatches.optional(),
  queryParams: queryMatches.optional(),
  method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']).optional(),
});

const rule = z
  .strictObject({
    name: ruleName.optional(),
    matches: z.array(match).max(64, { error: 'has more than 64 entries' }).optional().describe('Default: everything'),
    filters: filters.optional(),
    backendRefs: backendRefs.optional(),
    timeouts: z
      .strictObject({
        request: duration
          .optional()
          .describe('From the first byte of the request to the last of the answer. Default: 15s; 0s: none'),
        backendRequest: duration.optional().describe('One attempt; 0s: none. Default: none'),
      })
      .optional(),
    retry: httpRetry.optional().describe('Default: one more attempt where the service saw nothing of the request'),
  })
  .check((context) => checkRule(context));

/** Rules between the fields of one rule. */
function checkRule(context: { readonly value: WrittenRule; readonly issues: z.core.$ZodRawIssue[] }): void {
  const { value, issues } = context;
  const add = (path: Array<string | number>, message: string): number =>
    issues.push({ code: 'custom', continue: true, input: value, path, message });
  const at = (type: string): number => (value.filters ?? []).findIndex((filter) => filter.type === type);
  const redirectAt = at('RequestRedirect');
  if (redirectAt >= 0 && (value.backendRefs ?? []).length > 0)
    add(['backendRefs'], 'stands beside a RequestRedirect filter, which answers by itself; remove one of them');
  if (redirectAt >= 0 && at('URLRewrite') >= 0)
    add(['filters', redirectAt, 'type'], 'RequestRedirect stands beside URLRewrite; one of them may stand in a rule');
  const { request, backendRequest } = value.timeouts ?? {};
  if (
    request !== undefined &&
    backendRequest !== undefined &&
    durationMs(request) > 0 &&
    durationMs(backendRequest) > durationMs(request)
  ) {
    add(
      ['timeouts', 'backendRequest'],
      `${JSON.stringify(backendRequest)} is longer than timeouts.request (${JSON.stringify(request)})`,
    );
  }
  for (const [index, filter] of (value.filters ?? []).entries()) {
    const rewrite = filter.type === 'URLRewrite';
    const modifier =
      filter.type === 'URLRewrite'
        ? filter.urlRewrite.path
        : filter.type === 'RequestRedirect'
          ? filter.requestRedirect.path
          : undefined;
    if (modifier === undefined) continue;
    const types = new Set((value.matches ?? [{}]).map(({ path }) => path?.type ?? 'PathPrefix'));
    const path = ['filters', index, rewrite ? 'urlRewrite' : 'requestRedirect', 'path', 'type'];
    if (modifier.type === 'ReplacePrefixMatch' && (types.size !== 1 || !types.has('PathPrefix')))
      add(path, '"ReplacePrefixMatch" needs PathPrefix as the path type of every match of the rule');
    if (rewrite && modifier.type === 'ReplaceFullPath' && (types.size !== 1 || !types.has('Exact'))) {
      add(
        path,
        '"ReplaceFullPath" is not supported yet beside a match of type PathPrefix or RegularExpression; use Exact matches or ReplacePrefixMatch',
      );
    }
  }
}

export const httpRoute = z.strictObject({
  apiVersion: z.literal('gateway.networking.k8s.io/v1'),
  kind: z.literal('HTTPRoute'),
  metadata: routeMetadata,
  spec: z.strictObject({
    parentRefs,
    rules: z
      .array(rule)
      .min(1, { error: 'is empty; a rule without matches takes every request' })
      .max(64, { error: 'has more than 64 entries' })
      .optional()
      .describe('Default: one rule that matches everything and has no backend: 500'),
  }),
  status: z.unknown().optional().describe('Ignored: written by whoever serves the route'),
});

type WrittenRule = z.output<typeof rule>;
type WrittenFilter = z.output<typeof filters>[number];

/** The validated document as our own type. */
export function httpRouteResource(document: z.output<typeof httpRoute>, place: Place): HttpRouteResource {
  const namespace = document.metadata.namespace ?? 'default';
  return {
    kind: 'HTTPRoute',
    namespace,
    name: document.metadata.name,
    place,
    referencePlaces: new Map(),
    createdAt: document.metadata.creationTimestamp ?? '',
    parents: parentReferences(document.spec.parentRefs, namespace),
    rules: (document.spec.rules ?? [{}]).map((each, at) => httpRule(each, namespace, `spec.rules[${at}]`)),
  };
}

function httpRule(written: WrittenRule, namespace: string, path: string): HttpRule {
  const all: readonly WrittenFilter[] = written.filters ?? [];
  const headerFilters: HeaderFilter[] = [];
  let redirect: RedirectFilter | null = null;
  let rewrite: RewriteFilter | null = null;
  for (const filter of all) {
    if (filter.type === 'RequestRedirect') redirect = redirectOf(filter.requestRedirect);
    else if (filter.type === 'URLRewrite')
      rewrite = { hostname: filter.urlRewrite.hostname ?? '', path: modifierOf(filter.urlRewrite.path) };
    else headerFilters.push(filter);
  }
  return {
    matches: matchesOf(written.matches),
    backends: backendReferences(written.backendRefs, namespace, path),
    ...headerModifiers(headerFilters),
    redirect,
    rewrite,
    name: written.name ?? '',
    timeoutMs: optionalMs(written.timeouts?.request),
    backendTimeoutMs: optionalMs(written.timeouts?.backendRequest),
    retry: httpRetrySettings(written.retry),
  };
}

function matchesOf(written: WrittenRule['matches']): HttpMatch[] {
  return (written === undefined || written.length === 0 ? [{}] : written).map(
    (each: NonNullable<WrittenRule['matches']>[number]) => ({
      path: { type: each.path?.type ?? 'PathPrefix', value: each.path?.value ?? '/' },
      headers: valueMatches(each.headers, true),
      queryParams: valueMatches(each.queryParams, false),
      method: each.method ?? '',
    }),
  );
}

function redirectOf(written: z.output<typeof redirectFilter>['requestRedirect']): RedirectFilter {
  const { scheme, hostname, port, statusCode, path } = written;
  return {
    scheme: scheme ?? '',
    hostname: hostname ?? '',
    port: port ?? 0,
    status: statusCode ?? 302,
    path: modifierOf(path),
  };
}

function modifierOf(written: z.output<typeof pathModifier> | undefined): PathModifier | null {
  if (written === undefined) return null;
  return written.type === 'ReplaceFullPath'
    ? { type: written.type, value: written.replaceFullPath }
    : { type: written.type, value: written.replacePrefixMatch };
}
