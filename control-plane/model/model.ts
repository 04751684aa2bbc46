/**
 * The mesh at one moment, from all sources, immutable. Parts that did not change are the same objects as in the model before, so that whatever is derived from a part can be kept
 * as long as the part lives. Knows nothing of proxies or xDS.
 */
import type {
  AppProtocol,
  GrpcMatch,
  HeaderModifier,
  HttpMatch,
  RedirectFilter,
  RewriteFilter,
} from '../config-kind/resource.ts';
import type { TimeLimit } from '../config-kind/time-limit.ts';
import type { ClusterTraffic, RouteTraffic } from '../config-kind/traffic-resource.ts';
import type { PolicySet } from './policy-set.ts';
import type { ServiceAddresses } from './service-addresses.ts';

export interface Model {
  /** By `namespace/name`, sorted. */
  readonly services: ReadonlyMap<string, ServiceModel>;
  /** Of every port of every service, in the order of services: the same array as long as no routing changed. */
  readonly routings: readonly PortRouting[];
  /** By `namespace/name`, in the order of services: the same map as long as it says the same. */
  readonly addresses: ReadonlyMap<string, ServiceAddresses>;
  readonly policies: PolicySet;
  readonly warnings: readonly ModelWarning[];
}

export interface ModelWarning {
  /** `HTTPRoute shop/orders` */
  readonly resource: string;
  /** `file:line:column`, or ''. */
  readonly place: string;
  readonly message: string;
}

export interface ServiceModel {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Picks instances by their labels; null: those that registered under its name. */
  readonly selector: Readonly<Record<string, string>> | null;
  readonly ports: readonly PortModel[];
}

export interface PortModel {
  readonly definition: PortDefinition;
  readonly routing: PortRouting;
  readonly endpoints: PortEndpoints;
}

/** What makes a cluster. */
export interface PortDefinition {
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
  /** '' : the only port, without a name. */
  readonly name: string;
  readonly targetPort: number | null;
  readonly protocol: AppProtocol;
  /** Answers to the service's name without a port: port 80 if there is one, else the first that is routed. */
  readonly isDefault: boolean;
  /** Whom callers accept there: accounts of the service's namespace. */
  readonly serviceAccounts: readonly string[];
  /** What TrafficPolicies say of it. */
  readonly traffic: ClusterTraffic;
}

/** What makes a load assignment. */
export interface PortEndpoints {
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
  /** Sorted by zone, address, port; no address and port twice. */
  readonly endpoints: readonly Endpoint[];
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  readonly zone: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly healthy: boolean;
  /** '' : from a file. */
  readonly instanceId: string;
  /** SPIFFE ID that it registered with, proven by its certificate. '' : none. */
  readonly identity: string;
  /** It has an identity, and no PeerAuthentication says DISABLE for it: callers with an identity come by mTLS. */
  readonly takesMtls: boolean;
  /** Registered without proof where others have proven who they are, or where they must: callers with an identity are not sent there. */
  readonly plainCallersOnly: boolean;
  /** It ends: it finishes what it has, and gets nothing new, whatever becomes of the others. Default: false. */
  readonly draining?: boolean;
  /** Absent: a file when it has no instance id, else the registry. */
  readonly source?: 'kubernetes';
}

/** What makes the virtual hosts of a port. */
export interface PortRouting {
  readonly definition: PortDefinition;
  /** Routes of the Service's own namespace: they hold for every caller. Empty: every request goes to the port's endpoints. */
  readonly producer: readonly AttachedRoute[];
  /** Routes of other namespaces, by namespace: for callers from there they hold instead of the producer's (GAMMA, GEP-1426). */
  readonly consumers: ReadonlyMap<string, readonly AttachedRoute[]>;
  /** What TrafficPolicies say of every route of the port. */
  readonly traffic: RouteTraffic;
}

export type AttachedRoute = AttachedHttpRoute | AttachedGrpcRoute;

interface AttachedRouteBase {
  readonly namespace: string;
  readonly name: string;
  /** RFC 3339 or ''. */
  readonly createdAt: string;
}

interface AttachedHttpRoute extends AttachedRouteBase {
  readonly kind: 'HTTPRoute';
  readonly rules: readonly AttachedHttpRule[];
}

interface AttachedGrpcRoute extends AttachedRouteBase {
  readonly kind: 'GRPCRoute';
  readonly rules: readonly AttachedGrpcRule[];
}

interface AttachedRuleBase {
  /** Only those with a weight. */
  readonly backends: readonly Backend[];
  readonly requestHeaders: HeaderModifier | null;
  readonly responseHeaders: HeaderModifier | null;
  /** What the rule itself says, then TrafficPolicies of it and of its route. */
  readonly traffic: RouteTraffic;
}

export interface AttachedHttpRule extends AttachedRuleBase {
  readonly matches: readonly HttpMatch[];
  readonly redirect: RedirectFilter | null;
  readonly rewrite: RewriteFilter | null;
  /** `timeouts.backendRequest` of the rule itself, of one attempt; null: not said. */
  readonly backendTimeout: TimeLimit | null;
}

export interface AttachedGrpcRule extends AttachedRuleBase {
  readonly matches: readonly GrpcMatch[];
}

export interface Backend {
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
  readonly weight: number;
  /** '' : it exists. Else why requests for it cannot be sent anywhere. */
  readonly problem: string;
  readonly requestHeaders: HeaderModifier | null;
  readonly responseHeaders: HeaderModifier | null;
}
