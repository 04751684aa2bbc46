/** hardening.md, "HTTP/2 floods": each abuse by name ends in GOAWAY ENHANCE_YOUR_CALM, with bounded work and memory; honest use does not. */
import { afterEach, describe, expect, it } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { ResponseHead } from '../codec/message-head.ts';
import { block, frame, get, post, RawPeer, setting, uint32 } from './test/raw-peer.ts';
import { RecordingServer } from './test/recording-server.ts';

const calm = 11;
const request = block(...get);

let server: RecordingServer;
let peer: RawPeer;

async function start(...args: Parameters<typeof RecordingServer.start>): Promise<void> {
  server = await RecordingServer.start(...args);
  peer = RawPeer.connect(server.port).hello();
}

/** Code of the GOAWAY and details of the error that the owner was given. */
async function ending(): Promise<string> {
  const code = await peer.goAwayCode();
  await server.until(() => server.closes.length === 1);
  const error = server.closes[0]!;
  return `${error.flag} ${error.source} ${error.http2Code === code ? code : 'differs'} ${error.details}`;
}

function repeat(count: number, make: (i: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));
}

afterEach(() => {
  peer.socket.destroy();
  server.close();
});

describe('floods of frames', () => {
  it('rapid reset: HEADERS and RST_STREAM (CVE-2023-44487)', async () => {
    await start({}, { maxConcurrentStreams: 50 });
    peer.send(repeat(600, (i) => Buffer.concat([frame(1, 5, 1 + 2 * i, request), frame(3, 0, 1 + 2 * i, uint32(8))])));
    expect(await ending()).toBe('DPE downstream 11 http2.premature_resets');
    expect(server.streams.length).toBe(551);
    expect(server.streams.every((s) => s.events.filter((e) => e === 'reset').length === 1)).toBe(true);
  });

  it('honest cancels between answered requests are no rapid reset', async () => {
    await start();
    server.autoAnswer = true;
    for (let i = 0; i < 1500; i += 3) {
      peer.send(
        frame(1, 5, 1 + 2 * i, request),
        frame(1, 4, 3 + 2 * i, block(...post)),
        frame(3, 0, 3 + 2 * i, uint32(8)),
        frame(1, 5, 5 + 2 * i, request),
      );
    }
    await peer.settled();
    expect(peer.frames.some((f) => f.type === 7)).toBe(false);
  });

  it.each<[string, (id: number) => Buffer]>([
    ['a window update of zero', (id) => frame(8, 0, id, uint32(0))],
    ['a window that overflows', (id) => frame(8, 0, id, uint32(0x7fff_ffff))],
    ['DATA behind END_STREAM', (id) => frame(0, 0, id, 'x')],
    ['HEADERS behind END_STREAM', (id) => frame(1, 5, id, request)],
    ['a PRIORITY that depends on itself', (id) => frame(2, 0, id, Buffer.concat([uint32(id), Buffer.from([1])]))],
    ['a PRIORITY of a wrong size', (id) => frame(2, 0, id, 'xxx')],
  ])('resets provoked from us by %s (CVE-2025-8671)', async (_, provoke) => {
    await start({}, { maxConcurrentStreams: 50 });
    peer.send(repeat(600, (i) => Buffer.concat([frame(1, 5, 1 + 2 * i, request), provoke(1 + 2 * i)])));
    expect(await ending()).toBe('DPE downstream 11 http2.premature_resets');
  });

  it('malformed requests without end, names of zero length among them (CVE-2019-9516)', async () => {
    await start({}, { maxConcurrentStreams: 50 });
    peer.send(repeat(600, (i) => frame(1, 5, 1 + 2 * i, block(...get, ['', '']))));
    expect(await ending()).toBe('DPE downstream 11 http2.premature_resets');
    expect(server.streams.length).toBe(0);
  });

  it('more streams than announced, again and again', async () => {
    await start({}, { maxConcurrentStreams: 2 });
    await peer.settled();
    peer.send(repeat(600, (i) => frame(1, 5, 1 + 2 * i, request)));
    expect(await ending()).toBe('DPE downstream 11 http2.premature_resets');
    expect(await peer.resetCode(5)).toBe(7);
    expect(server.streams.length).toBe(2);
  });

  it('endless CONTINUATION (CVE-2024-27316)', async () => {
    await start();
    peer.send(
      frame(1, 1, 1, request),
      repeat(17, () => frame(9, 0, 1, block(['x', 'y']))),
    );
    expect(await ending()).toBe('DPE downstream 11 http2.continuation_flood');
  });

  it('CONTINUATION of large size', async () => {
    await start();
    peer.send(
      frame(1, 1, 1, request),
      repeat(6, () => frame(9, 0, 1, Buffer.alloc(16_384, 0x82))),
    );
    expect(await ending()).toBe('DPE downstream 11 http2.header_block_too_large');
  });

  it('empty CONTINUATION', async () => {
    await start();
    peer.send(frame(1, 1, 1, request), frame(9, 0, 1), frame(9, 0, 1));
    expect(await ending()).toBe('DPE downstream 11 http2.inbound_empty_frames_flood');
  });

  it('empty DATA without END_STREAM (CVE-2019-9518)', async () => {
    await start();
    peer.send(frame(1, 4, 1, block(...post)), frame(0, 0, 1), frame(0, 0, 1));
    expect(await ending()).toBe('DPE downstream 11 http2.inbound_empty_frames_flood');
  });

  it('PING without reading the answers (CVE-2019-9512)', async () => {
    await start();
    peer.send(repeat(1200, () => frame(6, 0, 0, '12345678')));
    expect(await ending()).toBe('DPE downstream 11 http2.inbound_control_frames_flood');
    expect(peer.frames.filter((f) => f.type === 6).length).toBeLessThan(1001);
  });

  it('SETTINGS (CVE-2019-9515)', async () => {
    await start();
    peer.send(repeat(1200, () => frame(4, 0, 0, setting(4, 65_535))));
    expect(await ending()).toBe('DPE downstream 11 http2.inbound_control_frames_flood');
  });

  it('frames of unknown types', async () => {
    await start();
    peer.send(repeat(1200, () => frame(0x77, 0, 0, 'x')));
    expect(await ending()).toBe('DPE downstream 11 http2.inbound_control_frames_flood');
  });

  it('RST_STREAM for a stream that is over', async () => {
    await start({}, { maxConcurrentStreams: 50 });
    peer.send(
      frame(1, 4, 1, request),
      repeat(600, () => frame(3, 0, 1, uint32(8))),
    );
    expect(await ending()).toBe('DPE downstream 11 http2.premature_resets');
  });

  it('a proxy that cancels all its streams at once is no rapid reset', async () => {
    await start();
    peer.send(repeat(1024, (i) => frame(1, 5, 1 + 2 * i, request)));
    peer.send(repeat(1024, (i) => frame(3, 0, 1 + 2 * i, uint32(8))));
    await peer.settled();
    expect(server.streams.length).toBe(1024);
    expect(peer.frames.some((f) => f.type === 7)).toBe(false);
  });

  it('PING beside useful work, or spread over time, is no flood', async () => {
    await start();
    server.autoAnswer = true;
    peer.send(repeat(1500, (i) => Buffer.concat([frame(1, 5, 1 + 2 * i, request), frame(6, 0, 0, '12345678')])));
    await peer.settled();
    for (let i = 0; i < 15; i++) {
      server.time.now += 1_000;
      peer.send(repeat(100, () => frame(6, 0, 0, '12345678')));
      await peer.settled(`settled${i % 10}`);
    }
    expect(peer.frames.some((f) => f.type === 7)).toBe(false);
  });

  it('PRIORITY (CVE-2019-9513)', async () => {
    await start();
    peer.send(repeat(101, (i) => frame(2, 0, 3 + 2 * i, Buffer.concat([uint32(1), Buffer.from([1])]))));
    expect(await ending()).toBe('DPE downstream 11 http2.inbound_priority_frames_flood');
  });

  it('WINDOW_UPDATE in small steps (CVE-2019-9517 and kin)', async () => {
    await start();
    peer.send(repeat(10, () => frame(8, 0, 0, uint32(1))));
    expect(await ending()).toBe('DPE downstream 11 http2.inbound_window_update_frames_flood');
  });

  it('a window of the connection that overflows is FLOW_CONTROL_ERROR', async () => {
    await start();
    peer.send(frame(8, 0, 0, uint32(0x7fff_ffff)));
    expect(await peer.goAwayCode()).toBe(3);
  });
});

