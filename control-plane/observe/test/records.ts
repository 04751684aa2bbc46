/** Records of hops for tests. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Duration } from '@bufbuild/protobuf/wkt';
import {
  type AttemptSchema,
  type RequestRecord,
  RequestRecordSchema,
} from '../../../proto/generated/outrigger/observe/v1/observe_pb.js';

type Init = MessageInitShape<typeof RequestRecordSchema>;

/** 2026-11-29 12:03:41 UTC. */
export const noonMs = Date.UTC(2026, 10, 29, 12, 3, 41, 512);

export function ms(value: number): Duration {
  return {
    $typeName: 'google.protobuf.Duration',
    seconds: BigInt(Math.floor(value / 1_000)),
    nanos: Math.round((value % 1_000) * 1_000_000),
  };
}

/** `atMs`: since noon. */
export function outbound(from: string, to: string, atMs: number, tookMs: number, more: Init = {}): RequestRecord {
  return record(atMs, tookMs, {
    direction: 'outbound',
    service: `shop/${from}`,
    nodeId: `${from}-1`,
    source: `shop/${from}`,
    destination: `shop/${to}`,
    route: `shop/${to}#rule-0`,
    cluster: `outbound|80||${to}.shop`,
    attempts: [attempt('10.0.0.1:8080', 0.1, tookMs)],
    ...more,
  });
}

export function inbound(at: string, from: string, atMs: number, tookMs: number, more: Init = {}): RequestRecord {
  return record(atMs, tookMs, {
    direction: 'inbound',
    service: `shop/${at}`,
    nodeId: `${at}-1`,
    source: from === '' ? 'unknown' : `shop/${from}`,
    destination: `shop/${at}`,
    cluster: 'inbound|8080||',
    remoteAddress: '10.0.0.9:51000',
    attempts: [attempt('127.0.0.1:8080', 0.1, tookMs)],
    ...more,
  });
}

export function attempt(
  host: string,
  startedMs: number,
  endedMs: number,
  more: MessageInitShape<typeof AttemptSchema> = {},
): MessageInitShape<typeof AttemptSchema> {
  return {
    ...{ host, started: ms(startedMs), sent: ms(startedMs + 0.1), ended: ms(endedMs), status: 200, why: 'first' },
    ...more,
  };
}

function record(atMs: number, tookMs: number, more: Init): RequestRecord {
  const wall = noonMs + atMs;
  return create(RequestRecordSchema, {
    requestId: 'r-1',
    method: 'GET',
    path: '/buy/42',
    authority: 'shop',
    protocol: 'HTTP/1.1',
    status: 200,
    details: 'via_upstream',
    started: {
      $typeName: 'google.protobuf.Timestamp',
      seconds: BigInt(Math.floor(wall / 1_000)),
      nanos: Math.round((wall % 1_000) * 1_000_000),
    },
    duration: ms(tookMs),
    phases: {
      $typeName: 'outrigger.observe.v1.Phases',
      ...{ routed: ms(0.05), admitted: ms(0.05), firstByte: ms(tookMs), done: ms(tookMs) },
    },
    ...(more as object),
  });
}
