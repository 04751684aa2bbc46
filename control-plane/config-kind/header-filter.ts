/** The filters RequestHeaderModifier and ResponseHeaderModifier, of rules and of backendRefs, and header names and values in general. */
import { z } from 'zod';
import type { HeaderModifier } from './resource.ts';

/** RFC 9110 token. */
export const headerName = z
  .string()
  .min(1, { error: 'is empty; a header name is expected' })
  .max(256, { error: 'is longer than 256 characters' })
  .regex(/^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/, {
    error: "is not a header name: letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 5.6.2)",
  });

/** `Host` is part of the request's target, not a header that a filter may change; Envoy refuses it too. */
const mutableName = headerName.refine((name) => name.toLowerCase() !== 'host', {
  error: 'cannot be changed by a header filter; use a URLRewrite filter with hostname',
});

/** What says where a message ends, and what becomes of the connection, is each proxy's own to write (RFC 9110 7.6.1; RFC 9112 6). Our sidecar refuses a route that sets them. */
const ofTheConnection = new Set(['connection', 'content-length', 'transfer-encoding']);
const settableName = mutableName.refine((name) => !ofTheConnection.has(name.toLowerCase()), {
  error: 'cannot be set by a header filter: it belongs to the connection, not to the message',
});

/** A header that a token may come in. */
export const tokenHeaderName = headerName.refine(isOfMessage, {
  error: "cannot hold a token: it belongs to the connection, or to the request's target",
});

/** Further names that hold for one connection only (RFC 9110 7.6.1). */
const hopByHop = new Set(['keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade']);

/** What proxies write and others believe: who called (RFC 7239, Envoy's certificate header), which request this is, what a proxy found. */
const ofProxies = /^(?:forwarded|x-forwarded-.*|x-request-id|x-real-ip|x-envoy-.*|x-outrigger-.*)$/i;

/** A header that a policy may hand to the application: with what a token's claim says, or an outside service. */
export const handedHeaderName = headerName
  .refine((name) => isOfMessage(name) && !hopByHop.has(name.toLowerCase()), {
    error: "cannot be set by a policy: it belongs to the connection, or to the request's target",
  })
  .refine((name) => !ofProxies.test(name), {
    error:
      'cannot be set by a policy: proxies write it, and whoever reads it believes that it is theirs; use a name of your own',
  });

function isOfMessage(name: string): boolean {
  const lower = name.toLowerCase();
  return lower !== 'host' && !ofTheConnection.has(lower);
}

const fieldValue = z
  .string()
  .max(4096, { error: 'is longer than 4096 characters' })
  .regex(/^[\t\x20-\x7e\x80-\xff]*$/, {
    error:
      'holds a character that may not stand in a header value: a control character, or one above U+00FF (RFC 9110 5.5)',
  });

/** Headers to write, each once. */
export const headerEntries = z
  .array(z.strictObject({ name: settableName, value: fieldValue }))
  .max(16, { error: 'has more than 16 entries' })
  .check((context) =>
    noDuplicates(
      context,
      context.value.map(({ name }) => name),
    ),
  );

const modifier = z.strictObject({
  set: headerEntries.optional().describe('Replaces the header, or adds it'),
  add: headerEntries.optional().describe('Adds a value beside those that are there'),
  remove: z.array(mutableName).max(16, { error: 'has more than 16 entries' }).optional(),
});

export const requestHeaderFilter = z.strictObject({
  type: z.literal('RequestHeaderModifier'),
  requestHeaderModifier: modifier,
});
export const responseHeaderFilter = z.strictObject({
  type: z.literal('ResponseHeaderModifier'),
  responseHeaderModifier: modifier,
});

/** Adds a fault for every name that occurs again, case aside. */
function noDuplicates(context: { readonly issues: z.core.$ZodRawIssue[] }, names: readonly string[]): void {
  const seen = new Set<string>();
  for (const [at, name] of names.entries()) {
    const lower = name.toLowerCase();
    if (seen.has(lower))
      context.issues.push({
        code: 'custom',
        continue: true,
        input: name,
        path: [at, 'name'],
        message: 'occurs twice; name each header once',
      });
    seen.add(lower);
  }
}

/** A filter of one type may stand once. */
export function oncePerType(context: {
  readonly value: ReadonlyArray<{ readonly type: string }>;
  readonly issues: z.core.$ZodRawIssue[];
}): void {
  const seen = new Set<string>();
  for (const [at, { type }] of context.value.entries()) {
    if (seen.has(type))
      context.issues.push({
        code: 'custom',
        continue: true,
        input: type,
        path: [at, 'type'],
        message: 'occurs twice; a filter of one type may stand once',
      });
    seen.add(type);
  }
}

export const backendFilters = z
  .array(z.discriminatedUnion('type', [requestHeaderFilter, responseHeaderFilter]))
  .max(16, { error: 'has more than 16 entries' })
  .check(oncePerType);

export type HeaderFilter = z.output<typeof requestHeaderFilter> | z.output<typeof responseHeaderFilter>;

/** The two modifiers of a list of header filters. */
export function headerModifiers(filters: readonly HeaderFilter[]): {
  readonly requestHeaders: HeaderModifier | null;
  readonly responseHeaders: HeaderModifier | null;
} {
  let requestHeaders: HeaderModifier | null = null;
  let responseHeaders: HeaderModifier | null = null;
  for (const filter of filters) {
    if ('requestHeaderModifier' in filter) requestHeaders = headerModifier(filter.requestHeaderModifier);
    else if ('responseHeaderModifier' in filter) responseHeaders = headerModifier(filter.responseHeaderModifier);
  }
  return { requestHeaders, responseHeaders };
}

function headerModifier(written: z.output<typeof modifier>): HeaderModifier {
  return { set: written.set ?? [], add: written.add ?? [], remove: written.remove ?? [] };
}
