/** Which records somebody wants: RequestFilter of proto/outrigger/observe/v1 as a plain value. What is empty allows all. */
import { isFailure, type RequestRecord } from './request-record.ts';

export interface RequestFilter {
  readonly direction: string;
  readonly source: string;
  readonly destination: string;
  readonly route: string;
  readonly method: string;
  readonly pathPrefix: string;
  /** `503`, `5xx`, `grpc:14`. */
  readonly status: string;
  readonly flag: string;
  readonly errors: boolean;
  readonly minDurationMs: number;
  /** Names in lower case → exact values, or '' for any. Looked at where there are heads only: in taps. */
  readonly headers: ReadonlyMap<string, string>;
}

export const anyRequest: RequestFilter = Object.freeze({
  direction: '',
  source: '',
  destination: '',
  route: '',
  method: '',
  pathPrefix: '',
  status: '',
  flag: '',
  errors: false,
  minDurationMs: 0,
  headers: new Map<string, string>(),
});

/** What is wrong with it, for who asks; '': nothing. */
export function filterFault({ direction, status, minDurationMs }: RequestFilter): string {
  if (direction !== '' && direction !== 'inbound' && direction !== 'outbound')
    return `direction: ${JSON.stringify(direction)} is not inbound or outbound`;
  if (status !== '' && !/^(?:[1-5]\d\d|[1-5]xx|grpc:(?:\d|1[0-6]))$/.test(status))
    return `status: ${JSON.stringify(status)} is not a status (503), a class (5xx) or a gRPC status (grpc:14)`;
  return Number.isFinite(minDurationMs) && minDurationMs >= 0 ? '' : 'minDuration: is not a duration';
}

/** Header fields aside. */
export function matchesFilter(record: RequestRecord, filter: RequestFilter): boolean {
  const { flags } = record;
  return (
    (filter.direction === '' || record.direction === filter.direction) &&
    (filter.source === '' || record.source === filter.source) &&
    (filter.destination === '' || record.destination === filter.destination) &&
    (filter.route === '' || record.route === filter.route) &&
    (filter.method === '' || record.method === filter.method) &&
    record.path.startsWith(filter.pathPrefix) &&
    (filter.status === '' || hasStatus(record, filter.status)) &&
    (filter.flag === '' || flags === filter.flag || flags.split(',').includes(filter.flag)) &&
    (!filter.errors || isFailure(record.status, record.grpcStatus, flags)) &&
    record.durationMs >= filter.minDurationMs
  );
}

function hasStatus({ status, grpcStatus }: RequestRecord, wanted: string): boolean {
  if (wanted.startsWith('grpc:')) return grpcStatus === wanted.slice(5);
  return wanted.endsWith('xx') ? Math.floor(status / 100) === Number(wanted[0]) : status === Number(wanted);
}
