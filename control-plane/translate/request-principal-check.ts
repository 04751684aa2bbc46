/** Conditions on tokens: claims, and `issuer/subject`, in what the JWT filter of this chain found good. It keeps each provider's payload under the provider's name. */
import { create } from '@bufbuild/protobuf';
import {
  type MetadataMatcher_PathSegment,
  MetadataMatcherSchema,
} from '../../proto/generated/envoy/type/matcher/v3/metadata_pb.js';
import type { ValueMatcher } from '../../proto/generated/envoy/type/matcher/v3/value_pb.js';
import type { TextPattern } from '../config-kind/policy-resource.ts';
import { type SharedCheck, some } from './rbac-check.ts';
import { textMatcher } from './text-matcher.ts';
import { jwtFilterName, type TokenProvider } from './token-provider.ts';

/** A claim that is one of the patterns, or a list with one of them. */
export function claimCheck(
  path: readonly string[],
  patterns: readonly TextPattern[],
  providers: readonly TokenProvider[],
): SharedCheck {
  return some(
    providers.flatMap(({ name }) =>
      patterns.flatMap((pattern) => [claim(name, path, pattern), listClaim(name, path, pattern)]),
    ),
  );
}

/** The issuer is the provider's own: what remains of the pattern is for the subject. */
export function requestPrincipalCheck(
  patterns: readonly TextPattern[],
  providers: readonly TokenProvider[],
): SharedCheck {
  return some(
    providers.flatMap(({ name, rule }) =>
      patterns.flatMap((pattern) =>
        subjects(pattern, `${rule.issuer}/`).map((subject) => claim(name, ['sub'], subject)),
      ),
    ),
  );
}

/** Subjects that make `before` + subject fit the pattern. */
export function subjects({ type, value }: TextPattern, before: string): TextPattern[] {
  switch (type) {
    case 'any':
      return [{ type: 'any', value: '' }];
    case 'exact':
      return value.startsWith(before) && value !== before ? [{ type, value: value.slice(before.length) }] : [];
    case 'prefix':
      if (before.startsWith(value)) return [{ type: 'any', value: '' }];
      return value.startsWith(before) ? [{ type, value: value.slice(before.length) }] : [];
    case 'suffix': {
      // Either the subject alone ends so, or all of it is the end of the pattern, whose beginning is the end of `before`.
      const found: TextPattern[] = [{ type, value }];
      for (let at = 1; at < value.length; at++)
        if (before.endsWith(value.slice(0, at))) found.push({ type: 'exact', value: value.slice(at) });
      return found;
    }
  }
}

function claim(provider: string, path: readonly string[], pattern: TextPattern): SharedCheck {
  return metadata(provider, path, { case: 'stringMatch', value: textMatcher(pattern) });
}

function listClaim(provider: string, path: readonly string[], pattern: TextPattern): SharedCheck {
  return metadata(provider, path, {
    case: 'listMatch',
    value: {
      $typeName: 'envoy.type.matcher.v3.ListMatcher',
      matchPattern: {
        case: 'oneOf',
        value: {
          $typeName: 'envoy.type.matcher.v3.ValueMatcher',
          matchPattern: { case: 'stringMatch', value: textMatcher(pattern) },
        },
      },
    },
  });
}

function metadata(provider: string, path: readonly string[], matchPattern: ValueMatcher['matchPattern']): SharedCheck {
  return {
    leaf: 'metadata',
    value: create(MetadataMatcherSchema, {
      filter: jwtFilterName,
      path: [provider, ...path].map(
        (key): MetadataMatcher_PathSegment => ({
          $typeName: 'envoy.type.matcher.v3.MetadataMatcher.PathSegment',
          segment: { case: 'key', value: key },
        }),
      ),
      value: { matchPattern },
    }),
  };
}
