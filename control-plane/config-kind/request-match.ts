/** `match` of rules of FaultPolicies and RateLimitPolicies: which of the requests to a workload a rule is about. */
import { z } from 'zod';
import type { CallerName, RequestMatch } from './policy-resource.ts';
import { patterns, textPatterns } from './text-pattern.ts';
import { headerMatches, valueMatches } from './value-match.ts';

const name = '[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?';
const callerShape = new RegExp(`^${name}/(?:${name}|\\*)$`);

const list = <T extends z.ZodType>(entry: T) =>
  z
    .array(entry)
    .min(1, { error: 'is empty; leave it out when it is not to matter' })
    .max(64, { error: 'has more than 64 entries' });

export const callers = list(
  z.string().regex(callerShape, { error: 'is not a caller; write it as namespace/account, or namespace/*' }),
);

export const requestMatch = z.strictObject({
  paths: patterns(({ type, value }) =>
    type === 'exact' || type === 'prefix'
      ? /^\/[^?#]*$/.test(value)
        ? null
        : 'is not a path: it begins with /, and has no ? and no #'
      : 'is not accepted: a path is written as it is, or as /prefix*',
  )
    .max(64, { error: 'has more than 64 entries' })
    .optional()
    .describe('In normal form, without the query; /prefix* for what begins so'),
  methods: list(z.string().regex(/^[A-Z][-A-Z]{0,31}$/, { error: 'is not a method; write it as GET' })).optional(),
  headers: headerMatches.optional().describe('All of them'),
  callers: callers
    .optional()
    .describe(
      'Whom the certificate of the connection names, in the own trust domain; who comes without one is none of them',
    ),
});

export function requestMatchOf(written: z.output<typeof requestMatch> | undefined): RequestMatch {
  return {
    paths: textPatterns(written?.paths),
    methods: written?.methods ?? [],
    headers: valueMatches(written?.headers, true),
    callers: (written?.callers ?? []).map(callerName),
  };
}

export function callerName(text: string): CallerName {
  const [namespace = '', account = ''] = text.split('/');
  return { namespace, account: account === '*' ? '' : account };
}
