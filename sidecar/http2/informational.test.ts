/** Informational responses to a client that does not read: an upstream must not fill our memory with them, nor have the client's connection closed for a flood. */
import { describe, expect, it } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { ResponseHead } from '../codec/message-head.ts';
import { linkedPeer } from './test/linked-sockets.ts';
import { block, frame, post } from './test/raw-peer.ts';
import { RecordingServer } from './test/recording-server.ts';

const hint = (): ResponseHead => new ResponseHead(103, HeaderFields.of(['link', 'x'.repeat(20_000)]));

describe('informational responses', () => {
  it('are dropped while the client takes nothing, but for one bare 100 each, for which it may wait', async () => {
    const server = new RecordingServer();
    const { near, socket, peer } = linkedPeer(false);
    const connection = server.accept(socket);
    peer.hello().send(frame(1, 4, 1, block(...post)), frame(1, 4, 3, block(...post)));
    const [one, two] = server.streams.map(({ stream }) => stream);
    near.writableLength = 300_000;
    for (let i = 0; i < 1_000; i++) one!.sendInformational(hint());
    for (let i = 0; i < 1_000; i++)
      two!.sendInformational(new ResponseHead(100, HeaderFields.of(['x-a', 'x'.repeat(20_000)])));
    connection.writer.flush();
    await new Promise(setImmediate);
    expect(connection.isReading).toBe(true);
    expect(peer.frames.filter((f) => f.type === 1).map((f) => f.streamId)).toEqual([3]);
    expect(await peer.headers(3)).toEqual([[':status', '100']]);
    near.writableLength = 0;
    connection.writer.flush();
    one!.sendInformational(new ResponseHead(103, HeaderFields.of(['link', '</a>'])));
    one!.sendHead(new ResponseHead(200, new HeaderFields()), true);
    connection.writer.flush();
    expect(await peer.headers(1, 0)).toEqual([
      [':status', '103'],
      ['link', '</a>'],
    ]);
    expect(await peer.headers(1, 1)).toEqual([[':status', '200']]);
  });

  it('are dropped within the turn in which they become too many', () => {
    const server = new RecordingServer();
    const { socket, peer } = linkedPeer(false);
    const connection = server.accept(socket);
    peer.hello().send(frame(1, 5, 1, block(...post)));
    const small = new ResponseHead(103, HeaderFields.of(['link', 'x'.repeat(2_000)]));
    for (let i = 0; i < 1_000; i++) server.streams[0]!.stream.sendInformational(small);
    expect(connection.writer.bufferedBytes).toBeLessThan(300_000);
  });
});
