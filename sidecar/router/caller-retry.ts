/**
 * What a trusted caller asks of retries by Envoy's request headers. Read while the head is admitted (they are taken off it there, and those of strangers are not read); merged with the route's
 * policy in retry-policy.ts. Numbers and lists have bounds: a caller is trusted to want retries, not to want a thousand.
 */
import { parseTimeoutMs } from './request-timeout.ts';
import { retryBits } from './retry-conditions.ts';

/** More retries than this nobody waits for; a caller that asks for more gets so many. */
export const mostCallerRetries = 100;
/** Entries of a list that are looked at. */
const mostListed = 32;

export class CallerRetry {
  /** Bits of retry-conditions.ts that are added to the route's. */
  bits = 0;
  /** Instead of the route's; -1: not said. */
  maxRetries = -1;
  /** Milliseconds, instead of the route's; -1: not said; 0: none. */
  perTryTimeoutMs = -1;
  /** Added to the route's. */
  statusCodes: readonly number[] = [];
  /** Lower case; added to the route's. */
  headerNames: readonly string[] = [];
  /** Instead of the route's; null: not said. */
  hedge: boolean | null = null;
  /** `x-envoy-upstream-rq-timeout-alt-response`: a timeout is answered with 204. */
  emptyOnTimeout = false;

  /** Notes one header; `lower` is one of {@link callerRetryHeaders}. */
  note(lower: string, value: string): void {
    switch (lower) {
      case 'x-envoy-retry-on':
        this.bits |= retryBits(listed(value), 'http');
        return;
      case 'x-envoy-retry-grpc-on':
        this.bits |= retryBits(listed(value), 'grpc');
        return;
      case 'x-envoy-max-retries':
        if (/^\d{1,9}$/.test(value)) this.maxRetries = Math.min(Number(value), mostCallerRetries);
        return;
      case 'x-envoy-upstream-rq-per-try-timeout-ms':
        this.perTryTimeoutMs = parseTimeoutMs(value);
        return;
      case 'x-envoy-retriable-status-codes':
        this.statusCodes = listed(value)
          .filter((code) => /^\d{3}$/.test(code))
          .map(Number);
        return;
      case 'x-envoy-retriable-header-names':
        this.headerNames = listed(value.toLowerCase());
        return;
      case 'x-envoy-hedge-on-per-try-timeout':
        if (value === 'true' || value === 'false') this.hedge = value === 'true';
        return;
      case 'x-envoy-upstream-rq-timeout-alt-response':
        this.emptyOnTimeout = true;
    }
  }
}

function listed(value: string): string[] {
  return value
    .split(',', mostListed)
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
