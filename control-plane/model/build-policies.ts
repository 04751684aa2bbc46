/** Policies from resources alone: to whom each applies, which service it asks, and which keys it verifies with. */

import { refusingKeySet } from '../config-kind/key-set-text.ts';
import type { KeySource, PolicyResource, RateLimitServiceReference } from '../config-kind/policy-resource.ts';
import { rootNamespace } from '../config-kind/policy-target.ts';
import type { Resource, ServiceResource } from '../config-kind/resource.ts';
import { backendProblem, countingProblem } from './backend-problem.ts';
import { equalLists, keepIdentity } from './keep-identity.ts';
import type { PolicyEndings } from './policy-ends.ts';
import type {
  Authorization,
  Faults,
  PeerPolicy,
  PolicyScope,
  PolicySet,
  RateLimits,
  RequestPolicy,
  TrafficRules,
} from './policy-set.ts';
import { TrafficIndex } from './traffic-index.ts';

/** Key sets by the file or URI that they come from; what is not there is not known (yet). */
export type KeySets = ReadonlyMap<string, string>;

export const noPolicies: PolicySet = {
  peers: [],
  authorizations: [],
  requests: [],
  faults: [],
  rateLimits: [],
  traffic: [],
  labelKeys: [],
};

/** Parts that are as in `before` are the same objects. */
export function buildPolicies(
  resources: readonly Resource[],
  keySets: KeySets,
  before: PolicySet,
  endings: PolicyEndings = new Map(),
): PolicySet {
  const services = new Map<string, ServiceResource>();
  for (const resource of resources)
    if (resource.kind === 'Service') services.set(`${resource.namespace}/${resource.name}`, resource);
  const peers: Array<{ readonly policy: PeerPolicy; readonly createdAt: string }> = [];
  const authorizations: Authorization[] = [];
  const requests: RequestPolicy[] = [];
  const faults: Faults[] = [];
  const rateLimits: RateLimits[] = [];
  for (const resource of resources) {
    const { namespace, name } = resource;
    switch (resource.kind) {
      case 'PeerAuthentication': {
        const { mode, ports, createdAt } = resource;
        const scope = scopeOf(resource, services);
        const level = scope.workloads !== null ? 'workload' : scope.namespace === '' ? 'mesh' : 'namespace';
        peers.push({ policy: { namespace, name, scope, level, mode, ports }, createdAt });
        break;
      }
      case 'AuthorizationPolicy': {
        const { action, dryRun, rules } = resource;
        const external = externalOf(resource.external, services);
        authorizations.push({ namespace, name, scope: scopeOf(resource, services), action, dryRun, rules, external });
        break;
      }
      case 'RequestAuthentication': {
        const rules = resource.rules.map(({ keys, ...rule }) => ({ ...rule, jwks: keysOf(keys, keySets) }));
        requests.push({ namespace, name, scope: scopeOf(resource, services), rules });
        break;
      }
      case 'FaultPolicy': {
        const end = endings.get(`${namespace}/${name}`);
        faults.push({
          ...{ namespace, name, scope: scopeOf(resource, services) },
          ...{ faults: resource.faults, maxActive: resource.maxActive },
          ...{ endsAtMs: end?.atMs ?? null, over: end?.over ?? false },
        });
        break;
      }
      case 'RateLimitPolicy': {
        const { local, global, failOpen, timeoutMs, status, tellsLimits } = resource;
        rateLimits.push({
          ...{ namespace, name, scope: scopeOf(resource, services) },
          ...{ local, global, failOpen, timeoutMs, status, tellsLimits },
          service: countingService(resource.service, services),
        });
        break;
      }
    }
  }
  const levels = ['workload', 'namespace', 'mesh'];
  const byLevel = peers
    .toSorted(
      (a, b) =>
        levels.indexOf(a.policy.level) - levels.indexOf(b.policy.level) ||
        compare(a.createdAt, b.createdAt) ||
        byFullName(a.policy, b.policy),
    )
    .map(({ policy }) => policy);
  const now: PolicySet = {
    peers: keepEach(before.peers, byLevel),
    authorizations: keepEach(before.authorizations, authorizations.toSorted(byFullName)),
    requests: keepEach(before.requests, requests.toSorted(byFullName)),
    faults: keepEach(before.faults, faults.toSorted(byFullName)),
    rateLimits: keepEach(before.rateLimits, rateLimits.toSorted(byFullName)),
    traffic: keepEach(before.traffic, trafficRules(resources)),
    labelKeys: keepIdentity(
      before.labelKeys,
      labelKeys([...byLevel, ...authorizations, ...requests, ...faults, ...rateLimits]),
    ),
  };
  const same = (Object.keys(now) as Array<keyof PolicySet>).every((key) => now[key] === before[key]);
  return same ? before : now;
}

