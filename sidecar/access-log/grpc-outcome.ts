/** The gRPC status of a record, told or inferred from the HTTP status as gRPC's "HTTP to gRPC Status Code Mapping" has it (as Envoy does in logs). */
import { grpcStatusOfHttp } from '../grpc/grpc-status.ts';
import type { LogRecord } from './log-record.ts';

const camel = ['OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists'].concat(
  ['PermissionDenied', 'ResourceExhausted', 'FailedPrecondition', 'Aborted', 'OutOfRange', 'Unimplemented'],
  ['Internal', 'Unavailable', 'DataLoss', 'Unauthenticated'],
);
const snake = [
  ...['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS'],
  ...['PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED'],
  ...['INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'],
];

/** -1: there is none, as it is no gRPC call. It may be a number that gRPC has not. */
export function grpcStatusOf(record: LogRecord): number {
  return record.grpc ? inferredGrpcStatus(record) : -1;
}

/** Whatever the request was. */
export function inferredGrpcStatus({ grpcStatus, status }: LogRecord): number {
  if (grpcStatus !== '') return Number(grpcStatus);
  if (status === 0) return -1;
  // A success that does not say how the call ended is none of gRPC's.
  return grpcStatusOfHttp(status) || 2;
}

/** Null for -1. One that gRPC has not is its number (Envoy). */
export function grpcStatusName(status: number, style: 'camel' | 'snake'): string | null {
  if (status < 0) return null;
  return (style === 'camel' ? camel : snake)[status] ?? String(status);
}
