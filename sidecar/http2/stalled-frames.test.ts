/** hardening.md, "slow reads and writes": the rest of a frame or header block is waited for 10 s, of that one; a busy peer is never cut off for where its reads end. */
import { describe, expect, it } from 'vitest';
import { linkedPeer } from './test/linked-sockets.ts';
import { block, frame, get, type RawPeer } from './test/raw-peer.ts';
import { RecordingClient } from './test/recording-client.ts';
import type { ManualTime } from './test/recording-server.ts';
import { RecordingServer } from './test/recording-server.ts';

/** Sends the frames in pieces of which each ends in the middle of one, a second apart; the last stays half. */
function sendCut(peer: RawPeer, time: ManualTime, frames: readonly Buffer[]): void {
  let rest = Buffer.alloc(0);
  for (const one of frames) {
    const all = Buffer.concat([rest, one]);
    const cut = all.length - (one.length >> 1);
    peer.send(all.subarray(0, cut));
    rest = all.subarray(cut);
    time.pass(1_000);
  }
}

const isGoAway = (one: { type: number }): boolean => one.type === 7;

describe('a frame that is not finished', () => {
  it('of a busy client is another one each time: nothing is wrong', () => {
    const server = new RecordingServer();
    const { near, socket, peer } = linkedPeer(false);
    const connection = server.accept(socket);
    peer.hello();
    sendCut(
      peer,
      server.time,
      Array.from({ length: 30 }, (_, i) => frame(1, 5, 1 + 2 * i, block(...get))),
    );
    expect(server.streams.length).toBe(29);
    expect(connection.isReading).toBe(true);
    server.time.pass(8_900);
    expect(near.writable).toBe(true);
    server.time.pass(200);
    connection.writer.flush();
    expect(peer.frames.filter(isGoAway).map((f) => f.payload.readUInt32BE(4))).toEqual([11]);
    expect(server.closes).toEqual([]);
    expect(near.writable).toBe(false);
  });

  it('of a busy upstream is another one each time too', () => {
    const { socket, peer } = linkedPeer(true);
    const client = new RecordingClient(socket);
    peer.send(frame(4, 0, 0), frame(4, 1, 0));
    const responses = Array.from({ length: 30 }, () => client.send());
    sendCut(
      peer,
      client.time,
      responses.map(({ stream }) => frame(1, 5, stream.id, block([':status', '200']))),
    );
    expect(responses.filter((one) => one.head !== null).length).toBe(29);
    expect(client.connection.isReading).toBe(true);
    client.time.pass(9_100);
    expect(client.connection.isReading).toBe(false);
    expect(responses[29]!.error).toMatchObject({ flag: 'UPE', http2Code: 11 });
  });

  it('is timed from its first byte, not from each that comes', () => {
    const server = new RecordingServer();
    const { socket, peer } = linkedPeer(false);
    const connection = server.accept(socket);
    peer.hello();
    const one = frame(1, 5, 1, block(...get));
    for (let i = 0; i < 9; i++) {
      peer.send(one.subarray(2 * i, 2 * i + 2));
      server.time.pass(1_000);
    }
    expect(connection.isReading).toBe(true);
    server.time.pass(1_100);
    expect(connection.isReading).toBe(false);
  });

  it('is one with the CONTINUATIONs of its header block', () => {
    const server = new RecordingServer();
    const { socket, peer } = linkedPeer(false);
    const connection = server.accept(socket);
    peer.hello().send(frame(1, 1, 1, block(...get)));
    for (let i = 0; i < 9; i++) {
      server.time.pass(1_000);
      peer.send(frame(9, 0, 1, block(['a', 'b'])));
    }
    expect(connection.isReading).toBe(true);
    server.time.pass(1_100);
    expect(connection.isReading).toBe(false);
  });

  it('before SETTINGS is the handshake, which has 10 s in all', () => {
    const server = new RecordingServer();
    const { socket, peer } = linkedPeer(false);
    const connection = server.accept(socket);
    server.time.pass(6_000);
    peer.send(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0, Buffer.alloc(6)).subarray(0, 12));
    server.time.pass(4_100);
    expect(connection.isReading).toBe(false);
  });
});
