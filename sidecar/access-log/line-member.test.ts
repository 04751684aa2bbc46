import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineBuffer } from './line-buffer.ts';
import { LineMember } from './line-member.ts';

/** Few, so that some come again and again; of every length of a last word, escaped, wide, and too long to be kept. */
const values = ['', 'a', 'GET', '/pay', '/pays', '"quoted"', 'é', '\u2028', 'x'.repeat(512), 'x'.repeat(513)];

test('lines are the same as JSON.stringify has them, whatever came before', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...values), { maxLength: 200 }), (lines) => {
      const members = [new LineMember('{"first":'), new LineMember(',"é":')] as const;
      const out = new LineBuffer(16);
      for (const value of lines) {
        members[0].string(out, value);
        members[1].string(out, value);
        out.raw('}');
        expect(JSON.parse(out.take())).toEqual({ first: value, é: value });
      }
    }),
  );
});

test('a value that is kept is written behind what is there, in a buffer of any size', () => {
  const member = new LineMember(',"path":');
  const out = new LineBuffer(1);
  for (let line = 0; line < 40; line++) {
    out.raw('x'.repeat(line));
    member.string(out, '/pay');
    expect(out.take()).toBe(`${'x'.repeat(line)},"path":"/pay"`);
  }
});

test('numbers, other JSON and null stand behind the name', () => {
  const member = new LineMember(',"n":');
  const out = new LineBuffer();
  member.number(out, 17);
  member.decimal(out, 1.5);
  member.json(out, '[1]');
  member.null(out);
  expect(out.take()).toBe(',"n":17,"n":1.5,"n":[1],"n":null');
});
