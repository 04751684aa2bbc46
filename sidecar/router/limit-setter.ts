/** Who set the time limit that ended a request: the policy or route that the answer, the log and the record name. Looked up only then. */
import type { RouteEntry } from './route-entry.ts';

/** Two moments differ by less than this from the time between them. */
const sameMs = 0.001;

/** Who is told of a limit keeps it in whole milliseconds, and is a turn or two of an event loop away. */
const passedOnMs = 10;

/** Of an answer that says that the time was over, passed on `lastedMs` after the request was whole: the route's own limit for all of it was just about to end it, and whoever is further in, who was told what was left, was first. '': it was not so, or nobody is known. */
export function limitPassedOnBy(lastedMs: number, route: Pick<RouteEntry, 'config' | 'forward'> | null): string {
  const { setBy = null } = route?.config ?? {};
  const forward = route === null ? null : route.forward;
  if (setBy === null || forward === null) return '';
  const limits = [forward.timeoutMs, forward.grpcTimeoutHeaderMaxMs];
  return limits.some((ms) => ms !== null && ms > 0 && Math.abs(ms - lastedMs) <= passedOnMs) ? setBy.timeout : '';
}

/** `lastedMs`: the limit that held. One that its caller asked for, or the connection manager has, is not what the route says. '': nobody is known. */
export function limitSetBy(
  limit: 'route' | 'try' | 'idle' | 'duration',
  lastedMs: number,
  route: RouteEntry | null,
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
