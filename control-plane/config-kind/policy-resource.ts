/**
 * Policies after validation: own plain types with every default filled in, as resource.ts has them for Services and routes. The three ways in which a rule is written (`from`, `to`,
 * `when`) are conditions of one kind here, each with what its value may be and what it may not.
 */
import type { ResourceBase, ValueMatch } from './resource.ts';
import type { TelemetryResource } from './telemetry-resource.ts';

/** `exact`, `prefix*`, `*suffix`, `*`. */
export interface TextPattern {
  readonly type: 'exact' | 'prefix' | 'suffix' | 'any';
  /** Without the star; '' for `any`. */
  readonly value: string;
}

export interface IpBlock {
  /** IP literal. */
  readonly address: string;
  readonly prefixLength: number;
}

/** For whom a policy holds: both empty, for every workload of its namespace (in the root namespace: of the mesh). */
export interface PolicyTargets {
  /** Services of the policy's own namespace. */
  readonly services: readonly ServiceTarget[];
  /** Labels that a workload must have; null: none named. */
  readonly labels: Readonly<Record<string, string>> | null;
}

interface ServiceTarget {
  readonly name: string;
  /** Field path in the resource, for messages. */
  readonly path: string;
}

export interface PolicyBase extends ResourceBase {
  readonly targets: PolicyTargets;
  /** RFC 3339, or '' : not known, taken as older than any. */
  readonly createdAt: string;
}

export type PeerMode = 'STRICT' | 'PERMISSIVE' | 'DISABLE';

export interface PeerAuthenticationResource extends PolicyBase {
  readonly kind: 'PeerAuthentication';
  /** Null: as the next less specific policy says. */
  readonly mode: PeerMode | null;
  readonly ports: ReadonlyArray<{ readonly port: number; readonly mode: PeerMode }>;
}

export interface AuthorizationPolicyResource extends PolicyBase {
  readonly kind: 'AuthorizationPolicy';
  readonly action: 'ALLOW' | 'DENY' | 'EXTERNAL';
  readonly dryRun: boolean;
  /** Any of them matches. */
  readonly rules: readonly AuthorizationRule[];
  /** With `EXTERNAL` only. */
  readonly external: ExternalAuthorization | null;
}

/** One of `from`, one of `to`, and all of `when`. Each list is empty when it says nothing. */
export interface AuthorizationRule {
  readonly from: ReadonlyArray<readonly Condition[]>;
  readonly to: ReadonlyArray<readonly Condition[]>;
  readonly when: readonly Condition[];
}

export type TextAttribute =
  | 'principal'
  | 'namespace'
  /** `namespace/name`, exact. */
  | 'serviceAccount'
  /** `issuer/subject` of a token. */
  | 'requestPrincipal'
  | 'host'
  | 'method'
  | 'path'
  /** SNI. */
  | 'serverName';

type TextCondition = {
  [Attribute in TextAttribute]: {
    readonly attribute: Attribute;
    readonly values: readonly TextPattern[];
    readonly notValues: readonly TextPattern[];
  };
}[TextAttribute];

interface HeaderCondition {
  readonly attribute: 'header';
  /** Lower case. */
  readonly name: string;
  readonly values: readonly TextPattern[];
  readonly notValues: readonly TextPattern[];
}

interface ClaimCondition {
  readonly attribute: 'claim';
  readonly path: readonly string[];
  readonly values: readonly TextPattern[];
  readonly notValues: readonly TextPattern[];
}

interface IpCondition {
  readonly attribute: 'ip';
  readonly values: readonly IpBlock[];
  readonly notValues: readonly IpBlock[];
}

interface PortCondition {
  readonly attribute: 'port';
  readonly values: readonly number[];
  readonly notValues: readonly number[];
}

interface CelCondition {
  readonly attribute: 'cel';
  readonly expression: string;
}

export type Condition = TextCondition | HeaderCondition | ClaimCondition | IpCondition | PortCondition | CelCondition;

