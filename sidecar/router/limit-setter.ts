/** Who set the time limit that ended a request: the policy or route that the answer, the log and the record name. Looked up only then. */
import { requestTimeoutMs } from './request-timeout.ts';
import type { RouteEntry } from './route-entry.ts';
import type { StreamLimits } from './stream-limits.ts';

/** Two moments differ by less than this from the time between them. */
const sameMs = 0.001;

/** `lastedMs`: the limit that held. One that its caller asked for, or the connection manager has, is not what the route says. '': nobody is known. */
export function limitSetBy(
  limit: 'route' | 'try' | 'idle' | 'duration',
  lastedMs: number,
  route: Pick<RouteEntry, 'config' | 'forward'> | null,
): string {
  const { setBy = null } = route?.config ?? {};
  const forward = route === null ? null : route.forward;
  if (setBy === null || forward === null) return '';
  const is = (ms: number | null | undefined): boolean =>
    ms !== null && ms !== undefined && Math.abs(ms - lastedMs) < sameMs;
  switch (limit) {
    case 'route':
      return is(forward.timeoutMs) ? setBy.timeout : '';
    case 'try':
      return is(forward.retry?.perTryTimeoutMs) ? setBy.perTryTimeout : '';
    case 'idle':
      return is(forward.idleTimeoutMs) ? setBy.idleTimeout : '';
    case 'duration':
      if (is(forward.maxStreamDurationMs)) return setBy.maxStreamDuration;
      return is(forward.grpcTimeoutHeaderMaxMs) ? setBy.timeout : '';
  }
}

/** What there is to know of a request that was answered by another, with the answer that time was over. */
export interface AnsweredOutOfTime {
  readonly limits: Pick<StreamLimits, 'routeDueMs' | 'durationDueMs'>;
  readonly startMs: number;
  /** -1: none. */
  readonly callerTimeoutMs: number;
  readonly route: Pick<RouteEntry, 'config' | 'forward'> | null;
}

/** Whose limit was over at `nowMs`, though the answer came first: who is further in is told what time is left, and its answer may be here before our own timer, which has a tick of some milliseconds. '': none was over, or nobody is known. */
export function overLimitSetBy({ limits, startMs, callerTimeoutMs, route }: AnsweredOutOfTime, nowMs: number): string {
  // What is told is rounded up, so that nobody further in is earlier.
  if (nowMs > limits.durationDueMs - sameMs) return limitSetBy('duration', limits.durationDueMs - startMs, route);
  if (nowMs > limits.routeDueMs - sameMs)
    return limitSetBy('route', requestTimeoutMs(route?.forward?.timeoutMs ?? 0, callerTimeoutMs), route);
  return '';
}
