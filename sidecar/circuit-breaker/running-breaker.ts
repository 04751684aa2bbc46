/**
 * A circuit breaker at work for a cluster or a route: tells the state machine what answers and failures mean, and tells log, statistics and refused callers what became of it. The state machine is
 * circuit-breaker.ts; who asks is the router (routes) and its attempts (clusters).
 */
import { HeaderFields } from '../codec/header-fields.ts';
import type { ResponseHead } from '../codec/message-head.ts';
import { shedsLoad } from '../codec/overload-mark.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { CircuitBreakerConfig } from '../config/circuit-breaker-config.ts';
import type { Clock, Random } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { StatStore } from '../stats/stat-store.ts';
import { type BreakerScope, BreakerStats } from './breaker-stats.ts';
import { type BreakerStatus, breakerStatus } from './breaker-status.ts';
import { type BreakerCall, type BreakerChange, CircuitBreaker, spanOf } from './circuit-breaker.ts';
import { FailureRules, isDestinationFailure, isStaleConnection } from './failure-rules.ts';

export interface BreakerContext {
  readonly stats: StatStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log | null;
}

export class RunningBreaker {
  readonly scope: BreakerScope;
  /** The cluster's name, or `<virtual host>/<route>`. */
  readonly name: string;
  readonly machine: CircuitBreaker;
  readonly #context: BreakerContext;
  readonly #rules: FailureRules;
  readonly #stats: BreakerStats;
  /** The configuration does not name it any more: what becomes of it is shown nowhere. */
  #detached = false;

  constructor(scope: BreakerScope, name: string, config: CircuitBreakerConfig, context: BreakerContext) {
    const { stats, clock, random } = context;
    this.scope = scope;
    this.name = name;
    this.#context = context;
    this.#rules = new FailureRules(config);
    this.#stats = new BreakerStats(stats, scope, name);
    this.machine = new CircuitBreaker(config, this.#stats, random, clock.nowMs(), (change) => this.#onChange(change));
    this.#stats.show('closed', false);
  }

  // -- calls; each but enter() does nothing for a call that is not under way here --

  /** False: the call is refused, see refusal(). */
  enter(call: BreakerCall, nowMs: number): boolean {
    return this.machine.enter(call, nowMs);
  }

  /** The request is whole. */
  sent(call: BreakerCall, nowMs: number): void {
    if (call.breakerPermit !== 0) this.machine.sent(call, nowMs);
  }

  /** Not an informational one. */
  onHead(call: BreakerCall, head: ResponseHead, endStream: boolean, nowMs: number): void {
    if (call.breakerPermit === 0) return;
    const { status, fields } = head;
    // One that sheds load lives, and helps itself already.
    if (this.#rules.isFailure(status, fields.get('grpc-status')))
      this.machine.end(call, shedsLoad(head) ? 'nothing' : 'failure', nowMs);
    // What comes behind a switch of protocols is no answer any more, however it ends.
    else if (endStream || status === 101) this.machine.end(call, 'success', nowMs);
    else this.machine.answered(call, nowMs);
  }

  onTrailers(call: BreakerCall, trailers: HeaderFields, nowMs: number): void {
    if (call.breakerPermit === 0) return;
    const failed = this.#rules.isFailure(0, trailers.get('grpc-status'));
    this.machine.end(call, failed ? 'failure' : 'success', nowMs);
  }

  /** It ended without a whole answer; `reused`: on a connection that had carried a request before. */
  onFailed(call: BreakerCall, error: ProxyError, nowMs: number, reused = false): void {
    if (call.breakerPermit === 0) return;
    const failed = isDestinationFailure(error, this.machine.hasAnswer(call)) && !isStaleConnection(error, reused);
    this.machine.end(call, failed ? 'failure' : 'nothing', nowMs);
  }

  /** Its answer is whole, or nobody wants more of it: good, as none of it was a failure. Without any answer it says nothing. */
  onOver(call: BreakerCall, nowMs: number): void {
    if (call.breakerPermit === 0) return;
    this.machine.end(call, this.machine.hasAnswer(call) ? 'success' : 'nothing', nowMs);
  }

  // -- its configuration --

  /** It is not configured any more, and its name may be another's: from now on neither gauges nor log hear of it. Calls that are under way may end in it. */
  detach(): void {
    this.#detached = true;
  }

  /** Its gauges say its state: another of the same name may have set them. */
  show(): void {
    this.#stats.show(this.machine.state, this.machine.forced !== null);
  }

  // -- an operator --

  force(to: 'open' | 'closed' | null): void {
    this.machine.force(to, this.#context.clock.nowMs());
  }

  // -- what others see --

  /** Calls that it refused, as counted under its name. */
  get refused(): number {
    return this.#stats.refused.value;
  }

  /** Times that it opened, as counted under its name. */
  get opened(): number {
    return this.#stats.opened;
  }

  /** For log lines. */
  get title(): string {
    const { rule } = this.machine.config;
    return `circuit breaker of ${this.scope} ${this.name}${rule === '' ? '' : ` (${rule})`}`;
  }

  status(): BreakerStatus {
    const { clock } = this.#context;
    return breakerStatus(this, clock.nowMs(), clock.wallMs());
  }

  /** 503 (gRPC UNAVAILABLE) for a call that may not enter. */
  refusal(nowMs: number): ProxyError {
    const { machine } = this;
    const { rule } = machine.config;
    const leftMs = machine.openLeftMs(nowMs);
    const since = spanOf(nowMs - machine.sinceMs);
    const halfOpen = machine.state === 'half-open';
    const held = machine.forced !== null;
    const nextProbe = held ? 'when an operator releases it' : halfOpen ? 'under way' : `in ${spanOf(leftMs)}`;
    const message = held
      ? `The circuit breaker is held open by an operator since ${since}.`
      : halfOpen
        ? `The circuit breaker is half open since ${since}, and its probes are under way.`
        : `The circuit breaker is open since ${since}: ${machine.why}; the next probe is ${nextProbe}.`;
    return new ProxyError({
      flag: 'CB',
      source: 'local',
      details: halfOpen ? 'circuit_breaker_half_open' : 'circuit_breaker_open',
      message,
      rule,
      reply: {
        ...(held ? {} : { fields: HeaderFields.of(['retry-after', String(Math.max(1, Math.ceil(leftMs / 1_000)))]) }),
        facts: { since, next_probe: nextProbe },
      },
    });
  }

  /** The gauges are set again, as others of the same name may have been removed in between. */
  #onChange({ from, to, forced, why, openForMs }: BreakerChange): void {
    if (this.#detached) return;
    this.#stats.show(to, this.machine.forced !== null);
    if (from !== to) this.#stats.countTransition(to);
    const { log } = this.#context;
    if (log === null) return;
    const line = `${this.title}: ${to}${openForMs > 0 ? ` for ${spanOf(openForMs)}` : ''}: ${why}`;
    if (to === 'open' || forced) log.warn(line);
    else log.info(line);
  }
}
