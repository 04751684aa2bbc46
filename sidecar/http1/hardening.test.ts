/** Every row of "HTTP/1.1 framing" and "desync without bad framing": what is ambiguous is refused on requests and responses alike, and never reaches anyone. */
import { describe, expect, it } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { RequestHead, ResponseHead } from '../codec/message-head.ts';
import { turn } from './test/fake-socket.ts';
import { ClientSide, Recording, ServerSide } from './test/recording.ts';

const host = 'Host: a\r\n';
const post = `POST / HTTP/1.1\r\n${host}`;

/** Field blocks that no message may have. */
const badFields: ReadonlyArray<readonly [string, string]> = [
  ['Content-Length with Transfer-Encoding (RFC 9112 6.3)', 'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n'],
  [
    'Transfer-Encoding with Content-Length behind it (RFC 9112 6.3)',
    'Transfer-Encoding: chunked\r\ncontent-length: 0\r\n',
  ],
  ['several different Content-Lengths (RFC 9112 6.3)', 'Content-Length: 3\r\nContent-Length: 4\r\n'],
  ['several equal Content-Lengths', 'Content-Length: 3\r\nContent-Length: 3\r\n'],
  ['a list in Content-Length', 'Content-Length: 3, 3\r\n'],
  ['Content-Length with a sign', 'Content-Length: +5\r\n'],
  ['Content-Length below zero', 'Content-Length: -1\r\n'],
  ['Content-Length with white space inside', 'Content-Length: 5 5\r\n'],
  ['Content-Length in hexadecimal', 'Content-Length: 0x5\r\n'],
  ['Content-Length with an exponent', 'Content-Length: 1e3\r\n'],
  ['empty Content-Length', 'Content-Length:\r\n'],
  ['Content-Length beyond 2^53', 'Content-Length: 9007199254740992\r\n'],
  ['huge Content-Length', 'Content-Length: 99999999999999999999999999\r\n'],
  ['Transfer-Encoding that is not chunked', 'Transfer-Encoding: identity\r\n'],
  ['Transfer-Encoding with chunked not last', 'Transfer-Encoding: chunked, gzip\r\n'],
  ['Transfer-Encoding with more than chunked', 'Transfer-Encoding: gzip, chunked\r\n'],
  ['Transfer-Encoding twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'],
  ['Transfer-Encoding with a parameter', 'Transfer-Encoding: chunked;q=1\r\n'],
  ['Transfer-Encoding with a vertical tab', 'Transfer-Encoding: \x0bchunked\r\n'],
  ['Transfer-Encoding in quotes', 'Transfer-Encoding: "chunked"\r\n'],
  ['empty Transfer-Encoding', 'Transfer-Encoding:\r\n'],
  ['a bare LF behind a field (RFC 9112 2.2)', 'X: 1\nY: 2\r\n'],
  ['a bare CR in a value (RFC 9112 2.2)', 'X: 1\rY: 2\r\n'],
  ['a CR twice before LF', 'X: 1\r\r\n'],
  ['obs-fold with a space (RFC 9112 5.2)', 'X: 1\r\n 2\r\n'],
  ['obs-fold with a tab (RFC 9112 5.2)', 'X: 1\r\n\t2\r\n'],
  ['a space before the colon (RFC 9112 5.1)', 'Content-Length : 3\r\n'],
  ['a tab before the colon (RFC 9112 5.1)', 'Content-Length\t: 3\r\n'],
  ['a space inside a name', 'Content Length: 3\r\n'],
  ['an empty name', ': 1\r\n'],
  ['a line without colon', 'junk\r\n'],
  ['NUL in a value', 'X: a\0b\r\n'],
  ['NUL in a name', 'X\0Y: a\r\n'],
  ['a control byte in a value', 'X: a\x01b\r\n'],
  ['DEL in a value', 'X: a\x7fb\r\n'],
  ['a byte beyond ASCII in a name', 'X\xe9: a\r\n'],
  ['a quote in a name', 'X": a\r\n'],
];

