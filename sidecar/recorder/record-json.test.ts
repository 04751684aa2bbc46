import { fromJson, toJson } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RequestRecordSchema } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import { recordJson } from './record-json.ts';
import { recordedAttempt, requestRecord } from './test/records.ts';

type Message = Parameters<typeof fromJson>[1];

test('is what protobuf makes of the message of the same fields', () => {
  const record = requestRecord({
    ...{ status: 503, grpcStatus: '14', flags: 'UF,URX', traceId: 'a'.repeat(32), durationMs: 1_234.567 },
    bytesReceived: 2 ** 40,
    attempts: [
      recordedAttempt(),
      recordedAttempt({ why: 'policy', sentMs: -1, firstByteMs: -1, status: 0, flag: 'UF' }),
    ],
    passedOver: [{ host: '10.0.0.9:80', why: 'draining' }],
    circumstances: ['one', 'two'],
  });
  const json = recordJson(record);
  expect(toJson(RequestRecordSchema, fromJson(RequestRecordSchema, json as Message))).toEqual(json);
  expect(json).toMatchObject({
    started: '2026-09-21T14:13:20Z',
    duration: '1.234567s',
    bytesReceived: String(2 ** 40),
    attempts: [
      { sent: '0.000500s', reused: true },
      { why: 'policy', flag: 'UF' },
    ],
  });
});

test('any time is written as protobuf writes it; what did not come is not there', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (ms) => {
      const json = recordJson(requestRecord({ durationMs: Math.round(ms * 1_000) / 1_000 }));
      const message = fromJson(RequestRecordSchema, json as Message);
      expect((toJson(RequestRecordSchema, message) as { duration?: string }).duration).toBe(json['duration']);
    }),
  );
  const { phases } = recordJson(
    requestRecord({ phases: { routedMs: 0, admittedMs: -1, requestWholeMs: -1, firstByteMs: -1, doneMs: 3 } }),
  );
  expect(phases).toEqual({ routed: '0s', done: '0.003s' });
});
