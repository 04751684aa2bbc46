/** Attempts of one request that another was sent beside, because they take long: they may be answered yet (hedging). */
import type { ProxyError } from '../codec/proxy-error.ts';
import { notWanted } from './router-faults.ts';
import type { UpstreamRequest } from './upstream-request.ts';

export class SlowAttempts {
  readonly #attempts: UpstreamRequest[] = [];

  add(attempt: UpstreamRequest): void {
    attempt.hedged = true;
    this.#attempts.push(attempt);
  }

  forget(attempt: UpstreamRequest): void {
    const at = this.#attempts.indexOf(attempt);
    if (at >= 0) this.#attempts.splice(at, 1);
  }

  /** There is one beside `attempt`. */
  hasOther(attempt: UpstreamRequest): boolean {
    return this.#attempts.some((other) => other !== attempt);
  }

  /** `winner` is answered: all others are cancelled, at once. */
  loseTo(winner: UpstreamRequest, nowMs: number): void {
    for (const attempt of this.#attempts) if (attempt !== winner) attempt.lose(notWanted, nowMs);
  }

  cancel(error: ProxyError, nowMs: number): void {
    for (const attempt of this.#attempts) attempt.cancel(error, nowMs);
  }
}
