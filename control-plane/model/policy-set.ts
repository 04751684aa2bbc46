/**
 * Policies as the model has them: references resolved, keys at hand, and each the same object as in the model before as long as it says the same. Which of them hold for one proxy is
 * translate/proxy-policies.ts.
 */

import type {
  AuthorizationRule,
  ExternalAuthorization,
  FaultPolicyResource,
  JwtRule,
  PeerAuthenticationResource,
  RateLimitPolicyResource,
  RateLimitServiceReference,
} from '../config-kind/policy-resource.ts';
import type { TelemetryResource } from '../config-kind/telemetry-resource.ts';
import type { ClusterTraffic, InboundTraffic, RouteTraffic } from '../config-kind/traffic-resource.ts';

export interface PolicySet {
  /** By level (workload, namespace, mesh), then the oldest first, then by name: of each level the first counts. */
  readonly peers: readonly PeerPolicy[];
  /** By namespace and name. */
  readonly authorizations: readonly Authorization[];
  /** By namespace and name. */
  readonly requests: readonly RequestPolicy[];
  /** By namespace and name. */
  readonly faults: readonly Faults[];
  /** By namespace and name. */
  readonly rateLimits: readonly RateLimits[];
  /** By level, then the oldest first, then by name, as `peers`. */
  readonly telemetry: readonly TelemetryPolicy[];
  /** By age, then by namespace and name. What comes of them is in the definitions and routings of ports (traffic-index.ts). */
  readonly traffic: readonly TrafficRules[];
  /** What TrafficPolicies say of workloads, by the ports of the Services that they are behind; only where one says something of the Service. */
  readonly inbound: readonly InboundRules[];
  /** Labels of proxies by which policies choose, sorted: proxies that differ in one of them are not alike. */
  readonly labelKeys: readonly string[];
}

export interface PolicyScope {
  /** '' : every namespace. */
  readonly namespace: string;
  /** Null: every workload there. */
  readonly workloads: readonly Workload[] | null;
}

/** Instances registered for a service, or those with all of the labels. */
type Workload = { readonly service: string } | { readonly labels: Readonly<Record<string, string>> };

interface PolicyBase {
  readonly namespace: string;
  readonly name: string;
  readonly scope: PolicyScope;
}

export interface PeerPolicy extends PolicyBase, Pick<PeerAuthenticationResource, 'mode' | 'ports'> {
  readonly level: 'workload' | 'namespace' | 'mesh';
}

export interface Authorization extends PolicyBase {
  readonly action: 'ALLOW' | 'DENY' | 'EXTERNAL';
  readonly dryRun: boolean;
  readonly rules: readonly AuthorizationRule[];
  readonly external: ExternalService | null;
}

export interface ExternalService extends Omit<ExternalAuthorization, 'path'> {
  /** '' : it exists. Else why it cannot be asked. */
  readonly problem: string;
}

export interface RequestPolicy extends PolicyBase {
  readonly rules: readonly TokenRule[];
}

export interface TokenRule extends Omit<JwtRule, 'keys'> {
  /** JSON Web Key Set as text. */
  readonly jwks: string;
}

export interface Faults extends PolicyBase, Pick<FaultPolicyResource, 'faults' | 'maxActive'> {
  /** Milliseconds since 1970; null: it has no end. */
  readonly endsAtMs: number | null;
  /** It holds no more. */
  readonly over: boolean;
}

export interface RateLimits
  extends PolicyBase,
    Pick<RateLimitPolicyResource, 'local' | 'global' | 'failOpen' | 'timeoutMs' | 'status' | 'tellsLimits'> {
  /** Null: the control plane counts. */
  readonly service: (Omit<RateLimitServiceReference, 'path'> & { readonly problem: string }) | null;
}

export interface TelemetryPolicy extends PolicyBase, Pick<TelemetryResource, 'tracing' | 'accessLog' | 'metrics'> {
  readonly level: PeerPolicy['level'];
  /** Why collectors cannot be reached, by the field path of each that cannot. */
  readonly problems: Readonly<Record<string, string>>;
}

export interface TrafficRules {
  readonly namespace: string;
  readonly name: string;
  readonly targets: ReadonlyArray<{
    /** `Service shop/orders:80`, `HTTPRoute shop/orders#reads` */
    readonly text: string;
    /** It exists, and no older policy is for the same. */
    readonly inForce: boolean;
  }>;
  readonly route: RouteTraffic;
  readonly cluster: ClusterTraffic;
  readonly inbound: InboundTraffic;
}

/** Of one port of a Service. `name`: `orders:80`. */
export interface InboundRules extends PolicyBase {
  readonly service: string;
  readonly port: number;
  /** Where the application listens; null: where each instance says. */
  readonly targetPort: number | null;
  readonly traffic: InboundTraffic;
}
