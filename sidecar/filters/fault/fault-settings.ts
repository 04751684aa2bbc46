/** One fault rule (of the filter, or of a route), compiled: which requests it is for, and what it does to one. Header-driven faults read what the caller wrote, within the rule's own share. */
import type { RequestHead } from '../../codec/message-head.ts';
import type { FaultConfig, FractionConfig } from '../../config/fault-config.ts';
import { compileHeaderTest, type HeadTest } from '../../router/header-test.ts';
import type { Random } from '../../runtime/clock.ts';
import type { GateRequest } from '../request-gate.ts';
import { hits } from '../share.ts';

const headers = {
  delayMs: 'x-envoy-fault-delay-request',
  delayShare: 'x-envoy-fault-delay-request-percentage',
  abortStatus: 'x-envoy-fault-abort-request',
  abortGrpcStatus: 'x-envoy-fault-abort-grpc-request',
  abortShare: 'x-envoy-fault-abort-request-percentage',
  throughput: 'x-envoy-fault-throughput-response',
  throughputShare: 'x-envoy-fault-throughput-response-percentage',
} as const;

/** A caller asks for no more than a rule could. */
const mostDelayMs = 24 * 3_600_000;
const mostKibPerSecond = 0xffff_ffff;

/** How a request is failed: for gRPC callers, and for others. */
export interface Abort {
  readonly httpStatus: number;
  /** null: what the HTTP status means in gRPC. */
  readonly grpcStatus: number | null;
}

export class FaultSettings {
  readonly config: FaultConfig;
  /** The FaultPolicy that it is of, where our control plane says so by `policy` of `filter_metadata`; ''. */
  readonly policy: string;
  readonly #tests: readonly HeadTest[];
  readonly #nodes: ReadonlySet<string>;

  constructor(config: FaultConfig) {
    this.config = config;
    const policy = config.metadata?.['policy'];
    this.policy = typeof policy === 'string' && /^[\x20-\x7e]{1,300}$/.test(policy) ? policy : '';
    this.#tests = config.headers.map(compileHeaderTest);
    this.#nodes = new Set(config.downstreamNodes);
  }

  isFor(request: GateRequest): boolean {
    const { head } = request;
    const { upstreamCluster } = this.config;
    if (upstreamCluster !== '' && request.targetCluster !== upstreamCluster) return false;
    if (this.#nodes.size > 0 && !this.#nodes.has(head.fields.get('x-envoy-downstream-service-node') ?? ''))
      return false;
    for (const test of this.#tests) if (!test(head)) return false;
    return true;
  }

  /** Milliseconds; 0: it is not delayed. */
  delayMs(head: RequestHead, random: Random): number {
    const { delay } = this.config;
    if (delay === null) return 0;
    if (delay.fixedMs !== null) return hits(delay.share, random) ? delay.fixedMs : 0;
    if (!hits(askedShare(head, headers.delayShare, delay.share), random)) return 0;
    return askedNumber(head, headers.delayMs, 1, mostDelayMs) ?? 0;
  }

  abort(head: RequestHead, random: Random): Abort | null {
    const { abort } = this.config;
    if (abort === null) return null;
    const { by } = abort;
    const share = by.kind === 'header' ? askedShare(head, headers.abortShare, abort.share) : abort.share;
    if (!hits(share, random)) return null;
    if (by.kind === 'http') return { httpStatus: by.status, grpcStatus: null };
    if (by.kind === 'grpc') return ofGrpc(by.status);
    const httpStatus = askedNumber(head, headers.abortStatus, 200, 599);
    if (httpStatus !== null) return { httpStatus, grpcStatus: null };
    const grpcStatus = askedNumber(head, headers.abortGrpcStatus, 0, 16);
    return grpcStatus === null ? null : ofGrpc(grpcStatus);
  }

  /** KiB a second; 0: as fast as it comes. */
  kibPerSecond(head: RequestHead, random: Random): number {
    const { responseLimit } = this.config;
    if (responseLimit === null) return 0;
    if (responseLimit.kibPerSecond !== null) return hits(responseLimit.share, random) ? responseLimit.kibPerSecond : 0;
    if (!hits(askedShare(head, headers.throughputShare, responseLimit.share), random)) return 0;
    return askedNumber(head, headers.throughput, 1, mostKibPerSecond) ?? 0;
  }
}

/** What the caller says, but no more than the rule does (Envoy). */
function askedShare(head: RequestHead, name: string, share: FractionConfig): FractionConfig {
  const asked = askedNumber(head, name, 0, 0xffff_ffff);
  return asked === null ? share : { numerator: Math.min(asked, share.numerator), denominator: share.denominator };
}

function askedNumber(head: RequestHead, name: string, least: number, most: number): number | null {
  const text = head.fields.get(name);
  if (text === undefined || !/^\d{1,10}$/.test(text)) return null;
  const value = Number(text);
  return value >= least && value <= most ? value : null;
}

/** Who is no gRPC caller gets a success of the proxy's own making: that is what Envoy does. */
function ofGrpc(grpcStatus: number): Abort {
  return { httpStatus: 200, grpcStatus };
}
