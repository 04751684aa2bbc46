/** What the control plane's admin port tells, in JSON, as far as the dashboard reads it. Records of requests are protobuf's JSON (observe.proto): what is empty is absent, 64-bit numbers are text, durations end in `s`. */

export interface EdgeRow {
  /** `namespace/service`; '' : from outside of the mesh. */
  readonly source: string;
  readonly destination: string;
  readonly requestsPerSecond: number;
  readonly failuresPerSecond: number;
  /** Null: nothing has passed. */
  readonly p50Ms: number | null;
  readonly p90Ms?: number | null;
  readonly p99Ms: number | null;
  /** 0 to 1, of requests under mTLS; null: not known. */
  readonly securedShare: number | null;
  readonly flags?: Readonly<Record<string, number>>;
  readonly classes?: Readonly<Record<string, number>>;
  /** '' : it has none. */
  readonly breaker?: string;
  readonly active?: number;
}

export interface EdgesAnswer {
  readonly at: string;
  readonly windowSeconds: number;
  readonly edges: readonly EdgeRow[];
  readonly proxies: number;
  /** Proxies that did not answer. */
  readonly silent: readonly string[];
}

export interface BreakerRow {
  /** Node id of the sidecar that has it, and its service. */
  readonly proxy: string;
  readonly service: string;
  readonly scope: string;
  readonly name: string;
  /** '' : its name does not tell. */
  readonly destination: string;
  readonly rule: string;
  readonly state: string;
  readonly heldByOperator: boolean;
  readonly sinceSeconds: number;
  readonly why: string;
  readonly nextProbeSeconds: number | null;
  readonly calls: number;
  readonly failures: number;
  readonly slow: number;
  readonly refused: number;
}

export interface BreakersAnswer {
  readonly breakers: readonly BreakerRow[];
  readonly silent: readonly string[];
  /** Of a version that cannot be asked for them. */
  readonly olderProxies?: readonly string[];
}

export interface HistoryPoint {
  readonly at: string;
  readonly requestsPerSecond: number;
  readonly failuresPerSecond: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export interface HistoryAnswer {
  readonly stepSeconds: number;
  readonly points: readonly HistoryPoint[];
}

export interface ServiceRow {
  readonly namespace: string;
  readonly name: string;
  /** `80/http` */
  readonly ports: readonly string[];
  readonly addresses: readonly string[];
  readonly endpoints: number;
  readonly healthyEndpoints: number;
}

export interface EndpointRow {
  readonly namespace: string;
  /** `namespace/name` */
  readonly service: string;
  readonly port: number;
  readonly address: string;
  readonly instanceId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly zone: string;
  readonly healthy: boolean;
  readonly source: string;
}

export interface RouteRow {
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
  /** `namespace/name:port` */
  readonly service: string;
  readonly rule: string;
  readonly callers: string;
  readonly matches: readonly string[];
  readonly backends: readonly string[];
}

export interface PolicyRow {
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
  readonly holdsFor: readonly string[];
  readonly action: string;
  readonly says: readonly string[];
  readonly workloads: number;
  readonly refusedBy: readonly string[];
  readonly warnings: readonly string[];
}

export interface TypeSync {
  readonly type: string;
  readonly state: string;
  readonly resources: number;
  readonly bytes: number;
  readonly refused: ReadonlyArray<{ readonly name: string; readonly reason: string }>;
}

export interface ProxyRow {
  readonly nodeId: string;
  readonly cluster: string;
  readonly kind: string;
  readonly variant: string;
  readonly peer: string;
  readonly identity: string;
  readonly connectedAt: string;
  readonly certificate: { readonly serial: string; readonly validFrom: string; readonly validUntil: string } | null;
  readonly inbound: { readonly mode: string; readonly reason: string } | null;
  readonly version?: string;
  readonly sync?: readonly TypeSync[];
  /** Null: it does not say. */
  readonly footprint?: { readonly residentBytes: number; readonly cpuShare: number } | null;
}

export interface ControlPlaneInfo {
  readonly startedAt: string;
  readonly now: string;
  readonly trustDomain: string;
  /** '' : there are no identities, and so no local token. */
  readonly listenTls: string;
  readonly configuration: readonly string[];
}

export interface ConfigFault {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly message: string;
  readonly text: string;
}

export interface ConfigFileRow {
  readonly file: string;
  readonly bytes: number;
  readonly problem: string;
  readonly changedHereAt: string;
}

export interface Hunk {
  readonly lines: ReadonlyArray<{
    readonly kind: 'same' | 'removed' | 'added';
    readonly text: string;
    readonly oldLine: number;
    readonly newLine: number;
  }>;
}

export interface AttemptRecord {
  readonly cluster?: string;
  readonly host?: string;
  readonly zone?: string;
  readonly started?: string;
  readonly sent?: string;
  readonly firstByte?: string;
  readonly ended?: string;
  readonly status?: number;
  readonly flag?: string;
  readonly details?: string;
  readonly reused?: boolean;
  readonly why?: string;
}

export interface RequestRecord {
  readonly requestId?: string;
  readonly traceId?: string;
  readonly service?: string;
  readonly nodeId?: string;
  readonly direction?: string;
  readonly started?: string;
  readonly duration?: string;
  readonly method?: string;
  readonly authority?: string;
  readonly path?: string;
  readonly protocol?: string;
  readonly peerIdentity?: string;
  readonly remoteAddress?: string;
  readonly source?: string;
  readonly destination?: string;
  readonly route?: string;
  readonly cluster?: string;
  readonly status?: number;
  readonly grpcStatus?: string;
  readonly flags?: string;
  readonly details?: string;
  readonly rule?: string;
  readonly bytesReceived?: string;
  readonly bytesSent?: string;
  readonly phases?: {
    readonly routed?: string;
    readonly admitted?: string;
    readonly requestWhole?: string;
    readonly firstByte?: string;
    readonly done?: string;
  };
  readonly attempts?: readonly AttemptRecord[];
  readonly passedOver?: ReadonlyArray<{ readonly host?: string; readonly why?: string }>;
  readonly kept?: string;
  readonly circumstances?: readonly string[];
  readonly requestHeaders?: Readonly<Record<string, string>>;
  readonly responseHeaders?: Readonly<Record<string, string>>;
}

export interface RequestsAnswer {
  readonly requests: readonly RequestRecord[];
  readonly silent: readonly string[];
}

export interface ExplainAnswer {
  readonly requestId: string;
  readonly hops: ReadonlyArray<{ readonly depth: number; readonly record: RequestRecord }>;
  readonly explanation: {
    readonly summary: string;
    readonly hops: readonly string[];
    readonly why: readonly string[];
    readonly next: readonly string[];
  };
  readonly silent: readonly string[];
}
