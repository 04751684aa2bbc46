import fc from 'fast-check';
import protobuf from 'protobufjs';
import { expect, test } from 'vitest';
import { ProtobufWriter } from './protobuf-writer.ts';

interface Node {
  readonly text: string;
  readonly number: number;
  readonly children: readonly Node[];
}

const type = protobuf
  .parse('syntax = "proto3"; message Node { string text = 1; int64 number = 2; repeated Node children = 3; }')
  .root.lookupType('Node');

function nodeOf(children: fc.Arbitrary<readonly Node[]>): fc.Arbitrary<Node> {
  return fc.record({ text: fc.string({ unit: 'grapheme', maxLength: 300 }), number: fc.maxSafeInteger(), children });
}
const leaf = nodeOf(fc.constant([]));
const branch = nodeOf(fc.array(leaf, { maxLength: 3 }));
const node = nodeOf(fc.array(branch, { maxLength: 3 }));

function write(out: ProtobufWriter, { text, number, children }: Node): void {
  out.string(1, text);
  out.int(2, number);
  for (const child of children) out.message(3, () => write(out, child));
}

test('messages within messages are what another decoder reads, however little memory it begins with', () => {
  fc.assert(
    fc.property(node, fc.integer({ min: 1, max: 64 }), (wanted, capacity) => {
      const out = new ProtobufWriter(capacity);
      write(out, wanted);
      expect(type.toObject(type.decode(out.finish()), { longs: Number, defaults: true, arrays: true })).toEqual(wanted);
    }),
  );
});

test('a nested message of bytes that fill the memory to its end is whole', () => {
  for (let capacity = 12; capacity < 40; capacity++) {
    const out = new ProtobufWriter(capacity);
    out.encoded(new Uint8Array(10));
    const begun = out.begin(1);
    out.encoded(Buffer.from('abcdefgh'));
    out.end(begun);
    expect(out.finish().subarray(10).toString('latin1')).toBe('\x0a\x08abcdefgh');
  }
});

test.each([
  ['', 0],
  ['0801', 1_000],
  ['08c0a7b0d8061098d1f9d603', 1_795_953_600_987.654_3],
  ['10e0a712', 0.3],
])('a time of milliseconds is seconds and nanoseconds of protobuf: %s', (fields, ms) => {
  const out = new ProtobufWriter();
  out.time(1, ms);
  expect(out.finish().subarray(2).toString('hex')).toBe(fields);
});
