/**
 * Configuration resources after validation: own plain types, one per kind, with every default filled in. Only config-kind makes them; model and translation read them.
 * Nothing here knows YAML, zod or protobuf.
 */

import type { PolicyResource } from './policy-resource.ts';
import type { RetrySettings, TrafficPolicyResource } from './traffic-resource.ts';

/** What a port speaks. `http` is HTTP/1.1 towards the instance, `http2` and `grpc` HTTP/2; `tcp` is never looked into, and reaches only proxies that traffic is redirected to. */
export type AppProtocol = 'http' | 'http2' | 'grpc' | 'tcp';

export interface Place {
  readonly file: string;
  /** From 1; 0: not known. */
  readonly line: number;
  readonly column: number;
}

export interface ResourceBase {
  readonly namespace: string;
  readonly name: string;
  readonly place: Place;
  /** Places of references to other resources and of rules, by field path (`spec.rules[0].backendRefs[1]`), for messages of checks across resources. */
  readonly referencePlaces: ReadonlyMap<string, Place>;
}

export interface ServiceResource extends ResourceBase {
  readonly kind: 'Service';
  readonly labels: Readonly<Record<string, string>>;
  /** Locality of static endpoints that name none; '' : none. */
  readonly zone: string;
  /** Null: instances that registered under the Service's own name. */
  readonly selector: Readonly<Record<string, string>> | null;
  readonly ports: readonly ServicePortSpec[];
  readonly endpoints: readonly StaticEndpoint[];
  /** IP literals under which a network outside of the mesh knows it (clusterIPs), in their usual form; empty: the mesh gives it one. */
  readonly addresses: readonly string[];
  /** RFC 3339, or '' : not known, taken as older than any. */
  readonly createdAt: string;
  /** Whom its instances may be, in its own namespace; at least one. */
  readonly serviceAccounts: readonly string[];
}

export interface ServicePortSpec {
  /** '' when the only port has no name. */
  readonly name: string;
  readonly port: number;
  /** Where static endpoints listen; null when it is a name that only a pod could resolve. */
  readonly targetPort: number | null;
  readonly protocol: AppProtocol;
}

interface StaticEndpoint {
  /** IP literal. */
  readonly address: string;
  /** Null: the port's target port. */
  readonly port: number | null;
  readonly weight: number;
  readonly zone: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface HttpRouteResource extends ResourceBase {
  readonly kind: 'HTTPRoute';
  /** RFC 3339, or '' : not known, taken as older than any. */
  readonly createdAt: string;
  readonly parents: readonly ParentReference[];
  readonly rules: readonly HttpRule[];
}

export interface GrpcRouteResource extends ResourceBase {
  readonly kind: 'GRPCRoute';
  readonly createdAt: string;
  readonly parents: readonly ParentReference[];
  readonly rules: readonly GrpcRule[];
}

export type RouteResource = HttpRouteResource | GrpcRouteResource;
export type Resource = ServiceResource | RouteResource | TrafficPolicyResource | PolicyResource;

export interface ParentReference {
  readonly namespace: string;
  readonly name: string;
  /** Null: every port of the Service. */
  readonly port: number | null;
  /** Name of a port; '' : every port. */
  readonly portName: string;
  /** Field path in the resource, for messages. */
  readonly path: string;
}

export interface BackendReference {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  /** 0 to 1,000,000; 0: nothing goes there. */
  readonly weight: number;
  readonly requestHeaders: HeaderModifier | null;
  readonly responseHeaders: HeaderModifier | null;
  readonly path: string;
}

interface RuleBase {
  /** By which policies name it; '' : none. */
  readonly name: string;
  /** What the rule itself says of retries; null: nothing. */
  readonly retry: RetrySettings | null;
}

export interface HttpRule extends RuleBase {
  /** At least one. */
  readonly matches: readonly HttpMatch[];
  readonly backends: readonly BackendReference[];
  readonly requestHeaders: HeaderModifier | null;
  readonly responseHeaders: HeaderModifier | null;
  readonly redirect: RedirectFilter | null;
  readonly rewrite: RewriteFilter | null;
  /** Null: the default; 0: none. */
  readonly timeoutMs: number | null;
  /** Of one attempt; null: not said; 0: none. */
  readonly backendTimeoutMs: number | null;
}

export interface GrpcRule extends RuleBase {
  readonly matches: readonly GrpcMatch[];
  readonly backends: readonly BackendReference[];
  readonly requestHeaders: HeaderModifier | null;
  readonly responseHeaders: HeaderModifier | null;
}

export interface HttpMatch {
  readonly path: { readonly type: 'Exact' | 'PathPrefix' | 'RegularExpression'; readonly value: string };
  readonly headers: readonly ValueMatch[];
  readonly queryParams: readonly ValueMatch[];
  /** '' : any. */
  readonly method: string;
}

export interface GrpcMatch {
  readonly type: 'Exact' | 'RegularExpression';
  /** '' : any. */
  readonly service: string;
  readonly method: string;
  readonly headers: readonly ValueMatch[];
}

export interface ValueMatch {
  readonly type: 'Exact' | 'RegularExpression';
  /** Headers: lower case. */
  readonly name: string;
  readonly value: string;
}

export interface HeaderModifier {
  readonly set: readonly HeaderEntry[];
  readonly add: readonly HeaderEntry[];
  readonly remove: readonly string[];
}

export interface HeaderEntry {
  readonly name: string;
  readonly value: string;
}

export type PathModifier =
  | { readonly type: 'ReplaceFullPath'; readonly value: string }
  | { readonly type: 'ReplacePrefixMatch'; readonly value: string };

export interface RedirectFilter {
  /** '' : as in the request. */
  readonly scheme: '' | 'http' | 'https';
  readonly hostname: string;
  /** 0: as in the request. */
  readonly port: number;
  readonly path: PathModifier | null;
  readonly status: 301 | 302 | 303 | 307 | 308;
}

export interface RewriteFilter {
  /** '' : unchanged. */
  readonly hostname: string;
  readonly path: PathModifier | null;
}

/** `Kind namespace/name`, as messages name a resource. */
export function resourceName(resource: Pick<Resource, 'kind' | 'namespace' | 'name'>): string {
  return `${resource.kind} ${resource.namespace}/${resource.name}`;
}

export function isRoute(resource: Resource): resource is RouteResource {
  return resource.kind === 'HTTPRoute' || resource.kind === 'GRPCRoute';
}
