/** Windows in both directions (RFC 9113 5.2, 6.9). */
import { afterEach, describe, expect, it } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { ResponseHead } from '../codec/message-head.ts';
import { block, frame, get, post, RawPeer, setting, uint32 } from './test/raw-peer.ts';
import { type RecordedStream, RecordingServer } from './test/recording-server.ts';

let server: RecordingServer;
let peer: RawPeer;

afterEach(() => {
  peer.socket.destroy();
  server.close();
});

async function startRequest(...settings: Buffer[]): Promise<RecordedStream> {
  server = await RecordingServer.start();
  peer = RawPeer.connect(server.port).hello(...settings);
  peer.send(frame(1, 5, 1, block(...get)));
  await server.until(() => server.streams.length === 1);
  return server.streams[0]!;
}

function received(streamId: number): number {
  return peer.frames
    .filter((f) => f.type === 0 && f.streamId === streamId)
    .reduce((sum, f) => sum + f.payload.length, 0);
}

/** A request with a body of so many full frames. */
function upload(id: number, frames: number): Buffer {
  return Buffer.concat([
    frame(1, 4, id, block(...post)),
    ...Array.from({ length: frames }, () => frame(0, 0, id, Buffer.alloc(16_384))),
  ]);
}

describe('sending', () => {
  it('keeps to the window of the stream and goes on after WINDOW_UPDATE, trailers last', async () => {
    const one = await startRequest(setting(4, 10));
    one.stream.sendHead(new ResponseHead(200, new HeaderFields()), false);
    one.stream.sendData(Buffer.from('0123456789abcde'), false);
    one.stream.sendTrailers(HeaderFields.of(['x', '1']));
    await peer.settled();
    expect(received(1)).toBe(10);
    expect(server.connections[0]!.activeStreams).toBe(1);
    peer.send(frame(8, 0, 1, uint32(5)));
    expect(await peer.headers(1, 1)).toEqual([['x', '1']]);
    expect(Buffer.concat(peer.frames.filter((f) => f.type === 0).map((f) => f.payload)).toString()).toBe(
      '0123456789abcde',
    );
    expect(server.connections[0]!.activeStreams).toBe(0);
  });

  it('lets a lowered initial window make windows negative, and counts from there (RFC 9113 6.9.2)', async () => {
    const one = await startRequest(setting(4, 100));
    one.stream.sendHead(new ResponseHead(200, new HeaderFields()), false);
    one.stream.sendData(Buffer.alloc(100), false);
    peer.send(frame(4, 0, 0, setting(4, 20)));
    await peer.settled();
    one.stream.sendData(Buffer.alloc(50), true);
    peer.send(frame(8, 0, 1, uint32(80)));
    await peer.settled('again...');
    expect(received(1)).toBe(100);
    peer.send(frame(8, 0, 1, uint32(30)));
    await peer.settled('again..2');
    expect(received(1)).toBe(130);
    peer.send(frame(4, 0, 0, setting(4, 40)));
    await peer.frame((f) => f.type === 0 && (f.flags & 1) !== 0);
    expect(received(1)).toBe(150);
  });

  it('shares the window of the connection between streams, and an end without data needs none', async () => {
    server = await RecordingServer.start();
    peer = RawPeer.connect(server.port).hello(setting(4, 1_000_000));
    peer.send(frame(1, 5, 1, block(...get)), frame(1, 5, 3, block(...get)), frame(1, 5, 5, block(...get)));
    await server.until(() => server.streams.length === 3);
    for (const one of server.streams) one.stream.sendHead(new ResponseHead(200, new HeaderFields()), false);
    server.streams[0]!.stream.sendData(Buffer.alloc(100_000), true);
    server.streams[1]!.stream.sendData(Buffer.alloc(100_000), true);
    server.streams[2]!.stream.sendData(Buffer.alloc(0), true);
    await peer.frame((f) => f.type === 0 && f.streamId === 5 && f.flags === 1);
    await peer.settled();
    expect(received(1)).toBe(65_535);
    expect(received(3)).toBe(0);
    peer.send(frame(8, 0, 0, uint32(60_000)));
    await peer.settled('again...');
    expect(received(1)).toBeGreaterThan(65_535);
    expect(received(3)).toBeGreaterThan(0);
    peer.send(frame(8, 0, 0, uint32(1_000_000)));
    await peer.frame((f) => f.type === 0 && f.streamId === 3 && f.flags === 1);
    await peer.settled('again..2');
    expect([received(1), received(3)]).toEqual([100_000, 100_000]);
  });

  it('fills frames no further than the peer allows', async () => {
    const one = await startRequest(setting(4, 1_000_000));
    peer.send(frame(8, 0, 0, uint32(1_000_000)));
    await peer.settled();
    one.stream.sendHead(new ResponseHead(200, HeaderFields.of(['x', 'y'.repeat(40_000)])), false);
    one.stream.sendData(Buffer.alloc(40_000), true);
    await peer.frame((f) => f.type === 0 && f.flags === 1);
    expect(peer.frames.filter((f) => f.streamId === 1).map((f) => [f.type, f.flags])).toEqual([
      [1, 0],
      [9, 0],
      [9, 4],
      [0, 0],
      [0, 0],
      [0, 1],
    ]);
    expect(Math.max(...peer.frames.map((f) => f.payload.length))).toBe(16_384);
  });
});

