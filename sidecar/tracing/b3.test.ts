import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatB3Single, parseB3Multi, parseB3Single } from './b3.ts';

const traceId = '80f198ee56343ba864fe8b2a57d3eff7';
const spanId = 'e457b5a2e4d86bd1';

const hex = (digits: number): fc.Arbitrary<string> =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'), { minLength: digits, maxLength: digits })
    .map((each) => each.join(''))
    .filter((text) => !/^0+$/.test(text));

describe('b3 in one field', () => {
  test('what is written is read again', () => {
    fc.assert(
      fc.property(
        fc.oneof(hex(16), hex(32)),
        hex(16),
        fc.constantFrom(null, true, false),
        fc.boolean(),
        fc.oneof(fc.constant(''), hex(16)),
        (trace, span, decided, debug, parent) => {
          const context = { traceId: trace, spanId: span, sampled: debug ? true : decided, debug };
          expect(parseB3Single(formatB3Single(context, parent))).toEqual(context);
        },
      ),
    );
  });

  test('a decision may stand alone', () => {
    expect(parseB3Single('0')).toEqual({ traceId: '', spanId: '', sampled: false, debug: false });
    expect(parseB3Single('1')).toEqual({ traceId: '', spanId: '', sampled: true, debug: false });
    expect(parseB3Single('d')).toEqual({ traceId: '', spanId: '', sampled: true, debug: true });
  });

  test.each([
    '',
    '2',
    traceId,
    `${traceId}-`,
    `${traceId}-${spanId}-2`,
    `${traceId}-${spanId}-`,
    `${traceId}-${spanId}-1-`,
    `${traceId}-${spanId}-1-${spanId}-1`,
    `${traceId}-${spanId.slice(1)}-1`,
    `${traceId.slice(1)}-${spanId}-1`,
    `${traceId.toUpperCase()}-${spanId}-1`,
    `${'0'.repeat(32)}-${spanId}-1`,
    `${traceId}-${'0'.repeat(16)}-1`,
  ])('%s is refused', (text) => {
    expect(parseB3Single(text)).toBeNull();
  });

  test('any text is read as something valid, or not at all', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const parsed = parseB3Single(text);
        if (parsed !== null) expect(parsed.traceId).toMatch(/^(?:|[0-9a-f]{16}|[0-9a-f]{32})$/);
      }),
    );
  });
});

describe('b3 in several fields', () => {
  const ids = { traceId, spanId, sampled: undefined, flags: undefined };
  test('ids with and without a decision; old senders write words; debug decides', () => {
    expect(parseB3Multi(ids)).toEqual({ traceId, spanId, sampled: null, debug: false });
    expect(parseB3Multi({ ...ids, sampled: 'true' })?.sampled).toBe(true);
    expect(parseB3Multi({ ...ids, sampled: '0' })?.sampled).toBe(false);
    expect(parseB3Multi({ ...ids, sampled: '0', flags: '1' })).toEqual({ traceId, spanId, sampled: true, debug: true });
  });

  test('half of the ids is none; a decision alone counts; nothing is nothing', () => {
    expect(parseB3Multi({ ...ids, spanId: undefined, sampled: '1' })).toBeNull();
    expect(parseB3Multi({ ...ids, traceId: 'x', sampled: '1' })).toBeNull();
    expect(parseB3Multi({ traceId: undefined, spanId: undefined, sampled: '0', flags: undefined })).toEqual({
      ...{ traceId: '', spanId: '', sampled: false, debug: false },
    });
    expect(parseB3Multi({ traceId: undefined, spanId: undefined, sampled: undefined, flags: undefined })).toBeNull();
  });
});
