import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DnsMessage, flag, readMessage, recordType, writeMessage } from './dns-message.ts';
import { DnsFormatError, type DnsName, nameFromText, readName } from './dns-name.ts';

const label = fc.uint8Array({ minLength: 1, maxLength: 12 });
const name: fc.Arbitrary<DnsName> = fc.array(label, { maxLength: 8 }).map((labels) => {
  const wire = Buffer.concat([...labels.map((each) => Buffer.from([each.length, ...each])), Buffer.from([0])]);
  return readName(wire, 0).name;
});
const number16 = fc.integer({ min: 0, max: 65_535 });
const record = fc
  .record({
    name,
    type: number16,
    class: number16,
    ttl: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    data: fc.uint8Array(),
  })
  .map((each) => {
    const { a, aaaa, ns, cname, ptr, dname, mx, srv, soa } = recordType;
    const formed: readonly number[] = [a, aaaa, ns, cname, ptr, dname, mx, srv, soa];
    return { ...each, type: formed.includes(each.type) ? 16 : each.type, data: Buffer.from(each.data) };
  });
const message: fc.Arbitrary<DnsMessage> = fc.record({
  id: number16,
  flags: number16,
  questions: fc.array(fc.record({ name, type: number16, class: number16 }), { maxLength: 3 }),
  answers: fc.array(record, { maxLength: 3 }),
  authorities: fc.array(record, { maxLength: 2 }),
  additionals: fc.array(record, { maxLength: 2 }),
});

/** One question for `www.example.com`, A, IN. */
const question = Buffer.from(
  '1234010000010000000000000377777707657861 6d706c6503636f6d0000010001'.replaceAll(' ', ''),
  'hex',
);

function fault(bytes: Buffer): string {
  try {
    readMessage(bytes);
    return '';
  } catch (error) {
    if (error instanceof DnsFormatError) return error.message;
    throw error;
  }
}

describe('DNS messages (RFC 1035, 4)', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(message, (each) => {
        expect(readMessage(writeMessage(each))).toEqual(each);
      }),
    );
  });

  it('are read or refused, whatever comes: no other error, and nothing without end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        fault(Buffer.from(bytes));
      }),
      { numRuns: 1_000 },
    );
  });

  it('are read or refused when a byte of a good one changes, is lost, or comes on top', () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.integer({ min: 0, max: 255 }), (each, where, byte) => {
        const bytes = writeMessage(each);
        const at = where % bytes.length;
        const changed = Buffer.from(bytes);
        changed[at] = byte;
        fault(changed);
        expect(fault(bytes.subarray(0, at))).not.toBe('');
        expect(fault(Buffer.concat([bytes, Buffer.from([byte])]))).not.toBe('');
      }),
    );
  });

  it('have names without regard to case, in the case in which they came', () => {
    const shouted = Buffer.from(question);
    shouted[13] = 0x57;
    const [first] = readMessage(shouted).questions;
    expect(first).toMatchObject({ type: recordType.a, class: 1, name: { key: 'www.example.com' } });
    expect(first!.name.wire.toString('latin1')).toBe('\u0003Www\u0007example\u0003com\u0000');
  });

  it('have names in which a dot inside of a label is not the dot between two', () => {
    const odd = readName(Buffer.from([3, 0x61, 0x2e, 0x62, 1, 0x5c, 1, 0, 0]), 0).name;
    expect(odd.key).toBe('a\\.b.\\\\.\\000');
    expect(nameFromText('a.b').key).not.toBe(odd.key);
  });

  it('have answers whose owner is a pointer to the question', () => {
    const { questions } = readMessage(question);
    const answers = [
      { name: questions[0]!.name, type: recordType.a, class: 1, ttl: 30, data: Buffer.from([10, 1, 2, 3]) },
    ];
    const bytes = writeMessage({ id: 1, flags: flag.response, questions, answers, authorities: [], additionals: [] });
    expect(bytes.length).toBe(question.length + 2 + 10 + 4);
    expect(readMessage(bytes).answers).toEqual(answers);
  });

  const pointer = (bytes: readonly number[]): Buffer =>
    Buffer.concat([Buffer.from('123401000001000000000000', 'hex'), Buffer.from(bytes)]);

  it.each([
    ['to itself', [0xc0, 12, 0, 1, 0, 1], 'leads forwards, or to itself'],
    ['forwards', [0xc0, 14, 0, 1, 0, 1], 'leads forwards, or to itself'],
    ['round in a circle', [1, 0x61, 0xc0, 12, 0, 1, 0, 1], 'leads forwards, or to itself'],
    ['into the header', [0xc0, 2, 0, 1, 0, 1], 'leads into the header'],
    ['behind the message', [0xc0], 'ends behind the message'],
  ])('have no compressed name that leads %s', (_, bytes, why) => {
    expect(fault(pointer(bytes))).toContain(why);
  });

  it.each([
    [
      'of 256 bytes',
      [...Array.from({ length: 4 }, () => [63, ...Array.from({ length: 63 }, () => 0x61)]).flat(), 0, 0, 1, 0, 1],
      'more than 255',
    ],
    ['with a label of an unknown kind', [0x40, 0, 0, 1, 0, 1], 'a kind that does not exist'],
    ['without an end', [3, 0x61], 'ends behind the message'],
  ])('have no name %s', (_, bytes, why) => {
    expect(fault(pointer(bytes))).toContain(why);
  });

  it.each([
    ['A', recordType.a, [1, 2, 3]],
    ['AAAA', recordType.aaaa, [1, 2, 3, 4]],
    ['CNAME', recordType.cname, [1, 0x61, 0, 0]],
    ['MX', recordType.mx, [0, 1]],
    ['SRV', recordType.srv, [0, 0, 0, 0, 0, 0]],
    ['SOA', recordType.soa, [0, 0, 1, 2]],
  ])('have no %s record of another form', (_, type, data) => {
    const { questions } = readMessage(question);
    const answers = [{ name: questions[0]!.name, type, class: 1, ttl: 30, data: Buffer.from(data) }];
    const bytes = writeMessage({ id: 1, flags: flag.response, questions, answers, authorities: [], additionals: [] });
    expect(fault(bytes)).not.toBe('');
  });
});

describe('nameFromText', () => {
  it.each([
    ['orders..shop', 'a label of 0 bytes'],
    [`${'a'.repeat(64)}.shop`, 'a label of 64 bytes'],
    [Array.from({ length: 5 }, () => 'a'.repeat(60)).join('.'), 'longer than 253'],
  ])('refuses %s', (text, why) => {
    expect(() => nameFromText(text)).toThrow(why);
  });
});