describe('what waits', () => {
  it('is sent in full frames, however small the pieces that the owner sent', async () => {
    const one = await startRequest(setting(4, 0));
    one.stream.sendHead(new ResponseHead(200, new HeaderFields()), false);
    for (let i = 0; i < 10_000; i++) one.stream.sendData(Buffer.from(String(i % 10)), i === 9_999);
    peer.send(frame(8, 0, 1, uint32(20_000)));
    await peer.frame((f) => f.type === 0 && (f.flags & 1) !== 0);
    const data = peer.frames.filter((f) => f.type === 0);
    expect(data.length).toBeLessThan(10);
    expect(Buffer.concat(data.map((f) => f.payload)).toString()).toBe('0123456789'.repeat(1_000));
  });

  it('is forgotten with its stream, also behind a closed window of the connection', async () => {
    server = await RecordingServer.start();
    peer = RawPeer.connect(server.port).hello(setting(4, 1_000_000));
    for (let i = 0; i < 100; i++) peer.send(frame(1, 5, 1 + 2 * i, block(...get)));
    await server.until(() => server.streams.length === 100);
    for (const { stream } of server.streams) {
      stream.sendHead(new ResponseHead(200, new HeaderFields()), false);
      stream.sendData(Buffer.alloc(40_000), true);
    }
    const { scheduler } = server.connections[0]!;
    expect(scheduler.waiting).toBe(99);
    // From the front, the middle and the end.
    for (const i of [1, 50, 99, 2, 98]) peer.send(frame(3, 0, 1 + 2 * i, uint32(8)));
    await peer.settled();
    expect(scheduler.waiting).toBe(94);
    for (let i = 3; i < 98; i++) if (i !== 50 && i !== 70) peer.send(frame(3, 0, 1 + 2 * i, uint32(8)));
    await peer.settled('again...');
    expect(scheduler.waiting).toBe(1);
    peer.send(frame(8, 0, 0, uint32(1_000_000)));
    await peer.frame((f) => f.type === 0 && f.streamId === 141 && (f.flags & 1) !== 0);
    expect(received(141)).toBe(40_000);
    expect(scheduler.waiting).toBe(0);
    expect(scheduler.queuedBytes).toBe(0);
  });
});

