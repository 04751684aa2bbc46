/** How a connection that we end is waited for: RFC 9112 9.6, and Envoy's `delayed_close_timeout` of 1 s. Time is the test's. */
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { LingeringClose, type LingerOptions } from './lingering-close.ts';
import { SocketWriter } from './socket-writer.ts';

class SlowSocket {
  writableLength: number;
  /** What libuv says of its queue. */
  readonly _handle: { writeQueueSize: number };
  writable = true;
  destroyed = false;

  constructor(waitingBytes: number) {
    this.writableLength = waitingBytes;
    this._handle = { writeQueueSize: waitingBytes };
  }
  end(): void {
    this.writable = false;
  }
  destroy(): void {
    this.destroyed = true;
  }
}

function start(waitingBytes: number, options: Partial<LingerOptions> = {}) {
  const fake = new SlowSocket(waitingBytes);
  const socket = fake as unknown as Socket;
  let now = 0;
  const wheel = new TimerWheel({ nowMs: () => now, wallMs: () => now }, () => () => {});
  const time = {
    pass(ms: number): void {
      now += ms;
      wheel.advance();
    },
  };
  const writer = new SocketWriter(socket, { onWriteBlocked() {}, onWriteReady() {} }, 1000, 100);
  const linger = new LingeringClose(socket, writer, wheel, { inputIsProgress: false, faulty: false, ...options });
  return { socket: fake, time, linger };
}

describe('LingeringClose', () => {
  it('sends FIN at once and gives the peer a second for its own', () => {
    const { socket, time } = start(0);
    expect([socket.writable, socket.destroyed]).toEqual([false, false]);
    time.pass(990);
    expect(socket.destroyed).toBe(false);
    time.pass(30);
    expect(socket.destroyed).toBe(true);
  });

  it('waits for a peer that takes one large write slowly, and begins the second when it has all', () => {
    const { socket, time } = start(300_000);
    for (let left = 300_000; left > 0; left -= 2_000) {
      socket._handle.writeQueueSize = left;
      time.pass(1_010);
      expect(socket.destroyed).toBe(false);
    }
    socket._handle.writeQueueSize = 0;
    socket.writableLength = 0;
    time.pass(1_010);
    expect(socket.destroyed).toBe(false);
    time.pass(1_010);
    expect(socket.destroyed).toBe(true);
  });

  it('gives up a peer that takes nothing for 30 seconds, one that broke the protocol after one', () => {
    for (const [faulty, seconds] of [
      [false, 30],
      [true, 1],
    ] as const) {
      const { socket, time } = start(300_000, { faulty });
      time.pass(1_010);
      for (let i = 2; i < seconds; i++) time.pass(1_010);
      expect(socket.destroyed).toBe(faulty);
      time.pass(1_010);
      expect(socket.destroyed).toBe(true);
    }
  });

  it('stays for a peer whose WINDOW_UPDATEs still come, for 30 seconds and 8 MiB at most', () => {
    const { socket, time, linger } = start(0, { inputIsProgress: true });
    for (let i = 1; i < 30; i++) {
      linger.onDropped(13);
      time.pass(1_010);
      expect(socket.destroyed).toBe(false);
    }
    linger.onDropped(13);
    time.pass(1_010);
    expect(socket.destroyed).toBe(true);
    const quiet = start(0, { inputIsProgress: true });
    quiet.linger.onDropped(13);
    quiet.time.pass(1_010);
    expect(quiet.socket.destroyed).toBe(false);
    quiet.time.pass(1_010);
    expect(quiet.socket.destroyed).toBe(true);
    const loud = start(0, { inputIsProgress: true });
    loud.linger.onDropped(8 * 1024 * 1024 + 1);
    expect(loud.socket.destroyed).toBe(true);
  });
});
