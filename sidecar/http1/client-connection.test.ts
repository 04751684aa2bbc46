import { describe, expect, it } from 'vitest';
import type { ClientStream } from '../codec/codec.ts';
import { HeaderFields } from '../codec/header-fields.ts';
import { RequestHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { turn } from './test/fake-socket.ts';
import { ClientSide, Recording } from './test/recording.ts';

function get(...fields: Array<readonly [string, string]>): RequestHead {
  return new RequestHead('GET', 'http', 'shop', '/', '1.1', HeaderFields.of(...fields));
}

async function begin(
  side: ClientSide,
  head = get(['Host', 'x']),
  end = true,
): Promise<{ stream: ClientStream; response: Recording }> {
  const response = new Recording();
  const stream = side.connection.newStream(response);
  stream.sendHead(head, end);
  await turn();
  return { stream, response };
}

const cut = new ProxyError({ flag: 'LR', source: 'local', details: 'x', message: 'x' });

describe('Http1ClientConnection: requests', () => {
  it('writes Host where it stood, as spelt, with the authority as its value', async () => {
    const side = new ClientSide();
    await begin(side, get(['A', '1'], ['HOST', 'old'], ['b', '2']));
    expect(side.socket.text).toBe('GET / HTTP/1.1\r\nA: 1\r\nHOST: shop\r\nb: 2\r\n\r\n');
  });

  it('writes Host first when there is none', async () => {
    const side = new ClientSide();
    await begin(side, get(['a', '1']));
    expect(side.socket.text).toBe('GET / HTTP/1.1\r\nhost: shop\r\na: 1\r\n\r\n');
  });

  it('sends counted and chunked bodies and trailers', async () => {
    const counted = new ClientSide();
    const first = await begin(counted, get(['Host', ''], ['Content-Length', '4']), false);
    first.stream.sendData(Buffer.from('ab'), false);
    first.stream.sendData(Buffer.from('cd'), true);
    await turn();
    expect(counted.socket.text).toBe('GET / HTTP/1.1\r\nHost: shop\r\nContent-Length: 4\r\n\r\nabcd');
    const chunked = new ClientSide();
    const second = await begin(chunked, get(['Host', '']), false);
    second.stream.sendData(Buffer.alloc(20, 97), false);
    second.stream.sendTrailers(HeaderFields.of(['T', '1']));
    await turn();
    expect(chunked.socket.text).toBe(
      `GET / HTTP/1.1\r\nHost: shop\r\ntransfer-encoding: chunked\r\n\r\n14\r\n${'a'.repeat(20)}\r\n0\r\nT: 1\r\n\r\n`,
    );
  });

  it('says content-length: 0 for a POST from HTTP/2 without a body, and leaves an HTTP/1.1 one as it was', async () => {
    const side = new ClientSide();
    await begin(side, new RequestHead('POST', 'http', 'a', '/', '2', HeaderFields.of()));
    expect(side.socket.text).toBe('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n');
    const plain = new ClientSide();
    await begin(plain, new RequestHead('POST', 'http', 'a', '/', '1.1', HeaderFields.of()));
    expect(plain.socket.text).toBe('POST / HTTP/1.1\r\nhost: a\r\n\r\n');
  });

  it('cuts the connection rather than send more or less than Content-Length', async () => {
    const side = new ClientSide();
    const { stream, response } = await begin(side, get(['content-length', '3']), false);
    stream.sendData(Buffer.from('more'), false);
    expect(response.error).toBeNull();
    await turn();
    expect(response.error).toMatchObject({ flag: 'LR' });
    expect(side.socket.text).not.toContain('more');
    expect(side.closes).toHaveLength(1);
  });
});

describe('Http1ClientConnection: responses', () => {
  it('hands over status, reason and fields as spelt, then is available again', async () => {
    const side = new ClientSide();
    const { response } = await begin(side);
    expect(side.connection.availableStreams()).toBe(0);
    await side.socket.feed('HTTP/1.1 299 Fine By Me\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nhi');
    expect([response.response.status, response.response.reason, response.response.version, response.body]).toEqual([
      299,
      'Fine By Me',
      '1.1',
      'hi',
    ]);
    expect(response.response.fields.pairs()).toEqual([
      ['X-A', '1'],
      ['Content-Length', '2'],
    ]);
    expect([side.connection.availableStreams(), side.available]).toEqual([1, 1]);
    const next = await begin(side);
    await side.socket.feed('HTTP/1.1 204 \r\n\r\n');
    expect(next.response.response.status).toBe(204);
    expect(next.response.response.reason).toBe('');
    expect(next.stream.id).toBe(2);
  });

  it('takes a status line without a reason and its space', async () => {
    const side = new ClientSide();
    const { response } = await begin(side);
    await side.socket.feed('HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n');
    expect(response.ended).toBe(true);
  });

  it('hands over chunked bodies with trailers', async () => {
    const side = new ClientSide();
    const { response } = await begin(side);
    await side.socket.feed('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nSum: 1\r\n\r\n');
    expect(response.body).toBe('abc');
    expect(response.trailers?.pairs()).toEqual([['Sum', '1']]);
    expect(side.connection.availableStreams()).toBe(1);
  });

  it('passes 1xx on, any number, before the final head', async () => {
    const side = new ClientSide();
    const { response } = await begin(side);
    await side.socket.feed(
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
    );
    expect(response.informational.map((head) => head.status)).toEqual([100, 103]);
    expect(response.ended).toBe(true);
  });

  it('expects no body for HEAD, 204 and 304 whatever their length says', async () => {
    const side = new ClientSide();
    const head = await begin(side, new RequestHead('HEAD', 'http', 'a', '/', '1.1', HeaderFields.of()));
    await side.socket.feed('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n');
    expect(head.response.ended).toBe(true);
    const conditional = await begin(side);
    await side.socket.feed('HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n');
    expect(conditional.response.ended).toBe(true);
    expect(side.connection.availableStreams()).toBe(1);
  });

  it('reads an HTTP/1.0 response to the end of the connection', async () => {
    const side = new ClientSide();
    const { response } = await begin(side);
    await side.socket.feed('HTTP/1.0 200 OK\r\n\r\nsome');
    await side.socket.feed(' text');
    expect(response.ended).toBe(false);
    await side.socket.feedEnd();
    expect([response.body, response.ended, response.error]).toEqual(['some text', true, null]);
    expect([side.draining, side.closes]).toEqual([1, [null]]);
  });

  it('keeps an HTTP/1.0 connection only when the response says keep-alive', async () => {
    const kept = new ClientSide();
    await begin(kept);
    await kept.socket.feed('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n');
    expect(kept.connection.availableStreams()).toBe(1);
    const closed = new ClientSide();
    await begin(closed);
    await closed.socket.feed('HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n');
    expect(closed.socket.destroyed).toBe(true);
  });

  it('learns Keep-Alive: timeout, and closes after connection: close', async () => {
    const side = new ClientSide();
    await begin(side);
    await side.socket.feed('HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=100\r\ncontent-length: 0\r\n\r\n');
    expect(side.connection.idleTimeoutHintMs).toBe(5000);
    await begin(side);
    await side.socket.feed('HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 0\r\n\r\n');
    expect([side.draining, side.available, side.connection.availableStreams(), side.socket.destroyed]).toEqual([
      1,
      1,
      0,
      true,
    ]);
    expect(side.closes).toEqual([null]);
  });

  it('closes an idle connection when drained, a busy one after its response', async () => {
    const side = new ClientSide();
    const { response } = await begin(side);
    side.connection.drain();
    expect(side.socket.destroyed).toBe(false);
    await side.socket.feed('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    expect(response.ended).toBe(true);
    expect(side.closes).toEqual([null]);
    expect(side.available).toBe(0);
    const idle = new ClientSide();
    idle.connection.drain();
    await turn();
    expect(idle.closes).toEqual([null]);
  });
});

describe('Http1ClientConnection: what must not be reused', () => {
  it('closes when bytes come with nobody waiting (hardening: a response with nobody waiting)', async () => {
    const side = new ClientSide();
    await turn();
    await side.socket.feed('HTTP/1.1 408 Request Timeout\r\n\r\n');
    expect(side.closes).toMatchObject([{ flag: 'UPE', details: 'http1.unsolicited_response' }]);
  });

  it('closes when bytes stand behind a response, and gives them to nobody', async () => {
    for (const extra of ['HTTP/1.1 200 OK\r\n\r\n', 'x', '\r\n']) {
      const side = new ClientSide();
      const { response } = await begin(side);
      const availableAtEvents: number[] = [];
      response.react = () => {
        availableAtEvents.push(side.connection.availableStreams());
      };
      await side.socket.feed(`HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na${extra}`);
      expect(response.ended).toBe(true);
      // Not even inside the end event can the connection be had.
      expect(availableAtEvents).toEqual([0, 0, 0]);
      expect(side.available).toBe(0);
      expect(side.closes).toMatchObject([{ flag: 'UPE' }]);
    }
  });

  it('does not take for an answer what came before the request left: the request may be sent again', async () => {
    const side = new ClientSide();
    await turn();
    const response = new Recording();
    side.connection.newStream(response).sendHead(get(), true);
    side.socket.push(Buffer.from('HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n'));
    expect(response.error).toMatchObject({ flag: 'UC', retry: 'unsent' });
    await turn();
    expect(side.socket.text).toBe('');
  });

  it('closes after a response that ended before its request (early final response)', async () => {
    const side = new ClientSide();
    const { stream, response } = await begin(side, get(['content-length', '10']), false);
    await side.socket.feed('HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n');
    expect(response.ended).toBe(true);
    stream.sendData(Buffer.from('late'), false);
    await turn();
    expect(side.socket.text).not.toContain('late');
    expect([side.closes, side.draining, side.available]).toEqual([[null], 1, 0]);
  });

  it('goes on sending while an early response is still coming', async () => {
    const side = new ClientSide();
    const { stream, response } = await begin(side, get(['content-length', '4']), false);
    await side.socket.feed('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na');
    stream.sendData(Buffer.from('late'), true);
    await side.socket.feed('b');
    expect(response.body).toBe('ab');
    expect(side.socket.text).toMatch(/late$/);
    expect(side.connection.availableStreams()).toBe(1);
  });

  it('refuses to begin a stream while one runs', async () => {
    const side = new ClientSide();
    await begin(side);
    expect(() => side.connection.newStream(new Recording())).toThrow(/availableStreams/);
  });
});

describe('Http1ClientConnection: early ends and what they say of retries', () => {
  it('closed while idle: onClose(null)', async () => {
    const side = new ClientSide();
    await begin(side);
    await side.socket.feed('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    await side.socket.feedEnd();
    expect([side.closes, side.draining]).toEqual([[null], 0]);
  });

  it('closed before the request was handed to the socket: unsent', async () => {
    const side = new ClientSide();
    await turn();
    const response = new Recording();
    side.connection.newStream(response).sendHead(get(), true);
    side.socket.push(null);
    await new Promise((resolve) => process.nextTick(resolve));
    expect(response.error).toMatchObject({
      flag: 'UC',
      retry: 'unsent',
      details: 'upstream_reset_before_response_started{connection_termination}',
    });
    await turn();
    expect(side.socket.text).toBe('');
  });

  it('closed or reset without a byte of an answer: idempotent', async () => {
    for (const how of ['feedEnd', 'feedReset'] as const) {
      const side = new ClientSide();
      const { response } = await begin(side);
      await side.socket[how]();
      expect(response.error).toMatchObject({
        flag: 'UC',
        retry: 'idempotent',
        details: 'upstream_reset_before_response_started{connection_termination}',
      });
      expect(side.closes).toHaveLength(1);
    }
  });

  it('closed in the middle of the head, or after 1xx: never', async () => {
    for (const text of ['HTTP/1.1 20', 'HTTP/1.1 100 Continue\r\n\r\n']) {
      const side = new ClientSide();
      const { response } = await begin(side);
      await side.socket.feed(text);
      await side.socket.feedEnd();
      expect(response.error).toMatchObject({
        flag: 'UC',
        retry: 'never',
        details: 'upstream_reset_before_response_started{connection_termination}',
      });
    }
  });

  it('closed in the middle of a counted or chunked body: after_response_started', async () => {
    for (const text of [
      'content-length: 5\r\n\r\nab',
      'transfer-encoding: chunked\r\n\r\n5\r\nab',
      'transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n',
    ]) {
      const side = new ClientSide();
      const { response } = await begin(side);
      await side.socket.feed(`HTTP/1.1 200 OK\r\n${text}`);
      await side.socket.feedEnd();
      expect(response.error).toMatchObject({
        flag: 'UC',
        retry: 'never',
        details: 'upstream_reset_after_response_started{connection_termination}',
      });
    }
  });

  it('reset by the owner before anything was sent leaves the connection usable', async () => {
    const side = new ClientSide();
    const stream = side.connection.newStream(new Recording());
    stream.reset(cut);
    expect(side.available).toBe(0);
    await turn();
    expect([side.connection.availableStreams(), side.available, side.socket.destroyed]).toEqual([1, 1, false]);
  });

  it('reset by the owner in the middle closes the connection, and nothing is heard any more', async () => {
    const side = new ClientSide();
    const { stream, response } = await begin(side);
    await side.socket.feed('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\na');
    stream.reset(cut);
    await turn();
    expect(response.error).toBeNull();
    expect(side.closes).toEqual([cut]);
  });

  it('destroy resets the stream and closes once', async () => {
    const side = new ClientSide();
    const { response } = await begin(side);
    side.connection.destroy(cut);
    await turn();
    expect(response.error).toBe(cut);
    expect(side.closes).toEqual([cut]);
  });
});

describe('Http1ClientConnection: backpressure', () => {
  it('holds the body while paused', async () => {
    const side = new ClientSide();
    const { stream, response } = await begin(side);
    stream.pauseReading();
    await side.socket.feed('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi');
    expect(response.head).toBeNull();
    stream.resumeReading();
    await turn();
    expect(response.body).toBe('hi');
    expect(side.socket.isPaused()).toBe(false);
  });

  it('tells the stream when the upstream does not take its body, and when it does again', async () => {
    const side = new ClientSide({ highWatermarkBytes: 1000, lowWatermarkBytes: 100 });
    const { stream, response } = await begin(side, get(), false);
    side.socket.stalled = true;
    stream.sendData(Buffer.alloc(20_000), false);
    await turn();
    expect([response.blocked, response.ready]).toEqual([1, 0]);
    await side.socket.release();
    await side.socket.release();
    expect([response.blocked, response.ready]).toEqual([1, 1]);
  });

  it('tells a new stream at once when the body of the one before is not taken yet', async () => {
    const side = new ClientSide({ highWatermarkBytes: 1000, lowWatermarkBytes: 100 });
    const first = await begin(side, get(), false);
    side.socket.stalled = true;
    first.stream.sendData(Buffer.alloc(20_000), true);
    await turn();
    await side.socket.feed('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    const second = await begin(side, get(), false);
    expect([second.response.blocked, second.response.ready]).toEqual([1, 0]);
    for (let i = 0; i < 4; i++) await side.socket.release();
    expect([second.response.blocked, second.response.ready]).toEqual([1, 1]);
  });
});
