/** Properties: any split of the bytes gives the same events, and what the encoder writes the decoder reads back. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { RequestHead, ResponseHead } from '../codec/message-head.ts';
import { turn } from './test/fake-socket.ts';
import { ClientSide, Recording, ServerSide } from './test/recording.ts';

const tokenChars = [..."!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];
const valueChars = [...Array(256).keys()]
  .filter((byte) => byte === 9 || (byte >= 0x20 && byte !== 0x7f))
  .map((byte) => String.fromCharCode(byte));
const reserved = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'upgrade',
  'expect',
]);

const token = fc.string({ unit: fc.constantFrom(...tokenChars), minLength: 1, maxLength: 12 });
const fieldName = token.filter((name) => !reserved.has(name.toLowerCase()));
const fieldValue = fc
  .string({ unit: fc.constantFrom(...valueChars), maxLength: 20 })
  .map((value) => value.replace(/^[ \t]+|[ \t]+$/g, ''));
const fields = fc.array(fc.tuple(fieldName, fieldValue), { maxLength: 8 });
const chunks = fc.array(
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  { maxLength: 5 },
);
const path = fc.string({ unit: fc.constantFrom(...'abc/%20?&=.;~'), maxLength: 20 }).map((rest) => `/${rest}`);
const framed = fc.constantFrom('none' as const, 'counted' as const, 'chunked' as const);

interface Message {
  readonly fields: Array<[string, string]>;
  readonly body: Buffer[];
  readonly framing: 'none' | 'counted' | 'chunked';
  readonly trailers: Array<[string, string]>;
}
const message: fc.Arbitrary<Message> = fc.record({ fields, body: chunks, framing: framed, trailers: fields });

/** The field pairs of a message with what frames it at a place in the middle. */
function framedPairs({ fields, body, framing }: Message): Array<[string, string]> {
  const at = Math.floor(fields.length / 2);
  const extra: Array<[string, string]> = [];
  if (framing === 'counted') extra.push(['Content-length', String(Buffer.concat(body).length)]);
  if (framing === 'chunked') extra.push(['TRANSFER-Encoding', 'chunked']);
  return [...fields.slice(0, at), ...extra, ...fields.slice(at)];
}
function expectedBody({ body, framing }: Message): string {
  return framing === 'none' ? '' : Buffer.concat(body).toString('latin1');
}
function expectedTrailers({ framing, trailers }: Message): Array<[string, string]> {
  return framing === 'chunked' ? trailers : [];
}

interface Sender {
  sendData(chunk: Buffer, endStream: boolean): void;
  sendTrailers(trailers: HeaderFields): void;
}
function sendBody(sender: Sender, { body, framing, trailers }: Message): void {
  if (framing === 'none') return;
  for (const chunk of body) sender.sendData(chunk, false);
  if (framing === 'chunked' && trailers.length > 0) sender.sendTrailers(HeaderFields.of(...trailers));
  else sender.sendData(Buffer.alloc(0), true);
}

/** Cuts text into pieces at the places given; null: into single bytes. */
function cut(text: string, places: number[] | null): string[] {
  if (places === null) return [...text];
  const sorted = [...new Set(places.map((place) => place % (text.length + 1)))].toSorted((a, b) => a - b);
  const pieces: string[] = [];
  let from = 0;
  for (const place of [...sorted, text.length]) {
    if (place > from) pieces.push(text.slice(from, place));
    from = Math.max(from, place);
  }
  return pieces;
}
const places = fc.option(fc.array(fc.nat(2000), { maxLength: 12 }), { freq: 3 });

function heard(recording: Recording): unknown {
  return {
    head: recording.head === null ? null : { ...recording.head, fields: recording.head.fields.pairs() },
    informational: recording.informational.map((head) => [head.status, head.fields.pairs()]),
    body: recording.body,
    trailers: recording.trailers?.pairs() ?? [],
    ended: recording.ended,
    error: recording.error?.details ?? null,
  };
}

async function requestText(method: string, target: string, messages: Message[]): Promise<string> {
  let text = '';
  for (const each of messages) {
    const side = new ClientSide();
    const stream = side.connection.newStream(new Recording());
    stream.sendHead(
      new RequestHead(method, 'http', 'shop:80', target, '1.1', HeaderFields.of(['HoSt', 'x'], ...framedPairs(each))),
      each.framing === 'none',
    );
    sendBody(stream, each);
    await turn();
    text += side.socket.text;
  }
  return text;
}

