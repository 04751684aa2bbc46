/**
 * One request at the gates of its connection manager: asks them in their order and, where one takes its time, holds what comes of the request meanwhile, up to the buffer
 * limit, past which the caller is not read. It stands where the router will stand, until all have let the request pass. Ends nothing itself: the stream does.
 *
 *   asking ─ all pass ──────────────▶ passed: the stream makes the router, and hands it what was held
 *     │ ▲                         ┌▶ denied
 *     │ └──── passes ── waiting ──┤
 *     └─ will say later ──▲       └▶ over: the stream ended (caller gone, time limit), the gate is told
 */
import type { HeaderFields } from '../codec/header-fields.ts';
import type { RequestHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { SheddingPriorityConfig } from '../config/adaptive-concurrency-config.ts';
import type { DownstreamConnectionInfo } from '../connection-manager/http-context.ts';
import { RequestBody } from '../router/request-body.ts';
import type { RouteEntry } from '../router/route-entry.ts';
import type { StreamFilter } from '../router/stream-filter.ts';
import type { WeightedTarget } from '../router/weighted-target.ts';
import type {
  EndWatcher,
  GateRequest,
  GateVerdict,
  GateWait,
  RequestGate,
  ResponseChange,
  ResponseShaper,
  ShapedStream,
} from './request-gate.ts';

/** What the chain needs of its stream. */
export interface GatedStream {
  readonly startMs: number;
  readonly grpc: boolean;
  readonly requestId: string;
  readonly route: RouteEntry | null;
  /** Nothing more of it comes. */
  readonly requestEnded: boolean;
  /** Where it would go, chosen before the router is there, which takes the same; null: nowhere. */
  chooseTarget(): WeightedTarget | null;
  shapeResponse(make: (stream: ShapedStream) => ResponseShaper): void;
  pauseRequest(): void;
  resumeRequest(): void;
  /** A gate that had to be waited for has denied the request, or all have let it pass. */
  onGatesDecided(verdict: GateVerdict): void;
}

interface Watching {
  readonly watcher: EndWatcher;
  readonly sinceMs: number;
}

/** Never called: gates that say so always answer at once. */
const neverDecides = (): void => undefined;

export class GateChain implements GateRequest, StreamFilter {
  readonly #stream: GatedStream;
  readonly #gates: readonly RequestGate[];
  readonly #bufferLimitBytes: number;
  readonly head: RequestHead;
  readonly connection: DownstreamConnectionInfo;
  metadata: Map<string, unknown> | null = null;
  policy = '';
  dryRunDeniedBy = '';
  decidedBy = '';
  /** The gate asked last. */
  #at = -1;
  #wait: GateWait | null = null;
  #held: RequestBody | null = null;
  #paused = false;
  #responseBlocked = false;
  #responseChanges: ResponseChange[] | null = null;
  /** Most requests have two at most. */
  #firstWatcher: EndWatcher | null = null;
  #firstSinceMs = 0;
  #secondWatcher: EndWatcher | null = null;
  #secondSinceMs = 0;
  #moreWatchers: Watching[] | null = null;
  nowMs: number;
  delayed = false;
  priority: SheddingPriorityConfig['priority'] = 'default';

  /** `bufferLimitBytes`: of the request's body, while it waits. */
  constructor(
    stream: GatedStream,
    gates: readonly RequestGate[],
    head: RequestHead,
    connection: DownstreamConnectionInfo,
    bufferLimitBytes: number,
  ) {
    this.#stream = stream;
    this.nowMs = stream.startMs;
    this.#gates = gates;
    this.head = head;
    this.connection = connection;
    this.#bufferLimitBytes = bufferLimitBytes;
  }

  get grpc(): boolean {
    return this.#stream.grpc;
  }

  get requestId(): string {
    return this.#stream.requestId;
  }

  get startMs(): number {
    return this.#stream.startMs;
  }

  get route(): RouteEntry | null {
    return this.#stream.route;
  }

  get targetCluster(): string | null {
    return this.#stream.chooseTarget()?.name ?? null;
  }

  watchEnd(watcher: EndWatcher, sinceMs = 0): void {
    if (this.#firstWatcher === null) {
      this.#firstWatcher = watcher;
      this.#firstSinceMs = sinceMs;
    } else if (this.#secondWatcher === null) {
      this.#secondWatcher = watcher;
      this.#secondSinceMs = sinceMs;
    } else (this.#moreWatchers ??= []).push({ watcher, sinceMs });
  }

  shapeResponse(make: (stream: ShapedStream) => ResponseShaper): void {
    this.#stream.shapeResponse(make);
  }

  changeResponse(change: ResponseChange): void {
    (this.#responseChanges ??= []).push(change);
  }

  /** What gates want otherwise in the answer. */
  applyToResponse(fields: HeaderFields): void {
    if (this.#responseChanges !== null) for (const change of this.#responseChanges) change(fields);
  }

  /** The request is over, whoever ended it. Outwards: a gate in front may let the next one in, which those behind must have room for. */
  tellEnd(nowMs: number, status: number, complete: boolean, grpcStatus: string): void {
    const first = this.#firstWatcher;
    if (first === null) return;
    const second = this.#secondWatcher;
    const more = this.#moreWatchers;
    this.#firstWatcher = null;
    this.#secondWatcher = null;
    this.#moreWatchers = null;
    if (more !== null)
      for (let at = more.length - 1; at >= 0; at--) {
        const { watcher, sinceMs } = more[at]!;
        watcher.onRequestOver(nowMs, status, complete, grpcStatus, sinceMs);
      }
    if (second !== null) second.onRequestOver(nowMs, status, complete, grpcStatus, this.#secondSinceMs);
    first.onRequestOver(nowMs, status, complete, grpcStatus, this.#firstSinceMs);
  }

  /** Something of the request came, or it ended, while a gate was waited for. */
  get holds(): boolean {
    return this.#held !== null;
  }

  /** Asks the gates that have not been asked. Null: all let it pass; `wait`: `onGatesDecided` will be called. */
  ask(): GateVerdict | 'wait' {
    const gates = this.#gates;
    for (let at = this.#at + 1; at < gates.length; at++) {
      this.#at = at;
      const gate = gates[at]!;
      const answer = gate.check(this, gate.answersAtOnce === true ? neverDecides : this.decider());
      if (answer === null) continue;
      if (answer instanceof ProxyError) return answer;
      this.#wait = answer;
      if (answer.readsNothing === true && !this.#paused && !this.#stream.requestEnded) this.#pause();
      return 'wait';
    }
    return null;
  }

  decider(): (verdict: GateVerdict) => void {
    const at = this.#at;
    return (verdict) => this.#decide(at, verdict);
  }

  #decide(at: number, verdict: GateVerdict): void {
    // Said twice, or after the end.
    if (this.#wait === null || at !== this.#at) return;
    this.#wait = null;
    this.nowMs = -1;
    const next = verdict ?? this.ask();
    if (next !== 'wait') this.#stream.onGatesDecided(next);
  }

  /** Hands over what was held, to the filter that now stands in this one's place and has the head. */
  releaseTo(filter: StreamFilter): void {
    if (this.#responseBlocked) filter.onResponseBlocked();
    this.#held?.sendToFilter(filter);
    this.#held = null;
    this.#resume();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#stream.resumeRequest();
  }

  /** The head is what the gates see; it came before. */
  onRequestHead(): void {}

  onRequestData(chunk: Buffer, endStream: boolean): void {
    const held = (this.#held ??= new RequestBody());
    held.add(chunk, endStream);
    if (this.#paused || endStream || held.bytes <= this.#bufferLimitBytes) return;
    this.#pause();
  }

  #pause(): void {
    this.#paused = true;
    this.#stream.pauseRequest();
  }

  onRequestTrailers(trailers: HeaderFields): void {
    (this.#held ??= new RequestBody()).addTrailers(trailers);
  }

  onResponseBlocked(): void {
    this.#responseBlocked = true;
  }

  onResponseReady(): void {
    this.#responseBlocked = false;
  }

  /** Those limits are the router's, and it has not begun. */
  onTimeLimit(): void {}

  onStreamEnd(): void {
    const wait = this.#wait;
    this.#wait = null;
    this.#held?.drop();
    this.#held = null;
    this.#resume();
    wait?.cancel();
  }
}
