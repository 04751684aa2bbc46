/** Faults that the router finds or retells: a missing cluster, no answer in time, no attempts left, an answer that was cut. */
import { ProxyError } from '../codec/proxy-error.ts';

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

/** `status`: the route's `cluster_not_found_response_code`. */
export function noCluster(name: string, status: number): ProxyError {
  const message = `There is no cluster ${name}.`;
  return new ProxyError({ flag: 'NC', source: 'local', details: 'cluster_not_found', message, status });
}

export function timedOut(timeoutMs: number): ProxyError {
  return new ProxyError({
    flag: 'UT',
    source: 'upstream',
    details: 'upstream_response_timeout',
    message: `The service did not answer within ${Math.round(timeoutMs)} ms.`,
    http2Code: cancelCode,
  });
}

/** `last`: how the last attempt failed. */
export function retriesExhausted(last: ProxyError, attempts: number): ProxyError {
  return new ProxyError({
    flag: 'URX',
    source: last.source,
    details: last.details,
    message: `${last.message} ${attempts} attempts were made.`,
    status: last.status,
    http2Code: last.http2Code,
  });
}

const before = 'upstream_reset_before_response_started';

/** The same fault, told as one that met a response under way. */
export function afterStart(error: ProxyError): ProxyError {
  if (!error.details.startsWith(before)) return error;
  return new ProxyError({
    flag: error.flag,
    source: error.source,
    details: `upstream_reset_after_response_started${error.details.slice(before.length)}`,
    message: error.message,
    http2Code: error.http2Code,
  });
}