async function responseText(status: number, each: Message): Promise<string> {
  const side = new ServerSide();
  await side.socket.feed('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const stream = side.streams[0]!;
  stream.sendInformational(new ResponseHead(103, HeaderFields.of(['link', 'x'])));
  stream.sendHead(
    new ResponseHead(status, HeaderFields.of(...framedPairs(each)), 'Some Reason'),
    each.framing === 'none',
  );
  sendBody(stream, each);
  await turn();
  return side.socket.text;
}

async function hearRequests(pieces: string[]): Promise<Recording[]> {
  const side = new ServerSide();
  side.prepare = (stream, request) => {
    request.react = (event) => {
      if (event === 'end') stream.sendHead(new ResponseHead(204, HeaderFields.of()), true);
    };
  };
  for (const piece of pieces) side.socket.push(Buffer.from(piece, 'latin1'));
  await turn();
  return side.requests;
}

async function hearResponse(pieces: string[], end: boolean): Promise<Recording> {
  const side = new ClientSide();
  const response = new Recording();
  side.connection
    .newStream(response)
    .sendHead(new RequestHead('GET', 'http', 'a', '/', '1.1', HeaderFields.of()), true);
  await turn();
  for (const piece of pieces) side.socket.push(Buffer.from(piece, 'latin1'));
  if (end) side.socket.push(null);
  await turn();
  return response;
}

const runs = { numRuns: 150 };

describe('requests', () => {
  it('are read back as they were written, name case and order kept, however the bytes are split', async () => {
    await fc.assert(
      fc.asyncProperty(
        token.filter((method) => method !== 'CONNECT'),
        path,
        fc.array(message, { minLength: 1, maxLength: 3 }),
        places,
        async (method, target, messages, at) => {
          const text = await requestText(method, target, messages);
          const requests = await hearRequests(cut(text, at));
          expect(requests).toHaveLength(messages.length);
          for (const [i, each] of messages.entries()) {
            const { request, body, trailers, ended, error } = requests[i]!;
            expect([request.method, request.path, request.authority, request.version]).toEqual([
              method,
              target,
              'shop:80',
              '1.1',
            ]);
            expect(request.fields.pairs()).toEqual([['HoSt', 'shop:80'], ...framedPairs(each)]);
            expect([body, ended, error]).toEqual([expectedBody(each), true, null]);
            expect(trailers?.pairs() ?? []).toEqual(expectedTrailers(each));
          }
        },
      ),
      runs,
    );
  });

  it('give the same events however the bytes are split, also when they are not requests at all', async () => {
    const alphabet = [
      'GET',
      ' ',
      '/',
      'HTTP/1.1',
      '\r\n',
      '\r',
      '\n',
      'Host: a',
      'Content-Length: 3',
      'Transfer-Encoding: chunked',
      ':',
      'x',
      '\0',
      '3\r\nabc\r\n',
      '0\r\n\r\n',
      '\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: a\r\n',
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...alphabet), { minLength: 1, maxLength: 16 }),
        places,
        async (words, at) => {
          // A section that goes on may be refused now or when it is whole: here it is whole.
          const text = `${words.join('')}\r\n\r\n`;
          const whole = (await hearRequests([text])).map(heard);
          const split = (await hearRequests(cut(text, at))).map(heard);
          expect(split).toEqual(whole);
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe('responses', () => {
  it('are read back as they were written, name case and order kept, however the bytes are split', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 200, max: 599 }).filter((status) => status !== 204 && status !== 304),
        message,
        places,
        async (status, each, at) => {
          const text = await responseText(status, each);
          const response = await hearResponse(cut(text, at), false);
          const added: Array<[string, string]> = each.framing === 'none' ? [['content-length', '0']] : [];
          expect([response.response.status, response.response.reason]).toEqual([status, 'Some Reason']);
          expect(response.informational.map((head) => head.fields.pairs())).toEqual([[['link', 'x']]]);
          expect(response.response.fields.pairs()).toEqual([...framedPairs(each), ...added]);
          expect([response.body, response.ended, response.error]).toEqual([expectedBody(each), true, null]);
          expect(response.trailers?.pairs() ?? []).toEqual(expectedTrailers(each));
        },
      ),
      runs,
    );
  });

  it('give the same events however the bytes are split, also when they are broken off or no responses at all', async () => {
    const alphabet = [
      'HTTP/1.1 200 OK\r\n',
      'HTTP/1.0 200 OK\r\n',
      'HTTP/1.1 100 Continue\r\n\r\n',
      'HTTP/1.1',
      ' ',
      '\r\n',
      '\r',
      '\n',
      'Content-Length: 3\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Connection: close\r\n',
      'X: y\r\n',
      ':',
      'abc',
      '3\r\nabc\r\n',
      '0\r\n\r\n',
      '\r\n\r\n',
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...alphabet), { minLength: 1, maxLength: 12 }),
        places,
        fc.boolean(),
        async (words, at, end) => {
          // A section that goes on may be refused now or when it is whole: here it is whole.
          const text = `${words.join('')}\r\n\r\n`;
          expect(heard(await hearResponse(cut(text, at), end))).toEqual(heard(await hearResponse([text], end)));
        },
      ),
      { numRuns: 400 },
    );
  });
});
