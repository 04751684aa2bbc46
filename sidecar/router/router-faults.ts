/** Faults that the router finds or retells: a missing cluster, no answer in time, no attempts left, a body too long to be sent again, an answer that was cut. */
import { ProxyError } from '../codec/proxy-error.ts';
import type { RouteSettersConfig } from '../config/route-config.ts';

/** RFC 9113 7. */
const cancelCode = 8;

/** For an upstream that has answered and still waits for the rest of the request. */
export const cutShort = new ProxyError({
  flag: 'LR',
  source: 'local',
  details: 'request_cut_short',
  message: 'The response ended before the request was whole.',
  http2Code: cancelCode,
});

/** `status`: the route's `cluster_not_found_response_code`. `setBy`: of the route. */
export function noCluster(name: string, status: number, setBy: RouteSettersConfig | null = null): ProxyError {
  const isBackend = setBy !== null && setBy.missingCluster === name;
  const rule = isBackend ? setBy.backend : '';
  const message =
    isBackend && setBy.missing !== ''
      ? `A backend is missing: ${setBy.missing} (cluster ${name}).`
      : `There is no cluster ${name}.`;
  return new ProxyError({ flag: 'NC', source: 'local', details: 'cluster_not_found', message, rule, status });
}

/** `status`: 0 for what the flag says (504). `rule`: who set the limit; ''. */
export function timedOut(timeoutMs: number, status: number, rule: string): ProxyError {
  return new ProxyError({
    flag: 'UT',
    source: 'upstream',
    details: 'response_timeout',
    message: `The service did not answer within ${Math.round(timeoutMs)} ms.`,
    rule,
    status,
    http2Code: cancelCode,
  });
}

export function tryTimedOut(kind: 'try' | 'try-idle', limitMs: number, status: number, rule: string): ProxyError {
  return new ProxyError({
    flag: 'UT',
    source: 'upstream',
    details: kind === 'try' ? 'upstream_per_try_timeout' : 'upstream_per_try_idle_timeout',
    message:
      kind === 'try'
        ? `The service did not answer within the ${Math.round(limitMs)} ms that one try may take.`
        : `The service sent nothing for the ${Math.round(limitMs)} ms that one try may be silent.`,
    rule,
    status,
    http2Code: cancelCode,
  });
}

/** `requestEnded`: who has not sent its request yet is late itself. */
export function tryTooLong(requestEnded: boolean): ProxyError {
  return new ProxyError({
    flag: 'UMSDR',
    source: 'upstream',
    details: 'upstream_max_stream_duration_reached',
    message: 'The request took longer than a stream to this service may (max_stream_duration).',
    status: requestEnded ? 504 : 408,
    http2Code: cancelCode,
  });
}

/** For an attempt whose answer nobody wants: it is retried, or another attempt was answered first. */
export const notWanted = new ProxyError({
  flag: 'LR',
  source: 'local',
  details: 'attempt_not_wanted',
  message: 'Another attempt took the place of this one.',
  http2Code: cancelCode,
});

/** `last`: how the last attempt failed. `flag`: why there is no other. */
export function notRetried(last: ProxyError, flag: 'URX' | 'UO', attempts: number): ProxyError {
  const why =
    flag === 'URX'
      ? `${attempts} attempts were made.`
      : 'It was not sent again: too many retries to this service are in flight.';
  return retold(last, last.details, `${last.message} ${why}`);
}

/** A retry would have followed if the body were still there. */
export function tooLongToRetry(last: ProxyError, limitBytes: number): ProxyError {
  return retold(
    last,
    last.details,
    `${last.message} It was not sent again: its body is longer than the ${limitBytes} bytes that are kept for that.`,
  );
}

/** The fallback failed too. `first`: how the service did. */
export function fallbackFailed(first: ProxyError, second: ProxyError, cluster: string): ProxyError {
  return retold(first, first.details, `${first.message} Its fallback ${cluster} failed too: ${second.message}`);
}

function retold(last: ProxyError, details: string, message: string): ProxyError {
  return new ProxyError({
    flag: last.flag,
    source: last.source,
    details,
    message,
    rule: last.rule,
    status: last.status,
    http2Code: last.http2Code,
  });
}

const before = 'upstream_reset_before_response_started';

/** The same fault, told as one that met a response under way. */
export function afterStart(error: ProxyError): ProxyError {
  if (!error.details.startsWith(before)) return error;
  return retold(error, `upstream_reset_after_response_started${error.details.slice(before.length)}`, error.message);
}
