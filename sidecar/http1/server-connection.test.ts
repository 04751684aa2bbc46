import { describe, expect, it } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { ResponseHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { turn } from './test/fake-socket.ts';
import { ServerSide } from './test/recording.ts';

const get = 'GET /a?b HTTP/1.1\r\nHost: shop\r\n\r\n';

function ok(...fields: Array<readonly [string, string]>): ResponseHead {
  return new ResponseHead(200, HeaderFields.of(...fields), 'OK');
}

/** A server that answers each request with its path as the body, as soon as its end came. */
function echoPath(side: ServerSide): void {
  side.prepare = (stream, request) => {
    request.react = (event) => {
      if (event !== 'end') return;
      const { path } = request.request;
      stream.sendHead(ok(['Content-Length', String(path.length)]), false);
      stream.sendData(Buffer.from(path), true);
    };
  };
}

describe('Http1ServerConnection: requests', () => {
  it('hands over method, target, host and the fields as spelt and in order', async () => {
    const side = new ServerSide();
    await side.socket.feed(
      'PATCH /a%20b?x=1 HTTP/1.1\r\nHost: shop:80\r\nX-ONE: 1\r\nx-two:\t 2 3 \t\r\nX-One: \r\n\r\n',
    );
    const { request, ended } = side.requests[0]!;
    expect([request.method, request.scheme, request.authority, request.path, request.version, ended]).toEqual([
      'PATCH',
      'http',
      'shop:80',
      '/a%20b?x=1',
      '1.1',
      true,
    ]);
    expect(request.fields.pairs()).toEqual([
      ['Host', 'shop:80'],
      ['X-ONE', '1'],
      ['x-two', '2 3'],
      ['X-One', ''],
    ]);
    expect(side.connection.activeStreams).toBe(1);
  });

  it('hands over a counted body and ends it', async () => {
    const side = new ServerSide();
    await side.socket.feed('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe');
    expect(side.requests[0]!.ended).toBe(false);
    await side.socket.feed('llo');
    expect(side.requests[0]!.body).toBe('hello');
    expect(side.requests[0]!.ended).toBe(true);
  });

  it('hands over a chunked body with extensions and trailers', async () => {
    const side = new ServerSide();
    await side.socket.feed(
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a="b"\r\nhello\r\n00A ;x\r\n0123456789\r\n0\r\nX-Sum: 7\r\n\r\n',
    );
    const request = side.requests[0]!;
    expect(request.body).toBe('hello0123456789');
    expect(request.trailers?.pairs()).toEqual([['X-Sum', '7']]);
    expect(request.ended).toBe(true);
  });

  it('skips one empty line before a request (RFC 9112 2.2)', async () => {
    const side = new ServerSide();
    await side.socket.feed(`\r\n${get}`);
    expect(side.requests).toHaveLength(1);
  });

  it('takes bytes that were read before it was made', async () => {
    const side = new ServerSide({}, { firstBytes: Buffer.from(get) });
    expect(side.requests).toHaveLength(0);
    await turn();
    expect(side.requests).toHaveLength(1);
  });

  it('reads the absolute form: scheme, authority and path come from the target (RFC 9112 3.2.2)', async () => {
    const side = new ServerSide();
    await side.socket.feed('GET http://Shop:80?q HTTP/1.1\r\nHost: shop\r\n\r\n');
    const { request } = side.requests[0]!;
    expect([request.scheme, request.authority, request.path, request.absoluteForm]).toEqual([
      'http',
      'Shop:80',
      '/?q',
      true,
    ]);
  });

  it('reads the asterisk form for OPTIONS', async () => {
    const side = new ServerSide();
    await side.socket.feed('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(side.requests[0]!.request.path).toBe('*');
  });
});

describe('Http1ServerConnection: answers', () => {
  it('writes a counted answer and takes the next request on the same connection', async () => {
    const side = new ServerSide();
    echoPath(side);
    await side.socket.feed(get);
    await side.socket.feed('GET /second HTTP/1.1\r\nHost: shop\r\n\r\n');
    expect(side.socket.text).toBe(
      'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n/a?bHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n/second',
    );
    expect(side.socket.finished).toBe(false);
    expect(side.streams.map((stream) => stream.id)).toEqual([1, 2]);
    expect([side.connection.activeStreams, side.socket.finished]).toEqual([0, false]);
  });

  it('answers pipelined requests in order, each after the one before', async () => {
    const side = new ServerSide();
    await side.socket.feed(`${get}GET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect(side.requests).toHaveLength(1);
    expect(side.socket.isPaused()).toBe(true);
    side.streams[0]!.sendHead(ok(), true);
    expect(side.requests).toHaveLength(1);
    await turn();
    expect(side.requests).toHaveLength(2);
    side.streams[1]!.sendHead(ok(), true);
    await turn();
    side.streams[2]!.sendHead(ok(['n', '3']), true);
    await turn();
    expect(side.socket.text).toBe(
      'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'.repeat(2) + 'HTTP/1.1 200 OK\r\nn: 3\r\ncontent-length: 0\r\n\r\n',
    );
    expect(side.socket.isPaused()).toBe(false);
  });

  it('does not begin pipelined requests while the client takes no answers', async () => {
    const side = new ServerSide({ highWatermarkBytes: 1000, lowWatermarkBytes: 100 });
    side.socket.stalled = true;
    side.prepare = (stream, request) => {
      request.react = () => {
        stream.sendHead(ok(['content-length', '20000']), false);
        stream.sendData(Buffer.alloc(20_000, 97), true);
      };
    };
    await side.socket.feed(get.repeat(3));
    await turn();
    expect(side.requests).toHaveLength(1);
    await side.socket.release();
    await turn();
    expect(side.requests).toHaveLength(3);
  });

  it('frames an answer without length as chunked, and writes trailers', async () => {
    const side = new ServerSide();
    await side.socket.feed(get);
    const stream = side.streams[0]!;
    stream.sendHead(ok(), false);
    stream.sendData(Buffer.from('hello'), false);
    stream.sendTrailers(HeaderFields.of(['X-Sum', '1']));
    await turn();
    expect(side.socket.text).toBe(
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n',
    );
  });

  it('keeps Transfer-Encoding where it stands, as spelt', async () => {
    const side = new ServerSide();
    await side.socket.feed(get);
    side.streams[0]!.sendHead(ok(['Transfer-Encoding', 'chunked'], ['z', '1']), false);
    side.streams[0]!.sendData(Buffer.from('x'), true);
    await turn();
    expect(side.socket.text).toBe('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nz: 1\r\n\r\n1\r\nx\r\n0\r\n\r\n');
  });

  it('drops trailers where they cannot be carried', async () => {
    const side = new ServerSide();
    await side.socket.feed(get);
    side.streams[0]!.sendHead(ok(['content-length', '1']), false);
    side.streams[0]!.sendData(Buffer.from('x'), false);
    side.streams[0]!.sendTrailers(HeaderFields.of(['a', 'b']));
    await side.socket.feed(get);
    expect(side.socket.text).toBe('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx');
    expect(side.requests).toHaveLength(2);
  });

  it('writes no body for HEAD and 304 and leaves their length alone; 204 has no length (RFC 9110 8.6)', async () => {
    const side = new ServerSide();
    await side.socket.feed('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n');
    side.streams[0]!.sendHead(ok(['content-length', '9']), true);
    await side.socket.feed(get);
    side.streams[1]!.sendHead(new ResponseHead(304, HeaderFields.of(['content-length', '9'])), true);
    await side.socket.feed(get);
    side.streams[2]!.sendHead(new ResponseHead(204, HeaderFields.of(['content-length', '0'])), true);
    await turn();
    expect(side.socket.text).toBe(
      'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nHTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
    );
    expect([side.connection.activeStreams, side.socket.finished]).toEqual([0, false]);
  });

  it('passes informational heads on before the final one, and does not answer Expect by itself', async () => {
    const side = new ServerSide();
    await side.socket.feed('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
    expect(side.socket.text).toBe('');
    expect(side.requests[0]!.request.fields.get('expect')).toBe('100-continue');
    side.streams[0]!.sendInformational(new ResponseHead(100, HeaderFields.of()));
    await side.socket.feed('ok');
    side.streams[0]!.sendHead(ok(), true);
    await turn();
    expect(side.socket.text).toBe('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    expect(side.socket.finished).toBe(false);
  });

  it('drops informational heads for a client that does not read, however many an upstream sends', async () => {
    const side = new ServerSide({ highWatermarkBytes: 1000, lowWatermarkBytes: 100 });
    side.socket.stalled = true;
    await side.socket.feed(get);
    const stream = side.streams[0]!;
    const hint = (): ResponseHead => new ResponseHead(103, HeaderFields.of(['link', 'x'.repeat(500)]));
    for (let i = 0; i < 100; i++) stream.sendInformational(hint());
    await turn();
    for (let i = 0; i < 100; i++) stream.sendInformational(hint());
    await side.socket.release();
    stream.sendInformational(new ResponseHead(102, HeaderFields.of()));
    stream.sendHead(ok(), true);
    await turn();
    expect(side.socket.text.split('HTTP/1.1 103').length - 1).toBe(2);
    expect(side.socket.text).toMatch(/HTTP\/1\.1 102 Processing\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
  });

  it('closes after connection: close, in the request or in the answer', async () => {
    const first = new ServerSide();
    await first.socket.feed('GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n');
    first.streams[0]!.sendHead(ok(), true);
    await turn();
    expect(first.socket.text).toContain('\r\nconnection: close\r\n\r\n');
    expect(first.socket.finished).toBe(true);
    const second = new ServerSide();
    await second.socket.feed(get);
    second.streams[0]!.sendHead(ok(['Connection', 'close']), true);
    await turn();
    expect(second.socket.text).toBe('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    expect(second.socket.finished).toBe(true);
  });

  it('drains: an idle connection stays for a request that may be on its way, and ends after its answer', async () => {
    const idle = new ServerSide();
    await turn();
    idle.connection.drain();
    await turn();
    expect(idle.socket.finished).toBe(false);
    await idle.socket.feed(get);
    idle.streams[0]!.sendHead(ok(), true);
    await turn();
    expect(idle.socket.text).toContain('connection: close');
    expect(idle.socket.finished).toBe(true);
  });

  it('closeIfIdle ends a connection on which nothing has come, and leaves one with a part of a request', async () => {
    const idle = new ServerSide();
    await turn();
    idle.connection.closeIfIdle();
    expect(idle.socket.finished).toBe(true);
    const asking = new ServerSide();
    await asking.socket.feed('GET /a');
    asking.connection.closeIfIdle();
    expect(asking.socket.finished).toBe(false);
  });

  it('drained while an answer without connection: close is on its way: the client is told with the next one', async () => {
    const side = new ServerSide();
    await side.socket.feed(get);
    side.streams[0]!.sendHead(ok(['content-length', '2']), false);
    side.connection.drain();
    side.streams[0]!.sendData(Buffer.from('ok'), true);
    await turn();
    expect([side.socket.text.includes('connection: close'), side.socket.finished]).toEqual([false, false]);
    await side.socket.feed(get);
    side.streams[1]!.sendHead(ok(), true);
    await turn();
    expect([side.socket.text.includes('connection: close'), side.socket.finished]).toEqual([true, true]);
  });

  it('says connection: close with an answer that begins before its request has ended (RFC 9112 9.6)', async () => {
    const side = new ServerSide();
    await side.socket.feed('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab');
    side.streams[0]!.sendHead(ok(['content-length', '2']), false);
    side.streams[0]!.sendData(Buffer.from('no'), true);
    await turn();
    expect(side.socket.text).toBe('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno');
    expect(side.socket.finished).toBe(true);
  });

  it('drains a busy connection with connection: close on the answer in hand', async () => {
    const busy = new ServerSide();
    await busy.socket.feed(get);
    busy.connection.drain();
    expect(busy.socket.finished).toBe(false);
    busy.streams[0]!.sendHead(ok(), true);
    await turn();
    expect(busy.socket.text).toContain('connection: close');
    await busy.socket.feedEnd();
    expect(busy.closes).toEqual([null]);
  });

  it('ignores a handle whose request is over', async () => {
    const side = new ServerSide();
    await side.socket.feed(get);
    const stale = side.streams[0]!;
    stale.sendHead(ok(), true);
    await side.socket.feed(get);
    stale.sendHead(ok(['evil', '1']), true);
    stale.reset(new ProxyError({ flag: 'LR', source: 'local', details: 'x', message: 'x' }));
    stale.pauseReading();
    await turn();
    expect(side.socket.text).not.toContain('evil');
    expect(side.socket.destroyed).toBe(false);
    expect(side.socket.isPaused()).toBe(false);
  });

  it('cuts the connection rather than send more or less than Content-Length', async () => {
    for (const text of ['too much', 'x']) {
      const side = new ServerSide();
      await side.socket.feed(get);
      side.streams[0]!.sendHead(ok(['content-length', '3']), false);
      side.streams[0]!.sendData(Buffer.from(text), true);
      expect(side.requests[0]!.error).toBeNull();
      await turn();
      expect(side.socket.text).not.toContain(text);
      expect(side.socket.destroyed).toBe(true);
      expect(side.requests[0]!.error).toMatchObject({ flag: 'LR' });
      expect(side.closes).toHaveLength(1);
    }
  });
});

describe('Http1ServerConnection: HTTP/1.0', () => {
  it('answers as 1.0 without chunks and closes', async () => {
    const side = new ServerSide();
    await side.socket.feed('GET / HTTP/1.0\r\n\r\n');
    expect([side.requests[0]!.request.version, side.requests[0]!.request.authority]).toEqual(['1.0', '']);
    side.streams[0]!.sendInformational(new ResponseHead(103, HeaderFields.of()));
    side.streams[0]!.sendHead(ok(['Transfer-Encoding', 'chunked']), false);
    side.streams[0]!.sendData(Buffer.from('hi'), true);
    await turn();
    expect(side.socket.text).toBe('HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nhi');
    expect(side.socket.finished).toBe(true);
  });

  it('keeps the connection only when asked and when the answer has a length', async () => {
    const side = new ServerSide();
    await side.socket.feed('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n');
    side.streams[0]!.sendHead(ok(['content-length', '0']), true);
    await side.socket.feed('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n');
    side.streams[1]!.sendHead(ok(), false);
    side.streams[1]!.sendData(Buffer.from('x'), true);
    await turn();
    expect(side.socket.text).toBe(
      'HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\nHTTP/1.0 200 OK\r\nconnection: close\r\n\r\nx',
    );
  });

  it('resets rather than closes when a body that ends with the connection is cut, so that it does not look complete', async () => {
    const side = new ServerSide();
    await side.socket.feed('GET / HTTP/1.0\r\n\r\n');
    side.streams[0]!.sendHead(ok(), false);
    side.streams[0]!.sendData(Buffer.from('x'), false);
    side.streams[0]!.reset(new ProxyError({ flag: 'UC', source: 'upstream', details: 'x', message: 'x' }));
    await turn();
    expect(side.socket.wasReset).toBe(true);
  });

  it('refuses it with 426 where it is not accepted (Envoy accept_http_10)', async () => {
    const side = new ServerSide({}, { acceptHttp10: false });
    await side.socket.feed('GET / HTTP/1.0\r\n\r\n');
    expect(side.socket.text).toMatch(/^HTTP\/1\.1 426 Upgrade Required\r\n/);
  });
});

describe('Http1ServerConnection: half-close and early ends', () => {
  it('answers a whole request after the client sent FIN', async () => {
    const side = new ServerSide();
    await side.socket.feed(get);
    await side.socket.feedEnd();
    expect(side.requests[0]!.error).toBeNull();
    side.streams[0]!.sendHead(ok(), true);
    await turn();
    expect(side.socket.text).toBe('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    expect(side.closes).toEqual([null]);
  });

  it('answers all pipelined requests before it minds the FIN behind them', async () => {
    const side = new ServerSide();
    side.socket.push(Buffer.from(get.repeat(3)));
    await side.socket.feedEnd();
    for (let i = 0; i < 3; i++) {
      side.streams[i]!.sendHead(ok(), true);
      await turn();
    }
    expect(side.requests).toHaveLength(3);
    expect(side.closes).toEqual([null]);
  });

  it('resets the stream when the client goes in the middle of its body', async () => {
    const side = new ServerSide();
    await side.socket.feed('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe');
    await side.socket.feedEnd();
    expect(side.requests[0]!.error).toMatchObject({ flag: 'DC', details: 'downstream_remote_disconnect' });
    expect(side.closes).toHaveLength(1);
  });

  it('resets the stream when the connection breaks', async () => {
    const side = new ServerSide();
    await side.socket.feed(get);
    await side.socket.feedReset();
    expect(side.requests[0]!.error).toMatchObject({ flag: 'DC' });
    expect(side.closes).toHaveLength(1);
    side.streams[0]!.sendHead(ok(), true);
  });

  it('stops the body and closes after an answer that ends before its request; what still comes is dropped', async () => {
    const side = new ServerSide();
    await side.socket.feed('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhe');
    side.streams[0]!.sendHead(new ResponseHead(413, HeaderFields.of()), true);
    await side.socket.feed('GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(side.socket.text).toBe('HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    expect(side.socket.finished).toBe(true);
    expect(side.requests).toHaveLength(1);
    expect(side.requests[0]!.body).toBe('he');
    expect(side.socket.destroyed).toBe(false);
    await side.pass(1100);
    await side.pass(1100);
    expect(side.socket.destroyed).toBe(true);
  });

  it('destroy resets the stream and closes once', async () => {
    const side = new ServerSide();
    await side.socket.feed(get);
    const error = new ProxyError({ flag: 'LR', source: 'local', details: 'overload', message: 'x' });
    side.connection.destroy(error);
    side.connection.destroy(error);
    await turn();
    expect(side.requests[0]!.error).toBe(error);
    expect(side.closes).toEqual([error]);
  });
});

describe('Http1ServerConnection: backpressure', () => {
  it('counts pauses and holds the body meanwhile', async () => {
    const side = new ServerSide();
    side.prepare = (stream) => {
      stream.pauseReading();
      stream.pauseReading();
    };
    await side.socket.feed('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello');
    const stream = side.streams[0]!;
    expect(side.requests[0]!.body).toBe('');
    expect(side.socket.isPaused()).toBe(true);
    stream.resumeReading();
    await turn();
    expect(side.requests[0]!.body).toBe('');
    stream.resumeReading();
    await turn();
    expect(side.requests[0]!.body).toBe('hello');
    expect(side.socket.isPaused()).toBe(false);
  });

  it('tells the stream when the client does not take its answer, and when it does again', async () => {
    const side = new ServerSide({ highWatermarkBytes: 1000, lowWatermarkBytes: 100 });
    side.socket.stalled = true;
    await side.socket.feed(get);
    const stream = side.streams[0]!;
    stream.sendHead(ok(), false);
    stream.sendData(Buffer.alloc(10_000), false);
    stream.sendData(Buffer.alloc(10_000), false);
    await turn();
    expect([side.requests[0]!.blocked, side.requests[0]!.ready]).toEqual([1, 0]);
    await side.socket.release();
    expect([side.requests[0]!.blocked, side.requests[0]!.ready]).toEqual([1, 1]);
  });
});

describe('Http1ServerConnection: slow heads', () => {
  it('answers 408 to a head that does not end in time', async () => {
    const side = new ServerSide();
    await side.socket.feed('GET / HTTP/1.1\r\nHost:');
    await side.pass(59_000);
    expect(side.socket.text).toBe('');
    await side.pass(2_000);
    expect(side.socket.text).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\nserver: outrigger\r\nconnection: close\r\n/);
    expect(side.refusals).toMatchObject([{ status: 408, details: 'request_header_timeout' }]);
  });

  it('leaves a head alone that ended', async () => {
    const side = new ServerSide();
    await side.socket.feed('GET / HTTP/1.1\r\nHost:');
    await side.socket.feed(' a\r\n\r\n');
    await side.pass(120_000);
    expect(side.refusals).toEqual([]);
    expect(side.wheel.armedCount).toBe(0);
  });
});
