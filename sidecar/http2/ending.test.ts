/** How a connection ends, with sockets that are not there: what still waits, what the peer does at the same moment, what it is told. */
import { describe, expect, it } from 'vitest';
import { ProxyError } from '../codec/proxy-error.ts';
import type { Http2ServerConnection } from './server-connection.ts';
import type { FakeSocket } from './test/fake-socket.ts';
import { linkedPeer } from './test/linked-sockets.ts';
import { block, frame, get, type RawPeer, uint32 } from './test/raw-peer.ts';
import { RecordingClient, request } from './test/recording-client.ts';
import { RecordingServer } from './test/recording-server.ts';

interface Served {
  readonly server: RecordingServer;
  readonly connection: Http2ServerConnection;
  readonly near: FakeSocket;
  readonly peer: RawPeer;
}

/** A server whose client has said hello and asked `requests` times. */
function serve(requests: number, ...args: ConstructorParameters<typeof RecordingServer>): Served {
  const server = new RecordingServer(...args);
  const { near, socket, peer } = linkedPeer(false);
  const connection = server.accept(socket);
  peer.hello();
  for (let i = 0; i < requests; i++) peer.send(frame(1, 5, 1 + 2 * i, block(...get)));
  return { server, connection, near, peer };
}

describe('what waits when a server connection ends', () => {
  function drained(): Served {
    const served = serve(1);
    const { server, connection, near } = served;
    server.streams[0]!.answer();
    near.writableLength = 320_000;
    connection.drain();
    server.time.pass(5_010);
    expect([near.writable, near.destroyed]).toEqual([false, false]);
    return served;
  }

  it('is waited for while the client takes some of it, and a second from then on', () => {
    const { server, near } = drained();
    for (; near.writableLength > 0; near.writableLength -= 10_000) {
      server.time.pass(1_010);
      expect(near.destroyed).toBe(false);
    }
    server.time.pass(1_010);
    expect(near.destroyed).toBe(false);
    server.time.pass(1_010);
    expect(near.destroyed).toBe(true);
    expect(server.closes).toEqual([null]);
    expect(server.time.wheel.armedCount).toBe(0);
  });

  it('in the kernels, is waited for while WINDOW_UPDATEs come, which RST would answer', () => {
    const { server, near, peer } = drained();
    near.writableLength = 0;
    for (let i = 0; i < 5; i++) {
      peer.send(frame(8, 0, 0, uint32(1)));
      server.time.pass(1_010);
      expect(near.destroyed).toBe(false);
    }
    server.time.pass(1_010);
    expect(near.destroyed).toBe(true);
  });

  it('is given up when the client takes nothing for half a minute', () => {
    const { server, near } = drained();
    for (let i = 0; i < 29; i++) server.time.pass(1_010);
    expect(near.destroyed).toBe(false);
    server.time.pass(1_010);
    expect(near.destroyed).toBe(true);
  });

  it('is given up after a second when the client broke the protocol and takes nothing', () => {
    const { server, near, peer } = serve(0);
    near.writableLength = 320_000;
    peer.send(frame(6, 0, 0, 'short'));
    server.time.pass(990);
    expect(near.destroyed).toBe(false);
    server.time.pass(30);
    expect(near.destroyed).toBe(true);
  });
});

describe('a request that meets the end of its upstream connection', () => {
  /** A client whose server has said hello; what it wrote then is handed over. */
  function connected(): { client: RecordingClient; near: FakeSocket; peer: RawPeer } {
    const { near, socket, peer } = linkedPeer(true);
    const client = new RecordingClient(socket);
    peer.send(frame(4, 0, 0), frame(4, 1, 0));
    client.connection.writer.flush();
    near.written.length = 0;
    return { client, near, peer };
  }

  it('in the same turn, nothing handed to the socket: unsent, and nothing of it goes out', () => {
    const { client, near } = connected();
    const one = client.send(request('POST'), false);
    const two = client.send();
    near.emit('end');
    expect(one.error).toMatchObject({ flag: 'UC', retry: 'unsent' });
    expect(two.error).toMatchObject({
      flag: 'UC',
      retry: 'unsent',
      details: 'upstream_reset_before_response_started{connection_termination}',
    });
    expect(near.written).toEqual([]);
    expect(near.writable).toBe(false);
  });

  it('behind one that was handed over: that one may have been acted on', () => {
    const { client, near } = connected();
    const one = client.send();
    client.connection.writer.flush();
    const two = client.send();
    near.written.length = 0;
    near.emit('end');
    expect([one.error!.retry, two.error!.retry]).toEqual(['idempotent', 'unsent']);
    expect(near.written).toEqual([]);
  });

  it('and whose socket was gone when its turn came to be handed over: unsent', () => {
    const { client, near } = connected();
    const one = client.send();
    near.destroyed = true;
    client.connection.writer.flush();
    near.emit('close');
    expect(one.error!.retry).toBe('unsent');
    expect(near.written).toEqual([]);
  });

  it('because the upstream breaks the protocol: unsent when its head has not left, and only GOAWAY goes out', () => {
    const { client, near, peer } = connected();
    const one = client.send();
    client.connection.writer.flush();
    const two = client.send();
    peer.send(frame(6, 0, 0, 'short'));
    expect(one.error).toMatchObject({ flag: 'UPE', retry: 'never' });
    expect(two.error).toMatchObject({ flag: 'UPE', retry: 'unsent' });
    expect(peer.frames.map((f) => f.type).slice(-2)).toEqual([1, 7]);
    expect(near.writable).toBe(false);
  });

  it('leaves the GOAWAY that we owe when it was us who ended', () => {
    const { client, near, peer } = connected();
    client.connection.drain();
    near.emit('end');
    expect(peer.frames.at(-1)!.type).toBe(7);
  });
});

describe('a later GOAWAY', () => {
  it.each<[string, (served: Served) => void]>([
    ['for a fault', ({ peer }) => peer.send(frame(6, 0, 0, 'short'))],
    [
      'of a connection that is destroyed',
      ({ connection }) =>
        connection.destroy(new ProxyError({ flag: 'LR', source: 'local', details: 'shutting_down', message: 'x' })),
    ],
  ])('%s names no higher stream than an earlier one did (RFC 9113 6.8)', (_, end) => {
    const served = serve(2);
    const { server, connection, peer } = served;
    connection.drain();
    server.time.pass(5_010);
    peer.send(frame(1, 5, 5, block(...get)), frame(1, 5, 7, block(...get)));
    expect(server.streams.length).toBe(2);
    end(served);
    const ids = peer.frames.filter((f) => f.type === 7).map((f) => f.payload.readUInt32BE(0));
    expect(ids).toEqual([0x7fff_ffff, 3, 3]);
  });
});
