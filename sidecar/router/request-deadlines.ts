/**
 * How long one request and each of its attempts may take: what the route, the caller and the policy say, set as limits of the stream (stream-limits.ts, which has the timer), and told to the next hop. Does not
 * decide what becomes of a limit that has come.
 */
import type { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import type { ForwardActionConfig } from '../config/route-config.ts';
import type { AttemptRules } from './attempt-rules.ts';
import { formatGrpcTimeout, requestTimeoutMs, streamDurationMs, tryTimeoutMs, wholeMsLeft } from './request-timeout.ts';
import type { FilteredStream } from './stream-filter.ts';

const names = {
  expectedTimeout: headerName('x-envoy-expected-rq-timeout-ms'),
  grpcTimeout: headerName('grpc-timeout'),
};

export class RequestDeadlines {
  readonly #stream: FilteredStream;
  readonly #action: ForwardActionConfig;
  #rules: AttemptRules;
  /** Of the whole request, from its end; 0: none. */
  timeoutMs: number;
  /** Of one try; 0: none. */
  perTryTimeoutMs: number;
  /** From when the time runs: the request's end; -1: not yet. */
  #fromMs = -1;

  /** Sets what holds from the stream's beginning. Arms nothing. */
  constructor(stream: FilteredStream, action: ForwardActionConfig, rules: AttemptRules) {
    this.#stream = stream;
    this.#action = action;
    this.#rules = rules;
    const { limits } = stream;
    if (action.idleTimeoutMs !== null) limits.idleMs = action.idleTimeoutMs;
    const durationMs = streamDurationMs(action, stream.grpcTimeout);
    if (durationMs >= 0) limits.durationDueMs = durationMs > 0 ? stream.startMs + durationMs : Infinity;
    this.timeoutMs = requestTimeoutMs(action.timeoutMs, stream.callerTimeoutMs);
    const { policy } = rules;
    this.perTryTimeoutMs = policy === null ? 0 : tryTimeoutMs(policy.perTryTimeoutMs, this.timeoutMs);
  }

  /** The route's time runs. */
  get runs(): boolean {
    return this.#fromMs >= 0;
  }

  /** The request is whole: from now on the route's time runs (Envoy). Arms nothing. */
  run(fromMs: number): void {
    this.#fromMs = fromMs;
    if (this.timeoutMs > 0) this.#stream.limits.routeDueMs = fromMs + this.timeoutMs;
  }

  /** The request begins anew, elsewhere, with rules and a time of its own (0: none), within what its caller waits. Arms nothing. */
  restart(rules: AttemptRules, timeoutMs: number, nowMs: number): void {
    const callerLeftMs = this.#callerLeftMs(nowMs);
    this.#rules = rules;
    this.perTryTimeoutMs = 0;
    this.timeoutMs = callerLeftMs === Infinity ? timeoutMs : requestTimeoutMs(timeoutMs, callerLeftMs);
    this.#stream.limits.routeDueMs = Infinity;
    if (this.runs) this.run(nowMs);
  }

  /** Its caller waits yet, whatever the route says. */
  isAwaited(nowMs: number): boolean {
    return this.#callerLeftMs(nowMs) > 0 && this.#stream.limits.durationDueMs > nowMs;
  }

  /** Of a trusted caller's own timeout; Infinity: it names none. */
  #callerLeftMs(nowMs: number): number {
    const { callerTimeoutMs, startMs } = this.#stream;
    return callerTimeoutMs > 0 ? (this.runs ? this.#fromMs : startMs) + callerTimeoutMs - nowMs : Infinity;
  }

  /** A try's own time runs from when it has a connection and the whole request (Envoy). */
  startTry(nowMs: number): void {
    const { limits } = this.#stream;
    limits.startTry(nowMs, this.perTryTimeoutMs, this.#rules.perTryIdleTimeoutMs);
    limits.arm(nowMs);
  }

  /** A try has a time limit of its own. */
  get limitsTries(): boolean {
    return this.perTryTimeoutMs > 0 || this.#rules.perTryIdleTimeoutMs > 0;
  }

  /** `durationMs`: of the try's stream from beginning to end. */
  endTryIn(durationMs: number, nowMs: number): void {
    const { limits } = this.#stream;
    limits.endTryIn(nowMs, durationMs);
    limits.arm(nowMs);
  }

  /** For the first attempt: all of the time is left. */
  tell(fields: HeaderFields, nowMs: number): void {
    this.#tell(fields, this.timeoutMs, nowMs);
  }

  /** For a further attempt: what is left. */
  tellRest(fields: HeaderFields, nowMs: number): void {
    const { timeoutMs } = this;
    const leftMs = this.runs ? this.#fromMs + timeoutMs - nowMs : timeoutMs;
    // 0 would be no deadline.
    this.#tell(fields, timeoutMs > 0 ? Math.max(1, leftMs) : 0, nowMs);
  }

  /** What is left of the time goes with the request, so that nobody works longer than somebody waits: of the whole request's, or of this try's. `leftMs` 0: there is no limit. */
  #tell(fields: HeaderFields, leftMs: number, nowMs: number): void {
    let ms = leftMs;
    if (this.perTryTimeoutMs > 0 && !this.#rules.hedges)
      ms = ms > 0 ? Math.min(ms, this.perTryTimeoutMs) : this.perTryTimeoutMs;
    if (ms > 0) fields.set(names.expectedTimeout, String(wholeMsLeft(ms)));
    const { grpcTimeout, limits } = this.#stream;
    if (this.#action.grpcTimeoutHeaderMaxMs !== null && grpcTimeout !== '' && limits.durationDueMs !== Infinity)
      fields.set(names.grpcTimeout, formatGrpcTimeout(limits.durationDueMs - nowMs));
  }
}