function scopeOf({ namespace, targets }: PolicyResource, services: ReadonlyMap<string, ServiceResource>): PolicyScope {
  if (targets.services.length > 0) {
    // What registers under the name is of the Service, whatever labels it says; and what the selector picks is.
    const workloads = targets.services.flatMap(({ name }) => {
      const selector = services.get(`${namespace}/${name}`)?.selector ?? null;
      return [{ service: name }, ...(selector === null ? [] : [{ labels: selector }])];
    });
    return { namespace, workloads };
  }
  return {
    namespace: namespace === rootNamespace ? '' : namespace,
    workloads: targets.labels === null ? null : [{ labels: targets.labels }],
  };
}

function countingService(
  reference: RateLimitServiceReference | null,
  services: ReadonlyMap<string, ServiceResource>,
): RateLimits['service'] {
  if (reference === null) return null;
  const { path: _, ...rest } = reference;
  return { ...rest, problem: countingProblem(reference, services) ?? '' };
}

function trafficRules(resources: readonly Resource[]): TrafficRules[] {
  const byPolicy = Map.groupBy(new TrafficIndex(resources).placed, ({ policy }) => policy);
  return [...byPolicy].map(([{ namespace, name, route, cluster }, placed]) => ({
    namespace,
    name,
    targets: placed.map(({ target, problem, winner }) => {
      const section = target.port ?? target.section;
      const separator = section === '' ? '' : target.kind === 'Service' ? ':' : '#';
      return {
        text: `${target.kind} ${namespace}/${target.name}${separator}${section}`,
        inForce: problem === '' && winner === null,
      };
    }),
    route,
    cluster,
  }));
}

function externalOf(
  external: Extract<PolicyResource, { kind: 'AuthorizationPolicy' }>['external'],
  services: ReadonlyMap<string, ServiceResource>,
): Authorization['external'] {
  if (external === null) return null;
  const { path: _, ...rest } = external;
  return { ...rest, problem: backendProblem({ ...external, name: external.service }, services) ?? '' };
}

function keysOf(keys: KeySource, keySets: KeySets): string {
  if (keys.from === 'inline') return keys.jwks;
  return keySets.get(keys.from === 'file' ? keys.file : keys.uri) ?? refusingKeySet();
}

function labelKeys(policies: ReadonlyArray<{ readonly scope: PolicyScope }>): string[] {
  const keys = policies.flatMap(({ scope }) =>
    (scope.workloads ?? []).flatMap((workload) => ('labels' in workload ? Object.keys(workload.labels) : [])),
  );
  return [...new Set(keys)].toSorted();
}

function keepEach<T extends { readonly namespace: string; readonly name: string }>(
  before: readonly T[],
  now: readonly T[],
): readonly T[] {
  const known = new Map(before.map((each) => [fullName(each), each]));
  const kept = now.map((each) => keepIdentity(known.get(fullName(each)), each));
  return equalLists(before, kept, Object.is) ? before : kept;
}

function fullName({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

function byFullName(
  a: { readonly namespace: string; readonly name: string },
  b: { readonly namespace: string; readonly name: string },
): number {
  return compare(fullName(a), fullName(b));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
