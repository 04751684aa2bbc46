/** What a rule asks for, compiled: from the head of a request to the tokens that are good, or the fault that is told. It changes nothing. */
import type { RequestHead } from '../../codec/message-head.ts';
import type { JwtRequirementConfig } from '../../config/jwt-authn-config.ts';
import { type JwtFault, jwtFault } from './jwt-fault.ts';
import { type Audiences, audiencesOf, type JwtProvider } from './jwt-provider.ts';
import { type FoundToken, TokenPlaces } from './token-places.ts';
import type { AcceptedToken, TokenInHand, TokensInHand } from './tokens-in-hand.ts';

/** Null: satisfied, by the tokens that were added to those accepted. */
export type Requirement = (head: RequestHead, nowSeconds: number, tokens: TokensInHand) => JwtFault | null;

/** More in one request is an attack on our time. */
const mostTokens = 16;

export type Providers = ReadonlyMap<string, JwtProvider>;

/** `optionalOf`: whose tokens `allow_missing` is about; those that the alternatives beside it name, or all. */
export function compileRequirement(
  config: JwtRequirementConfig,
  providers: Providers,
  optionalOf: readonly JwtProvider[] = [...providers.values()],
): Requirement {
  switch (config.kind) {
    case 'provider':
      return ofProvider(
        providers.get(config.provider)!,
        config.audiences === null ? undefined : audiencesOf(config.audiences),
      );
    case 'all':
      return all(config.requirements.map((each) => compileRequirement(each, providers)));
    case 'any':
      return any(compileAlternatives(config.requirements, providers));
    case 'allow-missing':
    case 'allow-missing-or-failed':
      return optional(optionalOf, config.kind === 'allow-missing-or-failed');
    case 'allow':
      return () => null;
  }
}

/** Whose tokens it asks for, in the order of the configuration. */
export function providersOf(config: JwtRequirementConfig): readonly string[] {
  switch (config.kind) {
    case 'provider':
      return [config.provider];
    case 'any':
    case 'all':
      return [...new Set(config.requirements.flatMap(providersOf))];
    default:
      return [];
  }
}

function ofProvider(provider: JwtProvider, audiences: Audiences | undefined): Requirement {
  const places = new TokenPlaces([provider.config]);
  return (head, nowSeconds, tokens) => {
    const found = openTokens(places, head, tokens);
    if (found.length === 0) return jwtFault.missing;
    if (found.length > mostTokens) return jwtFault.verificationFails;
    // All must be good: else a good one would open the door for a bad one, which the application may be the one to believe. The last comes first (Envoy).
    for (let i = found.length - 1; i >= 0; i--) {
      const each = found[i]!;
      const jwt = provider.judge(tokens.of(each.token), each, audiences, nowSeconds);
      if (typeof jwt === 'string') return jwt;
      tokens.accepted.push({ found: each, provider, jwt });
    }
    return null;
  };
}

/** Those that nobody has taken. */
function openTokens(places: TokenPlaces, head: RequestHead, { accepted }: TokensInHand): readonly FoundToken[] {
  const found = places.find(head);
  return accepted.length === 0 || found.length === 0 ? found : found.filter((each) => !isTaken(each, accepted));
}

/** A token that goes no further is nobody else's: whoever is asked next does not see it (Envoy). */
function isTaken({ place }: FoundToken, accepted: readonly AcceptedToken[]): boolean {
  return accepted.some(
    ({ found, provider }) =>
      !provider.config.forward && found.place.kind === place.kind && found.place.name === place.name,
  );
}

function optional(providers: readonly JwtProvider[], orFailed: boolean): Requirement {
  const places = new TokenPlaces(providers.map((provider) => provider.config));
  return (head, nowSeconds, tokens) => {
    const found = openTokens(places, head, tokens);
    if (found.length > mostTokens) return orFailed ? null : jwtFault.verificationFails;
    for (let i = found.length - 1; i >= 0; i--) {
      const each = found[i]!;
      const token = tokens.of(each.token);
      const provider = byIssuer(providers, token);
      const jwt = typeof provider === 'string' ? provider : provider.judge(token, each, undefined, nowSeconds);
      if (typeof jwt !== 'string') tokens.accepted.push({ found: each, provider: provider as JwtProvider, jwt });
      else if (!orFailed) return jwt;
    }
    return null;
  };
}

/** Whose token it says it is: the provider of that issuer, else one that takes any. */
function byIssuer(providers: readonly JwtProvider[], { issuer }: TokenInHand): JwtProvider | JwtFault {
  if (typeof issuer === 'string') return issuer;
  return (
    providers.find(({ config }) => config.issuer !== '' && config.issuer === issuer.name) ??
    providers.find(({ config }) => config.issuer === '') ??
    jwtFault.unknownIssuer
  );
}

function all(requirements: readonly Requirement[]): Requirement {
  return (head, nowSeconds, tokens) => {
    for (const requirement of requirements) {
      const fault = requirement(head, nowSeconds, tokens);
      if (fault !== null) return fault;
    }
    return null;
  };
}

function any(requirements: readonly Requirement[]): Requirement {
  return (head, nowSeconds, tokens) => {
    const { accepted } = tokens;
    const before = accepted.length;
    let told: JwtFault | null = null;
    for (const requirement of requirements) {
      const fault = requirement(head, nowSeconds, tokens);
      if (fault === null) return null;
      accepted.length = before;
      // That a token is not there, or another's, says less than what is wrong with the one that is (Envoy).
      if (told === null || !(fault === jwtFault.missing || fault === jwtFault.unknownIssuer)) told = fault;
    }
    return told ?? jwtFault.missing;
  };
}

/** `allow_missing` comes last, and is about the providers that the others name (Envoy). */
function compileAlternatives(configs: readonly JwtRequirementConfig[], providers: Providers): readonly Requirement[] {
  const isLenient = ({ kind }: JwtRequirementConfig): boolean => kind.startsWith('allow-missing');
  const lenient =
    configs.find(({ kind }) => kind === 'allow-missing-or-failed') ??
    configs.find(({ kind }) => kind === 'allow-missing');
  const named = configs.flatMap((each) => (each.kind === 'provider' ? [providers.get(each.provider)!] : []));
  return [
    ...configs.filter((each) => !isLenient(each)).map((each) => compileRequirement(each, providers)),
    ...(lenient === undefined
      ? []
      : [compileRequirement(lenient, providers, named.length > 0 ? named : [...providers.values()])]),
  ];
}
