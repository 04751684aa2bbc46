/** How long a request may take, from what the route says and what the caller asks for, and how the rest of it is told to the next hop. */
import type { ForwardActionConfig } from '../config/route-config.ts';

/**
 * Milliseconds from the end of the request until its answer is whole; 0: no limit. A trusted caller's `x-envoy-expected-rq-timeout-ms` or `x-envoy-upstream-rq-timeout-ms` (`callerTimeoutMs`, -1: none) shortens
 * the route's: a deadline only ever shrinks on its way.
 */
export function requestTimeoutMs(routeTimeoutMs: number, callerTimeoutMs: number): number {
  if (callerTimeoutMs <= 0) return routeTimeoutMs;
  return routeTimeoutMs === 0 ? callerTimeoutMs : Math.min(routeTimeoutMs, callerTimeoutMs);
}

/**
 * Milliseconds from the beginning of the stream until its end; 0: no limit; -1: the connection manager's. A call with a `grpc-timeout` on a route that honours it (`grpc_timeout_header_max`; 0: no cap) has that, capped, less
 * `grpc_timeout_header_offset`; everything else has the route's `max_stream_duration` (Envoy's ActiveStream::refreshDurationTimeout).
 */
export function streamDurationMs(
  action: Pick<ForwardActionConfig, 'maxStreamDurationMs' | 'grpcTimeoutHeaderMaxMs' | 'grpcTimeoutHeaderOffsetMs'>,
  grpcTimeout: string,
): number {
  const askedMs = heededGrpcTimeoutMs(action.grpcTimeoutHeaderMaxMs, grpcTimeout);
  if (askedMs < 0) return action.maxStreamDurationMs ?? -1;
  // A deadline that has passed is the shortest time, not none.
  return Math.max(1, askedMs - action.grpcTimeoutHeaderOffsetMs);
}

/** The caller's `grpc-timeout`, capped; -1: it has none, or the route does not look at it. */
function heededGrpcTimeoutMs(capMs: number | null, grpcTimeout: string): number {
  if (capMs === null || grpcTimeout === '') return -1;
  const askedMs = parseGrpcTimeout(grpcTimeout);
  return capMs > 0 ? Math.min(askedMs, capMs) : askedMs;
}

/** The limit of one try: one that is not below the whole request's is none (Envoy). */
export function tryTimeoutMs(perTryTimeoutMs: number, timeoutMs: number): number {
  return timeoutMs > 0 && perTryTimeoutMs >= timeoutMs ? 0 : perTryTimeoutMs;
}

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 0.001, n: 0.000_001 };

/** Milliseconds of a `grpc-timeout` (up to eight digits and a unit); -1 when it is not one. */
export function parseGrpcTimeout(value: string): number {
  const match = /^(\d{1,8})([HMSmun])$/.exec(value);
  return match === null ? -1 : Number(match[1]) * unitMs[match[2]!]!;
}

/**
 * What is left of a time, in whole milliseconds from 1: rounded up, but for less than a microsecond, which is what the difference of two moments is off by: the next hop must not get more than the caller gave.
 */
export function wholeMsLeft(leftMs: number): number {
  return Math.max(1, Math.ceil(leftMs - 0.001));
}

/** The `grpc-timeout` of so many milliseconds, rounded up, in the finest unit that has room. */
export function formatGrpcTimeout(timeoutMs: number): string {
  const ms = wholeMsLeft(timeoutMs);
  if (ms < 100_000_000) return `${ms}m`;
  const seconds = Math.ceil(ms / 1000);
  return seconds < 100_000_000 ? `${seconds}S` : `${Math.min(99_999_999, Math.ceil(seconds / 3600))}H`;
}

/** Milliseconds of a header that holds a whole number; -1 when it does not. */
export function parseTimeoutMs(value: string): number {
  return /^\d{1,12}$/.test(value) ? Number(value) : -1;
}
