/** Why the connection manager itself ends a stream: no route, or out of time. Faults of upstreams are born where they happen. */
import type { RequestHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';

/** RFC 9113 7. */
const cancelCode = 8;

/** For what still runs when a stream ended in order. */
export const streamOver = new ProxyError({
  flag: '',
  source: 'local',
  details: 'stream_over',
  message: 'The stream is over.',
  http2Code: cancelCode,
});

/** `waiting`: RDS has given no routes yet. */
export function noRoute(head: RequestHead, waiting: boolean): ProxyError {
  const message = waiting
    ? 'The routes of this listener have not come from the control plane yet.'
    : `No route matches host ${JSON.stringify(head.authority.slice(0, 128))} and this path.`;
  return new ProxyError({ flag: 'NR', source: 'local', details: 'route_not_found', message });
}

/** A time limit of the stream's own has passed. Who has not sent its request yet is late itself (408); else the service is (504), as in Envoy. `rule`: who set the limit; ''. */
export function overdue(
  limit: 'duration' | 'request' | 'idle',
  requestEnded: boolean,
  idleMs: number,
  rule: string,
): ProxyError {
  const status = requestEnded ? 504 : 408;
  switch (limit) {
    case 'duration':
      return new ProxyError({
        flag: 'UMSDR',
        source: 'local',
        details: 'max_duration_timeout',
        message: 'The request took longer than its maximum duration.',
        rule,
        status,
        http2Code: cancelCode,
      });
    case 'request':
      return new ProxyError({
        flag: 'DPE',
        source: 'downstream',
        details: 'request_overall_timeout',
        message: 'The request was not received whole in time.',
        status: 408,
        http2Code: cancelCode,
      });
    case 'idle':
      return new ProxyError({
        flag: 'SI',
        source: 'local',
        details: 'stream_idle_timeout',
        message: `Nothing was sent in either direction for ${idleMs / 1000} s.`,
        rule,
        status,
        http2Code: cancelCode,
      });
  }
}

/** Flags that Envoy writes before the one of a delay. */
const beforeDelay: ReadonlySet<string> = new Set(['UH', 'UT', 'LR', 'UR', 'UF', 'UC', 'UO', 'NR']);

/** The flags of a request that was held up on purpose, in Envoy's order. */
export function withDelay(flag: string): string {
  if (flag === '') return 'DI';
  return beforeDelay.has(flag) ? `${flag},DI` : `DI,${flag}`;
}