export interface ExternalAuthorization {
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
  readonly protocol: 'grpc' | 'http';
  readonly failOpen: boolean;
  readonly timeoutMs: number;
  /** Stands before the path, HTTP only; '' : nothing. */
  readonly pathPrefix: string;
  /** Lower case. Headers of the request that the service is told; null: all (gRPC), or those that it is always told (HTTP). */
  readonly includeRequestHeaders: readonly string[] | null;
  /** Lower case. Headers of its answer that go on to the application, HTTP only. */
  readonly headersToUpstream: readonly string[];
  readonly path: string;
}

export interface RequestAuthenticationResource extends PolicyBase {
  readonly kind: 'RequestAuthentication';
  readonly rules: readonly JwtRule[];
}

export interface JwtRule {
  readonly issuer: string;
  /** Empty: for any. */
  readonly audiences: readonly string[];
  readonly keys: KeySource;
  readonly fromHeaders: ReadonlyArray<{ readonly name: string; readonly prefix: string }>;
  readonly fromParams: readonly string[];
  readonly outputClaimToHeaders: ReadonlyArray<{ readonly header: string; readonly claim: string }>;
  readonly forwardOriginalToken: boolean;
}

/** Where the keys stand that tokens are verified with. */
export type KeySource =
  | { readonly from: 'inline'; readonly jwks: string }
  /** A path as the process finds it: relative ones start from the folder of the configuration file. */
  | { readonly from: 'file'; readonly file: string; readonly path: string }
  | { readonly from: 'uri'; readonly uri: string; readonly path: string };

/** Which requests a rule is about: one of each list that is not empty, and all of the headers. */
export interface RequestMatch {
  /** `exact` or `prefix`. */
  readonly paths: readonly TextPattern[];
  readonly methods: readonly string[];
  readonly headers: readonly ValueMatch[];
  readonly callers: readonly CallerName[];
}

export interface CallerName {
  readonly namespace: string;
  /** '' : any of the namespace. */
  readonly account: string;
}

export interface FaultPolicyResource extends PolicyBase {
  readonly kind: 'FaultPolicy';
  readonly faults: readonly FaultRule[];
  /** Milliseconds since 1970; null: not said. */
  readonly untilMs: number | null;
  /** From its creation, or from when it was first read; null: not said. */
  readonly forMs: number | null;
  /** Of each rule, at one workload. */
  readonly maxActive: number | null;
}

export interface FaultRule {
  readonly match: RequestMatch;
  readonly delay: { readonly durationMs: number; readonly percent: number } | null;
  readonly abort: { readonly type: 'http' | 'grpc'; readonly status: number; readonly percent: number } | null;
  /** KiB a second, of the answer. */
  readonly responseRate: { readonly kibPerSecond: number; readonly percent: number } | null;
}

export interface RateLimitPolicyResource extends PolicyBase {
  readonly kind: 'RateLimitPolicy';
  /** At each workload by itself. */
  readonly local: readonly LocalLimit[];
  /** Over all workloads together. */
  readonly global: readonly GlobalLimit[];
  /** Who counts for `global`; null: the control plane. */
  readonly service: RateLimitServiceReference | null;
  /** Whether requests pass when who counts does not answer. */
  readonly failOpen: boolean;
  readonly timeoutMs: number;
  /** Of a refusal. */
  readonly status: number;
  /** Answers say how much is left (`x-ratelimit-…`). */
  readonly tellsLimits: boolean;
}

export interface RateLimitServiceReference {
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
  /** Of the descriptors. */
  readonly domain: string;
  readonly path: string;
}

interface LimitRule {
  readonly match: RequestMatch;
  readonly by: LimitKeys;
  readonly requests: number;
}

/** Each value has a count of its own. */
export interface LimitKeys {
  readonly caller: boolean;
  readonly remoteAddress: boolean;
  /** Lower case. */
  readonly headers: readonly string[];
}

export interface LocalLimit extends LimitRule {
  readonly perMs: number;
  /** At once, after a rest. */
  readonly burst: number;
}

export type LimitUnit = 'second' | 'minute' | 'hour' | 'day';

export interface GlobalLimit extends LimitRule {
  readonly unit: LimitUnit;
}

export type PolicyResource =
  | PeerAuthenticationResource
  | AuthorizationPolicyResource
  | RequestAuthenticationResource
  | FaultPolicyResource
  | RateLimitPolicyResource
  | TelemetryResource;
