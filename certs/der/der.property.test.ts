import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DerReader, derTag } from './der-reader.ts';
import {
  derBitString,
  derBoolean,
  derElement,
  derInteger,
  derNamedBits,
  derOctetString,
  derOid,
  derSequence,
  derTime,
} from './der-writer.ts';

const bytes = fc.uint8Array({ maxLength: 400 });

function read(...octets: number[]): DerReader {
  return new DerReader(Uint8Array.from(octets));
}

describe('DER (X.690)', () => {
  it('reads what it writes: integers, octet and bit strings, booleans, named bits, times, nesting', () => {
    fc.assert(
      fc.property(
        bytes,
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.boolean(),
        fc.integer({ min: 0, max: 0xffff }),
        fc.integer({ min: 0, max: 4_000_000_000 }),
        (octets, number, truth, bits, seconds) => {
          const whole = derSequence(
            derOctetString(octets),
            derInteger(number),
            derBoolean(truth),
            derNamedBits(bits),
            derTime(seconds * 1000),
            derSequence(derBitString(octets)),
          );
          const outer = new DerReader(whole);
          const reader = outer.sequence();
          outer.end();
          expect(reader.octetString()).toEqual(octets);
          expect(BigInt(`0x${Buffer.from(reader.integer()).toString('hex')}`)).toBe(
            BigInt(`0x${Buffer.from(number).toString('hex')}`),
          );
          expect(reader.boolean()).toBe(truth);
          expect(reader.namedBits()).toBe(bits);
          expect(reader.timeMs()).toBe(seconds * 1000);
          expect(reader.sequence().bitString()).toEqual(octets);
          reader.end();
        },
      ),
    );
  });

  it('reads what it writes: object identifiers', () => {
    const arcs = fc.array(fc.integer({ min: 0, max: 2 ** 40 }), { maxLength: 7 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 39 }), arcs, (root, second, rest) => {
        const dotted = [root, second, ...rest].join('.');
        expect(new DerReader(derOid(dotted)).oid()).toBe(dotted);
      }),
    );
  });

  it('has one form only: whatever bytes it accepts as an element are the bytes that it would write', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (input) => {
        try {
          const { tag, contents, whole } = new DerReader(input).element();
          expect(derElement(tag, contents)).toEqual(whole);
        } catch (error) {
          expect(error).toMatchObject({ name: 'IdentityFault', reason: 'malformed' });
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['indefinite length', () => read(0x30, 0x80, 0, 0).sequence()],
    ['length in a long form that is not needed', () => read(0x04, 0x81, 0x01, 0).octetString()],
    ['length with a leading zero', () => read(0x04, 0x82, 0x00, 0x80).octetString()],
    ['length beyond the bytes', () => read(0x04, 0x05, 1).octetString()],
    ['length of four octets', () => read(0x04, 0x84, 1, 0, 0, 0).octetString()],
    ['tag number of several octets', () => read(0x1f, 0x81, 0x01, 0).element()],
    ['cut off after the tag', () => read(0x30).sequence()],
    ['wrong tag', () => read(0x31, 0).sequence()],
    ['bytes after the end', () => read(0x05, 0x00).end()],
    ['integer with a leading zero that is not needed', () => read(0x02, 0x02, 0x00, 0x01).integer()],
    ['integer with a leading FF that is not needed', () => read(0x02, 0x02, 0xff, 0x81).integer()],
    ['empty integer', () => read(0x02, 0x00).integer()],
    ['negative small integer', () => read(0x02, 0x01, 0xff).smallInteger()],
    ['boolean of BER', () => read(0x01, 0x01, 0x01).boolean()],
    ['object identifier with a padded arc', () => read(0x06, 0x03, 0x2a, 0x80, 0x01).oid()],
    ['object identifier that is cut off', () => read(0x06, 0x02, 0x2a, 0x86).oid()],
    ['bit string with unused bits where whole octets are expected', () => read(0x03, 0x02, 0x01, 0x80).bitString()],
    ['named bits with trailing zero bits', () => read(0x03, 0x02, 0x00, 0x80).namedBits()],
    ['named bits with padding that is not zero', () => read(0x03, 0x02, 0x06, 0xc1).namedBits()],
    ['empty bit string', () => read(0x03, 0x00).namedBits()],
    ['time without seconds', () => new DerReader(derElement(derTag.utcTime, Buffer.from('2601010000Z'))).timeMs()],
    ['time with an offset', () => new DerReader(derElement(derTag.utcTime, Buffer.from('260101000000+0100'))).timeMs()],
    ['31 February', () => new DerReader(derElement(derTag.utcTime, Buffer.from('260231000000Z'))).timeMs()],
    [
      'GeneralizedTime before 2050',
      () => new DerReader(derElement(derTag.generalizedTime, Buffer.from('20260101000000Z'))).timeMs(),
    ],
    ['time with a NUL', () => new DerReader(derElement(derTag.utcTime, Buffer.from('260101000000Z\0'))).timeMs()],
  ])('refuses: %s', (_, act) => {
    expect(act).toThrow(/not valid DER/);
  });

  it('reads times by RFC 5280 4.1.2.5: UTCTime for 1950 to 2049, GeneralizedTime from 2050', () => {
    for (const text of ['1950-01-01T00:00:00Z', '2049-12-31T23:59:59Z', '2050-01-01T00:00:00Z', '9999-12-31T23:59:59Z'])
      expect(new DerReader(derTime(Date.parse(text))).timeMs()).toBe(Date.parse(text));
  });
});
