import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lineDiff } from './line-diff.ts';

const short = (before: string, after: string): string[][] =>
  lineDiff(before, after).map(({ lines }) =>
    lines.map(({ kind, text }) => `${{ same: ' ', removed: '-', added: '+' }[kind]}${text}`),
  );

describe('the difference of two texts by lines', () => {
  it('is nothing where they are the same', () => {
    expect(lineDiff('a\nb\n', 'a\nb\n')).toEqual([]);
  });

  it('has the lines around, and the numbers of both texts', () => {
    expect(lineDiff('a\nb\nc\n', 'a\nB\nc\n')).toEqual([
      {
        lines: [
          { kind: 'same', text: 'a', oldLine: 1, newLine: 1 },
          { kind: 'removed', text: 'b', oldLine: 2, newLine: 0 },
          { kind: 'added', text: 'B', oldLine: 0, newLine: 2 },
          { kind: 'same', text: 'c', oldLine: 3, newLine: 3 },
        ],
      },
    ]);
  });

  it('parts what is far from each other', () => {
    const lines = Array.from({ length: 30 }, (_, at) => `line ${at}`);
    const after = lines.with(2, 'two').with(25, 'twenty-five');
    expect(short(`${lines.join('\n')}\n`, `${after.join('\n')}\n`)).toHaveLength(2);
  });

  it('shows a line end that is missing', () => {
    expect(short('a\n', 'a')).toEqual([['-a', '+a (no line end)']]);
    expect(short('', 'a\n')).toEqual([['+a']]);
  });

  it('gives both texts back, whatever they are', () => {
    const text = fc
      .array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 12 })
      .map((all) => all.map((line) => `${line}\n`).join(''));
    fc.assert(
      fc.property(text, text, (before, after) => {
        const all = lineDiff(before, after).flatMap(({ lines }) => lines);
        for (const { oldLine, newLine, text } of all) {
          if (oldLine > 0) expect(before.split('\n')[oldLine - 1]).toBe(text);
          if (newLine > 0) expect(after.split('\n')[newLine - 1]).toBe(text);
        }
        const grown =
          all.filter(({ kind }) => kind === 'added').length - all.filter(({ kind }) => kind === 'removed').length;
        expect(grown).toBe(after.split('\n').length - before.split('\n').length);
      }),
    );
  });

  it('does not take for ever over texts that have nothing in common', () => {
    const before = Array.from({ length: 5_000 }, (_, at) => `old ${at}\n`).join('');
    const after = Array.from({ length: 5_000 }, (_, at) => `new ${at}\n`).join('');
    expect(lineDiff(before, after)[0]!.lines).toHaveLength(10_000);
  });
});
