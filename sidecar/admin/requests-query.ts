/** The query of `GET /requests`: which records, and how many. By the names of RequestFilter's fields in JSON. */
import { anyRequest, filterFault, type RequestFilter } from '../recorder/request-filter.ts';

export interface RequestsQuery {
  readonly filter: RequestFilter;
  readonly limit: number;
}

export const defaultLimit = 100;
const mostRequests = 1_000;
const texts = ['direction', 'source', 'destination', 'route', 'method', 'pathPrefix', 'status', 'flag'] as const;
const known: ReadonlySet<string> = new Set([...texts, 'errors', 'minDuration', 'limit']);

/** Text: what is wrong with it. */
export function parseRequestsQuery(query: URLSearchParams): RequestsQuery | string {
  for (const name of query.keys())
    if (!known.has(name)) return `${name}: is not known; there are ${[...known].join(', ')}`;
  const limit = query.get('limit') ?? String(defaultLimit);
  if (!/^\d{1,4}$/.test(limit) || Number(limit) < 1 || Number(limit) > mostRequests)
    return `limit: ${JSON.stringify(limit)} is not a number from 1 to ${mostRequests}`;
  const errors = query.get('errors');
  if (errors !== null && !['', '0', '1', 'false', 'true'].includes(errors))
    return `errors: ${JSON.stringify(errors)} is not true or false`;
  const shortest = query.get('minDuration') ?? '0s';
  const minDurationMs = durationMs(shortest);
  if (minDurationMs < 0) return `minDuration: ${JSON.stringify(shortest)} is not a duration; write it as 2s or 250ms`;
  const filter: RequestFilter = {
    ...anyRequest,
    ...Object.fromEntries(texts.map((name) => [name, query.get(name) ?? ''])),
    errors: errors !== null && errors !== '0' && errors !== 'false',
    minDurationMs,
  };
  const fault = filterFault(filter);
  return fault === '' ? { filter, limit: Number(limit) } : fault;
}

/** -1: it is none. */
function durationMs(text: string): number {
  const [, number = '', unit] = /^(\d{1,9}(?:\.\d{1,9})?)(ms|s)$/.exec(text) ?? [];
  if (number === '') return -1;
  return unit === 'ms' ? Number(number) : Number(number) * 1_000;
}