describe('bounded memory', () => {
  it('HPACK bomb: thousands of indexed fields from few bytes get 431 and are not kept', async () => {
    await start();
    const bomb = Buffer.concat([
      request,
      Buffer.from('40016178', 'hex').subarray(0, 3),
      Buffer.from([0x7f, 0xa1, 0x1e]),
      Buffer.alloc(4000, 0x79),
    ]);
    peer.send(frame(1, 5, 1, Buffer.concat([bomb, Buffer.alloc(10_000, 0xbe)])));
    expect((await peer.headers(1))[0]).toEqual([':status', '431']);
    expect(server.streams.length).toBe(0);
  });

  it('cookie crumbs count as fields, however small they are', async () => {
    await start();
    const crumbs = Array.from({ length: 300 }, () => ['cookie', 'a'] as const);
    peer.send(frame(1, 5, 1, block(...get, ...crumbs)));
    expect((await peer.headers(1))[0]).toEqual([':status', '431']);
  });

  it('a window kept at zero stops the owner of a large response (CVE-2019-9517)', async () => {
    server = await RecordingServer.start({ highWatermarkBytes: 100_000, lowWatermarkBytes: 20_000 });
    peer = RawPeer.connect(server.port).hello(setting(4, 0));
    peer.send(frame(1, 5, 1, request), frame(1, 5, 3, request));
    await server.until(() => server.streams.length === 2);
    const [one, two] = server.streams as [(typeof server.streams)[0], (typeof server.streams)[0]];
    one.stream.sendHead(new ResponseHead(200, new HeaderFields()), false);
    let sent = 0;
    while (!one.blocked) {
      one.stream.sendData(Buffer.alloc(10_000), false);
      sent += 10_000;
    }
    expect(sent).toBe(110_000);
    // Others go on.
    two.stream.sendHead(new ResponseHead(204, new HeaderFields()), true);
    expect((await peer.headers(3))[0]).toEqual([':status', '204']);
    peer.send(frame(8, 0, 1, uint32(100_000)), frame(8, 0, 0, uint32(100_000)));
    await server.until(() => !one.blocked);
    expect(one.events).toEqual(['head end', 'blocked', 'ready']);
  });

  it('many stalled streams together are stopped earlier than each alone', async () => {
    server = await RecordingServer.start({ highWatermarkBytes: 100_000, lowWatermarkBytes: 20_000 });
    peer = RawPeer.connect(server.port).hello(setting(4, 0));
    peer.send(repeat(200, (i) => frame(1, 5, 1 + 2 * i, request)));
    await server.until(() => server.streams.length === 200);
    let total = 0;
    for (const one of server.streams) {
      one.stream.sendHead(new ResponseHead(200, new HeaderFields()), false);
      while (!one.blocked) {
        one.stream.sendData(Buffer.alloc(10_000), false);
        total += 10_000;
      }
    }
    expect(total).toBeLessThan(400_000 + 200 * 10_000 + 100_000);
  });

  it('answers that pile up because the peer does not read end the connection', async () => {
    await start({ highWatermarkBytes: 2_000, lowWatermarkBytes: 1_000 }, { maxOutboundFrames: 100 });
    await peer.settled();
    peer.socket.pause();
    const large = HeaderFields.of(['x-large', 'y'.repeat(60_000)]);
    server.onNewStream = (one) => {
      one.onHead = () => one.stream.sendHead(new ResponseHead(200, large.clone()), true);
    };
    let id = 1;
    const connection = server.connections[0]!;
    while (connection.isReading) {
      peer.send(repeat(10, () => frame(1, 5, (id += 2), request)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    server.time.pass(1_100);
    await server.until(() => server.closes.length === 1);
    expect(server.closes[0]).toMatchObject({ details: 'http2.outbound_frames_flood', http2Code: calm });
  });

  it('other connections are unharmed', async () => {
    await start();
    server.autoAnswer = true;
    const other = RawPeer.connect(server.port).hello();
    await other.settled();
    peer.send(repeat(1200, () => frame(6, 0, 0, '12345678')));
    await peer.goAwayCode();
    other.send(frame(1, 5, 1, request));
    expect((await other.headers(1))[0]).toEqual([':status', '200']);
    other.socket.destroy();
  });
});
