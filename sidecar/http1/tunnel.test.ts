import { describe, expect, it } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import { RequestHead, ResponseHead } from '../codec/message-head.ts';
import { turn } from './test/fake-socket.ts';
import { ClientSide, Recording, ServerSide } from './test/recording.ts';

const upgrade = 'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n';
const connect = 'CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n';
const switching = new ResponseHead(101, HeaderFields.of(['Upgrade', 'websocket']));

describe('upgrade and CONNECT, server side', () => {
  it('opens an upgrade as a request that has not ended, and carries bytes both ways after 101 (RFC 9110 7.8)', async () => {
    const side = new ServerSide();
    await side.socket.feed(upgrade);
    expect([side.requests[0]!.request.upgrade, side.requests[0]!.ended]).toEqual(['websocket', false]);
    side.streams[0]!.sendHead(switching, false);
    await side.socket.feed('\x01GET / HTTP/1.1\r\n');
    side.streams[0]!.sendData(Buffer.from('raw'), false);
    await turn();
    expect(side.requests[0]!.body).toBe('\x01GET / HTTP/1.1\r\n');
    expect(side.socket.text).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nconnection: Upgrade\r\n\r\nraw',
    );
  });

  it('holds early bytes until the answer, then they belong to the tunnel', async () => {
    const side = new ServerSide();
    await side.socket.feed(`${upgrade}early`);
    expect(side.requests[0]!.body).toBe('');
    side.streams[0]!.sendHead(new ResponseHead(101, HeaderFields.of()), false);
    expect(side.requests[0]!.body).toBe('');
    await turn();
    expect(side.requests[0]!.body).toBe('early');
    expect(side.socket.text).toContain('\r\nupgrade: websocket\r\n');
  });

  it('half-closes in both directions', async () => {
    const side = new ServerSide();
    await side.socket.feed(upgrade);
    side.streams[0]!.sendHead(switching, false);
    await side.socket.feedEnd();
    expect(side.requests[0]!.ended).toBe(true);
    expect(side.socket.finished).toBe(false);
    side.streams[0]!.sendData(Buffer.from('last'), true);
    await turn();
    expect(side.socket.text).toMatch(/last$/);
    expect(side.closes).toEqual([null]);
    const other = new ServerSide();
    await other.socket.feed(upgrade);
    other.streams[0]!.sendHead(switching, false);
    other.streams[0]!.sendData(Buffer.from('bye'), true);
    await turn();
    expect(other.socket.finished).toBe(true);
    await other.socket.feed('more');
    await other.socket.feedEnd();
    expect([other.requests[0]!.body, other.requests[0]!.ended]).toEqual(['more', true]);
    expect(other.closes).toEqual([null]);
  });

  it('tells of a FIN that came before the answer once the tunnel is open', async () => {
    const side = new ServerSide();
    await side.socket.feed(upgrade);
    await side.socket.feedEnd();
    side.streams[0]!.sendHead(switching, false);
    expect(side.requests[0]!.ended).toBe(false);
    await turn();
    expect(side.requests[0]!.ended).toBe(true);
    side.streams[0]!.sendData(Buffer.from('bye'), true);
    await turn();
    expect(side.closes).toEqual([null]);
  });

  it('a refused upgrade without early bytes leaves the connection usable', async () => {
    const side = new ServerSide();
    await side.socket.feed(upgrade);
    side.streams[0]!.sendHead(new ResponseHead(403, HeaderFields.of()), true);
    await side.socket.feed('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(side.requests).toHaveLength(2);
  });

  it('a refused upgrade with bytes behind it closes: they may have been meant for the tunnel (hardening: early bytes before 101)', async () => {
    const side = new ServerSide();
    await side.socket.feed(`${upgrade}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`);
    side.streams[0]!.sendHead(new ResponseHead(403, HeaderFields.of()), true);
    await turn();
    expect(side.requests).toHaveLength(1);
    expect(side.socket.text).toContain('connection: close');
    expect(side.socket.finished).toBe(true);
  });

  it('bytes that come between the refusal and the end of its body close the connection too', async () => {
    const side = new ServerSide();
    await side.socket.feed(upgrade);
    side.streams[0]!.sendHead(new ResponseHead(403, HeaderFields.of()), false);
    await side.socket.feed('GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n');
    side.streams[0]!.sendData(Buffer.from('no'), true);
    await turn();
    expect(side.requests).toHaveLength(1);
    expect(side.socket.finished).toBe(true);
  });

  it('CONNECT opens a tunnel with 2xx, without framing fields (RFC 9110 9.3.6)', async () => {
    const side = new ServerSide();
    await side.socket.feed(connect);
    expect([
      side.requests[0]!.request.method,
      side.requests[0]!.request.authority,
      side.requests[0]!.request.path,
    ]).toEqual(['CONNECT', 'db:5432', '']);
    side.streams[0]!.sendHead(new ResponseHead(200, HeaderFields.of(['content-length', '0'])), false);
    await side.socket.feed('ping');
    expect(side.requests[0]!.body).toBe('ping');
    expect(side.socket.text).toBe('HTTP/1.1 200 OK\r\n\r\n');
  });

  it('a refused CONNECT closes always: bytes for the tunnel may be on their way', async () => {
    const side = new ServerSide();
    await side.socket.feed(connect);
    side.streams[0]!.sendHead(new ResponseHead(403, HeaderFields.of()), true);
    await turn();
    expect(side.socket.text).toContain('connection: close');
    expect(side.socket.finished).toBe(true);
  });

  it.each([
    ['HTTP/1.0', 'GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'],
    [
      'h2c',
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
    ],
    ...['H2C', 'h2c-14', 'h2c-reverse', 'h2', 'HTTP/2', 'HTTP/2.0'].map((token): [string, string] => [
      token,
      `GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: ${token}\r\n\r\n`,
    ]),
    ['a list of protocols', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket, h2c\r\n\r\n'],
    ['Upgrade that Connection does not name', 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n'],
    [
      'a request with a body',
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx',
    ],
  ])('does not take for an upgrade: %s', async (_what, text) => {
    const side = new ServerSide();
    await side.socket.feed(text);
    expect([side.requests[0]!.request.upgrade, side.requests[0]!.ended]).toEqual(['', true]);
  });

  it('does not let an owner answer 101 to a request that asked for no upgrade', async () => {
    const side = new ServerSide();
    await side.socket.feed('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    side.streams[0]!.sendHead(switching, false);
    await turn();
    expect(side.socket.text).toBe('');
    expect(side.requests[0]!.error).toMatchObject({ flag: 'LR' });
  });
});

function ask(
  side: ClientSide,
  head: RequestHead,
): { stream: ReturnType<ClientSide['connection']['newStream']>; response: Recording } {
  const response = new Recording();
  const stream = side.connection.newStream(response);
  stream.sendHead(head, false);
  return { stream, response };
}
const upgradeHead = (): RequestHead =>
  new RequestHead(
    'GET',
    'http',
    'a',
    '/chat',
    '1.1',
    HeaderFields.of(['Host', 'a'], ['Upgrade', 'WebSocket']),
    'websocket',
  );

describe('upgrade and CONNECT, client side', () => {
  it('asks for the upgrade, keeps early bytes back until 101, and carries bytes both ways then', async () => {
    const side = new ClientSide();
    const { stream, response } = ask(side, upgradeHead());
    stream.sendData(Buffer.from('early'), false);
    await turn();
    expect(side.socket.text).toBe('GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nconnection: Upgrade\r\n\r\n');
    expect([response.blocked, response.ready]).toEqual([1, 0]);
    await side.socket.feed(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nfirst',
    );
    expect([response.response.status, response.body]).toEqual([101, 'first']);
    expect(side.socket.text).toMatch(/\r\n\r\nearly$/);
    expect([response.blocked, response.ready]).toEqual([1, 1]);
    await side.socket.feedEnd();
    expect(response.ended).toBe(true);
    stream.sendData(Buffer.from('last'), true);
    await turn();
    expect(side.socket.text).toMatch(/earlylast$/);
    expect(side.closes).toEqual([null]);
  });

  it('a refused upgrade is a plain response; the connection is not used again', async () => {
    const side = new ClientSide();
    const { stream, response } = ask(side, upgradeHead());
    await side.socket.feed('HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno');
    expect([response.response.status, response.body, response.ended]).toEqual([426, 'no', true]);
    stream.sendData(Buffer.from('late'), true);
    await turn();
    expect(side.socket.text).not.toContain('late');
    expect(side.connection.availableStreams()).toBe(0);
  });

  it('says of no upgrade that it has a body: what follows is not framed', async () => {
    const side = new ClientSide();
    const head = upgradeHead();
    head.fields.append(headerName('Content-Length'), '30');
    head.fields.append(headerName('Transfer-Encoding'), 'chunked');
    ask(side, head);
    await turn();
    expect(side.socket.text).toBe('GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nconnection: Upgrade\r\n\r\n');
  });

  it('turns extended CONNECT (RFC 8441) into the upgrade that it stands for', async () => {
    const side = new ClientSide();
    ask(side, new RequestHead('CONNECT', 'https', 'a', '/chat', '2', HeaderFields.of(), 'websocket'));
    await turn();
    expect(side.socket.text).toBe('GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n');
  });

  it('CONNECT: 2xx opens the tunnel whatever its framing fields say (RFC 9110 9.3.6); a refusal does not', async () => {
    const side = new ClientSide();
    const { response } = ask(
      side,
      new RequestHead('CONNECT', 'http', 'db:5432', '', '1.1', HeaderFields.of(['Host', 'db:5432'])),
    );
    await side.socket.feed('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef');
    expect(side.socket.text).toBe('CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n');
    expect(response.body).toBe('abcdef');
    const refused = new ClientSide();
    const other = ask(refused, new RequestHead('CONNECT', 'http', 'db:5432', '', '1.1', HeaderFields.of()));
    await refused.socket.feed('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
    expect([other.response.ended, refused.socket.destroyed]).toEqual([true, true]);
  });

  it('refuses a 101 that nobody asked for (RFC 9110 15.2.2)', async () => {
    const side = new ClientSide();
    const response = new Recording();
    side.connection
      .newStream(response)
      .sendHead(new RequestHead('GET', 'http', 'a', '/', '1.1', HeaderFields.of()), true);
    await side.socket.feed('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
    expect(response.error).toMatchObject({ flag: 'UPE', status: 502 });
    expect(side.socket.destroyed).toBe(true);
  });
});
