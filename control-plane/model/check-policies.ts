/** Checks of policies across resources: does what they name exist, and do they say what is likely meant? */
import type {
  AuthorizationPolicyResource,
  Condition,
  PolicyResource,
  RateLimitPolicyResource,
  RequestAuthenticationResource,
} from '../config-kind/policy-resource.ts';
import { rootNamespace } from '../config-kind/policy-target.ts';
import { isRoute, type Resource, resourceName, type ServiceResource } from '../config-kind/resource.ts';
import { collectorsOf } from '../config-kind/telemetry.ts';
import type { TelemetryResource } from '../config-kind/telemetry-resource.ts';
import { backendProblem, collectorProblem, countingProblem, noService } from './backend-problem.ts';
import { maxLimitFilters } from './limit-name.ts';
import { portsOfPeers, portsOfRules, servicePortFault } from './policy-ports.ts';
import type { ReferenceWarning } from './reference-warning.ts';

type Warn = (path: string, message: string) => void;

export function checkPolicies(
  resources: readonly Resource[],
  services: ReadonlyMap<string, ServiceResource>,
): ReferenceWarning[] {
  const warnings: ReferenceWarning[] = [];
  const policies = resources.filter(
    (resource): resource is PolicyResource =>
      resource.kind !== 'Service' && resource.kind !== 'TrafficPolicy' && !isRoute(resource),
  );
  const verifiers = policies.filter((policy) => policy.kind === 'RequestAuthentication');
  const peersByScope = new Map<string, PolicyResource>();
  const toldFor = new Map<string, PolicyResource>();
  const issuers = new Map<string, RequestAuthenticationResource>();
  const limitSettings = new Map<string, Set<string>>();
  for (const policy of policies) {
    const warn: Warn = (path, message) =>
      void warnings.push({
        resource: resourceName(policy),
        place: policy.referencePlaces.get(path) ?? policy.place,
        path,
        message,
      });
    for (const { name, path } of policy.targets.services) {
      if (!services.has(`${policy.namespace}/${name}`))
        warn(path, `${noService(policy.namespace, name)}; the policy holds for what registers under that name`);
    }
    checkPorts(policy, services, warn);
    if (policy.kind === 'AuthorizationPolicy') checkAuthorization(policy, verifiers, services, warn);
    else if (policy.kind === 'RequestAuthentication') checkTokens(policy, issuers, warn);
    else if (policy.kind === 'PeerAuthentication') checkSameScope(policy, peersByScope, warn);
    else if (policy.kind === 'RateLimitPolicy') checkLimits(policy, services, limitSettings, warn);
    else if (policy.kind === 'Telemetry') checkTelemetry(policy, services, toldFor, warn);
    else if (policy.untilMs === null && policy.forMs === null)
      warn('spec.faults', 'have no end; say until or for, so that nobody forgets them');
  }
  return warnings;
}

function checkAuthorization(
  policy: AuthorizationPolicyResource,
  verifiers: readonly RequestAuthenticationResource[],
  services: ReadonlyMap<string, ServiceResource>,
  warn: Warn,
): void {
  const { action, external, rules, namespace } = policy;
  if (external !== null) {
    const problem = backendProblem({ ...external, name: external.service }, services);
    if (problem !== null)
      warn(
        external.path,
        `${problem}; ${external.failOpen ? 'nobody is asked, and requests pass' : 'requests are denied'}`,
      );
  }
  if (action === 'DENY' && rules.length === 0) warn('spec.rules', 'a DENY policy without rules denies nothing');
  const couldVerify = verifiers.some((each) => each.namespace === namespace || each.namespace === rootNamespace);
  for (const [at, rule] of rules.entries()) {
    const conditions = [...rule.from.flat(), ...rule.when];
    if (!couldVerify && conditions.some(isAboutTokens))
      warn(
        `spec.rules[${at}]`,
        `looks at a token, but no RequestAuthentication of ${namespace} or ${rootNamespace} says whose tokens are good: nobody has one`,
      );
  }
}

