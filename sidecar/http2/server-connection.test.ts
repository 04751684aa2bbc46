/** The server side against a peer that sends exactly what the test says. */
import { afterEach, describe, expect, it } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { ResponseHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { block, frame, get, post, RawPeer, setting, uint32 } from './test/raw-peer.ts';
import { type RecordedStream, RecordingServer } from './test/recording-server.ts';

const endStream = 1;
const endHeaders = 4;

let server: RecordingServer;
let peer: RawPeer;

async function start(...args: Parameters<typeof RecordingServer.start>): Promise<void> {
  server = await RecordingServer.start(...args);
  peer = RawPeer.connect(server.port).hello();
}

afterEach(() => {
  peer.socket.destroy();
  server.close();
});

describe('requests', () => {
  it('gives head, data and trailers, and writes head, data and trailers back', async () => {
    await start();
    peer.send(
      frame(1, endHeaders, 1, block(...post, ['x-one', '1'], ['cookie', 'a=1'], ['x-two', '2'], ['cookie', 'b=2'])),
      frame(0, 0, 1, 'hello '),
      frame(0, 8, 1, Buffer.concat([Buffer.from([3]), Buffer.from('world'), Buffer.alloc(3)])),
      frame(1, endStream | endHeaders, 1, block(['x-sum', 'abc'])),
    );
    await server.until(() => (server.streams[0]?.trailers ?? null) !== null);
    const one = server.streams[0]!;
    expect(one.events).toEqual(['head', 'data', 'data', 'trailers']);
    expect(one.head).toMatchObject({ method: 'POST', scheme: 'http', authority: 'a', path: '/', version: '2' });
    // Cookie crumbs are joined (RFC 9113 8.2.3).
    expect(one.head!.fields.pairs()).toEqual([
      ['x-one', '1'],
      ['cookie', 'a=1; b=2'],
      ['x-two', '2'],
    ]);
    expect(one.body.toString()).toBe('hello world');
    expect(one.trailers!.pairs()).toEqual([['x-sum', 'abc']]);

    one.stream.sendInformational(new ResponseHead(103, HeaderFields.of(['link', '</a>'])));
    one.stream.sendHead(
      new ResponseHead(200, HeaderFields.of(['Content-Type', 'text/plain'], ['Connection', 'close'])),
      false,
    );
    one.stream.sendData(Buffer.from('ok'), false);
    one.stream.sendTrailers(HeaderFields.of(['grpc-status', '0']));
    expect(await peer.headers(1, 0)).toEqual([
      [':status', '103'],
      ['link', '</a>'],
    ]);
    expect(await peer.headers(1, 1)).toEqual([
      [':status', '200'],
      ['content-type', 'text/plain'],
    ]);
    expect(await peer.headers(1, 2)).toEqual([['grpc-status', '0']]);
    expect(server.connections[0]!.activeStreams).toBe(0);
  });

  it('keeps that a field is never to be indexed, one crumb of a cookie for all (RFC 7541 7.1.3)', async () => {
    await start();
    const neverIndexed = (name: string, value: string): Buffer =>
      Buffer.concat([
        Buffer.from([0x10, name.length]),
        Buffer.from(name),
        Buffer.from([value.length]),
        Buffer.from(value),
      ]);
    const bytes = Buffer.concat([
      block(...get, ['x-a', '1'], ['cookie', 'a=1']),
      neverIndexed('x-key', 'k'),
      neverIndexed('cookie', 'b=2'),
    ]);
    for (const id of [1, 3, 5]) peer.send(frame(1, endStream | endHeaders, id, bytes));
    await server.until(() => server.streams.length === 3);
    for (const { head } of server.streams) {
      expect(head!.fields.names.map((name, i) => [name.lower, head!.fields.values[i], name.neverIndexed])).toEqual([
        ['x-a', '1', false],
        ['cookie', 'a=1; b=2', true],
        ['x-key', 'k', true],
      ]);
    }
  });

  it('gives every repetition of a block a head of its own', async () => {
    await start();
    for (let i = 0; i < 4; i++) peer.send(frame(1, endStream | endHeaders, 1 + 2 * i, block(...get, ['x-a', '1'])));
    await server.until(() => server.streams.length === 4);
    server.streams[2]!.head!.fields.delete('x-a');
    server.streams[2]!.head!.path = '/changed';
    peer.send(frame(1, endStream | endHeaders, 9, block(...get, ['x-a', '1'])));
    await server.until(() => server.streams.length === 5);
    for (const i of [0, 1, 3, 4]) {
      expect(server.streams[i]!.head!.path).toBe('/');
      expect(server.streams[i]!.head!.fields.get('x-a')).toBe('1');
    }
  });

  it('fills :authority from host and drops a host that equals it (RFC 9113 8.3.1)', async () => {
    await start();
    peer.send(
      frame(
        1,
        endStream | endHeaders,
        1,
        block([':method', 'GET'], [':scheme', 'http'], [':path', '/'], ['host', 'b:80']),
      ),
      frame(1, endStream | endHeaders, 3, block(...get, ['host', 'A'])),
    );
    await server.until(() => server.streams.length === 2);
    expect(server.streams[0]!.head!.authority).toBe('b:80');
    expect(server.streams.map((s) => s.head!.fields.length)).toEqual([0, 0]);
  });

  it('takes CONNECT, whose directions end independently (RFC 9113 8.5)', async () => {
    await start();
    peer.send(frame(1, endHeaders, 1, block([':method', 'CONNECT'], [':authority', 'db:5432'])));
    await server.until(() => server.streams.length === 1);
    const one = server.streams[0]!;
    expect(one.head).toMatchObject({ method: 'CONNECT', authority: 'db:5432', path: '' });
    one.stream.sendHead(new ResponseHead(200, new HeaderFields()), false);
    one.stream.sendData(Buffer.from('bye'), true);
    peer.send(frame(0, 0, 1, 'still here'), frame(0, endStream, 1, '.'));
    await server.until(() => one.events.includes('data end'));
    expect(one.body.toString()).toBe('still here.');
    expect(peer.frames.some((f) => f.type === 3)).toBe(false);
  });

  it('takes extended CONNECT as an upgrade and answers 101 as 200 (RFC 8441)', async () => {
    await start();
    const settings = await peer.frame((f) => f.type === 4 && f.flags === 0);
    expect(settings.payload.toString('hex')).toContain('000800000001');
    peer.send(
      frame(
        1,
        endHeaders,
        1,
        block([':method', 'CONNECT'], [':protocol', 'websocket'], ...get.slice(1), ['sec-websocket-version', '13']),
      ),
    );
    await server.until(() => server.streams.length === 1);
    const { head, stream } = server.streams[0]!;
    expect(head).toMatchObject({ method: 'GET', upgrade: 'websocket', path: '/' });
    expect(head!.fields.get('upgrade')).toBe('websocket');
    expect(Buffer.from(head!.fields.get('sec-websocket-key')!, 'base64').length).toBe(16);
    stream.sendHead(
      new ResponseHead(101, HeaderFields.of(['upgrade', 'websocket'], ['sec-websocket-accept', 'x'])),
      false,
    );
    expect(await peer.headers(1)).toEqual([[':status', '200']]);
  });

  it.each<[string, ReadonlyArray<readonly [string, string]>]>([
    [
      'CONNECT',
      [
        [':method', 'CONNECT'],
        [':authority', 'db:5432'],
      ],
    ],
    ['extended CONNECT', [[':method', 'CONNECT'], [':protocol', 'websocket'], ...get.slice(1)]],
  ])('%s: a content-length counts nothing and goes no further (RFC 9110 8.6, 9.3.6)', async (method, fields) => {
    await start();
    peer.send(frame(1, endHeaders, 1, block(...fields, ['content-length', '2'])), frame(0, 0, 1, 'more than 2'));
    await server.until(() => (server.streams[0]?.body.length ?? 0) > 0);
    const { head, stream } = server.streams[0]!;
    expect(head!.fields.has('content-length')).toBe(false);
    const status = method === 'CONNECT' ? 200 : 101;
    stream.sendHead(new ResponseHead(status, HeaderFields.of(['content-length', '2'], ['x-a', '1'])), false);
    expect(await peer.headers(1)).toEqual([
      [':status', '200'],
      ['x-a', '1'],
    ]);
    peer.send(frame(1, endHeaders, 3, block(...fields, ['content-length', '2'])));
    await server.until(() => server.streams.length === 2);
    server.streams[1]!.stream.sendHead(new ResponseHead(403, HeaderFields.of(['content-length', '2'])), false);
    expect(await peer.headers(3)).toContainEqual(['content-length', '2']);
  });

  it('sends RST_STREAM(NO_ERROR) when the response ends before the request (RFC 9113 8.1)', async () => {
    await start();
    peer.send(frame(1, endHeaders, 1, block(...post)));
    await server.until(() => server.streams.length === 1);
    server.streams[0]!.answer(413);
    expect(await peer.resetCode(1)).toBe(0);
    // What was on its way is ignored, without an event.
    peer.send(frame(0, 0, 1, 'late'), frame(1, 5, 1, block(['late', '1'])));
    await peer.settled();
    expect(server.streams[0]!.events).toEqual(['head']);
    expect(peer.frames.some((f) => f.type === 7)).toBe(false);
  });
});

describe('malformed requests (RFC 9113 8.1.1): RST_STREAM PROTOCOL_ERROR, nobody hears of a request', () => {
  const base = get;
  it.each<[string, ReadonlyArray<readonly [string, string]>]>([
    ['CR in a value', [...base, ['x', 'a\rb']]],
    ['LF in a value', [...base, ['x', 'a\nb']]],
    ['NUL in a value', [...base, ['x', 'a\0b']]],
    ['a space before a value', [...base, ['x', ' a']]],
    ['a tab behind a value', [...base, ['x', 'a\t']]],
    ['upper case in a name', [...base, ['X-a', '1']]],
    ['a colon in a name', [...base, ['x:y', '1']]],
    ['LF in a name', [...base, ['x\ny', '1']]],
    ['a space in a name', [...base, ['x y', '1']]],
    ['an empty name', [...base, ['', '1']]],
    ['a name with a high byte', [...base, ['x\xe4', '1']]],
    ['connection', [...base, ['connection', 'close']]],
    ['keep-alive', [...base, ['keep-alive', '1']]],
    ['proxy-connection', [...base, ['proxy-connection', '1']]],
    ['transfer-encoding', [...base, ['transfer-encoding', 'chunked']]],
    ['upgrade', [...base, ['upgrade', 'h2c']]],
    ['te other than trailers', [...base, ['te', 'gzip']]],
    ['content-length with a sign', [...base, ['content-length', '+0']]],
    ['content-length that is empty', [...base, ['content-length', '']]],
    ['content-length as a list', [...base, ['content-length', '0, 0']]],
    ['content-length twice', [...base, ['content-length', '0'], ['content-length', '0']]],
    ['content-length beyond counting', [...base, ['content-length', '99999999999999999999']]],
    ['content-length without a body', [...base, ['content-length', '5']]],
    ['no :method', base.slice(1)],
    ['no :scheme', [base[0]!, base[2]!]],
    ['no :path', [base[0]!, base[1]!]],
    ['an empty :path', [base[0]!, base[1]!, [':path', '']]],
    [':path without a slash', [base[0]!, base[1]!, [':path', 'a']]],
    [':path * with GET', [base[0]!, base[1]!, [':path', '*']]],
    [':path with a space', [base[0]!, base[1]!, [':path', '/a b']]],
    [':path with a tab', [base[0]!, base[1]!, [':path', '/a\tb']]],
    [':path in absolute form', [base[0]!, base[1]!, [':path', 'http://b/']]],
    ['a pseudo-header twice', [...base, [':path', '/b']]],
    [':authority twice', [...base, [':authority', 'b']]],
    ['an unknown pseudo-header', [...base, [':foo', '1']]],
    [':status in a request', [...base, [':status', '200']]],
    ['a pseudo-header behind a field', [...base.slice(0, 3), ['x', '1'], base[3]!]],
    [':method with a space', [[':method', 'GET /'], ...base.slice(1)]],
    [':scheme that is none', [base[0]!, [':scheme', 'ht tp'], base[2]!]],
    [':authority with user information', [...base.slice(0, 3), [':authority', 'u@a']]],
    [':authority with a slash', [...base.slice(0, 3), [':authority', 'a/b']]],
    [':authority that is empty', [...base.slice(0, 3), [':authority', '']]],
    [':authority with two colons', [...base.slice(0, 3), [':authority', 'a:1:2']]],
    [':authority with a port that is none', [...base.slice(0, 3), [':authority', 'a:b']]],
    [':authority with an IPv6 address without brackets', [...base.slice(0, 3), [':authority', '::1']]],
    [':authority with a bracket too few', [...base.slice(0, 3), [':authority', '[::1']]],
    [':authority with a list', [...base.slice(0, 3), [':authority', 'a,b']]],
    [':authority with a space', [...base.slice(0, 3), [':authority', 'a b']]],
    ['host with user information', [...base.slice(0, 3), ['host', 'u@a']]],
    ['host that differs from :authority', [...base, ['host', 'b']]],
    ['host with another port than :authority', [...base, ['host', 'a:81']]],
    ['host that is empty beside :authority', [...base, ['host', '']]],
    [':scheme other than http and https', [base[0]!, [':scheme', 'ftp'], ...base.slice(2)]],
    [':path with a fragment', [...base.slice(0, 2), [':path', '/a#b'], base[3]!]],
    [':path with a high byte', [...base.slice(0, 2), [':path', '/\xe4'], base[3]!]],
    [
      'CONNECT to no port',
      [
        [':method', 'CONNECT'],
        [':authority', 'db'],
      ],
    ],
    ['host twice', [...base, ['host', 'a'], ['host', 'a']]],
    ['CONNECT with :path', [[':method', 'CONNECT'], ...base.slice(1)]],
    ['CONNECT without :authority', [[':method', 'CONNECT']]],
    [':protocol without CONNECT', [...base, [':protocol', 'websocket']]],
  ])('%s', async (_, fields) => {
    await start();
    peer.send(frame(1, endStream | endHeaders, 1, block(...fields)));
    expect(await peer.resetCode(1)).toBe(1);
    expect(server.streams.length).toBe(0);
    expect(server.codecErrors.map((e) => e.details)).toEqual(['http2.violation.of.messaging.rule']);
    // The connection and its header tables are unharmed.
    peer.send(frame(1, endStream | endHeaders, 3, block(...get)));
    await server.until(() => server.streams.length === 1);
  });

  it.each(['h2c', 'H2C-14', 'h2', 'http/2'])('extended CONNECT to %s', async (token) => {
    await start();
    peer.send(frame(1, endHeaders, 1, block([':method', 'CONNECT'], [':protocol', token], ...get.slice(1))));
    expect(await peer.resetCode(1)).toBe(1);
    expect(server.streams.length).toBe(0);
  });

  it.each<[string, Buffer[]]>([
    ['DATA beyond content-length', [frame(0, 0, 1, 'abcdef')]],
    ['DATA short of content-length', [frame(0, endStream, 1, 'abc')]],
    ['trailers short of content-length', [frame(0, 0, 1, 'abc'), frame(1, 5, 1, block(['a', '1']))]],
    ['pseudo-headers in trailers', [frame(0, 0, 1, 'abcde'), frame(1, 5, 1, block([':path', '/']))]],
    ['connection-specific trailers', [frame(0, 0, 1, 'abcde'), frame(1, 5, 1, block(['connection', 'x']))]],
    ['content-length in trailers', [frame(0, 0, 1, 'abcde'), frame(1, 5, 1, block(['content-length', '5']))]],
    ['trailers that do not end the stream', [frame(0, 0, 1, 'abcde'), frame(1, 4, 1, block(['a', '1']))]],
  ])('a begun request: %s', async (_, frames) => {
    await start();
    peer.send(frame(1, endHeaders, 1, block(...post, ['content-length', '5'])), ...frames);
    expect(await peer.resetCode(1)).toBe(1);
    const one = server.streams[0]!;
    expect(one.events.at(-1)).toBe('reset');
    expect(one.events.filter((e) => e.includes('end') || e === 'trailers')).toEqual([]);
    expect(one.error).toMatchObject({ flag: 'DPE', source: 'downstream', http2Code: 1 });
  });

  it('answers 400 where neither :authority nor host says which host is meant (RFC 9113 8.3.1)', async () => {
    await start();
    const grpc = [
      ['content-type', 'application/grpc'],
      ['te', 'trailers'],
    ] as const;
    peer.send(
      frame(1, endStream | endHeaders, 1, block(...get.slice(0, 3))),
      frame(1, endHeaders, 3, block(...post.slice(0, 3), ['host', ''])),
      frame(1, endHeaders, 5, block(...post.slice(0, 3), ...grpc)),
      // The same block again, by memo.
      frame(1, endStream | endHeaders, 7, block(...get.slice(0, 3))),
      frame(1, endHeaders, 9, block(...post.slice(0, 3), ...grpc)),
    );
    for (const id of [1, 3, 7]) expect((await peer.headers(id))[0]).toEqual([':status', '400']);
    for (const id of [5, 9]) {
      const answer = await peer.headers(id);
      expect(answer[0]).toEqual([':status', '200']);
      expect(answer).toContainEqual(['grpc-status', '13']);
    }
    expect(await peer.resetCode(3)).toBe(0);
    expect(server.streams.length).toBe(0);
    expect(server.codecErrors.map((e) => `${e.status} ${e.details}`)).toEqual(Array(5).fill('400 missing_host_header'));
  });

  it('takes a host that says the same as :authority with the default port, and any case of the scheme', async () => {
    await start();
    peer.send(
      frame(1, endStream | endHeaders, 1, block(...get, ['host', 'A:80'])),
      frame(
        1,
        endStream | endHeaders,
        3,
        block(get[0]!, [':scheme', 'HTTPS'], get[2]!, [':authority', '[::1]:443'], ['host', '[::1]']),
      ),
    );
    await server.until(() => server.streams.length === 2);
    expect(server.streams.map(({ head }) => [head!.scheme, head!.authority])).toEqual([
      ['http', 'a'],
      ['https', '[::1]:443'],
    ]);
  });

  it('answers 431 to heads above the limits, and keeps the header table in step', async () => {
    await start({ maxHeadBytes: 2000, maxFields: 20 });
    const many = Array.from({ length: 30 }, (_, i) => [`x-${i}`, 'v'] as const);
    peer.send(
      frame(
        1,
        endHeaders,
        1,
        Buffer.concat([block(...get, ['x', 'y'.repeat(3000)]), Buffer.from('4003782d610131', 'hex')]),
      ),
      frame(1, endStream | endHeaders, 3, block(...get, ...many)),
      frame(1, endStream | endHeaders, 5, block(...get, ['content-type', 'application/grpc'], ...many)),
      frame(1, endStream | endHeaders, 7, Buffer.concat([block(...get), Buffer.from([0xbe])])),
    );
    expect((await peer.headers(1))[0]).toEqual([':status', '431']);
    expect(await peer.resetCode(1)).toBe(0);
    expect((await peer.headers(3))[0]).toEqual([':status', '431']);
    expect(await peer.headers(5)).toContainEqual(['grpc-status', '8']);
    await server.until(() => server.streams.length === 1);
    expect(server.streams[0]!.head!.fields.pairs()).toEqual([['x-a', '1']]);
    expect(server.codecErrors.map((e) => e.status)).toEqual([431, 431, 431]);
  });
});

describe('streams that died', () => {
  it('tells of RST_STREAM once and of nothing after it', async () => {
    await start();
    peer.send(frame(1, endHeaders, 1, block(...post)), frame(3, 0, 1, uint32(8)));
    await server.until(() => (server.streams[0]?.error ?? null) !== null);
    const one = server.streams[0]!;
    expect(one.error).toMatchObject({ flag: 'DC', source: 'downstream', details: 'http2.remote_reset', http2Code: 8 });
    one.answer();
    one.stream.reset(one.error!);
    peer.send(frame(3, 0, 1, uint32(8)));
    await peer.settled();
    expect(one.events).toEqual(['head', 'reset']);
    expect(peer.frames.some((f) => f.streamId === 1)).toBe(false);
  });

  it('takes DATA behind RST_STREAM of the peer as a connection error STREAM_CLOSED', async () => {
    await start();
    peer.send(frame(1, endHeaders, 1, block(...post)), frame(3, 0, 1, uint32(8)), frame(0, 0, 1, 'x'));
    expect(await peer.goAwayCode()).toBe(5);
    await peer.closed;
    expect(server.streams[0]!.events).toEqual(['head', 'reset']);
  });

  it('ignores what was under way when we reset the stream, and gives its window back', async () => {
    await start({}, { initialConnectionWindowBytes: 65_535 });
    peer.send(frame(1, endHeaders, 1, block(...post)));
    await server.until(() => server.streams.length === 1);
    server.streams[0]!.stream.reset(
      new ProxyError({ flag: 'LR', source: 'local', details: 'x', message: 'x', http2Code: 8 }),
    );
    expect(await peer.resetCode(1)).toBe(8);
    for (let i = 0; i < 3; i++) peer.send(frame(0, 0, 1, Buffer.alloc(16_000)));
    peer.send(frame(1, 5, 1, block(['x', '1'])));
    const update = await peer.frame((f) => f.type === 8 && f.streamId === 0);
    expect(update.payload.readUInt32BE(0)).toBe(48_000);
    expect(server.streams[0]!.events).toEqual(['head']);
  });

  it('resets running streams once when the client goes away', async () => {
    await start();
    peer.send(frame(1, endHeaders, 1, block(...post)), frame(1, endStream | endHeaders, 3, block(...get)));
    await server.until(() => server.streams.length === 2);
    peer.socket.destroy();
    await server.until(() => server.closes.length === 1);
    expect(server.streams.map((s) => s.events.at(-1))).toEqual(['reset', 'reset']);
    expect(server.streams[0]!.error).toMatchObject({ flag: 'DC', details: 'downstream_remote_disconnect' });
    expect(server.closes[0]).toMatchObject({ flag: 'DC' });
    expect(server.time.wheel.armedCount).toBe(0);
  });
});

describe('an answer that waits for the window of its client', () => {
  it('is held for the flush timeout at most (Envoy stream_flush_timeout)', async () => {
    await start({}, {}, { flushTimeoutMs: 5_000 });
    peer.send(frame(4, 0, 0, setting(4, 0)), frame(1, 5, 1, block(...get)), frame(1, 4, 3, block(...post)));
    await server.until(() => server.streams.length === 2);
    const [one, two] = server.streams as [RecordedStream, RecordedStream];
    one.answer();
    await peer.headers(1);
    server.time.pass(4_900);
    await peer.settled();
    expect(peer.frames.some((f) => f.type === 3)).toBe(false);
    // Trailers wait as well.
    two.stream.sendHead(new ResponseHead(200, new HeaderFields()), false);
    two.stream.sendData(Buffer.from('ok'), false);
    two.stream.sendTrailers(HeaderFields.of(['x', '1']));
    server.time.pass(200);
    expect(await peer.resetCode(1)).toBe(8);
    expect(one.error).toMatchObject({ flag: 'SI', source: 'downstream', details: 'http2.flush_timeout' });
    await peer.settled('again...');
    expect(two.events).toEqual(['head']);
    server.time.pass(5_000);
    await peer.settled('again..2');
    server.time.pass(5_000);
    expect(await peer.resetCode(3)).toBe(8);
    expect(server.connections[0]!.activeStreams).toBe(0);
    expect(server.connections[0]!.scheduler.queuedBytes).toBe(0);
    expect(server.time.wheel.armedCount).toBe(0);
  });

  it('is held on while its client takes some of it now and then', async () => {
    await start({}, {}, { flushTimeoutMs: 5_000 });
    peer.send(frame(4, 0, 0, setting(4, 0)), frame(1, 5, 1, block(...get)));
    await server.until(() => server.streams.length === 1);
    server.streams[0]!.answer(200, 'abcd');
    for (let i = 0; i < 3; i++) {
      server.time.pass(4_000);
      peer.send(frame(8, 0, 1, uint32(1)));
      await peer.settled(`settled${i}`);
    }
    server.time.pass(4_000);
    peer.send(frame(8, 0, 1, uint32(1)));
    await peer.frame((f) => f.type === 0 && (f.flags & 1) !== 0);
    server.time.pass(11_000);
    await peer.settled();
    expect(peer.frames.some((f) => f.type === 3)).toBe(false);
    expect(server.time.wheel.armedCount).toBe(0);
  });
});

describe('the end of a connection', () => {
  it('drains with GOAWAY(2^31-1) and PING, then GOAWAY(last id), and closes with the last stream (RFC 9113 6.8)', async () => {
    await start();
    peer.send(frame(1, endStream | endHeaders, 1, block(...get)));
    await server.until(() => server.streams.length === 1);
    server.connections[0]!.drain();
    const first = await peer.frame((f) => f.type === 7);
    expect(first.payload.readUInt32BE(0)).toBe(0x7fff_ffff);
    const ping = await peer.frame((f) => f.type === 6 && f.flags === 0);
    // A request that crossed the GOAWAY is still served.
    peer.send(frame(1, endStream | endHeaders, 3, block(...get)), frame(6, 1, 0, ping.payload));
    const last = await peer.frame((f) => f.type === 7 && f !== first);
    expect(last.payload.readUInt32BE(0)).toBe(3);
    expect(last.payload.readUInt32BE(4)).toBe(0);
    // One behind it is not.
    peer.send(frame(1, endStream | endHeaders, 5, block(...get)));
    await peer.settled();
    expect(server.streams.length).toBe(2);
    server.streams[0]!.answer();
    server.streams[1]!.answer();
    await peer.closed;
    await server.until(() => server.closes.length === 1);
    expect(server.closes).toEqual([null]);
    expect(server.time.wheel.armedCount).toBe(0);
  });

  it('waits for the answer to the PING as long as drain_timeout says, not longer', async () => {
    await start({}, {}, { drainTimeoutMs: 3_000 });
    await peer.settled();
    server.connections[0]!.drain();
    await peer.frame((f) => f.type === 7);
    server.time.pass(2_900);
    peer.send(frame(1, endStream | endHeaders, 1, block(...get)));
    await server.until(() => server.streams.length === 1);
    server.streams[0]!.answer();
    await peer.headers(1);
    expect(peer.frames.filter((f) => f.type === 7).length).toBe(1);
    server.time.pass(200);
    await peer.closed;
    expect(peer.frames.filter((f) => f.type === 7).length).toBe(2);
  });

  it('ends with GOAWAY, code and debug data on a connection error, and closes although the peer does not', async () => {
    await start();
    peer.send(frame(1, endHeaders, 1, block(...post)), frame(6, 0, 0, 'short'));
    const goAway = await peer.frame((f) => f.type === 7);
    expect(goAway.payload.readUInt32BE(0)).toBe(1);
    expect(goAway.payload.readUInt32BE(4)).toBe(6);
    expect(goAway.payload.toString('latin1', 8)).toContain('PING');
    expect(server.streams[0]!.error).toMatchObject({ flag: 'DPE', http2Code: 6 });
    await peer.closed;
    await server.until(() => server.closes.length === 1);
    expect(server.closes[0]).toMatchObject({ flag: 'DPE', details: 'http2.ping_frame_size' });
  });

  it('destroys at once: streams, then onClose, synchronously', async () => {
    await start();
    peer.send(frame(1, endHeaders, 1, block(...post)));
    await server.until(() => server.streams.length === 1);
    const error = new ProxyError({ flag: 'LR', source: 'local', details: 'x', message: 'x', http2Code: 11 });
    server.connections[0]!.destroy(error);
    expect(server.streams[0]!.error).toBe(error);
    expect(server.closes).toEqual([error]);
    expect(await peer.goAwayCode()).toBe(11);
    await peer.closed;
  });

  it('closes when no SETTINGS come in time', async () => {
    server = await RecordingServer.start();
    peer = RawPeer.connect(server.port);
    await peer.frame((f) => f.type === 4);
    server.time.pass(11_000);
    expect(await peer.goAwayCode()).toBe(4);
    await peer.closed;
  });

  it('closes when a header block is begun and not finished in time (slow headers)', async () => {
    await start();
    await peer.settled();
    peer.send(frame(1, endStream, 1, block(...get)));
    await new Promise((resolve) => peer.socket.write(Buffer.alloc(0), resolve));
    while (server.time.wheel.armedCount === 0) await new Promise((resolve) => setImmediate(resolve));
    server.time.pass(11_000);
    expect(await peer.goAwayCode()).toBe(11);
  });

  it('refuses another protocol', async () => {
    server = await RecordingServer.start();
    peer = RawPeer.connect(server.port).send(Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n'));
    expect(await peer.goAwayCode()).toBe(1);
    await peer.closed;
  });

  it('sends keep-alive PINGs and gives up a peer that does not answer', async () => {
    await start({}, { keepAliveIntervalMs: 5_000, keepAliveTimeoutMs: 1_000 });
    await peer.settled();
    server.time.pass(5_010);
    const ping = await peer.frame((f) => f.type === 6 && f.flags === 0);
    peer.send(frame(6, 1, 0, ping.payload));
    await peer.settled('again...');
    server.time.pass(5_010);
    await peer.frame((f) => f.type === 6 && f.flags === 0 && f !== ping);
    server.time.pass(1_010);
    await peer.closed;
    expect(server.closes.length).toBe(1);
  });
});
