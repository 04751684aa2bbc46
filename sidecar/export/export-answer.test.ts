import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { decodeExportAnswer } from './export-answer.ts';

/** Of opentelemetry-proto, for an encoder that is not ours. */
const schema = `syntax = "proto3";
message Answer { PartialSuccess partial_success = 1; }
message PartialSuccess { int64 rejected_spans = 1; string error_message = 2; }`;
const answerType = protobuf.parse(schema).root.lookupType('Answer');

describe("a collector's answer", () => {
  it('that is empty says that all were taken', () => {
    expect(decodeExportAnswer(Buffer.alloc(0))).toEqual({ rejected: 0, message: '' });
  });

  it('says how many were not, and why', () => {
    const bytes = answerType
      .encode(answerType.create({ partialSuccess: { rejectedSpans: 300, errorMessage: 'too old' } }))
      .finish();
    expect(decodeExportAnswer(Buffer.from(bytes))).toEqual({ rejected: 300, message: 'too old' });
  });

  it('of any bytes is read or refused, and never goes on for ever', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          expect(decodeExportAnswer(Buffer.from(bytes)).message.length).toBeLessThanOrEqual(256);
        } catch (error) {
          expect((error as Error).message).toMatch(/protobuf/);
        }
      }),
    );
  });
});
