/** How a fault of identity is told to who called: a gRPC status with the fault's own words, and a line in the log. */
import { type ServiceError, status } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { IdentityFault, type IdentityFaultReason } from '../../certs/identity-fault.ts';
import { TokenReviewUnavailable } from '../identity/token-review.ts';

export type Refusal = Partial<ServiceError> & {
  readonly code: status;
  readonly details: string;
  readonly name: string;
  readonly message: string;
};

const statusOf: Partial<Record<IdentityFaultReason, status>> = {
  'token-refused': status.UNAUTHENTICATED,
  'not-allowed': status.PERMISSION_DENIED,
  'wrong-trust-domain': status.PERMISSION_DENIED,
  exhausted: status.RESOURCE_EXHAUSTED,
  // Of the authority itself: the caller can only wait for somebody to mend it.
  expired: status.UNAVAILABLE,
  'not-yet-valid': status.UNAVAILABLE,
  'log-failed': status.UNAVAILABLE,
};

export function refusal(code: status, details: string): Refusal {
  return { name: 'Refusal', message: details, code, details };
}

/** `doing` begins the line in the log, as `signing for 10.0.0.1:1`. `log` null: there is none for this one. */
export function refusalOf(error: unknown, doing: string, log: Logger | null): Refusal {
  if (error instanceof TokenReviewUnavailable) {
    log?.warn(`${doing}: ${error.message}`);
    return refusal(status.UNAVAILABLE, error.message);
  }
  if (error instanceof IdentityFault) {
    const code = statusOf[error.reason] ?? status.INVALID_ARGUMENT;
    log?.[code === status.UNAVAILABLE ? 'error' : 'info'](`${doing} refused (${error.reason}): ${error.message}`);
    return refusal(code, error.message);
  }
  log?.error({ err: error }, `${doing} failed`);
  return refusal(status.INTERNAL, 'the control plane failed; its log says why');
}

/** What a counter calls it. */
export function refusalReason(error: unknown): string {
  if (error instanceof TokenReviewUnavailable) return 'token-review-unavailable';
  return error instanceof IdentityFault ? error.reason : 'internal';
}

/** A fault of the caller's certificate or token, not of what it asks for. */
export function asUnauthenticated(error: unknown): Error {
  return error instanceof IdentityFault ? new IdentityFault('token-refused', error.message) : (error as Error);
}
