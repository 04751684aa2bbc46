/**
 * What a request needs beyond its first attempt: the decisions (retry-state.ts), why another attempt is waited for, and attempts that another was sent beside because they take long, which may be answered yet (hedging).
 * Made when the first attempt did not simply succeed, so that others pay nothing. Sends nothing and knows no limits of time; see router.ts.
 */
import type { ConnectionOrigin, LoadBalancerContext } from '../cluster/upstream.ts';
import { RequestHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { Clock, Random } from '../runtime/clock.ts';
import type { AttemptRules } from './attempt-rules.ts';
import { RetryState } from './retry-state.ts';
import { notWanted } from './router-faults.ts';
import type { UpstreamRequest } from './upstream-request.ts';

export class LaterAttempts {
  readonly retries: RetryState;
  readonly #avoidCanaries: boolean;
  /** Null: there was none. */
  #slow: UpstreamRequest[] | null = null;
  /** Of the slow ones that had no connection yet, as they go to the service: the request's own head is changed for those that follow. Null: there was none. */
  #heads: Map<UpstreamRequest, RequestHead> | null = null;
  /** Why another attempt is waited for; null: none is. */
  waitsFor: 'policy' | 'hedge' | null = null;

  constructor({ policy }: AttemptRules, random: Random) {
    this.retries = new RetryState(policy, random);
    this.#avoidCanaries = policy !== null && policy.omitCanaryHosts;
  }

  /** For the choice of the next host. */
  whatWasTried(origin: ConnectionOrigin | null): LoadBalancerContext {
    return { triedHosts: this.retries.tried, avoidCanaries: this.#avoidCanaries, origin };
  }

  /** It goes on, and is only waited for. `overdue`: it took longer than one try may. `head`: what it sends, or has sent. */
  addSlow(attempt: UpstreamRequest, overdue: boolean, head: RequestHead): void {
    attempt.hedged = true;
    attempt.overdue = overdue;
    (this.#slow ??= []).push(attempt);
    if (!attempt.connected) (this.#heads ??= new Map()).set(attempt, copyOf(head));
  }

  /** What the attempt sends; `head`: the request's, as it is now. */
  headOf(attempt: UpstreamRequest, head: RequestHead): RequestHead {
    return this.#heads?.get(attempt) ?? head;
  }

  /** It is over. */
  forget(attempt: UpstreamRequest): void {
    const at = this.#slow === null ? -1 : this.#slow.indexOf(attempt);
    if (at >= 0) this.#slow!.splice(at, 1);
    this.#heads?.delete(attempt);
  }

  /** Something else than this attempt, or the newest, may bring an answer yet. */
  othersThan(attempt: UpstreamRequest): boolean {
    return this.waitsFor !== null || (this.#slow !== null && this.#slow.some((other) => other !== attempt));
  }

  /** `winner` is answered, and everything else that runs is cancelled, at once. `newest`: of those that are no slow ones. `success`: retries led to it. True: there were others. */
  settle(winner: UpstreamRequest, newest: UpstreamRequest | null, success: boolean, clock: Clock): boolean {
    this.waitsFor = null;
    if (success) this.retries.onSettled(winner);
    else this.retries.end();
    const slow = this.#slow;
    this.#slow = null;
    if (slow === null) return false;
    const now = clock.nowMs();
    if (newest !== null && newest !== winner) newest.lose(notWanted, now);
    for (const attempt of slow) if (attempt !== winner) attempt.lose(notWanted, now);
    return true;
  }

  /** Of the slow ones, those that have no connection yet. */
  loseWaiting(error: ProxyError, nowMs: number): void {
    for (const attempt of [...(this.#slow ?? [])]) {
      if (attempt.stream !== null) continue;
      this.forget(attempt);
      attempt.lose(error, nowMs);
    }
  }

  /** The request is over, whatever came of it. */
  end(error: ProxyError, nowMs: number): void {
    if (this.#slow !== null) for (const attempt of this.#slow) attempt.cancel(error, nowMs);
    this.retries.end();
  }
}

function copyOf({ method, scheme, authority, path, version, fields, upgrade, absoluteForm }: RequestHead): RequestHead {
  return new RequestHead(method, scheme, authority, path, version, fields.clone(), upgrade, absoluteForm);
}
