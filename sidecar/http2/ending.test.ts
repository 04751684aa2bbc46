/** How a connection ends, with sockets that are not there: what still waits, what the peer does at the same moment, what it is told. */
import { describe, expect, it } from 'vitest';
import type { Http2ServerConnection } from './server-connection.ts';
import type { FakeSocket } from './test/fake-socket.ts';
import { linkedPeer } from './test/linked-sockets.ts';
import { block, frame, get, type RawPeer, uint32 } from './test/raw-peer.ts';
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
