/** Against node:http2 (nghttp2) as an oracle, both ways, and our own two sides against each other. */
import http2 from 'node:http2';
import { connect, type Socket } from 'node:net';
import * as fc from 'fast-check';
import { afterEach, expect, it } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { ResponseHead } from '../codec/message-head.ts';
import { startEchoServer } from './test/echo-server.ts';
import { RecordingClient, request } from './test/recording-client.ts';
import { RecordingServer } from './test/recording-server.ts';

const closing: Array<() => void> = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function recordingServer(): Promise<RecordingServer> {
  const server = await RecordingServer.start();
  closing.push(() => server.close());
  return server;
}

async function clientTo(port: number): Promise<RecordingClient> {
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  closing.push(() => socket.destroy());
  return new RecordingClient(socket);
}

/** A body that shows where it was cut or mixed up. */
function numbered(bytes: number): Buffer {
  const body = Buffer.alloc(bytes);
  for (let i = 0; i + 4 <= bytes; i += 4) body.writeUInt32LE(i, i);
  return body;
}

it('a node:http2 client uploads and downloads megabytes on several streams, with trailers', async () => {
  const server = await recordingServer();
  const body = numbered(2_000_000);
  server.onNewStream = (one) => {
    let from = 0;
    const more = (): void => {
      while (!one.blocked && from < body.length) {
        one.stream.sendData(body.subarray(from, from + 50_000), false);
        from += 50_000;
      }
      if (from >= body.length) one.stream.sendTrailers(HeaderFields.of(['x-sum', '1']));
    };
    one.onWriteReady = () => {
      one.blocked = false;
      more();
    };
    const { onData } = one;
    one.onData = (chunk, end) => {
      onData.call(one, chunk, end);
      if (!end) return;
      one.stream.sendHead(new ResponseHead(200, new HeaderFields()), false);
      more();
    };
  };
  const session = http2.connect(`http://127.0.0.1:${server.port}`);
  closing.push(() => session.destroy());
  const results = await Promise.all(
    [0, 1, 2].map(
      () =>
        new Promise<[number, string, boolean]>((resolve, reject) => {
          const stream = session.request({ ':method': 'POST' });
          const chunks: Buffer[] = [];
          let sum = '';
          stream.on('trailers', (trailers) => (sum = String(trailers['x-sum'])));
          stream.on('data', (chunk: Buffer) => chunks.push(chunk));
          stream.on('end', () => resolve([chunks.length, sum, Buffer.concat(chunks).equals(body)]));
          stream.on('error', reject);
          stream.end(body);
        }),
    ),
  );
  for (const [, sum, same] of results) expect([sum, same]).toEqual(['1', true]);
  for (const one of server.streams) expect(one.body.equals(body)).toBe(true);
});

it('our client uploads to and downloads from a node:http2 server', async () => {
  const body = numbered(1_000_000);
  const server = http2.createServer();
  server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      stream.respond({ ':status': 201, 'x-method': headers[':method'] }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'ok' }));
      stream.end(Buffer.concat(chunks));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close());
  const client = await clientTo((server.address() as { port: number }).port);
  await client.until(() => client.events.includes('available'));
  const responses = [1, 2, 3].map(() => {
    const one = client.send(request('PUT', '/x', ['x-a', 'b']), false);
    for (let from = 0; from < body.length; from += 70_000)
      one.stream.sendData(body.subarray(from, from + 70_000), false);
    one.stream.sendData(Buffer.alloc(0), true);
    return one;
  });
  await client.until(() => responses.every((one) => one.trailers !== null));
  for (const one of responses) {
    expect([one.head!.status, one.head!.fields.get('x-method'), one.trailers!.get('x-sum')]).toEqual([
      201,
      'PUT',
      'ok',
    ]);
    expect(one.body.equals(body)).toBe(true);
  }
  const socketClosed = new Promise((resolve) => client.connection.socket.once('close', resolve));
  client.connection.drain();
  await socketClosed;
  expect(client.closes).toEqual([null]);
});

