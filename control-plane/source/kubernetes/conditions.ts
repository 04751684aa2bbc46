/**
 * What the status of a route or a policy is to say: pure, from what was read, what the model made of it, and what proxies refused.
 *
 * Of routes, for each parent (Gateway API): Accepted (it is in force for that Service), ResolvedRefs (what it sends to exists), Programmed (no proxy refused it). Of policies: Accepted and Programmed.
 */
import type { ModelWarning } from '../../model/model.ts';
import { holdsFor } from '../../model/peer-mode.ts';
import type { PolicySet } from '../../model/policy-set.ts';
import { outboundCluster } from '../../translate/resource-names.ts';
import { type MeshDocument, meanwhile } from './mesh-documents.ts';
import type { Refusal } from './refusals.ts';

export const controllerName = 'outrigger.dev/controller';

export interface Condition {
  readonly type: 'Accepted' | 'ResolvedRefs' | 'Programmed';
  readonly status: 'True' | 'False';
  /** One word in CamelCase. */
  readonly reason: string;
  readonly message: string;
}

export interface StatusContext {
  /** By `Kind namespace/name`. */
  readonly warnings: ReadonlyMap<string, readonly ModelWarning[]>;
  readonly policies: PolicySet;
  readonly refusals: readonly Refusal[];
}

/** Kubernetes takes 32 KiB; nobody reads that. */
const maxMessage = 2_000;

/** Of a route, of its n-th parent that is a Service. */
export function routeConditions(mesh: MeshDocument, parentAt: number, context: StatusContext): readonly Condition[] {
  const warnings = textsOf(mesh, context);
  return [
    acceptedRoute(mesh, warnings, `spec.parentRefs[${parentAt}]`),
    resolvedRefs(mesh, warnings),
    programmed(mesh, routeRefusals(mesh, parentAt, context.refusals)),
  ];
}

export function policyConditions(mesh: MeshDocument, context: StatusContext): readonly Condition[] {
  const warnings = textsOf(mesh, context);
  return [acceptedPolicy(mesh, warnings, context.policies), programmed(mesh, policyRefusals(mesh, context))];
}

export function warningsByResource(warnings: readonly ModelWarning[]): Map<string, readonly ModelWarning[]> {
  return Map.groupBy(warnings, ({ resource }) => resource);
}

function condition(type: Condition['type'], ok: boolean, reason: string, message: string): Condition {
  const short = message.length > maxMessage ? `${message.slice(0, maxMessage - 1)}…` : message;
  return { type, status: ok ? 'True' : 'False', reason, message: short };
}

function textsOf({ document }: MeshDocument, { warnings }: StatusContext): readonly string[] {
  return (warnings.get(`${document.kind} ${document.key}`) ?? []).map(({ message }) => message);
}

function faultsText({ document, inForce }: MeshDocument): string {
  return `${document.faults.join('; ')}. Meanwhile ${meanwhile(document, inForce)}`;
}

function acceptedRoute(mesh: MeshDocument, warnings: readonly string[], parent: string): Condition {
  if (mesh.document.faults.length > 0) return condition('Accepted', false, 'UnsupportedValue', faultsText(mesh));
  const problem = warnings.find((text) => text.startsWith(`${parent}: `))?.slice(parent.length + 2);
  if (problem === undefined) return condition('Accepted', true, 'Accepted', 'the route is in force');
  if (problem.includes('has the same parent')) return condition('Accepted', false, 'Superseded', problem);
  const reason = /^there is no Service|has no port/.test(problem) ? 'NoMatchingParent' : 'UnsupportedProtocol';
  return condition('Accepted', false, reason, problem);
}

function resolvedRefs({ document }: MeshDocument, warnings: readonly string[]): Condition {
  // Of what cannot be read nobody knows; nothing is said that could be wrong.
  if (document.resource === null)
    return condition('ResolvedRefs', false, 'UnsupportedValue', 'the route cannot be read; see Accepted');
  const problems = warnings.filter((text) => /^spec\.rules\[\d+\]\.backendRefs\[\d+\]: /.test(text));
  if (problems.length === 0)
    return condition('ResolvedRefs', true, 'ResolvedRefs', 'every Service that it sends to exists');
  const reason = problems.every((text) => text.includes('speaks tcp')) ? 'UnsupportedProtocol' : 'BackendNotFound';
  return condition('ResolvedRefs', false, reason, problems.join('; '));
}

