/** A request's record as the protocol has it. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Duration, Timestamp } from '@bufbuild/protobuf/wkt';
import type { RecordedAttempt, RequestRecord as RecordedRequest } from '../recorder/request-record.ts';
import {
  type AttemptSchema,
  type RequestRecord,
  RequestRecordSchema,
} from '../xds/api/outrigger/observe/v1/observe_pb.js';

/** What was seen beside the record, as it may be shown. */
export interface SeenExchange {
  readonly requestHeaders: Record<string, string>;
  readonly responseHeaders: Record<string, string>;
  readonly requestBody: Uint8Array;
  readonly responseBody: Uint8Array;
}

export function encodeRecord(record: RecordedRequest, seen: Partial<SeenExchange> = {}): RequestRecord {
  const { phases } = record;
  return create(RequestRecordSchema, {
    requestId: record.requestId,
    traceId: record.traceId,
    spanId: record.spanId,
    parentSpanId: record.parentSpanId,
    service: record.service,
    nodeId: record.nodeId,
    direction: record.direction,
    listener: record.listener,
    started: timestamp(record.startedWallMs),
    duration: duration(record.durationMs),
    method: record.method,
    authority: record.authority,
    path: record.path,
    protocol: record.protocol,
    peerIdentity: record.peerIdentity,
    remoteAddress: record.remoteAddress,
    source: record.source,
    destination: record.destination,
    route: record.route,
    cluster: record.cluster,
    status: record.status,
    grpcStatus: record.grpcStatus,
    flags: record.flags,
    details: record.details,
    rule: record.rule,
    bytesReceived: BigInt(record.bytesReceived),
    bytesSent: BigInt(record.bytesSent),
    phases: {
      ...since('routed', phases.routedMs),
      ...since('admitted', phases.admittedMs),
      ...since('requestWhole', phases.requestWholeMs),
      ...since('firstByte', phases.firstByteMs),
      ...since('done', phases.doneMs),
    },
    attempts: record.attempts.map(attempt),
    passedOver: record.passedOver.map(({ host, why }) => ({ host, why })),
    kept: record.kept,
    circumstances: [...record.circumstances],
    ...seen,
  });
}

function attempt(each: RecordedAttempt): MessageInitShape<typeof AttemptSchema> {
  const { cluster, host, zone, status, flag, details, reused, why, spanId } = each;
  return {
    ...{ cluster, host, zone, status, flag, details, reused, why, spanId },
    ...since('started', each.startedMs),
    ...since('sent', each.sentMs),
    ...since('firstByte', each.firstByteMs),
    ...since('ended', each.endedMs),
  };
}

function since<Name extends string>(name: Name, ms: number): { [name in Name]?: Duration } {
  return ms < 0 ? {} : ({ [name]: duration(ms) } as { [name in Name]?: Duration });
}

/** Microseconds are as fine as anybody looks. */
export function duration(ms: number): Duration {
  const micros = Math.max(0, Math.round(ms * 1_000));
  return {
    $typeName: 'google.protobuf.Duration',
    seconds: BigInt(Math.floor(micros / 1_000_000)),
    nanos: (micros % 1_000_000) * 1_000,
  };
}

export function timestamp(wallMs: number): Timestamp {
  const micros = Math.max(0, Math.round(wallMs * 1_000));
  return {
    $typeName: 'google.protobuf.Timestamp',
    seconds: BigInt(Math.floor(micros / 1_000_000)),
    nanos: (micros % 1_000_000) * 1_000,
  };
}
