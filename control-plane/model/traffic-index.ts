/** TrafficPolicies by what they are for: which one counts where two name the same, and what holds for a port, a route or a rule, from the most specific to the least. */

import type { Resource, RouteResource, ServicePortSpec, ServiceResource } from '../config-kind/resource.ts';
import {
  type ClusterTraffic,
  type FallbackService,
  type InboundTraffic,
  noClusterTraffic,
  noInboundTraffic,
  noRouteTraffic,
  type RouteTraffic,
  type TrafficPolicyResource,
  type TrafficTarget,
} from '../config-kind/traffic-resource.ts';
import { backendProblem } from './backend-problem.ts';

/** A target of a policy, and what became of it. */
export interface PlacedTarget {
  readonly policy: TrafficPolicyResource;
  readonly target: TrafficTarget;
  /** '' : it exists. Else why nothing comes of it. */
  readonly problem: string;
  /** The older policy that is for the same, and counts; null: this one counts. */
  readonly winner: TrafficPolicyResource | null;
  /** Of a Service: those that it is for. */
  readonly ports: readonly ServicePortSpec[];
}

export class TrafficIndex {
  readonly placed: readonly PlacedTarget[];
  readonly #services = new Map<string, ServiceResource>();
  readonly #byTarget = new Map<string, TrafficPolicyResource>();

  constructor(resources: readonly Resource[]) {
    const known = new Map<string, ServiceResource | RouteResource>();
    const policies: TrafficPolicyResource[] = [];
    for (const resource of resources) {
      if (resource.kind === 'TrafficPolicy') policies.push(resource);
      else if (resource.kind === 'Service' || resource.kind === 'HTTPRoute' || resource.kind === 'GRPCRoute')
        known.set(`${resource.kind} ${resource.namespace}/${resource.name}`, resource);
      if (resource.kind === 'Service') this.#services.set(`${resource.namespace}/${resource.name}`, resource);
    }
    this.placed = policies
      .toSorted(olderFirst)
      .flatMap((policy) => policy.trafficTargets.map((target) => this.#place(policy, target, known)));
  }

  #place(
    policy: TrafficPolicyResource,
    target: TrafficTarget,
    known: ReadonlyMap<string, ServiceResource | RouteResource>,
  ): PlacedTarget {
    const name = `${target.kind} ${policy.namespace}/${target.name}`;
    const resource = known.get(name);
    const found = resource === undefined ? { problem: `there is no ${name}` } : sectionOf(resource, target, name);
    if ('problem' in found) return { policy, target, problem: found.problem, winner: null, ports: [] };
    const key = `${name} ${found.section}`;
    const winner = this.#byTarget.get(key) ?? null;
    if (winner === null) this.#byTarget.set(key, policy);
    const ports =
      resource!.kind !== 'Service'
        ? []
        : resource!.ports.filter(({ port }) => found.section === '' || found.section === String(port));
    return { policy, target, problem: '', winner: winner === policy ? null : winner, ports };
  }

  /** For the cluster of a port. */
  ofCluster({ namespace, name }: ServiceResource, port: number): ClusterTraffic {
    return merged(
      this.#found(`Service ${namespace}/${name}`, String(port)).map(({ cluster }) => cluster),
      noClusterTraffic,
    );
  }

  /** For the workloads behind a port; `noInboundTraffic` itself where nothing is said. */
  ofWorkloads({ namespace, name }: ServiceResource, port: number): InboundTraffic {
    return mergedInboundTraffic(
      this.#found(`Service ${namespace}/${name}`, String(port)).map(({ inbound }) => inbound),
    );
  }

  /** For all routes of a port. */
  ofPort({ namespace, name }: ServiceResource, port: number): RouteTraffic {
    const traffic = this.#routeTraffic(`Service ${namespace}/${name}`, String(port));
    // A Service's circuit breaker is at its cluster, not at each of its routes too.
    return traffic.circuitBreaker === null ? traffic : { ...traffic, circuitBreaker: null };
  }

  /** For one rule; '' : it has no name. */
  ofRule({ kind, namespace, name }: RouteResource, ruleName: string): RouteTraffic {
    return this.#routeTraffic(`${kind} ${namespace}/${name}`, ruleName);
  }

  /** How long requests may take that a policy is about: of each port of a Service, or by its route where that or the policy says something, as its parent may say another. `defaultMs`: where nobody says anything; gRPC has none. 0: no limit. */
  requestTimeouts(
    policy: TrafficPolicyResource,
    defaultMs: number,
  ): Array<{ readonly requestMs: number; readonly isDefault: boolean }> {
    return this.placed.flatMap(({ policy: placed, target, problem, winner, ports }) => {
      if (placed !== policy || problem !== '' || winner !== null) return [];
      const name = `${target.kind} ${policy.namespace}/${target.name}`;
      if (target.kind !== 'Service') {
        const { requestTimeout } = this.#routeTraffic(name, target.section);
        return requestTimeout === null ? [] : [{ requestMs: requestTimeout.ms, isDefault: false }];
      }
      return ports.map(({ port, protocol }) => {
        const { requestTimeout } = this.#routeTraffic(name, String(port));
        const usual = protocol === 'grpc' ? 0 : defaultMs;
        return { requestMs: requestTimeout?.ms ?? usual, isDefault: requestTimeout === null };
      });
    });
  }

  /** Where the policy's retries are in force and every request is a gRPC call, in words. A rule's own `retry` is not looked at. */
  grpcRetried(policy: TrafficPolicyResource): string[] {
    const { retries } = policy.route;
    const isIts = (name: string, section: string): boolean => this.#routeTraffic(name, section).retries === retries;
    return this.placed.flatMap(({ policy: placed, target, problem, winner, ports }) => {
      if (retries === null || placed !== policy || problem !== '' || winner !== null) return [];
      const name = `${target.kind} ${policy.namespace}/${target.name}`;
      if (target.kind === 'GRPCRoute') return isIts(name, target.section) ? [`GRPCRoute ${target.name}`] : [];
      return ports
        .filter(({ port, protocol }) => protocol === 'grpc' && isIts(name, String(port)))
        .map(({ port }) => `port ${port} of Service ${target.name}`);
    });
  }

  /** A fallback that is not there is left out of what proxies are sent. */
  #routeTraffic(name: string, section: string): RouteTraffic {
    const traffic = merged(
      this.#found(name, section).map(({ route }) => route),
      noRouteTraffic,
    );
    const { fallback } = traffic;
    if (fallback === null || fallback === 'off' || fallback.service === null) return traffic;
    if (this.fallbackProblem(fallback.service) === null) return traffic;
    const isAll = fallback.lastGoodAnswer === null && fallback.answer === null;
    return { ...traffic, fallback: isAll ? null : { ...fallback, service: null } };
  }

