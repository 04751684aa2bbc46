import fc from 'fast-check';
import { expect, test } from 'vitest';
import { member, parseJsonObject, textMember } from './json-object.ts';

const parse = (text: string): unknown => parseJsonObject(Buffer.from(text));

test('reads what JSON.parse reads, of objects', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 })), (object) => {
      const text = JSON.stringify(object);
      expect(parse(text)).toEqual(JSON.parse(text));
    }),
  );
});

test('never throws, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      parseJsonObject(bytes);
    }),
  );
});

test.each(['', 'null', '7', '"a"', '[]', '[{}]', '{', '{} {}', "{'a':1}", '{"a":1,}', '\ufeff{}'])(
  '%j is no object',
  (text) => {
    expect(parse(text)).toBeNull();
  },
);

test('bytes that are no UTF-8 are refused, not mended', () => {
  expect(parseJsonObject(Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d]))).toBeNull();
});

test.each([
  '{"a":1,"a":1}',
  '{"a":{"b":1,"b":2}}',
  '{"a":[{"b":1,"c":[],"b":2}]}',
  '{"a":1,"\\u0061":2}',
  '{"":1,"":2}',
  '{"__proto__":1,"__proto__":2}',
  '{"a" : 1 , "a" : 2}',
])('a name that stands twice in one object is refused: %s', (text) => {
  expect(parse(text)).toBeNull();
});

test.each(['{"a":{"b":1},"c":{"b":2}}', '{"a":"a","b":["a","a",":"]}', '{"a\\"":1,"a":"\\\\"}', '{"x":"{\\"a\\":1"}'])(
  'the same name in different places is none twice: %s',
  (text) => {
    expect(parse(text)).toEqual(JSON.parse(text));
  },
);

test('nests to a bound', () => {
  const nested = (depth: number): string => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
  expect(parse(nested(32))).not.toBeNull();
  expect(parse(nested(33))).toBeNull();
  expect(parse(nested(100_000))).toBeNull();
});

test('members are only the object’s own', () => {
  const object = parse('{"a":"b","__proto__":{"admin":true},"n":1,"x":null}');
  expect(member(object, 'a')).toBe('b');
  expect(member(object, '__proto__')).toEqual({ admin: true });
  expect(member(object, 'admin')).toBeUndefined();
  expect(member(object, 'constructor')).toBeUndefined();
  expect(member(member(object, 'missing'), 'a')).toBeUndefined();
  expect(member([1], '0')).toBeUndefined();
  expect(textMember(object, 'a')).toBe('b');
  expect(textMember(object, 'missing')).toBe('');
  expect(textMember(object, 'n')).toBeNull();
  expect(textMember(object, 'x')).toBeNull();
});
