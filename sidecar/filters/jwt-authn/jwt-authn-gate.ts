/**
 * Envoy's JwtAuthentication filter: requests that a rule is for must carry a good token; what it says goes to the application in headers and to the gates behind in metadata.
 * Headers that only a token may fill are taken off every request that comes by, whatever its route or rule says.
 */
import { HeaderFields } from '../../codec/header-fields.ts';
import { headerName } from '../../codec/header-name.ts';
import type { RequestHead } from '../../codec/message-head.ts';
import { ProxyError } from '../../codec/proxy-error.ts';
import type { JwtAuthnConfig, JwtRequirementConfig } from '../../config/jwt-authn-config.ts';
import type { HttpContext } from '../../connection-manager/http-context.ts';
import type { HeadTest } from '../../router/header-test.ts';
import { compileRouteMatch } from '../../router/route-match.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Counter } from '../../stats/stat-store.ts';
import type { GateRequest, GateVerdict, RequestGate } from '../request-gate.ts';
import { type JwtFault, jwtFault } from './jwt-fault.ts';
import { type CacheCounts, JwtProvider } from './jwt-provider.ts';
import { compileRequirement, providersOf, type Requirement } from './requirement.ts';
import { removeTokens } from './token-places.ts';
import { type AcceptedToken, TokensInHand } from './tokens-in-hand.ts';

/** Where the gates behind find what tokens say: `envoy.filters.http.jwt_authn` → key of the provider → payload. */
export const jwtMetadataNamespace = 'envoy.filters.http.jwt_authn';

const challengeName = headerName('www-authenticate');
const longestRealmPath = 256;

interface NamedRequirement {
  readonly check: Requirement;
  /** For people: who asks for a token. */
  readonly rule: string;
}

interface Rule {
  readonly matches: HeadTest;
  readonly requirement: NamedRequirement | null;
}

interface Stats {
  readonly allowed: Counter;
  readonly denied: Counter;
  readonly preflights: Counter;
}

export class JwtAuthnGate implements RequestGate {
  readonly name: string;
  readonly answersAtOnce = true;
  readonly #config: JwtAuthnConfig;
  readonly #clock: Clock;
  readonly #providers: readonly JwtProvider[];
  readonly #counts: CacheCounts;
  readonly #rules: readonly Rule[];
  readonly #byName: ReadonlyMap<string, NamedRequirement>;
  readonly #reserved: ReadonlySet<string>;
  readonly #stats: Stats;