function acceptedPolicy(mesh: MeshDocument, warnings: readonly string[], { traffic }: PolicySet): Condition {
  const { document } = mesh;
  if (document.faults.length > 0) return condition('Accepted', false, 'Invalid', faultsText(mesh));
  if (document.kind === 'TrafficPolicy') {
    const rules = traffic.find(({ namespace, name }) => namespace === document.namespace && name === document.name);
    if (rules !== undefined && rules.targets.length > 0 && rules.targets.every(({ inForce }) => !inForce)) {
      const text = warnings.join('; ');
      return condition(
        'Accepted',
        false,
        text.includes('there is no') || text.includes('has no') ? 'TargetNotFound' : 'Conflicted',
        text,
      );
    }
  }
  return warnings.length === 0
    ? condition('Accepted', true, 'Accepted', 'the policy is in force')
    : condition('Accepted', true, 'Accepted', `the policy is in force, but: ${warnings.join('; ')}`);
}

function programmed({ document, inForce }: MeshDocument, refusals: readonly Refusal[]): Condition {
  if (refusals.length > 0) return condition('Programmed', false, 'Refused', refusalText(refusals));
  if (inForce === null)
    return condition('Programmed', false, 'Invalid', 'proxies are sent nothing of it; see Accepted');
  return document.resource === null
    ? condition('Programmed', true, 'Programmed', `proxies have generation ${inForce.generation}`)
    : condition('Programmed', true, 'Programmed', 'no proxy of this control plane has refused it');
}

const namedProxies = 3;

/** The same text as long as the same is refused, so that a fleet that comes and goes writes little. */
function refusalText(refusals: readonly Refusal[]): string {
  const byText = Map.groupBy(refusals, ({ text }) => text);
  return [...byText]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([text, list]) => {
      const ids = [...new Set(list.map(({ proxy }) => proxy.id))].toSorted();
      const named = ids.slice(0, namedProxies).join(', ');
      return `${ids.length > namedProxies ? `${named} and others` : named} refused it: ${text}`;
    })
    .join('; ');
}

/** What carries policies about a workload is its listener; a TrafficPolicy is in the clusters of callers too. */
function policyRefusals({ document }: MeshDocument, { policies, refusals }: StatusContext): readonly Refusal[] {
  const { kind, namespace, name } = document;
  const isIt = (policy: { readonly namespace: string; readonly name: string }): boolean =>
    policy.namespace === namespace && policy.name === name;
  if (kind === 'TrafficPolicy') {
    const rules = policies.traffic.find(isIt);
    const services = (rules?.targets ?? []).flatMap(({ text, inForce }) => {
      const target = /^Service ([^/]+)\/([^:]+)(?::(\d+))?$/.exec(text);
      return inForce && target !== null ? [{ namespace: target[1]!, service: target[2]!, port: target[3] }] : [];
    });
    const routes = (rules?.targets ?? []).flatMap(({ text }) => /^(?:HTTP|GRPC)Route ([^#]+)/.exec(text)?.[1] ?? []);
    return refusals.filter(({ resource, text }) => {
      const isCluster = services.some((each) =>
        each.port === undefined
          ? resource.startsWith('outbound|') && resource.endsWith(`||${each.service}.${each.namespace}`)
          : resource === outboundCluster(each.namespace, each.service, Number(each.port)),
      );
      return isCluster || routes.some((route) => text.includes(`${route}#`));
    });
  }
  const scopes = [
    ...(kind === 'PeerAuthentication' ? policies.peers : []),
    ...(kind === 'AuthorizationPolicy' ? policies.authorizations : []),
    ...(kind === 'RequestAuthentication' ? policies.requests : []),
    ...(kind === 'FaultPolicy' ? policies.faults : []),
    ...(kind === 'RateLimitPolicy' ? policies.rateLimits : []),
    ...(kind === 'Telemetry' ? policies.telemetry : []),
  ]
    .filter(isIt)
    .map(({ scope }) => scope);
  return refusals.filter(
    ({ type, proxy }) => type === 'inbound listener' && scopes.some((scope) => holdsFor(scope, proxy)),
  );
}

/** A route is in the callers' route configuration, whose faults name virtual hosts and rules. */
function routeRefusals({ document }: MeshDocument, parentAt: number, refusals: readonly Refusal[]): readonly Refusal[] {
  const parent = document.parents[parentAt];
  if (parent === undefined) return [];
  const namespace = typeof parent['namespace'] === 'string' ? parent['namespace'] : document.namespace;
  const host = `${String(parent['name'])}.${namespace}`;
  return refusals.filter(
    ({ type, resource, text }) =>
      type === 'routes' && (text.includes(`${document.key}#`) || text.includes(host) || resource.endsWith(`||${host}`)),
  );
}
