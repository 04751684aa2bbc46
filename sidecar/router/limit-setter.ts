/** Who set the time limit that ended a request: the policy or route that the answer, the log and the record name. Looked up only then. */
import type { RouteEntry } from './route-entry.ts';

/** Two moments differ by less than this from the time between them. */
const sameMs = 0.001;

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
