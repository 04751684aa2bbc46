/** The client side against a server that sends exactly what the test says. */
import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { RequestHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { block, frame, setting, uint32 } from './test/raw-peer.ts';
import { type ClientPair, connectClient, RecordedResponse, request } from './test/recording-client.ts';

let pair: ClientPair;

async function start(settings: Buffer[] = [], ...args: Parameters<typeof connectClient>): Promise<ClientPair> {
  pair = await connectClient(...args);
  pair.peer.send(frame(4, 0, 0, Buffer.concat(settings)), frame(4, 1, 0));
  await pair.client.until(() => pair.client.events.includes('available'));
  return pair;
}

afterEach(() => pair.close());

const ok = block([':status', '200']);

describe('requests and responses', () => {
  it('writes heads without what HTTP/2 forbids, and gives 1xx, head, data and trailers', async () => {
    const { client, peer } = await start();
    const one = client.send(
      new RequestHead(
        'POST',
        'https',
        'orders:80',
        '/a?b',
        '1.1',
        HeaderFields.of(
          ['Host', 'orders:80'],
          ['X-One', '1'],
          ['Connection', 'keep-alive'],
          ['TE', 'trailers'],
          ['Transfer-Encoding', 'chunked'],
        ),
      ),
      false,
    );
    one.stream.sendData(Buffer.from('hello'), false);
    one.stream.sendTrailers(HeaderFields.of(['x-sum', '1']));
    expect(await peer.headers(1)).toEqual([
      [':method', 'POST'],
      [':scheme', 'https'],
      [':path', '/a?b'],
      [':authority', 'orders:80'],
      ['x-one', '1'],
      ['te', 'trailers'],
    ]);
    expect(await peer.headers(1, 1)).toEqual([['x-sum', '1']]);
    peer.send(
      frame(1, 4, 1, block([':status', '103'], ['link', '</a>'])),
      frame(1, 4, 1, block([':status', '200'], ['content-length', '5'], ['x-a', 'b'])),
      frame(0, 0, 1, 'world'),
      frame(1, 5, 1, block(['grpc-status', '0'])),
    );
    await client.until(() => one.trailers !== null);
    expect(one.events).toEqual(['informational', 'head', 'data', 'trailers']);
    expect(one.head!.status).toBe(200);
    expect(one.head!.fields.pairs()).toEqual([
      ['content-length', '5'],
      ['x-a', 'b'],
    ]);
    expect(one.body.toString()).toBe('world');
    expect(one.trailers!.pairs()).toEqual([['grpc-status', '0']]);
    expect(client.connection.activeStreams).toBe(0);
  });

  it('takes a hundred informational responses to a request, and no more', async () => {
    const { client, peer } = await start();
    const one = client.send();
    const two = client.send();
    const hint = (id: number): Buffer => frame(1, 4, id, block([':status', '103']));
    peer.send(many(hint(1), 100), frame(1, 5, 1, block([':status', '200'])), many(hint(3), 101));
    await client.until(() => two.error !== null);
    expect([one.informational.length, one.head!.status]).toEqual([100, 200]);
    expect(two.informational.length).toBe(100);
    expect(two.error).toMatchObject({ flag: 'UPE', retry: 'never', http2Code: 1 });
    expect(await peer.resetCode(3)).toBe(1);
    expect(client.connection.isReading).toBe(true);
  });

  it('takes HEAD, 204 and 304 with a content-length and no body, and refuses DATA with them', async () => {
    const { client, peer } = await start();
    const head = client.send(request('HEAD'));
    const notModified = client.send();
    const bad = client.send(request('HEAD'));
    peer.send(
      frame(1, 5, 1, block([':status', '200'], ['content-length', '500'])),
      frame(1, 5, 3, block([':status', '304'], ['content-length', '500'])),
      frame(1, 4, 5, block([':status', '200'], ['content-length', '1'])),
      frame(0, 1, 5, 'x'),
    );
    await client.until(() => bad.error !== null);
    expect([head.events, notModified.events]).toEqual([['head end'], ['head end']]);
    expect(bad.error).toMatchObject({ flag: 'UPE', details: 'upstream_reset_after_response_started{protocol_error}' });
    expect(await peer.resetCode(5)).toBe(1);
  });

  it('makes an upgrade an extended CONNECT and its 200 a 101 (RFC 8441)', async () => {
    pair = await connectClient();
    const { client, peer } = pair;
    const head = request(
      'GET',
      '/ws',
      ['connection', 'upgrade'],
      ['upgrade', 'websocket'],
      ['sec-websocket-key', 'abc'],
    );
    head.upgrade = 'websocket';
    // The server has not said yet whether it takes it: the request waits.
    const one = client.send(head, false);
    one.stream.sendData(Buffer.from('early'), false);
    peer.send(frame(4, 0, 0, setting(8, 1)));
    expect(await peer.headers(1)).toEqual([
      [':method', 'CONNECT'],
      [':scheme', 'http'],
      [':path', '/ws'],
      [':authority', 'a'],
      [':protocol', 'websocket'],
    ]);
    await peer.frame((f) => f.type === 0 && f.payload.toString() === 'early');
    peer.send(frame(1, 4, 1, ok));
    await client.until(() => one.head !== null);
    expect(one.head!.status).toBe(101);
    expect(one.head!.fields.get('sec-websocket-accept')).toBe(
      createHash('sha1').update('abc258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64'),
    );
  });

  it('a tunnel has no content-length: none is sent, none is given on (RFC 9110 8.6, 9.3.6)', async () => {
    const { client, peer } = await start([setting(8, 1)]);
    const head = request('GET', '/ws', ['upgrade', 'websocket'], ['content-length', '0'], ['x-a', '1']);
    head.upgrade = 'websocket';
    const one = client.send(head, false);
    expect((await peer.headers(1)).slice(5)).toEqual([['x-a', '1']]);
    peer.send(frame(1, 4, 1, block([':status', '200'], ['content-length', '2'])), frame(0, 0, 1, 'more than 2'));
    await client.until(() => one.body.length > 0);
    expect(one.head!.status).toBe(101);
    expect(one.head!.fields.has('content-length')).toBe(false);
    const two = client.send(
      new RequestHead('CONNECT', '', 'db:1', '', '1.1', HeaderFields.of(['content-length', '0'])),
      false,
    );
    expect((await peer.headers(3)).length).toBe(2);
    peer.send(frame(1, 4, 3, block([':status', '403'], ['content-length', '2'])), frame(0, 1, 3, 'no'));
    await client.until(() => two.body.length > 0);
    expect(two.head!.fields.get('content-length')).toBe('2');
  });

  it('fails an upgrade that waits for SETTINGS when the connection ends without them, unsent', async () => {
    for (const end of [
      (peer: ClientPair['peer']) => peer.socket.destroy(),
      (peer: ClientPair['peer']) => peer.socket.end(),
      (peer: ClientPair['peer']) => peer.send(frame(6, 0, 0, 'settled!')),
    ]) {
      pair = await connectClient();
      const head = request('GET', '/ws');
      head.upgrade = 'websocket';
      const one = pair.client.send(head, false);
      end(pair.peer);
      await pair.client.until(() => one.error !== null);
      expect(one.events).toEqual(['reset']);
      expect(one.error!.retry).toBe('unsent');
      expect(pair.client.connection.activeStreams).toBe(0);
      pair.close();
    }
    pair = await connectClient();
    const head = request('GET', '/ws');
    head.upgrade = 'websocket';
    const given = pair.client.send(head, false);
    const held = pair.client.send(head, false);
    held.stream.reset(new ProxyError({ flag: 'DC', source: 'local', details: 'x', message: 'x' }));
    pair.client.connection.destroy(new ProxyError({ flag: 'UF', source: 'local', details: 'x', message: 'x' }));
    expect([given.events, held.events]).toEqual([['reset'], []]);
  });

  it('fails an upgrade that the server does not take, unsent, and not from inside sendHead', async () => {
    const { client } = await start();
    const head = request('GET', '/ws');
    head.upgrade = 'websocket';
    const one = client.send(head, false);
    expect(one.error).toBe(null);
    await client.until(() => one.error !== null);
    expect(one.error).toMatchObject({ flag: 'UPE', retry: 'unsent' });
  });

  it.each<[string, ReadonlyArray<readonly [string, string]>]>([
    ['no :status', [['x', '1']]],
    [
      ':status twice',
      [
        [':status', '200'],
        [':status', '200'],
      ],
    ],
    [':status of two digits', [[':status', '99']]],
    [':status that is no number', [[':status', '2x0']]],
    [':status below 100', [[':status', '099']]],
    [':status above 599 (RFC 9110 15)', [[':status', '600']]],
    [':status 999', [[':status', '999']]],
    [':status 101', [[':status', '101']]],
    [
      ':path in a response',
      [
        [':status', '200'],
        [':path', '/'],
      ],
    ],
    [
      'upper case in a name',
      [
        [':status', '200'],
        ['X', '1'],
      ],
    ],
    [
      'LF in a value',
      [
        [':status', '200'],
        ['x', 'a\nb'],
      ],
    ],
    [
      'connection',
      [
        [':status', '200'],
        ['connection', 'close'],
      ],
    ],
    [
      'transfer-encoding',
      [
        [':status', '200'],
        ['transfer-encoding', 'chunked'],
      ],
    ],
    [
      'two content-lengths',
      [
        [':status', '200'],
        ['content-length', '1'],
        ['content-length', '1'],
      ],
    ],
    [
      'content-length without a body',
      [
        [':status', '200'],
        ['content-length', '1'],
      ],
    ],
    ['1xx that ends the stream', [[':status', '103']]],
  ])('refuses a response with %s (RFC 9113 8.1.1)', async (_, fields) => {
    const { client, peer } = await start();
    const one = client.send();
    peer.send(frame(1, 5, 1, block(...fields)));
    expect(await peer.resetCode(1)).toBe(1);
    expect(one.events).toEqual(['reset']);
    expect(one.error).toMatchObject({
      flag: 'UPE',
      source: 'upstream',
      details: 'upstream_reset_before_response_started{protocol_error}',
    });
  });
});

/** What a running request hears when the test has done its worst. */
async function errorOf(act: (one: RecordedResponse) => void): Promise<ProxyError> {
  const { client } = await start();
  const one = client.send(request('POST'), false);
  act(one);
  await client.until(() => one.error !== null);
  expect(one.events.filter((e) => e === 'reset')).toEqual(['reset']);
  return one.error!;
}

describe('how streams fail', () => {
  it.each([0, 1, 2, 8, 11, 13])(
    'RST_STREAM %i before the response: UR remote_reset; it was received, so it is no stale connection to repeat on',
    async (code) => {
      expect(await errorOf(() => pair.peer.send(frame(3, 0, 1, uint32(code))))).toMatchObject({
        flag: 'UR',
        retry: 'never',
        details: 'upstream_reset_before_response_started{remote_reset}',
        http2Code: code,
      });
    },
  );

  it('a response that breaks the protocol: UPE, and not asked for again', async () => {
    expect(await errorOf(() => pair.peer.send(frame(1, 4, 1, block(['x', '1']))))).toMatchObject({
      flag: 'UPE',
      retry: 'never',
      details: 'upstream_reset_before_response_started{protocol_error}',
    });
  });

  it('RST_STREAM after the response began: never safe', async () => {
    expect(await errorOf(() => pair.peer.send(frame(1, 4, 1, ok), frame(3, 0, 1, uint32(2))))).toMatchObject({
      flag: 'UR',
      retry: 'never',
      details: 'upstream_reset_after_response_started{remote_reset}',
    });
  });

  it('REFUSED_STREAM: unsent', async () => {
    expect(await errorOf(() => pair.peer.send(frame(3, 0, 1, uint32(7))))).toMatchObject({
      flag: 'UR',
      retry: 'unsent',
      details: 'upstream_reset_before_response_started{remote_refused_stream_reset}',
    });
  });

  it('GOAWAY below the stream: unsent; the others go on; no new streams', async () => {
    const { client, peer } = await start();
    const first = client.send();
    const second = client.send();
    peer.send(frame(7, 0, 0, Buffer.concat([uint32(1), uint32(0)])));
    await client.until(() => second.error !== null);
    expect(second.error).toMatchObject({ flag: 'UR', retry: 'unsent' });
    expect(client.events.at(-1)).toBe('draining');
    expect(client.connection.availableStreams()).toBe(0);
    const late = client.send();
    await client.until(() => late.error !== null);
    expect(late.error!.retry).toBe('unsent');
    peer.send(frame(1, 5, 1, ok));
    await client.until(() => client.closes.length === 1);
    expect(first.events).toEqual(['head end']);
    expect(client.closes).toEqual([null]);
    expect(client.events.filter((e) => e === 'draining').length).toBe(1);
  });

  it('the connection closes: UC connection_termination', async () => {
    expect(await errorOf(() => pair.peer.socket.destroy())).toMatchObject({
      flag: 'UC',
      retry: 'idempotent',
      details: 'upstream_reset_before_response_started{connection_termination}',
    });
  });

  it('RST_STREAM(NO_ERROR) behind a whole response is a normal end (RFC 9113 8.1)', async () => {
    const { client, peer } = await start();
    const one = client.send(request('POST'), false);
    peer.send(frame(1, 5, 1, ok), frame(3, 0, 1, uint32(0)));
    await client.until(() => client.connection.activeStreams === 0);
    one.stream.sendData(Buffer.from('late'), true);
    expect(one.events).toEqual(['head end']);
  });

  it('RST_STREAM(NO_ERROR) behind each of many answers is no flood: rapid reset is what clients do', async () => {
    const { client, peer } = await start();
    for (let round = 0; round < 8; round++) {
      for (let i = 0; i < 200; i++) {
        const one = client.send(request('POST'), false);
        one.onHead = () => one.stream.reset(new ProxyError({ flag: '', source: 'local', details: 'x', message: 'x' }));
        const { id } = one.stream;
        peer.send(frame(1, 5, id, ok), frame(3, 0, id, uint32(0)));
      }
      await client.until(() => client.connection.activeStreams === 0);
    }
    await peer.settled();
    expect(peer.frames.some((f) => f.type === 7)).toBe(false);
  });

  it('a reset of ours is RST_STREAM CANCEL; what was under way is dropped', async () => {
    const { client, peer } = await start();
    const one = client.send();
    await peer.headers(1);
    one.stream.reset(new ProxyError({ flag: 'UT', source: 'local', details: 'x', message: 'x' }));
    expect(await peer.resetCode(1)).toBe(8);
    peer.send(frame(1, 4, 1, ok), frame(0, 1, 1, 'late'));
    const two = client.send();
    peer.send(frame(1, 5, 3, ok));
    await client.until(() => two.head !== null);
    expect(one.events).toEqual([]);
  });

  it('a stream that was never sent leaves nothing on the wire', async () => {
    const { client, peer } = await start();
    const one = new RecordedResponse(client);
    expect(client.connection.activeStreams).toBe(1);
    one.stream.reset(new ProxyError({ flag: 'DC', source: 'local', details: 'x', message: 'x' }));
    expect(client.connection.activeStreams).toBe(0);
    const two = client.send();
    await peer.headers(1);
    expect(two.stream.id).toBe(1);
    expect(peer.frames.some((f) => f.type === 3)).toBe(false);
  });
});

function many(one: Buffer, count = 1200): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => one));
}

