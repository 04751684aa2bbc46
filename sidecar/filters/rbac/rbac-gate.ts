/**
 * Envoy's RBAC filter as a gate: judges a request by its policies, at once, and answers 403 with the name of the policy. Rules that are only tried (`shadow_rules`) are judged first, counted and
 * told, and deny nothing. A route may have rules instead of the filter's own.
 */
import { ProxyError } from '../../codec/proxy-error.ts';
import type { RbacConfig, RbacRouteConfig, RbacRulesConfig } from '../../config/rbac-config.ts';
import type { DownstreamConnectionInfo } from '../../connection-manager/http-context.ts';
import type { RouteEntry } from '../../router/route-entry.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { StatStore } from '../../stats/stat-store.ts';
import type { GateRequest, GateVerdict, RequestGate } from '../request-gate.ts';
import { type DecisionCounts, decisionCounts, noPolicy, PolicyCounters } from './decision-counters.ts';
import { DryRunLog } from './dry-run-log.ts';
import { PolicySet } from './policy-set.ts';
import { ConnectionFacts, type ForwardedForRules, RequestView } from './request-view.ts';

/** Where Envoy puts results of rules that are tried, and what `action: LOG` found. */
const resultKey = 'envoy.filters.http.rbac';
const commonKey = 'envoy.common';

export interface RbacGateContext {
  readonly stats: StatStore;
  readonly clock: Clock;
  readonly log: Log;
}

/** Rules in force somewhere: of the filter, or of a route. */
interface Judges {
  readonly rules: PolicySet | null;
  readonly shadowRules: PolicySet | null;
  readonly shadowPrefix: string;
}

export class RbacGate implements RequestGate {
  readonly name: string;
  readonly answersAtOnce = true;
  readonly keepsRequests = true;
  readonly #judges: Judges;
  readonly #routeJudges = new WeakMap<RbacRouteConfig, Judges>();
  readonly #connections = new WeakMap<DownstreamConnectionInfo, ConnectionFacts>();
  readonly #view: RequestView;
  readonly #counts: DecisionCounts;
  readonly #allowed: PolicyCounters;
  readonly #denied: PolicyCounters;
  readonly #dryRunAllowed: PolicyCounters;
  readonly #dryRunDenied: PolicyCounters;
  readonly #dryRunLog: DryRunLog;
  readonly #denials = new WeakMap<PolicySet, ProxyError[]>();

  constructor(
    config: RbacConfig,
    managerStatPrefix: string,
    forwardedFor: ForwardedForRules,
    { stats, clock, log }: RbacGateContext,
    statScope = `http.${managerStatPrefix}.rbac.`,
  ) {
    this.name = config.name;
    this.#judges = judgesOf(config);
    this.#view = new RequestView(forwardedFor);
    this.#counts = decisionCounts(stats, statScope, config.rulesStatPrefix, config.shadowStatPrefix);
    this.#allowed = new PolicyCounters(stats, 'allowed');
    this.#denied = new PolicyCounters(stats, 'denied');
    this.#dryRunAllowed = new PolicyCounters(stats, 'dry_run_allowed');
    this.#dryRunDenied = new PolicyCounters(stats, 'dry_run_denied');
    this.#dryRunLog = new DryRunLog(log, clock);
  }

  check(request: GateRequest): GateVerdict {
    const { rules, shadowRules, shadowPrefix } = this.#judgesFor(request.route);
    if (rules === null && shadowRules === null) return null;
    const view = this.#view;
    view.set(this.#connection(request.connection), request);
    if (shadowRules !== null) this.#tryOut(shadowRules, shadowPrefix, request);
    return rules === null ? null : this.#enforce(rules, request);
  }

  #enforce(rules: PolicySet, request: GateRequest): GateVerdict {
    const matched = rules.match(this.#view);
    const { direction } = request.connection;
    const policy = policyName(rules, matched);
    if (rules.action === 'log') addMetadata(request, commonKey, { access_log_hint: matched >= 0 });
    if (allows(rules, matched)) {
      this.#counts.allowed.value++;
      this.#allowed.count(policy, direction);
      // What allows it says more than that nothing denied it.
      if (rules.action === 'allow' || (rules.action === 'deny' && request.policy === '')) request.policy = policy;
      return null;
    }
    request.policy = policy;
    this.#counts.denied.value++;
    this.#denied.count(policy, direction);
    return this.#denial(rules, matched);
  }

  #tryOut(rules: PolicySet, prefix: string, request: GateRequest): void {
    const matched = rules.match(this.#view);
    const allowed = allows(rules, matched);
    const policy = policyName(rules, matched);
    const { direction } = request.connection;
    if (allowed) {
      this.#counts.shadowAllowed.value++;
      this.#dryRunAllowed.count(policy, direction);
    } else {
      this.#counts.shadowDenied.value++;
      this.#dryRunDenied.count(policy, direction);
      if (request.dryRunDeniedBy === '') request.dryRunDeniedBy = policy;
      this.#dryRunLog.denied(policy, matched < 0 ? 'no policy allows it' : `the policy ${policy}`, this.#view);
    }
    addMetadata(request, resultKey, {
      ...(matched < 0 ? {} : { [`${prefix}shadow_effective_policy_id`]: policy }),
      [`${prefix}shadow_engine_result`]: allowed ? 'allowed' : 'denied',
    });
    // Rules in force see it too.
    this.#view.metadata = request.metadata;
  }

  /** One for each policy: they are all alike. */
  #denial(rules: PolicySet, matched: number): ProxyError {
    let denials = this.#denials.get(rules);
    if (denials === undefined) this.#denials.set(rules, (denials = []));
    return (denials[matched + 1] ??= denial(policyName(rules, matched), matched >= 0));
  }

  #judgesFor(route: RouteEntry | null): Judges {
    const config = route?.config.gates?.get(this.name);
    if (config?.kind !== 'rbac') return this.#judges;
    let judges = this.#routeJudges.get(config);
    if (judges === undefined) this.#routeJudges.set(config, (judges = judgesOf(config)));
    return judges;
  }

  #connection(info: DownstreamConnectionInfo): ConnectionFacts {
    let facts = this.#connections.get(info);
    if (facts === undefined) this.#connections.set(info, (facts = new ConnectionFacts(info)));
    return facts;
  }
}

function judgesOf(config: RbacConfig | RbacRouteConfig): Judges {
  const compile = (rules: RbacRulesConfig | null): PolicySet | null => (rules === null ? null : new PolicySet(rules));
  return {
    rules: compile(config.rules),
    shadowRules: compile(config.shadowRules),
    shadowPrefix: config.shadowStatPrefix,
  };
}

function allows({ action }: PolicySet, matched: number): boolean {
  return action === 'log' || matched >= 0 === (action === 'allow');
}

function policyName({ names }: PolicySet, matched: number): string {
  const name = names[matched];
  return name === undefined || name === '' ? noPolicy : name;
}

function denial(policy: string, matched: boolean): ProxyError {
  return new ProxyError({
    flag: 'RBAC',
    source: 'local',
    // Envoy: blanks would break an access log that is split at them.
    details: `rbac_access_denied_matched_policy[${policy.replace(/[ \t\n\v\f\r]/g, '_')}]`,
    message: matched ? 'A policy denies this request.' : 'No policy allows this request.',
    rule: policy,
  });
}

function addMetadata(request: GateRequest, key: string, fields: Readonly<Record<string, unknown>>): void {
  const metadata = (request.metadata ??= new Map<string, unknown>());
  const before = metadata.get(key) as Readonly<Record<string, unknown>> | undefined;
  metadata.set(key, before === undefined ? fields : { ...before, ...fields });
}