describe('receiving', () => {
  it('opens the window of a stream only for what its owner took, not while reading is paused; that of the connection at once', async () => {
    server = await RecordingServer.start(
      {},
      { initialStreamWindowBytes: 65_535, initialConnectionWindowBytes: 65_535 },
    );
    peer = RawPeer.connect(server.port).hello();
    server.onNewStream = (one) => {
      one.stream.pauseReading();
      one.stream.pauseReading();
    };
    peer.send(frame(1, 4, 1, block(...post)), ...[1, 2, 3].map(() => frame(0, 0, 1, Buffer.alloc(16_384))));
    await peer.frame((f) => f.type === 8 && f.streamId === 0 && f.payload.readUInt32BE(0) === 32_768);
    server.streams[0]!.stream.resumeReading();
    await peer.settled('again...');
    expect(peer.frames.some((f) => f.type === 8 && f.streamId === 1)).toBe(false);
    server.streams[0]!.stream.resumeReading();
    await peer.frame((f) => f.type === 8 && f.streamId === 1 && f.payload.readUInt32BE(0) === 49_152);
    await peer.settled('again..2');
    expect(peer.frames.filter((f) => f.type === 8).length).toBe(2);
  });

  it('streams that nobody reads leave the window of the connection to the others', async () => {
    server = await RecordingServer.start(
      {},
      { initialStreamWindowBytes: 65_535, initialConnectionWindowBytes: 65_535 },
    );
    peer = RawPeer.connect(server.port).hello();
    server.onNewStream = (one) => {
      if (one.stream.id < 41) one.stream.pauseReading();
    };
    for (let id = 1; id <= 41; id += 2) {
      peer.send(upload(id, 3));
      await peer.settled(`settle${id.toString().padStart(2, '0')}`);
    }
    expect(server.streams.at(-1)!.body.length).toBe(49_152);
    expect(peer.frames.some((f) => f.type === 7)).toBe(false);
    // Nor is any of it given back twice.
    for (const { stream } of server.streams) stream.resumeReading();
    await peer.settled();
    const given = peer.frames.filter((f) => f.type === 8 && f.streamId === 0);
    const sum = given.reduce((bytes, f) => bytes + f.payload.readUInt32BE(0), 0);
    expect(sum).toBeLessThanOrEqual(21 * 49_152);
    expect(sum).toBeGreaterThan(20 * 49_152);
  });

  it('what all streams of a connection hold together is bounded', async () => {
    server = await RecordingServer.start(
      {},
      { initialStreamWindowBytes: 65_535, initialConnectionWindowBytes: 65_535, maxHeldBytes: 100_000 },
    );
    peer = RawPeer.connect(server.port).hello();
    server.onNewStream = (one) => one.stream.pauseReading();
    const given = (): number =>
      peer.frames
        .filter((f) => f.type === 8 && f.streamId === 0)
        .reduce((bytes, f) => bytes + f.payload.readUInt32BE(0), 0);
    peer.send(upload(1, 3), upload(3, 3));
    await peer.settled();
    expect(given()).toBe(98_304);
    peer.send(upload(5, 3));
    await peer.settled('again...');
    expect(given()).toBe(98_304);
    server.streams[1]!.stream.resumeReading();
    await peer.settled('again..2');
    expect(given()).toBe(147_456);
  });

  it('while streams hold much, windows are narrow, so that more streams find room; running ones go on', async () => {
    server = await RecordingServer.start({}, { maxHeldBytes: 1_000_000 });
    peer = RawPeer.connect(server.port).hello();
    const windows = (): number[] =>
      peer.frames
        .filter((f) => f.type === 4 && f.flags === 0 && f.payload.length === 6)
        .map((f) => f.payload.readUInt32BE(2));
    const given = (): number =>
      peer.frames
        .filter((f) => f.type === 8 && f.streamId === 1)
        .reduce((bytes, f) => bytes + f.payload.readUInt32BE(0), 0);
    server.onNewStream = (one) => {
      if (one.stream.id > 1) one.stream.pauseReading();
    };
    peer.send(upload(1, 6), upload(3, 16));
    await peer.settled();
    expect([windows(), given()]).toEqual([[], 0]);
    peer.send(upload(5, 16));
    await peer.settled('again...');
    expect(windows()).toEqual([8_192]);
    // What was taken and not yet given back: with a narrow window the stream would wait for it for ever.
    expect(given()).toBe(6 * 16_384);
    peer.send(frame(0, 0, 1, Buffer.alloc(4_096)));
    await peer.settled('again..2');
    expect(given()).toBe(6 * 16_384 + 4_096);
    peer.send(frame(3, 0, 3, uint32(8)));
    await peer.settled('again..3');
    expect(windows()).toEqual([8_192]);
    server.streams[2]!.stream.resumeReading();
    await peer.settled('again..4');
    expect(windows()).toEqual([8_192, 262_144]);
  });

  it('batches updates: one per half window, padding counted (RFC 9113 6.9.1)', async () => {
    server = await RecordingServer.start(
      {},
      { initialStreamWindowBytes: 65_535, initialConnectionWindowBytes: 65_535 },
    );
    peer = RawPeer.connect(server.port).hello();
    const padded = frame(0, 8, 1, Buffer.concat([Buffer.from([255]), Buffer.alloc(744), Buffer.alloc(255)]));
    peer.send(frame(1, 4, 1, block(...post)), ...Array.from({ length: 33 }, () => padded));
    await peer.settled();
    const updates = peer.frames.filter((f) => f.type === 8);
    expect(updates.map((f) => [f.streamId, f.payload.readUInt32BE(0)])).toEqual([
      [0, 33_000],
      [1, 33_000],
    ]);
    expect(server.streams[0]!.body.length).toBe(33 * 744);
  });

  it('gives back what a stream held when it is reset', async () => {
    server = await RecordingServer.start({}, { initialConnectionWindowBytes: 65_535, maxHeldBytes: 0 });
    peer = RawPeer.connect(server.port).hello();
    server.onNewStream = (one) => one.stream.pauseReading();
    peer.send(
      frame(1, 4, 1, block(...post)),
      ...[1, 2, 3].map(() => frame(0, 0, 1, Buffer.alloc(16_384))),
      frame(3, 0, 1, uint32(8)),
    );
    await peer.frame((f) => f.type === 8 && f.streamId === 0 && f.payload.readUInt32BE(0) === 49_152);
    expect(server.streams[0]!.events.at(-1)).toBe('reset');
  });

  it('resets a stream that overruns its window, and ends a connection that overruns its own', async () => {
    server = await RecordingServer.start(
      {},
      { initialStreamWindowBytes: 65_535, initialConnectionWindowBytes: 131_070, maxHeldBytes: 0 },
    );
    peer = RawPeer.connect(server.port).hello();
    server.onNewStream = (one) => one.stream.pauseReading();
    peer.send(upload(1, 4));
    expect(await peer.resetCode(1)).toBe(3);
    peer.send(upload(3, 3), upload(5, 3), upload(7, 3));
    expect(await peer.goAwayCode()).toBe(3);
  });
});