describe('the connection', () => {
  it('is ready once, on a later turn, and counts streams by the limits of both sides', async () => {
    pair = await connectClient({ maxConcurrentStreams: 50 });
    const { client, peer } = pair;
    await client.until(() => client.events.length > 0);
    expect(client.events).toEqual(['ready']);
    expect(client.connection.availableStreams()).toBe(50);
    peer.send(frame(4, 0, 0, setting(3, 2)));
    await client.until(() => client.events.includes('available'));
    expect(client.connection.availableStreams()).toBe(2);
    const one = client.send();
    client.send();
    expect(client.connection.availableStreams()).toBe(0);
    client.events.length = 0;
    peer.send(frame(1, 5, 1, ok));
    await client.until(() => client.events.includes('available'));
    expect(one.events).toEqual(['head end']);
    expect(client.connection.availableStreams()).toBe(1);
  });

  it('drains: takes no streams, closes when the last ends', async () => {
    const { client, peer } = await start();
    const one = client.send();
    client.connection.drain();
    expect(client.connection.availableStreams()).toBe(0);
    peer.send(frame(1, 5, 1, ok));
    await peer.frame((f) => f.type === 7);
    await client.until(() => client.closes.length === 1);
    expect(one.events).toEqual(['head end']);
    expect(client.closes).toEqual([null]);
    expect(client.time.wheel.armedCount).toBe(0);
  });

  it('ends on PUSH_PROMISE (RFC 9113 8.4), on HEADERS for an idle stream, and on DATA of one', async () => {
    for (const bad of [frame(5, 4, 1, Buffer.concat([uint32(2), ok])), frame(1, 5, 9, ok), frame(0, 0, 9, 'x')]) {
      const { client, peer } = await start();
      const one = client.send();
      await peer.headers(1);
      peer.send(bad);
      expect(await peer.goAwayCode()).toBe(1);
      expect(one.error).toMatchObject({ flag: 'UPE', http2Code: 1 });
      await client.until(() => client.closes.length === 1);
      pair.close();
    }
  });

  it('ends an upstream that floods: PING, SETTINGS, empty DATA, informational responses', async () => {
    for (const flood of [
      many(frame(6, 0, 0, '12345678')),
      many(frame(4, 0, 0)),
      Buffer.concat([frame(1, 4, 1, ok), many(frame(0, 0, 1), 3)]),
      Buffer.concat([frame(1, 0, 1, ok), many(frame(9, 0, 1, block(['a', 'b'])), 20)]),
    ]) {
      const { client, peer } = await start();
      const one = client.send();
      await peer.headers(1);
      peer.send(flood);
      expect(await peer.goAwayCode()).toBe(11);
      expect(one.error).toMatchObject({ flag: 'UPE', source: 'upstream', http2Code: 11 });
      pair.close();
    }
  });

  it('ends an upstream that resets what is over, again and again', async () => {
    const { client, peer } = await start();
    client.send();
    peer.send(frame(1, 5, 1, ok), many(frame(3, 0, 1, uint32(0))));
    expect(await peer.goAwayCode()).toBe(11);
  });

  it('refuses headers of a response that are too large, keeping the table in step', async () => {
    const { client, peer } = await start();
    const one = client.send();
    const two = client.send();
    const many = Array.from({ length: 300 }, () => ['a', 'b'] as const);
    peer.send(
      frame(1, 5, 1, Buffer.concat([block([':status', '200'], ...many), Buffer.from('4003782d610131', 'hex')])),
      frame(1, 5, 3, Buffer.concat([ok, Buffer.from([0xbe])])),
    );
    await client.until(() => two.head !== null);
    expect(one.error).toMatchObject({ flag: 'UPE' });
    expect(two.head!.fields.pairs()).toEqual([['x-a', '1']]);
  });
});

