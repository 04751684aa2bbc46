/** HPACK against the examples of RFC 7541 Appendix C, and round trips. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeaderFields } from '../../codec/header-fields.ts';
import { ConnectionFault } from '../connection-fault.ts';
import { compressionError } from '../error-code.ts';
import { encodeTrailers } from '../head-encoding.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { blockScratch, HpackEncoder } from './hpack-encoder.ts';
import { codeLengths } from './huffman-code.ts';
import { decodeHuffman } from './huffman-decode.ts';
import { encodeHuffman, huffmanLength } from './huffman-encode.ts';

function decodeHex(decoder: HpackDecoder, hex: string): string[] {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const block = decoder.decode(bytes, 0, bytes.length);
  return block.names.map((name, i) => `${name.name.raw}: ${block.values[i]}`);
}

function newDecoder(): HpackDecoder {
  return new HpackDecoder(65_536, 200);
}

function encode(encoder: HpackEncoder, fields: ReadonlyArray<readonly [string, string]>): Buffer {
  encoder.begin();
  for (const [name, value] of fields) encoder.add(name, value);
  return Buffer.from(blockScratch.buffer.subarray(0, encoder.end()));
}

describe('Huffman code (RFC 7541 5.2, Appendix B)', () => {
  it('is complete: the lengths fill the code space exactly', () => {
    expect(codeLengths.length).toBe(257);
    expect(codeLengths.reduce((sum, bits) => sum + 2 ** -bits, 0)).toBe(1);
  });

  it('encodes the strings of Appendix C.4', () => {
    const target = Buffer.alloc(32);
    for (const [text, hex] of [
      ['www.example.com', 'f1e3c2e5f23a6ba0ab90f4ff'],
      ['no-cache', 'a8eb10649cbf'],
      ['custom-value', '25a849e95bb8e8b4bf'],
    ] as const) {
      expect(target.toString('hex', 0, encodeHuffman(text, target, 0))).toBe(hex);
    }
  });

  it('decodes what it encodes, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (raw) => {
        const text = Buffer.from(raw).toString('latin1');
        const coded = Buffer.alloc(huffmanLength(text) + 1);
        const end = encodeHuffman(text, coded, 0);
        const out = Buffer.alloc(coded.length * 2 + 2);
        const length = decodeHuffman(coded, 0, end, out);
        expect(out.toString('latin1', 0, length)).toBe(text);
      }),
    );
  });

  it('refuses padding that is not all ones, padding of eight bits, and EOS', () => {
    const out = Buffer.alloc(16);
    expect(decodeHuffman(Buffer.from([0b00011_000]), 0, 1, out)).toBe(-1);
    expect(decodeHuffman(Buffer.from([0b00011_111]), 0, 1, out)).toBe(1);
    expect(decodeHuffman(Buffer.from([0b00011_111, 0xff]), 0, 2, out)).toBe(-1);
    expect(decodeHuffman(Buffer.from([0xff, 0xff, 0xff, 0xff]), 0, 4, out)).toBe(-1);
  });
});

describe('HPACK decoder (RFC 7541 Appendix C)', () => {
  it('C.2: single literals', () => {
    expect(decodeHex(newDecoder(), '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572')).toEqual([
      'custom-key: custom-header',
    ]);
    expect(decodeHex(newDecoder(), '040c 2f73 616d 706c 652f 7061 7468')).toEqual([':path: /sample/path']);
    expect(decodeHex(newDecoder(), '1008 7061 7373 776f 7264 0673 6563 7265 74')).toEqual(['password: secret']);
    expect(decodeHex(newDecoder(), '82')).toEqual([':method: GET']);
  });

  it.each<[string, string[]]>([
    [
      'C.3: requests without Huffman',
      [
        '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '8286 84be 5808 6e6f 2d63 6163 6865',
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
      ],
    ],
    [
      'C.4: requests with Huffman',
      [
        '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
        '8286 84be 5886 a8eb 1064 9cbf',
        '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
      ],
    ],
  ])('%s', (_, blocks) => {
    const decoder = newDecoder();
    const base = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'];
    expect(decodeHex(decoder, blocks[0]!)).toEqual(base);
    expect(decoder.tableBytes).toBe(57);
    expect(decodeHex(decoder, blocks[1]!)).toEqual([...base, 'cache-control: no-cache']);
    expect(decoder.tableBytes).toBe(110);
    expect(decodeHex(decoder, blocks[2]!)).toEqual([
      ':method: GET',
      ':scheme: https',
      ':path: /index.html',
      ':authority: www.example.com',
      'custom-key: custom-value',
    ]);
    expect(decoder.tableBytes).toBe(164);
  });

  it('C.6: responses with Huffman in a table of 256 bytes, with eviction', () => {
    const decoder = newDecoder();
    decodeHex(decoder, '3fe101');
    expect(
      decodeHex(
        decoder,
        '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
      ),
    ).toEqual([
      ':status: 302',
      'cache-control: private',
      'date: Mon, 21 Oct 2013 20:13:21 GMT',
      'location: https://www.example.com',
    ]);
    expect(decoder.tableBytes).toBe(222);
    expect(decodeHex(decoder, '4883 640e ffc1 c0bf')[0]).toBe(':status: 307');
    expect(decoder.tableBytes).toBe(222);
    expect(
      decodeHex(
        decoder,
        '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
      ),
    ).toEqual([
      ':status: 200',
      'cache-control: private',
      'date: Mon, 21 Oct 2013 20:13:22 GMT',
      'location: https://www.example.com',
      'content-encoding: gzip',
      'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
    ]);
    expect(decoder.tableBytes).toBe(215);
  });

  it.each([
    ['index 0', '80'],
    ['an index beyond the table', 'be'],
    ['a name index beyond the table', '7f 0f 00'],
    ['an integer that never ends', 'ff ff ff ff ff ff ff ff ff'],
    ['a string longer than its block', '00 05 61'],
    ['a table size above the limit', '3f e2 1f'],
    ['a table size update behind a field', '82 20'],
    ['three table size updates in a row', '20 20 20'],
    ['a field without a value', '00 01 61'],
    ['Huffman code with EOS', '00 84 ff ff ff ff 00'],
  ])('refuses %s with COMPRESSION_ERROR', (_, hex) => {
    let thrown: unknown;
    try {
      decodeHex(newDecoder(), hex);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ConnectionFault);
    expect((thrown as ConnectionFault).code).toBe(compressionError);
  });

  it('demands that a lowered table size is confirmed (RFC 7541 4.2)', () => {
    const decoder = newDecoder();
    decoder.allowTableBytes(100);
    expect(() => decodeHex(decoder, '82')).toThrow(ConnectionFault);
    const obedient = newDecoder();
    obedient.allowTableBytes(100);
    expect(decodeHex(obedient, '3f45 82')).toEqual([':method: GET']);
  });

  it('marks a block of thousands of indexed fields as too large without keeping them (HPACK bomb)', () => {
    const decoder = new HpackDecoder(65_536, 200);
    const value = 'x'.repeat(3000);
    const first = Buffer.concat([Buffer.from([0x40, 1, 0x61, 0x7f, 0xb9, 0x16]), Buffer.from(value)]);
    const bomb = Buffer.concat([first, Buffer.alloc(60_000, 0xbe)]);
    const block = decoder.decode(bomb, 0, bomb.length);
    expect(block.tooLarge).toBe(true);
    expect(block.names.length).toBeLessThan(30);
    expect(block.decodedBytes).toBeGreaterThan(1e8);
  });
});

describe('HPACK encoder', () => {
  it('needs one byte per field once a head repeats', () => {
    const encoder = new HpackEncoder(4096);
    const fields = [
      ['content-type', 'application/grpc'],
      ['user-agent', 'test/1'],
      ['x-b3-flags', 'one'],
    ] as const;
    for (let i = 0; i < 2; i++) encode(encoder, fields);
    expect(encode(encoder, fields).length).toBe(3);
  });

  it('does not let values that never repeat push others out', () => {
    const encoder = new HpackEncoder(4096);
    for (let i = 0; i < 3; i++) encode(encoder, [['user-agent', 'test/1']]);
    for (let i = 0; i < 500; i++) encode(encoder, [['x-request-id', `00000000-0000-0000-0000-0000000${i}`]]);
    expect(encode(encoder, [['user-agent', 'test/1']]).length).toBe(1);
  });

  it('sends credentials as never indexed (RFC 7541 7.1.3)', () => {
    const encoder = new HpackEncoder(4096);
    for (let i = 0; i < 3; i++) {
      expect(encode(encoder, [['authorization', 'Bearer abc']])[0]! & 0xf0).toBe(0x10);
      expect(encode(encoder, [['cookie', 'a=b']])[0]! & 0xf0).toBe(0x10);
    }
    expect(encoder.tableBytes).toBe(0);
  });

  it('sends again as never indexed what came so, also when it is in the table already (RFC 7541 7.1.3)', () => {
    const decoder = newDecoder();
    const encoder = new HpackEncoder(4096);
    for (let i = 0; i < 3; i++) encode(encoder, [['x-key', 'abc']]);
    const bytes = Buffer.concat([
      Buffer.from([0x10, 5]),
      Buffer.from('x-key'),
      Buffer.from([3]),
      Buffer.from('abc'),
      Buffer.from([0x00, 5]),
      Buffer.from('x-key'),
      Buffer.from([3]),
      Buffer.from('abc'),
    ]);
    for (let i = 0; i < 2; i++) {
      const { names, values } = decoder.decode(bytes, 0, bytes.length);
      expect(names.map(({ name }) => [name.lower, name.neverIndexed])).toEqual([
        ['x-key', true],
        ['x-key', false],
      ]);
      const fields = new HeaderFields(
        names.map(({ name }) => name),
        [...values],
      );
      expect(fields.getAll('x-key')).toEqual(['abc', 'abc']);
      const block = blockScratch.buffer.subarray(0, encodeTrailers(encoder, fields));
      // Name by its index, value as it is; then the other one by its index.
      expect(block.toString('latin1')).toBe('\x1f\x2f\x03abc\xbe');
    }
    const again = newDecoder().decode(bytes, 0, 11).names[0]!;
    expect(again).toBe(decoder.decode(bytes, 0, 11).names[0]);
  });

  it('keeps nothing of what was evicted, however many values came twice', () => {
    const encoder = new HpackEncoder(4096);
    for (let i = 0; i < 2000; i++) {
      const fields = [
        [':path', `/orders/${i}/${'x'.repeat(i % 50)}`],
        ['x-user-id', `user-${i}`],
        [`x-new-${i % 600}`, `${i}`],
      ] as const;
      for (let twice = 0; twice < 2; twice++) encode(encoder, fields);
      // RFC 7541 4.1: an entry counts as 32 bytes and its text.
      expect(encoder.countReachable() * 33).toBeLessThanOrEqual(encoder.tableBytes);
    }
    expect(encoder.countReachable()).toBeGreaterThan(20);
    encoder.setPeerTableBytes(0);
    expect(encoder.countReachable()).toBe(0);
    encoder.setPeerTableBytes(4096);
    encode(encoder, [['x-user-id', 'user']]);
    expect(encoder.countReachable()).toBe(1);
  });

  it('gives an entry to what came a second time in other strings', () => {
    const encoder = new HpackEncoder(4096);
    encode(encoder, [['x-tag', 'first']]);
    const value = (at: number): string => `-----${'abcdefghijklmnop'.repeat(3)}${at}`.slice(5);
    expect(encode(encoder, [['x-tag', value(1)]]).length).toBeGreaterThan(40);
    expect(encode(encoder, [['x-tag', value(2)]]).length).toBeGreaterThan(40);
    encode(encoder, [['x-tag', value(1)]]);
    expect(encode(encoder, [['x-tag', value(1)]]).length).toBe(1);
    expect(encoder.countReachable()).toBe(2);
  });

  it('gives no entry to text that is not bytes', () => {
    const encoder = new HpackEncoder(4096);
    for (let i = 0; i < 4; i++) encode(encoder, [['x-tag', '\u0141']]);
    expect(encoder.tableBytes).toBe(0);
  });

  it('round-trips any fields with any changes of table size', () => {
    const name = fc.constantFrom(
      'a',
      'content-type',
      'x-request-id',
      'cookie',
      'date',
      ':path',
      'very-long-name-here',
      'z',
    );
    const value = fc.oneof(
      fc.constantFrom('', '1', 'application/json', 'x'.repeat(90), 'y'.repeat(2000)),
      fc.string({
        maxLength: 40,
        unit: fc
          .integer({ min: 0x21, max: 0xff })
          .filter((c) => c !== 0x7f)
          .map((c) => String.fromCharCode(c)),
      }),
    );
    const head = fc.array(fc.tuple(name, value), { maxLength: 12 });
    const step = fc.oneof({ weight: 5, arbitrary: head }, { weight: 1, arbitrary: fc.nat({ max: 6000 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const encoder = new HpackEncoder(4096);
        const decoder = newDecoder();
        for (const one of steps) {
          if (typeof one === 'number') {
            encoder.setPeerTableBytes(one);
            decoder.allowTableBytes(one);
            continue;
          }
          const bytes = encode(encoder, one);
          const block = decoder.decode(bytes, 0, bytes.length);
          expect(block.names.map((n, i) => [n.name.raw, block.values[i]])).toEqual(one);
          expect(block.hasInvalidValue).toBe(false);
          expect(decoder.tableBytes).toBe(encoder.tableBytes);
        }
      }),
      { numRuns: 200 },
    );
  });
});
