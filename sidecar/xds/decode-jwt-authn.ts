/** JwtAuthentication and its PerRouteConfig → JwtAuthnConfig. Unsupported fields were reported by check-fields.ts; here are the rules of what is there. */
import type { Message } from '@bufbuild/protobuf';
import type {
  JwtAuthnConfig,
  JwtAuthnRouteConfig,
  JwtProviderConfig,
  JwtRequirementConfig,
  JwtRuleConfig,
} from '../config/jwt-authn-config.ts';
import type {
  JwtAuthentication,
  JwtProvider,
  JwtRequirement,
  PerRouteConfig,
  RequirementRule,
} from './api/envoy/extensions/filters/http/jwt_authn/v3/config_pb.js';
import { routeMatch } from './decode-route-match.ts';
import { bounded, dataSourceText, durationMs, settableHeader, stringMatch } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

const defaultCacheSize = 1000;
const mostJwksBytes = 1 << 20;

/** The providers that may be named; kept beside what is decoded, for faults. */
type Providers = ReadonlyMap<string, JwtProviderConfig>;

export function jwtAuthn(message: Message, filterName: string, path: string, faults: Faults): JwtAuthnConfig {
  const authentication = message as JwtAuthentication;
  const providers = new Map(
    Object.entries(authentication.providers).map(([name, each]) => [
      name,
      provider(each, name, `${at(path, 'providers')}["${name}"]`, faults),
    ]),
  );
  const requirements = new Map(
    Object.entries(authentication.requirementMap).map(([name, each]) => [
      name,
      requirement(each, providers, `${at(path, 'requirement_map')}["${name}"]`, faults),
    ]),
  );
  return Object.freeze({
    kind: 'jwt-authn',
    filterName,
    providers,
    rules: authentication.rules.map((each, i) => rule(each, providers, requirements, at(at(path, 'rules'), i), faults)),
    requirements,
    bypassCorsPreflight: authentication.bypassCorsPreflight,
    stripFailureResponse: authentication.stripFailureResponse,
  });
}

export function jwtAuthnPerRoute(message: Message, _outer: unknown, path: string, faults: Faults): JwtAuthnRouteConfig {
  const { requirementSpecifier } = message as PerRouteConfig;
  if (requirementSpecifier.case === undefined) faults.add(path, 'needs disabled or requirement_name');
  if (requirementSpecifier.case === 'disabled' && !requirementSpecifier.value)
    faults.add(at(path, 'disabled'), 'can only be true');
  if (requirementSpecifier.case === 'requirementName' && requirementSpecifier.value === '')
    faults.add(at(path, 'requirement_name'), 'must not be empty');
  return Object.freeze({
    kind: 'jwt-authn',
    requirementName: requirementSpecifier.case === 'requirementName' ? requirementSpecifier.value : null,
  });
}

