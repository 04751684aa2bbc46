/** What parsers remember of each other's heads: nothing that another head would be taken for. Everything else of them is tested with their connections. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { headerName } from '../codec/header-name.ts';
import { HeadParser } from './head-parser.ts';

const blocks = [
  'host: a\r\n',
  'host: b\r\n',
  'Host: a\r\n',
  'host: a\r\ncontent-length: 3\r\n',
  'host: a\r\ncontent-length: 4\r\n',
  'host: a\r\nconnection: close\r\n',
  'host: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n',
  `host: a\r\nx-long: ${'x'.repeat(3_000)}\r\n`,
  'transfer-encoding: chunked\r\n',
  'x-one: 1\r\nx-two: 2\r\n',
];

interface Said {
  readonly fields: Array<[string, string]>;
  readonly facts: object;
}
const said = ({ fields, facts }: HeadParser): Said => ({ fields: fields.pairs(), facts: { ...facts } });

test('a head says the same whoever sent which heads before it', () => {
  let heads = 0;
  /** By a block that nobody has sent before. */
  const alone = (block: string): Said => {
    const parser = new HeadParser(100);
    const bytes = Buffer.from(`GET / HTTP/1.1\r\nx-head: ${heads++}\r\n${block}\r\n`);
    expect(parser.parseRequest(bytes, 0)).toBe(bytes.length);
    const { fields, facts } = said(parser);
    return { fields: fields.slice(1), facts };
  };
  const messages = fc.record({
    block: fc.constantFrom(...blocks),
    request: fc.boolean(),
    connection: fc.nat(2),
    /** Bytes before and behind it in its read. */
    before: fc.nat(3),
    behind: fc.constantFrom('', '\r\n', 'x'),
    changed: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(messages, { maxLength: 60 }), (all) => {
      const parsers = Array.from({ length: 6 }, () => new HeadParser(100));
      for (const { block, request, connection, before, behind, changed } of all) {
        const text = `${request ? 'GET / HTTP/1.1' : 'HTTP/1.1 200 OK'}\r\n${block}\r\n`;
        const parser = parsers[connection + (request ? 0 : 3)]!;
        const bytes = Buffer.from('-'.repeat(before) + text + behind);
        const end = request ? parser.parseRequest(bytes, before) : parser.parseResponse(bytes, before);
        expect(end).toBe(before + text.length);
        expect(said(parser)).toEqual(alone(block));
        // As the connection manager does.
        if (!changed) continue;
        parser.fields.append(headerName('x-more'), '1');
        parser.fields.delete('host');
      }
    }),
  );
});

test('what a connection with a higher limit of fields has met is refused where the limit is lower', () => {
  const head = Buffer.from(`GET / HTTP/1.1\r\nhost: limits\r\n${'x-a: 1\r\n'.repeat(20)}\r\n`);
  const low = new HeadParser(5);
  for (let turn = 0; turn < 2; turn++) {
    expect(new HeadParser(100).parseRequest(head, 0)).toBe(head.length);
    expect(low.parseRequest(head, 0)).toBe(-2);
  }
  expect(new HeadParser(21).parseRequest(head, 0)).toBe(head.length);
});

test('trailers are no heads, and a refused head is none either', () => {
  const parsers = [new HeadParser(100), new HeadParser(100)] as const;
  const trailers = Buffer.from('x-one: 1\r\n\r\n');
  for (const parser of parsers) expect(parser.parseTrailers(trailers, 0)).toBe(trailers.length);
  const refused = Buffer.from('GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n');
  for (let turn = 0; turn < 3; turn++)
    for (const parser of parsers) {
      expect(parser.parseRequest(refused, 0)).toBe(-2);
      const bytes = Buffer.from('GET / HTTP/1.1\r\nx-one: 1\r\n\r\n');
      expect(parser.parseRequest(bytes, 0)).toBe(bytes.length);
      expect(said(parser).fields).toEqual([['x-one', '1']]);
    }
});
