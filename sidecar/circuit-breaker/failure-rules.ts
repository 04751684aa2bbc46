/** What counts as a failure of a destination: which answers (a breaker's configuration says it) and which ends without one. */
import type { ProxyError } from '../codec/proxy-error.ts';
import type { CircuitBreakerConfig } from '../config/circuit-breaker-config.ts';

const mostStatus = 599;

/** The answers that a configuration counts as failures, by table. */
export class FailureRules {
  readonly #statuses = new Uint8Array(mostStatus + 1);
  readonly #grpcStatuses: ReadonlySet<string>;

  constructor({ failureStatuses, failureGrpcStatuses }: CircuitBreakerConfig) {
    for (const status of failureStatuses) this.#statuses[status] = 1;
    this.#grpcStatuses = new Set(failureGrpcStatuses.map(String));
  }

  /** `grpcStatus` undefined: the answer has none (yet). */
  isFailure(status: number, grpcStatus: string | undefined): boolean {
    return grpcStatus === undefined ? this.#statuses[status] === 1 : this.#grpcStatuses.has(grpcStatus);
  }
}

/**
 * Whether an end without a whole answer is the destination's failure: no connection, a reset, a protocol error, a time limit. Not: limits of ours (UO), nobody there (UH, NC), another breaker (CB), a caller that left (DC), a
 * request that was not whole in time (408). `answered`: the head of an answer came; then idleness or a stream's greatest duration is how streams end.
 */
export function isDestinationFailure({ flag, source, status }: ProxyError, answered: boolean): boolean {
  switch (flag) {
    case 'UT':
      return true;
    case 'UMSDR':
    case 'SI':
      return !answered && status !== 408;
    case 'UF':
    case 'UC':
    case 'UR':
    case 'UPE':
      return source === 'upstream';
    default:
      return false;
  }
}

/** A connection that rested was closed as a request came: what services do, and the request is sent again. */
export function isStaleConnection({ flag, retry }: ProxyError, reused: boolean): boolean {
  return reused && flag === 'UC' && retry !== 'never';
}