/** Ports of Services in the place of those of applications: a DENY with one denies nothing. */
function checkPorts(policy: PolicyResource, services: ReadonlyMap<string, ServiceResource>, warn: Warn): void {
  const named =
    policy.kind === 'AuthorizationPolicy'
      ? portsOfRules(policy.rules)
      : policy.kind === 'PeerAuthentication'
        ? portsOfPeers(policy.ports)
        : [];
  if (named.length === 0) return;
  const { namespace, targets } = policy;
  const meant =
    targets.services.length > 0
      ? targets.services.map(({ name }) => services.get(`${namespace}/${name}`))
      : [...services.values()].filter((service) => namespace === rootNamespace || service.namespace === namespace);
  // What is not there may listen anywhere.
  const ports = meant.every((service) => service !== undefined) ? meant.flatMap((service) => service.ports) : [];
  for (const { port, path } of named) {
    const fault = servicePortFault(port, ports);
    if (fault !== '') warn(path, fault);
  }
}

function isAboutTokens({ attribute }: Condition): boolean {
  return attribute === 'requestPrincipal' || attribute === 'claim';
}

function checkTokens(
  policy: RequestAuthenticationResource,
  issuers: Map<string, RequestAuthenticationResource>,
  warn: Warn,
): void {
  for (const [at, { issuer }] of policy.rules.entries()) {
    const key = `${policy.namespace} ${issuer}`;
    const other = issuers.get(key);
    if (other !== undefined)
      warn(
        `spec.jwtRules[${at}]`,
        `${resourceName(other)} has the issuer ${JSON.stringify(issuer)} too; where both hold, the first by name counts for tokens of it`,
      );
    else issuers.set(key, policy);
  }
}

function checkLimits(
  { namespace, local, global, service, failOpen, timeoutMs, status, tellsLimits }: RateLimitPolicyResource,
  services: ReadonlyMap<string, ServiceResource>,
  settings: Map<string, Set<string>>,
  warn: Warn,
): void {
  const mine = settings.get(namespace) ?? new Set();
  settings.set(namespace, mine);
  if (local.length > 0) mine.add(`${status} ${tellsLimits}`);
  if (global.length > 0) mine.add(JSON.stringify([status, tellsLimits, service, failOpen, timeoutMs]));
  if (mine.size > maxLimitFilters)
    warn(
      'metadata.name',
      `limits of namespace ${namespace} have more than ${maxLimitFilters} different settings (status, tellLimits, service, failOpen, timeout); of those beyond, none may hold for a workload that they are all for`,
    );
  const problem = service === null ? null : countingProblem(service, services);
  if (problem !== null)
    warn(
      service!.path,
      `${problem}; ${failOpen ? 'its limits do not hold' : 'requests that they are about are denied'}`,
    );
}

function checkTelemetry(
  policy: TelemetryResource,
  services: ReadonlyMap<string, ServiceResource>,
  byScope: Map<string, PolicyResource>,
  warn: Warn,
): void {
  checkSameScope(policy, byScope, warn);
  for (const { target, overGrpc } of collectorsOf(policy)) {
    const problem = collectorProblem(target, overGrpc, services);
    if (problem !== null) warn(target.path, `${problem}; nothing is sent there`);
  }
}

/** Of two for the same workloads one counts. */
function checkSameScope(policy: PolicyResource, byScope: Map<string, PolicyResource>, warn: Warn): void {
  const { namespace, targets } = policy;
  const scopes =
    targets.services.length > 0
      ? targets.services.map(({ name, path }) => ({ scope: `${namespace}/${name}`, path }))
      : [
          {
            scope: `${namespace} ${targets.labels === null ? '' : JSON.stringify(targets.labels)}`,
            path: 'metadata.name',
          },
        ];
  for (const { scope, path } of scopes) {
    const other = byScope.get(scope);
    if (other === undefined) byScope.set(scope, policy);
    else warn(path, `${resourceName(other)} is for the same workloads; the older one counts, or the first by name`);
  }
}