describe('a server that says nothing any more', () => {
  it('gets a PING with a stream that begins in the silence, and no streams when that is not answered; those that run go on', async () => {
    const { client, peer } = await start();
    const one = client.send();
    for (const [passMs, streams] of [
      [100, 3],
      [450, 5],
      [1_010, 7],
    ] as const) {
      client.time.pass(passMs);
      client.send();
      await peer.headers(streams);
    }
    expect((await peer.frame((f) => f.type === 6 && f.flags === 0)).payload.length).toBe(8);
    expect(client.events).toContain('draining');
    expect(client.connection.availableStreams()).toBe(0);
    expect(client.closes).toEqual([]);
    // It only stood still: nobody's request was cut.
    peer.send(frame(1, 5, 1, ok));
    await client.until(() => one.head !== null);
    expect(one.head!.status).toBe(200);
  });

  it('goes on getting streams while it answers PINGs, however long its answers take', async () => {
    const { client, peer } = await start();
    client.send();
    const answered: unknown[] = [];
    for (let i = 0; i < 10; i++) {
      client.time.pass(350);
      client.send();
      await peer.headers(3 + 2 * i);
      const ping = peer.frames.find((f) => f.type === 6 && f.flags === 0 && !answered.includes(f));
      if (ping === undefined) continue;
      answered.push(ping);
      const read = client.connection.nowMs;
      peer.send(frame(6, 1, 0, ping.payload));
      while (client.connection.nowMs === read) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(answered.length).toBeGreaterThan(2);
    expect(client.events).not.toContain('draining');
  });
});
