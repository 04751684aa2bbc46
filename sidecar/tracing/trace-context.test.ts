import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import type { PropagationFormat } from '../config/tracing-config.ts';
import { RequestTrace } from './request-trace.ts';
import { passingTraceId, readTraceContext } from './trace-context.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';
const parent = `00-${traceId}-${spanId}-01`;
const short = '463ac35c9f6413ad';

function continued(
  fields: HeaderFields,
  formats: readonly PropagationFormat[],
  sampled: boolean | null = null,
  trusted = true,
) {
  const incoming = readTraceContext(fields, formats);
  const trace = new RequestTrace(
    { formats, spanPerAttempt: true },
    incoming,
    sampled ?? incoming.sampled ?? false,
    trusted,
  );
  return { trace, attempt: trace.continueIn(fields), out: new Map(fields.pairs()) };
}

describe('W3C', () => {
  test('the trace goes on with a span of its own, and tracestate as it came', () => {
    const fields = HeaderFields.of(['Traceparent', parent], ['tracestate', 'b=2'], ['TraceState', 'a=1'], ['x', 'y']);
    const { trace, attempt, out } = continued(fields, ['w3c']);
    expect(trace).toMatchObject({ traceId, parentSpanId: spanId, sampled: true });
    expect(attempt).not.toBe(trace.spanId);
    expect(out).toEqual(
      new Map([
        ['Traceparent', `00-${traceId}-${attempt}-01`],
        ['tracestate', 'b=2,a=1'],
        ['x', 'y'],
      ]),
    );
  });

  test('what is not valid, or stands twice, begins anew, and tracestate goes', () => {
    for (const fields of [
      HeaderFields.of(['traceparent', parent.replace('00-', 'ff-')], ['tracestate', 'a=1']),
      HeaderFields.of(['traceparent', parent], ['traceparent', parent], ['tracestate', 'a=1']),
      HeaderFields.of(['tracestate', 'a=1']),
    ]) {
      const { trace, attempt, out } = continued(fields, ['w3c'], true);
      expect(trace.parentSpanId).toBe('');
      expect(trace.traceId).toMatch(/^(?!4bf92f)[0-9a-f]{32}$/);
      expect(out).toEqual(new Map([['traceparent', `00-${trace.traceId}-${attempt}-01`]]));
    }
  });
});

describe('B3', () => {
  test('a trace id of 16 digits is one of 32 here, and of 16 on the wire again', () => {
    const fields = HeaderFields.of(['b3', `${short}-${spanId}-1`]);
    const { trace, attempt, out } = continued(fields, ['b3', 'w3c']);
    expect(trace.traceId).toBe(`0000000000000000${short}`);
    expect(out.get('b3')).toBe(`${short}-${attempt}-1-${trace.spanId}`);
    expect(out.get('traceparent')).toBe(`00-0000000000000000${short}-${attempt}-01`);
  });

  test('in several fields; debug stands instead of the decision', () => {
    const ids = [
      ['X-B3-TraceId', traceId],
      ['X-B3-SpanId', spanId],
      ['X-B3-ParentSpanId', short],
    ] as const;
    const { trace, attempt, out } = continued(HeaderFields.of(...ids, ['X-B3-Sampled', '0']), ['b3multi']);
    expect(Object.fromEntries(out)).toEqual({
      'X-B3-TraceId': traceId,
      'X-B3-SpanId': attempt,
      'X-B3-ParentSpanId': trace.spanId,
      'X-B3-Sampled': '0',
    });
    const debug = continued(HeaderFields.of(...ids, ['X-B3-Flags', '1']), ['b3multi']);
    expect(debug.out.get('X-B3-Flags')).toBe('1');
    expect(debug.out.has('x-b3-sampled')).toBe(false);
    expect(debug.trace.sampled).toBe(true);
  });

  test('debug of a stranger, or of a request that is not traced, goes no further: the next hop would trace all of them', () => {
    const multi = () => HeaderFields.of(['X-B3-TraceId', traceId], ['X-B3-SpanId', spanId], ['X-B3-Flags', '1']);
    const single = () => HeaderFields.of(['b3', `${traceId}-${spanId}-d`]);
    for (const sampled of [true, false]) {
      const { out } = continued(multi(), ['b3multi'], sampled, false);
      expect(out.has('X-B3-Flags')).toBe(false);
      expect(out.get('x-b3-sampled')).toBe(sampled ? '1' : '0');
      expect(continued(single(), ['b3'], sampled, false).out.get('b3')).toMatch(sampled ? /-1-/ : /-0-/);
    }
    expect(continued(single(), ['b3'], false, true).out.get('b3')).toMatch(/-0-/);
  });

  test('a decision without ids is kept, and the trace begins here', () => {
    const { trace, attempt, out } = continued(HeaderFields.of(['b3', '0']), ['b3']);
    expect(trace.parentSpanId).toBe('');
    expect(out.get('b3')).toBe(`${trace.traceId}-${attempt}-0-${trace.spanId}`);
  });
});