function provider(message: JwtProvider, name: string, path: string, faults: Faults): JwtProviderConfig {
  if (message.jwksSourceSpecifier.case !== 'localJwks') faults.add(path, 'needs local_jwks');
  const jwksPath = at(path, 'local_jwks');
  const jwks =
    message.jwksSourceSpecifier.case === 'localJwks'
      ? dataSourceText(message.jwksSourceSpecifier.value, jwksPath, faults)
      : '';
  if (jwks.length > mostJwksBytes) faults.add(jwksPath, `has ${jwks.length} bytes, above ${mostJwksBytes}`);
  for (const [i, header] of message.fromHeaders.entries())
    if (!settableHeader(header.name))
      faults.add(
        at(at(at(path, 'from_headers'), i), 'name'),
        `${JSON.stringify(header.name)} is not a header that can hold a token`,
      );
  if (message.forwardPayloadHeader !== '' && !settableHeader(message.forwardPayloadHeader))
    faults.add(
      at(path, 'forward_payload_header'),
      `${JSON.stringify(message.forwardPayloadHeader)} is not a header that can be added`,
    );
  for (const [i, { headerName, claimName }] of message.claimToHeaders.entries()) {
    const here = at(at(path, 'claim_to_headers'), i);
    if (!settableHeader(headerName))
      faults.add(at(here, 'header_name'), `${JSON.stringify(headerName)} is not a header that can be added`);
    if (claimName === '') faults.add(at(here, 'claim_name'), 'must not be empty');
  }
  const { maxLifetime, fromHeaders, fromParams, fromCookies } = message;
  const nowhere = fromHeaders.length + fromParams.length + fromCookies.length === 0;
  return Object.freeze({
    name,
    issuer: message.issuer,
    audiences: message.audiences,
    subjects: message.subjects === undefined ? null : stringMatch(message.subjects, at(path, 'subjects'), faults),
    requireExpiration: message.requireExpiration,
    maxLifetimeSeconds:
      maxLifetime === undefined ? null : durationMs(maxLifetime, 0, at(path, 'max_lifetime'), faults) / 1000,
    jwks,
    clockSkewSeconds: message.clockSkewSeconds === 0 ? 60 : message.clockSkewSeconds,
    // Envoy's default places.
    fromHeaders: nowhere
      ? [{ name: 'authorization', prefix: 'Bearer ' }]
      : fromHeaders.map((header) => ({ name: header.name.toLowerCase(), prefix: header.valuePrefix })),
    fromParams: nowhere ? ['access_token'] : fromParams,
    fromCookies,
    forward: message.forward,
    forwardPayloadHeader: message.forwardPayloadHeader.toLowerCase(),
    padForwardPayload: message.padForwardPayloadHeader,
    payloadInMetadata: message.payloadInMetadata,
    headerInMetadata: message.headerInMetadata,
    spaceDelimitedClaims: message.normalizePayloadInMetadata?.spaceDelimitedClaims ?? [],
    claimToHeaders: message.claimToHeaders.map((each) => ({
      header: each.headerName.toLowerCase(),
      claim: each.claimName,
    })),
    cacheSize: bounded(
      message.jwtCacheConfig === undefined || message.jwtCacheConfig.jwtCacheSize === 0
        ? undefined
        : message.jwtCacheConfig.jwtCacheSize,
      defaultCacheSize,
      1,
      100_000,
      at(path, 'jwt_cache_config.jwt_cache_size'),
      faults,
    ),
  });
}

function rule(
  message: RequirementRule,
  providers: Providers,
  requirements: ReadonlyMap<string, JwtRequirementConfig>,
  path: string,
  faults: Faults,
): JwtRuleConfig {
  const { requirementType } = message;
  const match = routeMatch(message.match, at(path, 'match'), faults);
  if (requirementType.case === 'requires')
    return { match, requirement: requirement(requirementType.value, providers, at(path, 'requires'), faults) };
  if (requirementType.case === undefined) return { match, requirement: null };
  const named = requirements.get(requirementType.value);
  if (named === undefined)
    faults.add(
      at(path, 'requirement_name'),
      `${JSON.stringify(requirementType.value)} is not in requirement_map, which has: ${list(requirements)}`,
    );
  return { match, requirement: named ?? null };
}

/** As deep as protobuf nests, which has a limit of its own. */
function requirement(
  message: JwtRequirement,
  providers: Providers,
  path: string,
  faults: Faults,
): JwtRequirementConfig {
  const { requiresType } = message;
  switch (requiresType.case) {
    case 'providerName':
      known(requiresType.value, providers, at(path, 'provider_name'), faults);
      return { kind: 'provider', provider: requiresType.value, audiences: null };
    case 'providerAndAudiences': {
      const { providerName, audiences } = requiresType.value;
      known(providerName, providers, at(path, 'provider_and_audiences.provider_name'), faults);
      return { kind: 'provider', provider: providerName, audiences: audiences.length === 0 ? null : audiences };
    }
    case 'requiresAny':
    case 'requiresAll': {
      const kind = requiresType.case === 'requiresAny' ? 'any' : 'all';
      const here = at(path, `requires_${kind}.requirements`);
      const inner = requiresType.value.requirements;
      if (inner.length < 2) faults.add(here, 'needs at least two');
      return { kind, requirements: inner.map((each, i) => requirement(each, providers, at(here, i), faults)) };
    }
    case 'allowMissing':
      return { kind: 'allow-missing' };
    case 'allowMissingOrFailed':
      return { kind: 'allow-missing-or-failed' };
    default:
      return { kind: 'allow' };
  }
}

function known(name: string, providers: Providers, path: string, faults: Faults): void {
  if (!providers.has(name))
    faults.add(path, `${JSON.stringify(name)} is not a provider; there are: ${list(providers)}`);
}

function list(named: ReadonlyMap<string, unknown>): string {
  return named.size === 0 ? 'none' : [...named.keys()].join(', ');
}
