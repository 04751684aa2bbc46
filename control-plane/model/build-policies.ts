/** Policies from resources alone: to whom each applies, which service it asks, and which keys it verifies with. */

import { refusingKeySet } from '../config-kind/key-set-text.ts';
import type { KeySource, PolicyResource, RateLimitServiceReference } from '../config-kind/policy-resource.ts';
import { rootNamespace } from '../config-kind/policy-target.ts';
import type { Resource, ServiceResource } from '../config-kind/resource.ts';
import { collectorsOf } from '../config-kind/telemetry.ts';
import type { TelemetryResource } from '../config-kind/telemetry-resource.ts';
import { noInboundTraffic } from '../config-kind/traffic-resource.ts';
import { backendProblem, collectorProblem, countingProblem } from './backend-problem.ts';
import { equalLists, keepIdentity } from './keep-identity.ts';
import type { PolicyEndings } from './policy-ends.ts';
import type {
  Authorization,
  Faults,
  InboundRules,
  PeerPolicy,
  PolicyScope,
  PolicySet,
  RateLimits,
  RequestPolicy,
  TelemetryPolicy,
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
  telemetry: [],
  traffic: [],
  inbound: [],
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
  const traffic = new TrafficIndex(resources);
  const inbound = inboundRules(traffic, services).toSorted(byFullName);
  const peers: Array<{ readonly policy: PeerPolicy; readonly createdAt: string }> = [];
  const authorizations: Authorization[] = [];
  const requests: RequestPolicy[] = [];
  const faults: Faults[] = [];
  const rateLimits: RateLimits[] = [];
  const telemetry: Array<{ readonly policy: TelemetryPolicy; readonly createdAt: string }> = [];
  for (const resource of resources) {
    const { namespace, name } = resource;
    switch (resource.kind) {
      case 'PeerAuthentication': {
        const { mode, ports, createdAt } = resource;
        const scope = scopeOf(resource, services);
        const level = levelOf(scope);
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
      case 'Telemetry': {
        const { tracing, accessLog, metrics, createdAt } = resource;
        const scope = scopeOf(resource, services);
        const problems = collectorProblems(resource, services);
        telemetry.push({
          policy: { namespace, name, scope, level: levelOf(scope), tracing, accessLog, metrics, problems },
          createdAt,
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
  const byLevel = inLevels(peers);
  const toldBy = inLevels(telemetry);
  const now: PolicySet = {
    peers: keepEach(before.peers, byLevel),
    authorizations: keepEach(before.authorizations, authorizations.toSorted(byFullName)),
    requests: keepEach(before.requests, requests.toSorted(byFullName)),
    faults: keepEach(before.faults, faults.toSorted(byFullName)),
    rateLimits: keepEach(before.rateLimits, rateLimits.toSorted(byFullName)),
    telemetry: keepEach(before.telemetry, toldBy),
    traffic: keepEach(before.traffic, trafficRules(traffic)),
    inbound: keepEach(before.inbound, inbound),
    labelKeys: keepIdentity(
      before.labelKeys,
      labelKeys([...byLevel, ...authorizations, ...requests, ...faults, ...rateLimits, ...toldBy, ...inbound]),
    ),
  };
  const same = (Object.keys(now) as Array<keyof PolicySet>).every((key) => now[key] === before[key]);
  return same ? before : now;
}

const levels = ['workload', 'namespace', 'mesh'] as const;

function levelOf({ namespace, workloads }: PolicyScope): PeerPolicy['level'] {
  return workloads !== null ? 'workload' : namespace === '' ? 'mesh' : 'namespace';
}

/** By level, then the oldest first, then by name. */
function inLevels<T extends { readonly namespace: string; readonly name: string; readonly level: PeerPolicy['level'] }>(
  policies: ReadonlyArray<{ readonly policy: T; readonly createdAt: string }>,
): T[] {
  return policies
    .toSorted(
      (a, b) =>
        levels.indexOf(a.policy.level) - levels.indexOf(b.policy.level) ||
        compare(a.createdAt, b.createdAt) ||
        byFullName(a.policy, b.policy),
    )
    .map(({ policy }) => policy);
}

function collectorProblems(
  resource: TelemetryResource,
  services: ReadonlyMap<string, ServiceResource>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    collectorsOf(resource).flatMap(({ target, overGrpc }) => {
      const problem = collectorProblem(target, overGrpc, services);
      return problem === null ? [] : [[target.path, problem]];
    }),
  );
}

function scopeOf({ namespace, targets }: PolicyResource, services: ReadonlyMap<string, ServiceResource>): PolicyScope {
  if (targets.services.length > 0) {
    const workloads = targets.services.flatMap(({ name }) =>
      workloadsOf(name, services.get(`${namespace}/${name}`)?.selector ?? null),
    );
    return { namespace, workloads };
  }
  return {
    namespace: namespace === rootNamespace ? '' : namespace,
    workloads: targets.labels === null ? null : [{ labels: targets.labels }],
  };
}

/** What registers under the name is of the Service, whatever labels it says; and what the selector picks is. */
function workloadsOf(service: string, selector: ServiceResource['selector']): NonNullable<PolicyScope['workloads']> {
  return [{ service }, ...(selector === null ? [] : [{ labels: selector }])];
}

function countingService(
  reference: RateLimitServiceReference | null,
  services: ReadonlyMap<string, ServiceResource>,
): RateLimits['service'] {
  if (reference === null) return null;
  const { path: _, ...rest } = reference;
  return { ...rest, problem: countingProblem(reference, services) ?? '' };
}

function trafficRules({ placed: all }: TrafficIndex): TrafficRules[] {
  const byPolicy = Map.groupBy(all, ({ policy }) => policy);
  return [...byPolicy].map(([{ namespace, name, route, cluster, inbound }, placed]) => ({
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
    inbound,
  }));
}

/** A Service of which a policy says something has all its ports here: of which of them a workload is, is for its proxy to say. */
function inboundRules(traffic: TrafficIndex, services: ReadonlyMap<string, ServiceResource>): InboundRules[] {
  return [...services.values()].flatMap((service) => {
    const { namespace, name, selector, ports } = service;
    const workloads = workloadsOf(name, selector);
    const rules = ports.map(({ port, targetPort }) => ({
      namespace,
      name: `${name}:${port}`,
      scope: { namespace, workloads },
      service: name,
      port,
      targetPort,
      traffic: traffic.ofWorkloads(service, port),
    }));
    return rules.some((each) => each.traffic !== noInboundTraffic) ? rules : [];
  });
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
