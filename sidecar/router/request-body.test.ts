import { expect, it } from 'vitest';
import type { ClientStream } from '../codec/codec.ts';
import { HeaderFields } from '../codec/header-fields.ts';
import { RequestBody } from './request-body.ts';

function sent(body: RequestBody): Array<[string, boolean]> {
  const calls: Array<[string, boolean]> = [];
  body.sendTo({
    sendData: (chunk: Buffer, end: boolean) => calls.push([chunk.toString(), end]),
    sendTrailers: () => calls.push(['trailers', true]),
  } as unknown as ClientStream);
  return calls;
}

it('keeps single bytes as bytes and not as an object each, and sends the same again', () => {
  const body = new RequestBody();
  for (let i = 0; i < 10_000; i++) body.add(Buffer.from('x'), false);
  expect(body.bytes).toBe(10_000);
  expect(sent(body).length).toBeLessThan(10);
  body.add(Buffer.from('y'), true);
  const calls = sent(body);
  expect(calls.map(([text]) => text).join('')).toBe(`${'x'.repeat(10_000)}y`);
  expect(calls.map(([, end]) => end)).toEqual([...calls.slice(1).map(() => false), true]);
});

it('ends with an empty piece, or with trailers', () => {
  const empty = new RequestBody();
  empty.add(Buffer.alloc(0), true);
  expect(sent(empty)).toEqual([['', true]]);
  const trailed = new RequestBody();
  trailed.add(Buffer.from('a'), false);
  trailed.addTrailers(HeaderFields.of(['x', '1']));
  expect(sent(trailed)).toEqual([
    ['a', false],
    ['trailers', true],
  ]);
  trailed.drop();
  expect([trailed.bytes, trailed.whole]).toEqual([0, false]);
});