  /** Why a service cannot be a fallback, or null. */
  fallbackProblem(service: FallbackService): string | null {
    return backendProblem(service, this.#services);
  }

  #found(name: string, section: string): TrafficPolicyResource[] {
    const keys = section === '' ? [`${name} `] : [`${name} ${section}`, `${name} `];
    return keys.map((key) => this.#byTarget.get(key)).filter((policy) => policy !== undefined);
  }
}

/** What stands first counts, field by field. */
export function mergedRouteTraffic(specific: RouteTraffic, general: RouteTraffic): RouteTraffic {
  return merged([specific, general], noRouteTraffic);
}

/** The same; `noInboundTraffic` itself where none says anything. */
export function mergedInboundTraffic(list: readonly InboundTraffic[]): InboundTraffic {
  const saying = list.filter((each) => Object.values(each).some(saysSomething));
  return saying.length === 0 ? noInboundTraffic : merged(saying, noInboundTraffic);
}

function merged<T extends object>(list: readonly T[], nothing: T): T {
  if (list.length === 0) return nothing;
  const fields = Object.keys(nothing) as Array<keyof T>;
  return Object.fromEntries(
    fields.map((field) => [field, list.map((each) => each[field]).find(saysSomething) ?? nothing[field]]),
  ) as T;
}

function saysSomething(value: unknown): boolean {
  return value !== null && !(Array.isArray(value) && value.length === 0);
}

/** The number of a port, the name of a rule; '' : all of them. */
function sectionOf(
  resource: ServiceResource | RouteResource,
  target: TrafficTarget,
  name: string,
): { readonly section: string } | { readonly problem: string } {
  if (resource.kind === 'Service') {
    if (target.section === '' && target.port === null) return { section: '' };
    const port = resource.ports.find((each) => isPort(each, target));
    if (port !== undefined) return { section: String(port.port) };
    const ports = resource.ports.map((each) => (each.name === '' ? String(each.port) : `${each.port} (${each.name})`));
    return { problem: `${name} has no port ${target.port ?? target.section}; it has ${ports.join(', ')}` };
  }
  if (target.section === '' || resource.rules.some((rule) => rule.name === target.section))
    return { section: target.section };
  const names = resource.rules.map((rule) => rule.name).filter((each) => each !== '');
  return {
    problem: `${name} has no rule named ${target.section}; ${names.length === 0 ? 'none of its rules has a name' : `it has ${names.join(', ')}`}`,
  };
}

function isPort({ port, name }: ServicePortSpec, target: TrafficTarget): boolean {
  return target.port === null ? name === target.section : port === target.port;
}

/** Gateway API: the oldest, then the first by name. */
function olderFirst(a: TrafficPolicyResource, b: TrafficPolicyResource): number {
  const time = ({ createdAt }: TrafficPolicyResource): number => (createdAt === '' ? 0 : Date.parse(createdAt));
  const name = (policy: TrafficPolicyResource): string => `${policy.namespace}/${policy.name}`;
  return time(a) - time(b) || (name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : 0);
}
