import fc from 'fast-check';
import { expect, test } from 'vitest';
import { quoteJson } from './escape.ts';
import { LineBuffer } from './line-buffer.ts';
import { LineText } from './line-text.ts';

test('a line is the same text as strings that are joined, and the next begins empty', () => {
  const line = new LineBuffer();
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.record({ raw: fc.string({ unit: 'grapheme', maxLength: 60 }) }),
          fc.record({ quoted: fc.string({ unit: 'binary', maxLength: 60 }).filter((text) => text.isWellFormed()) }),
          fc.record({ constant: fc.string({ unit: 'grapheme', maxLength: 60 }) }),
          fc.record({
            decimal: fc.oneof(fc.double(), fc.double({ min: 0, max: 2e6 }), fc.constantFrom(0, 0.1, 1.05, 12.3)),
          }),
          fc.record({ number: fc.oneof(fc.integer(), fc.double(), fc.nat(), fc.constantFrom(-0, 0, 9, 10, 2 ** 30)) }),
        ),
      ),
      (parts) => {
        let wanted = '';
        for (const part of parts)
          if ('raw' in part) {
            line.raw(part.raw);
            wanted += part.raw;
          } else if ('constant' in part) {
            line.text(new LineText(part.constant));
            wanted += part.constant;
          } else if ('quoted' in part) {
            line.quoted(part.quoted);
            wanted += quoteJson(part.quoted);
          } else if ('decimal' in part) {
            line.decimal(part.decimal);
            wanted += String(Math.round(part.decimal * 1000) / 1000);
          } else {
            line.number(part.number);
            wanted += String(part.number);
          }
        expect(line.length).toBe(Buffer.byteLength(wanted));
        expect(line.take()).toBe(wanted);
      },
    ),
  );
});

test('it grows with what is written', () => {
  const line = new LineBuffer(16);
  line.raw('x'.repeat(70_000));
  line.quoted('é'.repeat(70_000));
  line.endLine();
  const wanted = `${'x'.repeat(70_000)}"${'é'.repeat(70_000)}"\n`;
  expect(line.copyOut().toString()).toBe(wanted);
  expect(line.length).toBe(0);
});

test('what is handed over is written to no more, and a line that is cut off is gone', () => {
  const line = new LineBuffer(16);
  line.raw('one');
  line.endLine();
  const whole = line.length;
  line.raw('half');
  line.cutTo(whole);
  const bytes = line.takeBytes(Buffer.alloc(8));
  line.raw('two');
  expect(bytes.toString('utf8', 0, whole)).toBe('one\n');
  expect(line.take()).toBe('two');
});
