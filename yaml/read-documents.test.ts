import { describe, expect, test } from 'vitest';
import { maxNesting, nestingFault } from './nesting.ts';
import { documentFaults, documentValue, readDocuments } from './read-documents.ts';

function values(text: string): readonly unknown[] {
  const { documents, fault } = readDocuments(text);
  expect(fault).toBeNull();
  return documents.map((document) => {
    expect(documentFaults(document)).toEqual([]);
    return documentValue(document);
  });
}

describe('documents of a text', () => {
  test('are read one by one; blanks and comments are none', () => {
    expect(values('a: 1\n---\n- b\n')).toEqual([{ a: 1 }, ['b']]);
    expect(values(' \n# nothing\n')).toEqual([]);
    expect(values('{"a": [1, null]}')).toEqual([{ a: [1, null] }]);
  });

  test('have each fault once, however many brackets are open', () => {
    const [document] = readDocuments(`${'['.repeat(50)}1`).documents;
    expect(documentFaults(document!)).toEqual([
      { offset: 51, message: 'Flow sequence in block collection must be sufficiently indented and end with a ]' },
      { offset: 51, message: 'Flow sequence must end with a ]' },
    ]);
  });
});

describe('nesting (hardening.md, configuration as attack)', () => {
  const forms: ReadonlyArray<readonly [string, (levels: number) => string]> = [
    ['flow lists', (levels) => `${'['.repeat(levels)}${']'.repeat(levels)}`],
    ['JSON', (levels) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`],
    ['block lists', (levels) => `${'- '.repeat(levels)}a`],
    ['block maps', (levels) => Array.from({ length: levels }, (_, at) => `${' '.repeat(at)}a:`).join('\n')],
    ['keys', (levels) => `${'? '.repeat(levels)}a`],
  ];

  test.each(forms)('%s may be as deep as the bound', (_, text) => {
    expect(readDocuments(text(maxNesting))).toMatchObject({ documents: [{ errors: [] }], fault: null });
  });

  test.each(forms)('%s that are deeper are refused at the place of the first that is too much', (_, text) => {
    for (const levels of [maxNesting + 1, 20_000 / (text === forms[3]![1] ? 10 : 1)]) {
      const { fault } = readDocuments(text(levels));
      expect(fault?.message).toBe(nestingFault);
      // All before it is as deep as may be.
      expect(text(maxNesting + 1).slice(fault!.offset)).toMatch(/^(?:\[\]|\{"a":1|- a|a:|\? a)/);
    }
  });

  test('documents before one that is too deep are read', () => {
    const { documents, fault, lines } = readDocuments(`a: 1\n---\n${'['.repeat(20_000)}`);
    expect(documents.map(documentValue)).toEqual([{ a: 1 }]);
    expect(lines.linePos(fault!.offset)).toMatchObject({ line: 3 });
  });

  test.each([
    ['that hold themselves', 'a: &a { b: *a }'],
    [
      'that add up',
      [`a0: &a0 ${'['.repeat(60)}1${']'.repeat(60)}`, `a1: &a1 ${'['.repeat(60)}*a0${']'.repeat(60)}`].join('\n'),
    ],
  ])('aliases %s are refused in words', (_, text) => {
    const [document] = readDocuments(text).documents;
    expect(() => documentValue(document!)).toThrow(nestingFault);
  });
});
