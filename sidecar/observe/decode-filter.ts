/** A filter of the protocol as the flight recorder takes it. */
import type { HeaderFields } from '../codec/header-fields.ts';
import { anyRequest, filterFault, type RequestFilter } from '../recorder/request-filter.ts';
import type { RequestFilter as FilterMessage } from '../xds/api/outrigger/observe/v1/observe_pb.js';
import { QueryFault } from './query-fault.ts';

/** Absent: all. Throws {@link QueryFault} for what is no filter. */
export function decodeFilter(message: FilterMessage | undefined): RequestFilter {
  if (message === undefined) return anyRequest;
  const { minDuration, headers } = message;
  const filter: RequestFilter = {
    direction: message.direction,
    source: message.source,
    destination: message.destination,
    route: message.route,
    method: message.method,
    pathPrefix: message.pathPrefix,
    status: message.status,
    flag: message.flag,
    errors: message.errors,
    minDurationMs: minDuration === undefined ? 0 : Number(minDuration.seconds) * 1_000 + minDuration.nanos / 1_000_000,
    headers: new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
  };
  const fault = filterFault(filter);
  if (fault !== '') throw new QueryFault(fault);
  return filter;
}

/** That a request has all header fields of a filter. */
export function hasHeaders(fields: HeaderFields, { headers }: RequestFilter): boolean {
  for (const [name, value] of headers) {
    const values = fields.getAll(name);
    if (value === '' ? values.length === 0 : !values.includes(value)) return false;
  }
  return true;
}