  constructor(config: JwtAuthnConfig, statPrefix: string, { clock, stats }: HttpContext) {
    const counter = (name: string): Counter => stats.counter(`http.${statPrefix}.jwt_authn.${name}`);
    const hits = counter('jwt_cache_hit');
    const misses = counter('jwt_cache_miss');
    this.#counts = { hit: () => void hits.value++, miss: () => void misses.value++ };
    this.name = config.filterName;
    this.#config = config;
    this.#clock = clock;
    this.#stats = {
      allowed: counter('allowed'),
      denied: counter('denied'),
      preflights: counter('cors_preflight_bypassed'),
    };
    const providers = new Map([...config.providers].map(([name, each]) => [name, new JwtProvider(each)]));
    this.#providers = [...providers.values()];
    const named = (requirement: JwtRequirementConfig, by: string): NamedRequirement => ({
      check: compileRequirement(requirement, providers),
      rule: ruleText(providersOf(requirement), `${config.filterName} ${by}`),
    });
    this.#rules = config.rules.map(({ match, requirement }, i) => ({
      matches: compileRouteMatch(match),
      requirement: requirement === null ? null : named(requirement, `rule ${i + 1}`),
    }));
    this.#byName = new Map(
      [...config.requirements].map(([name, each]) => [name, named(each, `requirement ${JSON.stringify(name)}`)]),
    );
    this.#reserved = new Set(
      [...config.providers.values()]
        .flatMap((each) => [each.forwardPayloadHeader, ...each.claimToHeaders.map(({ header }) => header)])
        .filter((header) => header !== ''),
    );
  }

  check(request: GateRequest): GateVerdict {
    const { head } = request;
    removeReserved(head.fields, this.#reserved);
    if (this.#config.bypassCorsPreflight && isPreflight(head)) {
      this.#stats.preflights.value++;
      this.#stats.allowed.value++;
      return null;
    }
    const requirement = this.#requirementOf(request);
    if (requirement instanceof ProxyError) {
      this.#stats.denied.value++;
      return requirement;
    }
    const tokens = new TokensInHand(this.#providers, this.#counts);
    const fault = requirement?.check(head, Math.floor(this.#clock.wallMs() / 1000), tokens) ?? null;
    if (fault !== null) {
      this.#stats.denied.value++;
      request.decidedBy = requirement!.rule;
      return this.#refusal(fault, requirement!.rule, head);
    }
    this.#stats.allowed.value++;
    if (tokens.accepted.length > 0) handOn(request, tokens.accepted);
    return null;
  }

  /** Null: no token is asked for. */
  #requirementOf({ head, route }: GateRequest): NamedRequirement | ProxyError | null {
    const ofRoute = route?.config.gates?.get(this.#config.filterName);
    if (ofRoute?.kind === 'jwt-authn') {
      if (ofRoute.requirementName === null) return null;
      return this.#byName.get(ofRoute.requirementName) ?? this.#wrongName(ofRoute.requirementName);
    }
    for (const rule of this.#rules) if (rule.matches(head)) return rule.requirement;
    return null;
  }

  /** The route asks for a requirement that is not there: nobody may pass until it is mended. */
  #wrongName(name: string): ProxyError {
    const message = `Wrong requirement_name: ${name}. It should be one of [${[...this.#byName.keys()].join(',')}]`;
    return new ProxyError({
      flag: 'UAEX',
      source: 'local',
      details: details(message),
      message: `Failed JWT authentication: ${message}`,
      status: 403,
      ...(this.#config.stripFailureResponse ? { reply: { body: Buffer.alloc(0) } } : {}),
    });
  }

  #refusal(fault: JwtFault, rule: string, head: RequestHead): ProxyError {
    const strip = this.#config.stripFailureResponse;
    const fields = new HeaderFields([challengeName], [challenge(fault, head)]);
    return new ProxyError({
      flag: 'UAEX',
      source: 'local',
      details: details(fault),
      message: `${fault}.`,
      rule,
      status: fault === jwtFault.audienceNotAllowed ? 403 : 401,
      reply: strip ? { body: Buffer.alloc(0) } : { fields },
    });
  }
}

const mostNamed = 3;

/** Our control plane names providers `namespace/policy#rule-0`: the policies. Of other configurations, the providers; `otherwise` where there is none. */
function ruleText(providers: readonly string[], otherwise: string): string {
  const names = [...new Set(providers.map((name) => name.replace(/#rule-\d+$/, '')))];
  if (names.length === 0) return otherwise;
  const more = names.length - mostNamed;
  return `${names.slice(0, mostNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Spaces would end the field in logs (Envoy). */
function details(why: string): string {
  return `jwt_authn_access_denied{${why.replace(/\s/g, '_')}}`;
}

/** RFC 6750 3. The realm is what was asked for (Envoy), quoted. */
function challenge(fault: JwtFault, head: RequestHead): string {
  const scheme = head.fields.get('x-forwarded-proto') ?? head.scheme;
  const realm = `${scheme}://${head.authority}${head.path.slice(0, longestRealmPath)}`.replace(/["\\]/g, '\\$&');
  return `Bearer realm="${realm}"${fault === jwtFault.missing ? '' : ', error="invalid_token"'}`;
}

/** Browsers send no credentials with it (Fetch, "CORS-preflight fetch"). */
function isPreflight({ method, fields }: RequestHead): boolean {
  return (
    method === 'OPTIONS' &&
    (fields.get('origin') ?? '') !== '' &&
    (fields.get('access-control-request-method') ?? '') !== ''
  );
}

function removeReserved(fields: HeaderFields, reserved: ReadonlySet<string>): void {
  if (reserved.size === 0) return;
  const { names } = fields;
  for (let i = names.length - 1; i >= 0; i--) {
    if (!reserved.has(names[i]!.lower)) continue;
    names.splice(i, 1);
    fields.values.splice(i, 1);
  }
}

function handOn(request: GateRequest, accepted: readonly AcceptedToken[]): void {
  const { head } = request;
  // Names come from a configuration and values from strangers: no prototype.
  const payloads = Object.create(null) as Record<string, unknown>;
  let some = false;
  for (const { found, provider, jwt } of accepted) {
    for (const [name, value] of jwt.fields) head.fields.append(name, value);
    if (!provider.config.forward) removeTokens(head, found.place);
    for (const [key, value] of jwt.metadata) {
      payloads[key] = value;
      some = true;
    }
  }
  if (some) (request.metadata ??= new Map()).set(jwtMetadataNamespace, payloads);
}
