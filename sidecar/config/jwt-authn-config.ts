/** Our frozen form of Envoy's JwtAuthentication filter: which requests must carry a token, of whom, and what becomes of what it says. */
import type { RouteMatchConfig, StringMatchConfig } from './route-config.ts';

export interface JwtAuthnConfig {
  readonly kind: 'jwt-authn';
  /** As configured in `http_filters`: what routes call it by. */
  readonly filterName: string;
  /** By name. */
  readonly providers: ReadonlyMap<string, JwtProviderConfig>;
  /** The first that matches counts; a request that none matches needs no token. */
  readonly rules: readonly JwtRuleConfig[];
  /** `requirement_map`: what routes may ask for by name. */
  readonly requirements: ReadonlyMap<string, JwtRequirementConfig>;
  readonly bypassCorsPreflight: boolean;
  /** The answer does not say why. */
  readonly stripFailureResponse: boolean;
}

export interface JwtProviderConfig {
  readonly name: string;
  /** '': of any issuer. */
  readonly issuer: string;
  /** Empty: for any audience. */
  readonly audiences: readonly string[];
  readonly subjects: StringMatchConfig | null;
  readonly requireExpiration: boolean;
  /** How far in the future a token may expire; null: any time. */
  readonly maxLifetimeSeconds: number | null;
  /** The JSON Web Key Set as text: a broken one refuses every token, not the configuration (Envoy). */
  readonly jwks: string;
  readonly clockSkewSeconds: number;
  readonly fromHeaders: ReadonlyArray<{ readonly name: string; readonly prefix: string }>;
  readonly fromParams: readonly string[];
  readonly fromCookies: readonly string[];
  /** The token stays in the request. */
  readonly forward: boolean;
  /** Header for the payload in base64url; '': none. */
  readonly forwardPayloadHeader: string;
  readonly padForwardPayload: boolean;
  /** Key in the metadata of `envoy.filters.http.jwt_authn`; '': none. */
  readonly payloadInMetadata: string;
  readonly headerInMetadata: string;
  /** Claims that are lists written as one text with spaces (`scope`): lists in the metadata. */
  readonly spaceDelimitedClaims: readonly string[];
  readonly claimToHeaders: ReadonlyArray<{ readonly header: string; readonly claim: string }>;
  /** Tokens whose signature was found good that are remembered. */
  readonly cacheSize: number;
}

export interface JwtRuleConfig {
  readonly match: RouteMatchConfig;
  /** null: the rule is there so that no later one is asked. */
  readonly requirement: JwtRequirementConfig | null;
}

export type JwtRequirementConfig =
  /** `audiences` null: the provider's own. */
  | { readonly kind: 'provider'; readonly provider: string; readonly audiences: readonly string[] | null }
  | { readonly kind: 'any' | 'all'; readonly requirements: readonly JwtRequirementConfig[] }
  /** Tokens that are there must be good, or (`allow-missing-or-failed`) count for nothing. */
  | { readonly kind: 'allow-missing' | 'allow-missing-or-failed' }
  /** A requirement that says nothing. */
  | { readonly kind: 'allow' };

/** `PerRouteConfig`. */
export interface JwtAuthnRouteConfig {
  readonly kind: 'jwt-authn';
  /** null: the filter is off here. */
  readonly requirementName: string | null;
}