/** Chunked bodies that no message may have. */
const badChunks: ReadonlyArray<readonly [string, string]> = [
  ['a chunk size with a sign', '+5\r\nhello\r\n0\r\n\r\n'],
  ['a negative chunk size', '-5\r\nhello\r\n0\r\n\r\n'],
  ['a chunk size with a prefix', '0x5\r\nhello\r\n0\r\n\r\n'],
  ['a chunk size that overflows', 'fffffffffffffffff\r\nhello\r\n0\r\n\r\n'],
  ['a chunk size beyond 2^53', '20000000000000\r\nhello\r\n0\r\n\r\n'],
  ['an empty chunk size', '\r\nhello\r\n0\r\n\r\n'],
  ['a chunk size with a space before it', ' 5\r\nhello\r\n0\r\n\r\n'],
  ['a chunk size with a space behind it', '5 \r\nhello\r\n0\r\n\r\n'],
  ['a chunk size with an underscore', '1_0\r\nhello\r\n0\r\n\r\n'],
  ['a chunk size line with a bare LF', '5\nhello\r\n0\r\n\r\n'],
  ['a chunk extension with a bare LF', '5;a\nhello\r\n0\r\n\r\n'],
  ['a chunk extension with a bare CR', '5;a\rb\r\nhello\r\n0\r\n\r\n'],
  ['a control byte in a chunk extension', '5;a\0\r\nhello\r\n0\r\n\r\n'],
  ['long chunk extensions', `5;${'a'.repeat(17_000)}\r\nhello\r\n0\r\n\r\n`],
  ['many chunk extensions', `${`1;${'a'.repeat(200)}\r\nx\r\n`.repeat(90)}0\r\n\r\n`],
  ['bytes behind a chunk', '5\r\nhelloX\r\n0\r\n\r\n'],
  ['a bare LF behind a chunk', '5\r\nhello\n0\r\n\r\n'],
  ['a bare LF as the end of trailers', '0\r\nX: 1\n\r\n'],
  ['a bare LF as the last line', '0\r\n\n'],
  ['Content-Length in trailers (RFC 9110 6.5.1)', '0\r\nContent-Length: 5\r\n\r\n'],
  ['Transfer-Encoding in trailers (RFC 9110 6.5.1)', '0\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['Host in trailers (RFC 9110 6.5.1)', '0\r\nHost: b\r\n\r\n'],
  ['obs-fold in trailers', '0\r\nX: 1\r\n 2\r\n\r\n'],
];

/** A request that must not become a stream: refused with a status, the connection closed, nothing behind it looked at. */
async function refused(text: string, status = 400, byByte = false): Promise<'refused'> {
  const side = new ServerSide({ maxHeadBytes: 4096, maxFields: 20 });
  const whole = `${text}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`;
  if (byByte) for (let i = 0; i < whole.length && side.socket.text === ''; i++) await side.socket.feed(whole[i]!);
  else await side.socket.feed(whole);
  await turn();
  expect(side.socket.text.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
  expect(side.socket.text).toMatch(
    /\r\nserver: outrigger\r\nconnection: close\r\ncontent-type: text\/plain\r\ncontent-length: \d+\r\n\r\n\d+ [\w ]+ \(DPE, [\w.]+\): .+\n$/,
  );
  expect(side.requests).toHaveLength(0);
  expect(side.refusals).toMatchObject([{ flag: 'DPE', source: 'downstream', status }]);
  expect(side.socket.finished).toBe(true);
  return 'refused';
}

/** A request whose body breaks the rules: its stream is reset, the client told, the connection closed. */
async function refusedBody(text: string, status = 400): Promise<'refused'> {
  const side = new ServerSide({ maxHeadBytes: 20_000, maxFields: 20 });
  await side.socket.feed(`${text}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`);
  await turn();
  expect(side.requests).toHaveLength(1);
  expect(side.requests[0]!.ended).toBe(false);
  expect(side.requests[0]!.error).toMatchObject({ flag: 'DPE', source: 'downstream', status });
  expect(side.socket.text.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
  expect(side.socket.finished).toBe(true);
  return 'refused';
}

/** A response that must not be passed on: 502 protocol error and close. */
async function refusedResponse(text: string, method = 'GET', headPassedOn = false): Promise<'refused'> {
  const side = new ClientSide({ maxHeadBytes: 4096, maxFields: 20 });
  const response = new Recording();
  side.connection
    .newStream(response)
    .sendHead(new RequestHead(method, 'http', 'a', '/', '1.1', HeaderFields.of()), true);
  await turn();
  await side.socket.feed(text);
  expect(response.error).toMatchObject({ flag: 'UPE', source: 'upstream', status: 502, retry: 'never' });
  expect(response.error?.details).toMatch(
    headPassedOn
      ? /^upstream_reset_after_response_started\{protocol_error\|http1\./
      : /^upstream_reset_before_response_started\{protocol_error\|http1\./,
  );
  expect(response.ended).toBe(false);
  expect(response.head === null).toBe(!headPassedOn);
  expect([side.available, side.connection.availableStreams(), side.socket.destroyed]).toEqual([0, 0, true]);
  return 'refused';
}

describe('HTTP/1.1 framing: requests', () => {
  for (const [name, fields] of badFields) {
    it(`refuses ${name}`, async () => {
      const status =
        /not chunked|Transfer-Encoding (with (chunked not last|more|a param|a vert)|twice|in quotes)|empty Transfer/.test(
          name,
        ) && !fields.includes('\x0b')
          ? 501
          : 400;
      expect(await refused(`${post}${fields}\r\n`, status)).toBe('refused');
      expect(await refused(`${post}${fields}\r\n`, status, true)).toBe('refused');
    });
  }

  for (const [name, body] of badChunks) {
    it(`refuses ${name}`, async () => {
      expect(await refusedBody(`${post}Transfer-Encoding: chunked\r\n\r\n${body}`)).toBe('refused');
    });
  }

  it.each([
    ['HTTP/0.9', 'GET /\r\n', 400],
    ['HTTP/0.9 without anything behind', 'GET /\r\n\r\n', 400],
    ['HTTP/2.0 over HTTP/1', `GET / HTTP/2.0\r\n${host}\r\n`, 505],
    ['the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
    ['HTTP/1.2', `GET / HTTP/1.2\r\n${host}\r\n`, 505],
    ['a version in lower case', `GET / http/1.1\r\n${host}\r\n`, 400],
    ['a version with leading zeros', `GET / HTTP/01.1\r\n${host}\r\n`, 400],
    ['bytes behind the version', `GET / HTTP/1.1 x\r\n${host}\r\n`, 400],
    ['two spaces behind the method', `GET  / HTTP/1.1\r\n${host}\r\n`, 400],
    ['two spaces behind the target', `GET /  HTTP/1.1\r\n${host}\r\n`, 400],
    ['a tab behind the method', `GET\t/ HTTP/1.1\r\n${host}\r\n`, 400],
    ['a space before the method', ` GET / HTTP/1.1\r\n${host}\r\n`, 400],
    ['a method that is no token', `G(T / HTTP/1.1\r\n${host}\r\n`, 400],
    ['a very long method', `${'A'.repeat(65)} / HTTP/1.1\r\n${host}\r\n`, 501],
    ['a bare LF behind the request line', `GET / HTTP/1.1\n${host}\r\n`, 400],
    ['a bare CR behind the request line', `GET / HTTP/1.1\rX${host}\r\n`, 400],
    ['NUL in the target', `GET /\0 HTTP/1.1\r\n${host}\r\n`, 400],
    ['a byte beyond ASCII in the target', `GET /\xe9 HTTP/1.1\r\n${host}\r\n`, 400],
    ['a fragment in the target', `GET /a#b HTTP/1.1\r\n${host}\r\n`, 400],
    ['a target without slash', `GET a HTTP/1.1\r\n${host}\r\n`, 400],
    ['the asterisk form with GET (RFC 9112 3.2.4)', `GET * HTTP/1.1\r\n${host}\r\n`, 400],
    ['another scheme in the target', `GET ftp://a/ HTTP/1.1\r\n${host}\r\n`, 400],
    ['an absolute form without host', `GET http:///x HTTP/1.1\r\nHost: \r\n\r\n`, 400],
    ['user information in the target', `GET http://u@a/ HTTP/1.1\r\n${host}\r\n`, 400],
    [
      'an absolute-form target whose host differs from Host (RFC 9112 3.2.2)',
      `GET http://b/ HTTP/1.1\r\n${host}\r\n`,
      400,
    ],
    ['an absolute-form target whose port differs from Host', `GET http://a:81/ HTTP/1.1\r\n${host}\r\n`, 400],
    ['several Hosts (RFC 9112 3.2)', `GET / HTTP/1.1\r\n${host}Host: b\r\n\r\n`, 400],
    ['several equal Hosts (RFC 9112 3.2)', `GET / HTTP/1.1\r\n${host}hOST: a\r\n\r\n`, 400],
    ['no Host in HTTP/1.1 (RFC 9112 3.2)', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['a list in Host', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', 400],
    ['user information in Host', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n', 400],
    ['a path in Host', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
    ['two ports in Host', 'GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n', 400],
    ['a port that is no number', 'GET / HTTP/1.1\r\nHost: a:b\r\n\r\n', 400],
    ['HTTP/1.0 with chunked (RFC 9112 6.1)', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
    ['CONNECT without port', 'CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['CONNECT with a path', 'CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['CONNECT whose Host differs', 'CONNECT a:1 HTTP/1.1\r\nHost: b:1\r\n\r\n', 400],
    ['CONNECT with a body (RFC 9110 9.3.6)', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 3\r\n\r\nabc', 400],
    ['CONNECT with chunked', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
    ['two empty lines before a request', `\r\n\r\nGET / HTTP/1.1\r\n${host}\r\n`, 400],
    ['a bare LF before a request', `\nGET / HTTP/1.1\r\n${host}\r\n`, 400],
    ['a bare CR before a request', `\rGET / HTTP/1.1\r\n${host}\r\n`, 400],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ])('refuses %s', async (_name, text, status) => {
    expect(await refused(text, status)).toBe('refused');
    expect(await refused(text, status, true)).toBe('refused');
  });

  it('refuses a head that is too large with 431, whole or in pieces (Envoy http1.headers_too_large)', async () => {
    const large = `GET / HTTP/1.1\r\n${host}${`X: ${'a'.repeat(500)}\r\n`.repeat(10)}\r\n`;
    expect(await refused(large, 431)).toBe('refused');
    const side = new ServerSide({ maxHeadBytes: 4096 });
    for (let at = 0; at < large.length; at += 100) await side.socket.feed(large.slice(at, at + 100));
    expect(side.refusals).toMatchObject([{ status: 431, details: 'http1.headers_too_large' }]);
  });

  it('refuses a request line that is too large with 414', async () => {
    const side = new ServerSide({ maxHeadBytes: 4096 });
    await side.socket.feed(`GET /${'a'.repeat(5000)}`);
    expect(side.refusals).toMatchObject([{ status: 414, details: 'http1.headers_too_large' }]);
  });

  it('refuses too many fields with 431 (Envoy http1.too_many_headers)', async () => {
    const side = new ServerSide({ maxFields: 20 });
    await side.socket.feed(`GET / HTTP/1.1\r\n${host}${'X: 1\r\n'.repeat(20)}\r\n`);
    expect(side.refusals).toMatchObject([{ status: 431, details: 'http1.too_many_headers' }]);
    const enough = new ServerSide({ maxFields: 20 });
    await enough.socket.feed(`GET / HTTP/1.1\r\n${host}${'X: 1\r\n'.repeat(19)}\r\n`);
    expect(enough.requests).toHaveLength(1);
  });

  it('refuses too many or too large trailers', async () => {
    expect(await refusedBody(`${post}Transfer-Encoding: chunked\r\n\r\n0\r\n${'X: 1\r\n'.repeat(21)}\r\n`, 431)).toBe(
      'refused',
    );
    expect(
      await refusedBody(`${post}Transfer-Encoding: chunked\r\n\r\n0\r\nX: ${'a'.repeat(21_000)}\r\n\r\n`, 431),
    ).toBe('refused');
  });

  it('names the limit in Envoy words for each kind of refusal', async () => {
    for (const [fields, details] of [
      ['Transfer-Encoding: gzip\r\n', 'http1.invalid_transfer_encoding'],
      ['Content-Length: 1\r\nTransfer-Encoding: chunked\r\n', 'http1.content_length_and_chunked_not_allowed'],
      ['X : 1\r\n', 'http1.codec_error'],
    ] as const) {
      const side = new ServerSide();
      await side.socket.feed(`${post}${fields}\r\n`);
      expect(side.refusals[0]!.details).toBe(details);
    }
  });

  it('bytes after the last chunk are the next request, and refused as one', async () => {
    const side = new ServerSide();
    await side.socket.feed(`${post}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\njunk\r\n\r\n`);
    expect(side.requests[0]!.ended).toBe(true);
    side.streams[0]!.sendHead(new ResponseHead(200, HeaderFields.of()), true);
    await turn();
    expect(side.requests).toHaveLength(1);
    expect(side.socket.text).toMatch(/^HTTP\/1\.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP\/1\.1 400 Bad Request\r\n/);
  });

  it('pipelining across an error: what stands before it is answered, the error after it in order, what stands behind it never', async () => {
    const side = new ServerSide();
    await side.socket.feed(
      `GET /1 HTTP/1.1\r\n${host}\r\nGET /2 HTTP/1.1\r\n${host}Content-Length: x\r\n\r\nGET /3 HTTP/1.1\r\n${host}\r\n`,
    );
    expect(side.socket.text).toBe('');
    side.streams[0]!.sendHead(new ResponseHead(200, HeaderFields.of()), true);
    await turn();
    expect(side.requests.map((request) => request.request.path)).toEqual(['/1']);
    expect(side.socket.text).toMatch(/^HTTP\/1\.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP\/1\.1 400 Bad Request\r\n/);
  });

  it('a body that breaks the rules after the answer began cuts the answer', async () => {
    const side = new ServerSide();
    await side.socket.feed(`${post}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n`);
    side.streams[0]!.sendHead(new ResponseHead(200, HeaderFields.of()), false);
    side.streams[0]!.sendData(Buffer.from('part'), false);
    await side.socket.feed('zz\r\n');
    expect(side.requests[0]!.error).toMatchObject({ flag: 'DPE' });
    expect(side.socket.text).toBe(
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n4\r\npart\r\n',
    );
    expect(side.socket.destroyed).toBe(true);
  });

  it('takes what is merely unusual: many spaces after the colon, bytes beyond ASCII in values, an IPv6 host, a default port in one place', async () => {
    const side = new ServerSide();
    await side.socket.feed('GET http://[::1]:80/x HTTP/1.1\r\nHost:   [::1]\t\r\nX: caf\xe9\r\n\r\n');
    expect(side.requests[0]!.request.authority).toBe('[::1]:80');
    expect(side.requests[0]!.request.fields.get('x')).toBe('caf\xe9');
  });
});

describe('HTTP/1.1 framing: responses', () => {
  for (const [name, fields] of badFields) {
    it(`refuses ${name}`, async () => {
      expect(await refusedResponse(`HTTP/1.1 200 OK\r\n${fields}\r\n`)).toBe('refused');
    });
  }

  for (const [name, body] of badChunks) {
    it(`refuses ${name}`, async () => {
      expect(await refusedResponse(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}`, 'GET', true)).toBe(
        'refused',
      );
    });
  }

  it.each([
    ['HTTP/0.9', '<html>hello'],
    ['HTTP/2.0', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a status below 100', 'HTTP/1.1 099 No\r\n\r\n'],
    ['a status above 599', 'HTTP/1.1 600 No\r\n\r\n'],
    ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n'],
    ['a bare LF behind the status line', 'HTTP/1.1 200 OK\n\r\n'],
    ['a control byte in the reason', 'HTTP/1.1 200 O\x01K\r\n\r\n'],
    ['an empty line before the status line', '\r\nHTTP/1.1 200 OK\r\n\r\n'],
    ['HTTP/1.0 with chunked (RFC 9112 6.1)', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['204 with Content-Length (RFC 9110 8.6)', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello'],
    ['204 with chunked (RFC 9112 6.1)', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['1xx with Content-Length (RFC 9110 8.6)', 'HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello'],
    ['1xx with chunked (RFC 9112 6.1)', 'HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a head that is too large', `HTTP/1.1 200 OK\r\n${`X: ${'a'.repeat(500)}\r\n`.repeat(10)}\r\n`],
    ['too many fields', `HTTP/1.1 200 OK\r\n${'X: 1\r\n'.repeat(21)}\r\n`],
  ])('refuses %s', async (_name, text) => {
    expect(await refusedResponse(text)).toBe('refused');
  });

  it.each([
    ['HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['204', 'GET', 'HTTP/1.1 204 No Content\r\n\r\nhello'],
    ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello'],
  ])('a body on %s goes to nobody and ends the connection', async (_name, method, text) => {
    const side = new ClientSide();
    const response = new Recording();
    side.connection
      .newStream(response)
      .sendHead(new RequestHead(method, 'http', 'a', '/', '1.1', HeaderFields.of()), true);
    await turn();
    await side.socket.feed(text);
    expect([response.ended, response.body]).toEqual([true, '']);
    expect(side.closes).toMatchObject([{ flag: 'UPE', details: 'http1.unsolicited_response' }]);
    expect(side.available).toBe(0);
  });

  it('stops an upstream that sends informational heads without end', async () => {
    const some = 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(100);
    expect(await refusedResponse(`${some}HTTP/1.1 102 Processing\r\n\r\n`)).toBe('refused');
    const side = new ClientSide();
    const response = new Recording();
    side.connection
      .newStream(response)
      .sendHead(new RequestHead('GET', 'http', 'a', '/', '1.1', HeaderFields.of()), true);
    await turn();
    await side.socket.feed(`${some}HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n`);
    expect(response.informational.length).toBe(100);
    expect(response.head).toMatchObject({ status: 200 });
  });
});

describe('desync without bad framing', () => {
  it('unread body: a request is not begun in the body of one that was answered early', async () => {
    const side = new ServerSide();
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
    await side.socket.feed(`${post}Content-Length: ${smuggled.length + 5}\r\n\r\n`);
    side.streams[0]!.sendHead(new ResponseHead(401, HeaderFields.of(['content-length', '0'])), true);
    await side.socket.feed(smuggled);
    expect(side.requests).toHaveLength(1);
    expect(side.socket.finished).toBe(true);
  });

  it('Expect: 100-continue answered with a final status: the connection closes, for the body may come or not (RFC 9110 10.1.1)', async () => {
    const side = new ServerSide();
    await side.socket.feed(`${post}Expect: 100-continue\r\nContent-Length: 30\r\n\r\n`);
    side.streams[0]!.sendHead(new ResponseHead(417, HeaderFields.of()), true);
    await turn();
    expect(side.socket.text).toBe('HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    expect(side.socket.finished).toBe(true);
  });

  it('Expect: 100-continue with its whole body already there: the connection goes on', async () => {
    const side = new ServerSide();
    await side.socket.feed(`${post}Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi`);
    side.streams[0]!.sendHead(new ResponseHead(200, HeaderFields.of()), true);
    await side.socket.feed(`GET / HTTP/1.1\r\n${host}\r\n`);
    expect(side.requests).toHaveLength(2);
  });

  it('a 100 Continue behind the final response goes to nobody', async () => {
    const side = new ClientSide();
    const response = new Recording();
    side.connection
      .newStream(response)
      .sendHead(new RequestHead('GET', 'http', 'a', '/', '1.1', HeaderFields.of()), true);
    await turn();
    await side.socket.feed('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    expect(side.available).toBe(1);
    await side.socket.feed('HTTP/1.1 100 Continue\r\n\r\n');
    expect(side.closes).toMatchObject([{ flag: 'UPE' }]);
  });

  it('an answer that reveals nothing of what the client sent', async () => {
    const side = new ServerSide();
    await side.socket.feed(`GET /<script> HTTP/1.1\r\nHost: a\r\nX\x1b[31m: secret\r\n\r\n`);
    expect(side.socket.text).not.toMatch(/script|secret/);
    expect(side.socket.text).not.toContain('\x1b');
  });
});
