import { create, toJson } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import {
  type Answer,
  AnswerSchema,
  type RequestRecord,
  RequestRecordSchema,
} from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import { AttendingProxy } from './attending-proxy.ts';
import { explain } from './explain/explain.ts';
import { outbound } from './test/records.ts';

/** As who asked gets it. */
function answered(record: RequestRecord): RequestRecord {
  const proxy = new AttendingProxy({ nodeId: 'a-1', service: 'shop/a', identity: '' }, () => {});
  const answers: Answer[] = [];
  proxy.ask({ case: 'listBreakers', value: {} }, { onAnswer: (answer) => answers.push(answer), onGone: () => {} });
  proxy.onAnswer(create(AnswerSchema, { queryId: 1n, requests: [record] }));
  return answers[0]!.requests[0]!;
}

const far = 2n ** 60n;

test.each([
  ['far in the future', { seconds: far, nanos: 5 }, '9999-12-31T23:59:59.000000005Z'],
  ['before all time', { seconds: -far, nanos: 5 }, '1970-01-01T00:00:00Z'],
  ['with less than no nanoseconds', { seconds: 1n, nanos: -1 }, '1970-01-01T00:00:01Z'],
  ['with more nanoseconds than a second has', { seconds: 1n, nanos: 2_000_000_000 }, '1970-01-01T00:00:01.999999999Z'],
])('a time %s can be told, and explained', (_, { seconds, nanos }, told) => {
  const record = answered(
    outbound('a', 'b', 0, 1, { started: { $typeName: 'google.protobuf.Timestamp', seconds, nanos } }),
  );
  expect(toJson(RequestRecordSchema, record)).toMatchObject({ started: told });
  expect(() => explain([record])).not.toThrow();
});

test.each([
  ['longer than there are', { seconds: far, nanos: 0 }, '315576000000s'],
  ['less than none', { seconds: -far, nanos: -5 }, '0s'],
  ['of two signs', { seconds: 1n, nanos: -5 }, '1s'],
  ['with more nanoseconds than a second has', { seconds: 0n, nanos: 2_000_000_000 }, '0.999999999s'],
])('a duration %s can be told, wherever it is', (_, time, told) => {
  const wrong = { ...durationFromMs(0), ...time };
  const each = (): typeof wrong => ({ ...wrong });
  const record = answered(
    outbound('a', 'b', 0, 1, {
      duration: each(),
      phases: {
        $typeName: 'outrigger.observe.v1.Phases',
        ...{ routed: each(), admitted: each(), requestWhole: each(), firstByte: each(), done: each() },
      },
      attempts: [{ started: each(), sent: each(), firstByte: each(), ended: each() }],
    }),
  );
  expect(toJson(RequestRecordSchema, record)).toMatchObject({
    duration: told,
    phases: { routed: told, admitted: told, requestWhole: told, firstByte: told, done: told },
    attempts: [{ started: told, sent: told, firstByte: told, ended: told }],
  });
});
