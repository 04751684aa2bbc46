/**
 * Property: whatever frames come and whatever the owner does about them, nothing is thrown, every stream is told of its end once and of nothing after
 * it, every connection is told closed once, and no timer stays armed (hardening.md, "streams that died").
 */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { defaultHttp2Limits, defaultHttpLimits } from '../codec/limits.ts';
import { ResponseHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { Http2ClientConnection } from './client-connection.ts';
import { Http2ServerConnection } from './server-connection.ts';
import { CheckedStream } from './test/checked-stream.ts';
import { FakeSocket } from './test/fake-socket.ts';
import { block, frame, get, post, preface, setting, uint32 } from './test/raw-peer.ts';
import { request } from './test/recording-client.ts';
import { ManualTime } from './test/recording-server.ts';

const reason = new ProxyError({ flag: 'LR', source: 'local', details: 'x', message: 'x', http2Code: 8 });

const streamId = fc.constantFrom(0, 1, 1, 3, 3, 5, 7, 2);
const anyFrame = fc.oneof(
  fc
    .tuple(
      streamId,
      fc.constantFrom(4, 5, 5, 1, 0x25, 0x0d),
      fc.constantFrom<Buffer>(
        block(...get),
        block(...post),
        block(...post, ['content-length', '3']),
        block([':status', '200']),
        block([':status', '103']),
        block([':status', '200'], ['content-length', '3']),
        block(['x-trailer', '1']),
        block([':method', 'CONNECT'], [':authority', 'a:1']),
        block([':method', 'CONNECT'], [':protocol', 'websocket'], ...get.slice(1)),
        Buffer.from([0x82, 0x86, 0x84]),
        Buffer.from([0xff, 0xff, 0xff]),
        Buffer.alloc(0),
      ),
    )
    .map(([id, flags, payload]) => frame(1, flags, id, payload)),
  fc
    .tuple(streamId, fc.constantFrom(0, 1, 8, 9), fc.constantFrom('', 'abc', '\x01ab', 'x'.repeat(9000)))
    .map(([id, flags, text]) => frame(0, flags, id, text)),
  fc.tuple(streamId, fc.constantFrom(0, 1, 100, 0x7fff_ffff)).map(([id, bytes]) => frame(8, 0, id, uint32(bytes))),
  fc.tuple(streamId, fc.constantFrom(0, 7, 8)).map(([id, code]) => frame(3, 0, id, uint32(code))),
  fc
    .tuple(fc.constantFrom(1, 3, 4, 5), fc.constantFrom(0, 1, 20_000, 70_000))
    .map(([id, value]) => frame(4, 0, 0, setting(id, value))),
  fc.constant(frame(6, 0, 0, '12345678')),
  fc
    .tuple(fc.constantFrom(0, 1, 0x7fff_ffff), fc.constantFrom(0, 2))
    .map(([last, code]) => frame(7, 0, 0, Buffer.concat([uint32(last), uint32(code)]))),
  fc.tuple(streamId, fc.constantFrom(0, 4)).map(([id, flags]) => frame(9, flags, id, block(['x', 'y']))),
  fc
    .tuple(fc.nat({ max: 12 }), fc.nat({ max: 255 }), streamId, fc.uint8Array({ maxLength: 10 }))
    .map(([type, flags, id, raw]) => frame(type, flags, id, Buffer.from(raw))),
);
const actions = fc.array(fc.nat({ max: 11 }), { maxLength: 40 });

/** Sender calls by number; the rest do nothing. */
function actor(
  list: number[],
  head: () => unknown,
  destroy: () => void,
  drain: () => void,
): (one: CheckedStream) => void {
  let next = 0;
  return (one) => {
    const { sender } = one;
    const action = list[next++];
    if (sender === null || action === undefined) return;
    one.sending = action !== 10;
    if (action === 0) sender.sendHead(head() as never, false);
    else if (action === 1) sender.sendHead(head() as never, true);
    else if (action === 2) sender.sendData(Buffer.alloc(5), false);
    else if (action === 3) sender.sendData(Buffer.alloc(300_000), false);
    else if (action === 4) sender.sendData(Buffer.alloc(0), true);
    else if (action === 5) sender.sendTrailers(HeaderFields.of(['x', '1']));
    else if (action === 6) sender.pauseReading();
    else if (action === 7) sender.resumeReading();
    else if (action === 8) {
      sender.reset(reason);
      one.over = true;
    } else if (action === 9) drain();
    else if (action === 10) destroy();
    one.sending = false;
  };
}

it('a server survives any frames and any owner', () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 30 }), actions, fc.boolean(), (frames, list, cut) => {
      const time = new ManualTime();
      const socket = new FakeSocket();
      let closes = 0;
      const act = actor(
        list,
        () => new ResponseHead(200, new HeaderFields()),
        () => connection.destroy(reason),
        () => connection.drain(),
      );
      const connection: Http2ServerConnection = new Http2ServerConnection(
        socket.asSocket,
        {
          onStream: (stream) => {
            const one = new CheckedStream(act);
            one.sender = stream;
            return one;
          },
          onCodecError: () => {},
          onClose: () => closes++,
        },
        defaultHttpLimits,
        defaultHttp2Limits,
        { scheme: 'http', clock: time.clock, wheel: time.wheel, firstBytes: null },
      );
      const bytes = Buffer.concat([Buffer.from(preface), frame(4, 0, 0), ...frames]);
      const middle = cut ? bytes.length >> 1 : bytes.length;
      socket.emit('data', bytes.subarray(0, middle));
      if (cut) socket.emit('data', bytes.subarray(middle));
      connection.writer.flush();
      socket.emit('end');
      time.pass(20_000);
      socket.destroy();
      expect([closes, connection.activeStreams, time.wheel.armedCount]).toEqual([1, 0, 0]);
      expect(connection.scheduler.queuedBytes).toBe(0);
    }),
    { numRuns: 800 },
  );
});

it('a client survives any frames and any owner', () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 30 }), actions, (frames, list) => {
      const time = new ManualTime();
      const socket = new FakeSocket();
      let closes = 0;
      const act = actor(
        list,
        () => request(),
        () => connection.destroy(reason),
        () => connection.drain(),
      );
      const connection: Http2ClientConnection = new Http2ClientConnection(
        socket.asSocket,
        { onReady: () => {}, onStreamsAvailable: () => {}, onDraining: () => {}, onClose: () => closes++ },
        defaultHttpLimits,
        defaultHttp2Limits,
        { scheme: 'http', clock: time.clock, wheel: time.wheel },
      );
      for (const end of [true, false, false]) {
        const one = new CheckedStream(act);
        const stream = connection.newStream(one);
        one.sender = stream;
        stream.sendHead(request('POST'), end);
      }
      socket.emit('data', Buffer.concat([frame(4, 0, 0), ...frames]));
      connection.writer.flush();
      socket.emit('end');
      time.pass(20_000);
      socket.destroy();
      expect([closes, connection.activeStreams, time.wheel.armedCount]).toEqual([1, 0, 0]);
      expect(connection.scheduler.queuedBytes).toBe(0);
    }),
    { numRuns: 800 },
  );
});
