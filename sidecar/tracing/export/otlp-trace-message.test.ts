import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { ProtobufWriter } from '../../../metrics/protobuf-writer.ts';
import type { Span, SpanAttribute } from '../span.ts';
import { encodeSpan, writeTraces } from './otlp-trace-message.ts';
import { span } from './test/spans.ts';

/** The part of opentelemetry-proto that is written, for a decoder that is not ours. Names and numbers are the protocol's. */
const schema = `syntax = "proto3";
message Request { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Resource { repeated KeyValue attributes = 1; }
message ScopeSpans { Scope scope = 1; repeated Span spans = 2; }
message Scope { string name = 1; string version = 2; }
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }
message Span {
  bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
  fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9; repeated Event events = 11;
  Status status = 15; fixed32 flags = 16;
}
message Event { fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3; }
message Status { string message = 2; int32 code = 3; }`;
const { root } = protobuf.parse(schema);
const requestType = root.lookupType('Request');

const resource = { attributes: [['service.name', 'orders']], scopeName: 'outrigger', scopeVersion: '1' } as const;

interface Decoded {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: unknown;
    readonly scopeSpans: ReadonlyArray<{
      readonly scope: unknown;
      readonly spans: ReadonlyArray<Record<string, unknown>>;
    }>;
  }>;
}

function decoded(spans: readonly Span[]): Decoded {
  const bytes = Buffer.concat(spans.map((each) => Buffer.from(encodeSpan(each))));
  const out = new ProtobufWriter();
  // The pieces of a batch may begin and end anywhere.
  const cut = bytes.length >> 1;
  writeTraces(out, [bytes.subarray(0, cut), bytes.subarray(cut)], resource);
  return requestType.toObject(requestType.decode(out.finish()), {
    longs: String,
    bytes: String,
  }) as unknown as Decoded;
}

function decodedSpan(one: Span): Record<string, unknown> {
  return decoded([one]).resourceSpans[0]!.scopeSpans[0]!.spans[0]!;
}

describe('spans as OTLP', () => {
  it('have every field of theirs, as another decoder reads it', () => {
    const said = decodedSpan(
      span({
        parentSpanId: '00f067aa0ba902b7',
        traceState: 'congo=t61rcWkgMzE',
        kind: 'client',
        attributes: [
          ['http.request.method', 'GET'],
          ['http.response.status_code', 503],
          ['outrigger.secured', true],
          ['outrigger.share', 0.25],
          ['outrigger.offset', -3],
          ['empty', ''],
        ],
        events: [{ atWallMs: 1_790_000_000_001, name: 'routed', attributes: [['route', 'a']] }],
        failed: true,
        statusMessage: 'UH',
      }),
    );
    expect(said).toEqual({
      traceId: Buffer.from('0af7651916cd43dd8448eb211c80319c', 'hex').toString('base64'),
      spanId: Buffer.from('b7ad6b7169203331', 'hex').toString('base64'),
      parentSpanId: Buffer.from('00f067aa0ba902b7', 'hex').toString('base64'),
      traceState: 'congo=t61rcWkgMzE',
      name: 'GET',
      kind: 3,
      startTimeUnixNano: '1790000000000125000',
      endTimeUnixNano: '1790000000005500000',
      attributes: [
        { key: 'http.request.method', value: { stringValue: 'GET' } },
        { key: 'http.response.status_code', value: { intValue: '503' } },
        { key: 'outrigger.secured', value: { boolValue: true } },
        { key: 'outrigger.share', value: { doubleValue: 0.25 } },
        { key: 'outrigger.offset', value: { intValue: '-3' } },
        { key: 'empty', value: { stringValue: '' } },
      ],
      events: [
        {
          timeUnixNano: '1790000000001000000',
          name: 'routed',
          attributes: [{ key: 'route', value: { stringValue: 'a' } }],
        },
      ],
      status: { message: 'UH', code: 2 },
      flags: 1,
    });
  });

  it('stand under one resource and one scope', () => {
    const [first, ...rest] = decoded([span(), span()]).resourceSpans;
    expect(rest).toEqual([]);
    expect(first!.resource).toEqual({ attributes: [{ key: 'service.name', value: { stringValue: 'orders' } }] });
    expect(first!.scopeSpans).toHaveLength(1);
    expect(first!.scopeSpans[0]!.scope).toEqual({ name: 'outrigger', version: '1' });
    expect(first!.scopeSpans[0]!.spans).toHaveLength(2);
  });

  it('end no earlier than they begin, whatever the wall clock did', () => {
    const said = decodedSpan(span({ startWallMs: 2000, endWallMs: 1000 }));
    expect(said['endTimeUnixNano']).toBe('2000000000');
  });

  it('of any length and content are read as they were written (lengths of one, two and three bytes)', () => {
    const value = fc.oneof(fc.string({ maxLength: 20_000, unit: 'grapheme' }), fc.boolean(), fc.maxSafeInteger());
    const attribute = fc.tuple(fc.string({ minLength: 1, maxLength: 200 }), value);
    fc.assert(
      fc.property(fc.array(attribute, { maxLength: 12 }), (attributes: SpanAttribute[]) => {
        const said = decodedSpan(span({ attributes })) as {
          attributes?: Array<{ key: string; value: Record<string, unknown> }>;
        };
        const read = (said.attributes ?? []).map(({ key, value: any }) => [key, Object.values(any)[0]]);
        expect(read).toEqual(attributes.map(([name, each]) => [name, typeof each === 'number' ? String(each) : each]));
      }),
      { numRuns: 60 },
    );
  });
});
