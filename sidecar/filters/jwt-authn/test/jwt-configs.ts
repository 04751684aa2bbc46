/** Configurations for tests: Envoy's defaults, with what a test wants otherwise. */
import type { JwtAuthnConfig, JwtProviderConfig, JwtRequirementConfig } from '../../../config/jwt-authn-config.ts';
import { anyPath } from '../../../connection-manager/test/configs.ts';
import type { TokenIssuer } from './token-issuer.ts';
import { jwks } from './token-issuer.ts';

export function providerConfig(
  name: string,
  issuers: readonly TokenIssuer[],
  overrides: Partial<JwtProviderConfig> = {},
): JwtProviderConfig {
  return {
    name,
    issuer: `https://${name}.example`,
    audiences: [],
    subjects: null,
    requireExpiration: false,
    maxLifetimeSeconds: null,
    jwks: jwks(...issuers),
    clockSkewSeconds: 60,
    fromHeaders: [{ name: 'authorization', prefix: 'Bearer ' }],
    fromParams: ['access_token'],
    fromCookies: [],
    forward: false,
    forwardPayloadHeader: '',
    padForwardPayload: false,
    payloadInMetadata: '',
    headerInMetadata: '',
    spaceDelimitedClaims: [],
    claimToHeaders: [],
    cacheSize: 1000,
    ...overrides,
  };
}

/** Every request must have a token of the first provider, unless the rules say otherwise. */
export function jwtAuthnConfig(
  providers: readonly JwtProviderConfig[],
  overrides: Partial<JwtAuthnConfig> = {},
): JwtAuthnConfig {
  return {
    kind: 'jwt-authn',
    filterName: 'envoy.filters.http.jwt_authn',
    providers: new Map(providers.map((each) => [each.name, each])),
    rules: [{ match: anyPath, requirement: of(providers[0]!.name) }],
    requirements: new Map(),
    bypassCorsPreflight: false,
    stripFailureResponse: false,
    ...overrides,
  };
}

export function of(provider: string): JwtRequirementConfig {
  return { kind: 'provider', provider, audiences: null };
}