it('decodes any bytes that nghttp2 Huffman codes, and nghttp2 decodes ours', async () => {
  const server = await recordingServer();
  const session = http2.connect(`http://127.0.0.1:${server.port}`);
  closing.push(() => session.destroy());
  const all = Array.from({ length: 256 }, (_, i) => i)
    .filter((c) => c > 0x20 && c !== 0x7f)
    .map((c) => String.fromCharCode(c))
    .join('');
  server.onNewStream = (one) => {
    const { onHead } = one;
    one.onHead = (head, end) => {
      onHead.call(one, head, end);
      // The third time, the encoder puts the field into the table with Huffman code.
      one.stream.sendHead(
        new ResponseHead(200, HeaderFields.of(['x-all', head.fields.get('x-all')!], ['x-new-name', all])),
        true,
      );
    };
  };
  for (let i = 0; i < 4; i++) {
    const stream = session.request({ 'x-all': all });
    const headers = await new Promise<http2.IncomingHttpHeaders>((resolve) => stream.on('response', resolve));
    expect([headers['x-all'], headers['x-new-name']]).toEqual([all, all]);
  }
  expect(server.streams.map((s) => s.head!.fields.get('x-all'))).toEqual([all, all, all, all]);
});

it('encode then decode is the identity: our client to our server and back', async () => {
  const server = await recordingServer();
  const client = await clientTo(server.port);
  const token = fc
    .string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-_') })
    .map((name) => `x-${name}`);
  const value = fc
    .string({
      maxLength: 30,
      unit: fc
        .integer({ min: 0x20, max: 0xff })
        .filter((c) => c !== 0x7f)
        .map((c) => String.fromCharCode(c)),
    })
    .map((text) => text.trim().replace(/^\s+|\s+$/g, ''));
  const fields = fc.array(fc.tuple(token, value), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(
      fields,
      fields,
      fields,
      fc.uint8Array({ maxLength: 3000 }),
      async (sent, answered, trailers, raw) => {
        const before = server.streams.length;
        const one = client.send(request('POST', '/p', ...sent), false);
        one.stream.sendData(Buffer.from(raw), false);
        one.stream.sendTrailers(HeaderFields.of(...trailers));
        await server.until(() => server.streams.length > before && server.streams.at(-1)!.trailers !== null);
        const got = server.streams.at(-1)!;
        expect(got.head!.fields.pairs()).toEqual(sent);
        expect(got.trailers!.pairs()).toEqual(trailers);
        expect(got.body.equals(Buffer.from(raw))).toBe(true);
        got.stream.sendHead(new ResponseHead(200, HeaderFields.of(...answered)), false);
        got.stream.sendData(Buffer.from(raw), false);
        got.stream.sendTrailers(HeaderFields.of(...trailers));
        await client.until(() => one.trailers !== null);
        expect(one.head!.fields.pairs()).toEqual(answered);
        expect(one.trailers!.pairs()).toEqual(trailers);
        expect(one.body.equals(Buffer.from(raw))).toBe(true);
      },
    ),
    { numRuns: 150 },
  );
});

it('answers thousands of requests of one node:http2 session, repeated and ever new fields among them', async () => {
  const port = await new Promise<number>((resolve) => {
    const server = startEchoServer(0, resolve);
    closing.push(() => server.close());
  });
  const session = http2.connect(`http://127.0.0.1:${port}`);
  closing.push(() => session.destroy());
  let bytes = 0;
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const stream = session.request({
          ':path': `/${i % 7}`,
          'x-fixed': 'a',
          'x-new': `${round}-${i}-${'n'.repeat(i)}`,
        });
        for await (const chunk of stream) bytes += (chunk as Buffer).length;
      }),
    );
  }
  expect(bytes).toBe(2_000 * 1024);
});
