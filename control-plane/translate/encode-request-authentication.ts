/**
 * RequestAuthentications → Envoy's JWT filter, as Istio does it: a request without a token passes, a token that is there must be good. With several providers any good token will do where they look in
 * the same place. Payloads go into metadata under the provider's name, for the rules behind.
 */
import { create } from '@bufbuild/protobuf';
import {
  JwtAuthenticationSchema,
  type JwtProvider,
  JwtProviderSchema,
  type JwtRequirement,
  JwtRequirementSchema,
} from '../../proto/generated/envoy/extensions/filters/http/jwt_authn/v3/config_pb.js';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { httpFilter } from './encode-http-manager.ts';
import { KeptByParts } from './kept-by-parts.ts';
import { jwtFilterName, type TokenProvider } from './token-provider.ts';

/** Claims that are lists written as one text (RFC 8693 4.2). */
const spaceDelimitedClaims = ['scope', 'permission'];

const kept = new KeptByParts<HttpFilter>();

/** Null: nobody's tokens are looked at. */
export function encodeTokenFilter(providers: readonly TokenProvider[]): HttpFilter | null {
  if (providers.length === 0) return null;
  return kept.get(
    providers.map(({ rule }) => rule),
    providers.map(({ name }) => name).join(' '),
    () =>
      httpFilter(
        jwtFilterName,
        JwtAuthenticationSchema,
        create(JwtAuthenticationSchema, {
          providers: Object.fromEntries(providers.map((each) => [each.name, provider(each)])),
          rules: [
            {
              match: { pathSpecifier: { case: 'prefix', value: '/' } },
              requirementType: { case: 'requires', value: requirement(providers) },
            },
          ],
        }),
      ),
  );
}

function provider({ name, rule }: TokenProvider): JwtProvider {
  return create(JwtProviderSchema, {
    issuer: rule.issuer,
    audiences: [...rule.audiences],
    jwksSourceSpecifier: {
      case: 'localJwks',
      value: { specifier: { case: 'inlineString', value: rule.jwks } },
    },
    forward: rule.forwardOriginalToken,
    fromHeaders: rule.fromHeaders.map((header) => ({ name: header.name, valuePrefix: header.prefix })),
    fromParams: [...rule.fromParams],
    payloadInMetadata: name,
    normalizePayloadInMetadata: { spaceDelimitedClaims },
    claimToHeaders: rule.outputClaimToHeaders.map(({ header, claim }) => ({ headerName: header, claimName: claim })),
  });
}

function requirement(providers: readonly TokenProvider[]): JwtRequirement {
  const each = providers.map(required);
  const orMissing = each.map((one) =>
    anyOf([one, create(JwtRequirementSchema, { requiresType: { case: 'allowMissing', value: {} } })]),
  );
  if (providers.length === 1) return orMissing[0]!;
  return anyOf([
    ...each,
    create(JwtRequirementSchema, { requiresType: { case: 'requiresAll', value: { requirements: orMissing } } }),
  ]);
}

function required({ name, rule }: TokenProvider): JwtRequirement {
  return create(JwtRequirementSchema, {
    requiresType:
      rule.audiences.length === 0
        ? { case: 'providerName', value: name }
        : { case: 'providerAndAudiences', value: { providerName: name, audiences: [...rule.audiences] } },
  });
}

function anyOf(requirements: JwtRequirement[]): JwtRequirement {
  return create(JwtRequirementSchema, { requiresType: { case: 'requiresAny', value: { requirements } } });
}
