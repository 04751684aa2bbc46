/**
 * A filter that decides whether a request may pass: RBAC, JWT, an outside authorization service, a limit. It sees the head, after admission and routing and before the router; it may change header
 * fields (claims to headers), and it may take its time. Gates of a connection manager stand in the order of its configuration; the first that denies ends the request. One that has to know
 * how the request ended asks for it (`watchEnd`), one that paces the answer's body stands in its way (`shapeResponse`); requests of which nobody asked it pay nothing.
 */
import type { HeaderFields } from '../codec/header-fields.ts';
import type { RequestHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { SheddingPriorityConfig } from '../config/adaptive-concurrency-config.ts';
import type { DownstreamConnectionInfo } from '../connection-manager/http-context.ts';
import type { RouteEntry } from '../router/route-entry.ts';

/** One request at the gates. */
export interface GateRequest {
  readonly head: RequestHead;
  readonly connection: DownstreamConnectionInfo;
  /** Whether the call is gRPC, by its content type. */
  readonly grpc: boolean;
  readonly requestId: string;
  /** Where it would go; null: nowhere. What the route says for gates is in its configuration. */
  readonly route: RouteEntry | null;
  /** When the request began, on the clock. */
  readonly startMs: number;
  /** Now, on the clock, where that is known: gates that are asked at once need not read it. -1: not known. */
  readonly nowMs: number;
  /** What gates found out, for those behind them and the access log: `envoy.filters.http.jwt_authn` → the verified payload. Null until something is put in. */
  metadata: Map<string, unknown> | null;
  /** The policy by which RBAC rules denied it, or let it pass (`none` where none of them matched), or that held it up on purpose. For the access log; '' : none has judged it. */
  policy: string;
  /** The first policy that is only tried and would have denied it; ''. */
  dryRunDeniedBy: string;
  /** What of another gate than RBAC refused it, or let it pass when asked: the policy, where the configuration names one. For the access log; ''. */
  decidedBy: string;
  /** The fields of the answer, whoever made it, are changed so before it is sent; for a request that may pass. */
  changeResponse(change: ResponseChange): void;
  /** The cluster that it would go to, chosen now if there are several; null: it goes nowhere, or is answered by its route. */
  readonly targetCluster: string | null;
  /** It was held up on purpose: the access log and the metrics say so (`DI`). */
  delayed: boolean;
  /** What it is worth where load is shed, if a gate has found out. */
  priority: SheddingPriorityConfig['priority'];
  /** What to call when the gate that is being asked decides later: for those that rarely do. Inside of `check` only, whose answer is a {@link GateWait} then. */
  decider(): (verdict: GateVerdict) => void;
  /** Told once, when the request is over; for a request that may pass or was denied alike. Those who asked last are told first. `sinceMs` is given back then. */
  watchEnd(watcher: EndWatcher, sinceMs?: number): void;
  /** The body of the answer passes this on its way to the caller. Once per request. */
  shapeResponse(make: (stream: ShapedStream) => ResponseShaper): void;
}

export type ResponseChange = (fields: HeaderFields) => void;

export interface EndWatcher {
  /** `status`: of the answer; 0: there was none. `complete`: the answer reached its end. `grpcStatus`: a number as text, or ''. `nowMs`: on the clock; `sinceMs`: as it was given. */
  onRequestOver(nowMs: number, status: number, complete: boolean, grpcStatus: string, sinceMs: number): void;
}

/** What a shaper may do with its stream. */
export interface ShapedStream {
  deliverData(chunk: Buffer, endStream: boolean): void;
  deliverTrailers(trailers: HeaderFields): void;
  /** The shaper holds more than it should: the answer is not read until it says so. Calls alternate. */
  holdResponse(): void;
  resumeResponse(): void;
}

/** Stands between the answer of an upstream and the caller. Nothing comes after `onStreamOver`. */
export interface ResponseShaper {
  /** The chunk is a view of a read buffer: who keeps it copies it. */
  onData(chunk: Buffer, endStream: boolean): void;
  onTrailers(trailers: HeaderFields): void;
  /** The caller takes nothing for now / again. */
  onWriteBlocked(): void;
  onWriteReady(): void;
  onStreamOver(): void;
}

/** `null`: it may pass. A ProxyError: it may not; that is the answer. */
export type GateVerdict = ProxyError | null;

/** What a gate says at once. {@link GateWait}: it will say later, by `decide` (once, not from inside check); until then nothing of the request goes on. */
export type GateAnswer = GateVerdict | GateWait;

export interface GateWait {
  /** Nothing more of the request is read meanwhile; else as much of its body as the buffer limit allows. */
  readonly readsNothing?: boolean;
  /** The request is over meanwhile: `decide` is not wanted any more. */
  cancel(): void;
}

/** Made once per connection manager from its configuration; holds no state of a request. */
export interface RequestGate {
  /** Envoy's name of the filter, as `envoy.filters.http.rbac`. */
  readonly name: string;
  /** It does not call `decide`, which then costs nothing: its answer is never a {@link GateWait}, or it asked for `decider`. */
  readonly answersAtOnce?: boolean;
  /** It changes nothing of any request. Where every gate says so, nobody need compare what a request was with what became of it. */
  readonly keepsRequests?: boolean;
  check(request: GateRequest, decide: (verdict: GateVerdict) => void): GateAnswer;
}