test('the first of the configured formats that is there counts, and all are written', () => {
  const fields = HeaderFields.of(['b3', `${'a'.repeat(32)}-${spanId}-0`], ['traceparent', parent]);
  const { trace, out } = continued(fields, ['w3c', 'b3', 'b3multi']);
  expect(trace.traceId).toBe(traceId);
  expect([...out.keys()].toSorted()).toEqual([
    'b3',
    'traceparent',
    'x-b3-parentspanid',
    'x-b3-sampled',
    'x-b3-spanid',
    'x-b3-traceid',
  ]);
});

test('without spans of attempts every attempt carries the id of the request’s span', () => {
  const fields = HeaderFields.of(['b3', `${traceId}-${spanId}-1`]);
  const propagation = { formats: ['b3'], spanPerAttempt: false } as const;
  const trace = new RequestTrace(propagation, readTraceContext(fields, ['b3']), true, true);
  expect(trace.continueIn(fields)).toBe(trace.spanId);
  expect(fields.get('b3')).toBe(`${traceId}-${trace.spanId}-1-${spanId}`);
});

test('whatever callers send, what goes on is one valid trace', () => {
  const name = fc.constantFrom('traceparent', 'tracestate', 'b3', 'x-b3-traceid', 'x-b3-spanid', 'x-b3-sampled');
  const value = fc.oneof(
    fc.string(),
    fc.constantFrom(parent, spanId, traceId, short, '1', 'd', `${traceId}-${spanId}`),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 8 }), (pairs) => {
      const formats = ['w3c', 'b3', 'b3multi'] as const;
      const fields = HeaderFields.of(...pairs);
      const { trace, attempt } = continued(fields, formats, true);
      const again = readTraceContext(fields, ['w3c']);
      expect(again).toMatchObject({ traceId: trace.traceId, parentSpanId: attempt, sampled: true });
      expect(fields.getAll('traceparent').length).toBe(1);
      for (const format of ['b3', 'b3multi'] as const)
        expect(readTraceContext(fields, [format])).toMatchObject({ traceId: trace.traceId, parentSpanId: attempt });
    }),
  );
});

test('the trace of a request that only passes is known by what it carries', () => {
  expect(passingTraceId(HeaderFields.of(['traceparent', parent]))).toBe(traceId);
  expect(passingTraceId(HeaderFields.of(['b3', `${short}-${spanId}`]))).toBe(`0000000000000000${short}`);
  expect(passingTraceId(HeaderFields.of(['x-b3-traceid', traceId]))).toBe(traceId);
  expect(passingTraceId(HeaderFields.of(['x-b3-traceid', 'x'.repeat(60_000)]))).toBe('');
  expect(passingTraceId(HeaderFields.of(['traceparent', 'nonsense']))).toBe('');
});
