/**
 * One end of an HTTP/2 connection as its streams and its owner see it: the streams that run, what is written, and how it all ends (RFC 9113 5.4, 6.8).
 * What the peer's frames do is in connection.ts; what the sides differ in, in server-connection.ts and client-connection.ts.
 */
import type { Socket } from 'node:net';
import type { Http2Limits, HttpLimits } from '../codec/limits.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { Clock } from '../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import { LingeringClose } from '../transport/lingering-close.ts';
import { SocketWriter, type SocketWriterOwner } from '../transport/socket-writer.ts';
import { ClosedStreams, closedByPeer, closedByUs } from './closed-streams.ts';
import { ConnectionFault } from './connection-fault.ts';
import { cancel, enhanceYourCalm, noError } from './error-code.ts';
import { FloodGuard } from './flood-guard.ts';
import { FlushTimer } from './flush-timer.ts';
import { writeGoAway } from './frames/go-away-frame.ts';
import { writeHeaders } from './frames/headers-frame.ts';
import { writePing } from './frames/ping-frame.ts';
import { writeRstStream } from './frames/rst-stream-frame.ts';
import { blockScratch, HpackEncoder } from './hpack/hpack-encoder.ts';
import { KeepAlive } from './keep-alive.ts';
import { PeerSettings } from './peer-settings.ts';
import { SendScheduler } from './send-scheduler.ts';
import type { Http2Stream } from './stream.ts';
import { stateClosed } from './stream-state.ts';

/** The number of the drain's PING; keep-alive counts on from here. */
export const drainPing = 1;

export interface Http2ConnectionOptions {
  /** Scheme of the transport; used where a request has none. */
  readonly scheme: 'http' | 'https';
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** How long a drain waits for the answer to its PING before the final GOAWAY. Default 5 s (Envoy `drain_timeout`). */
  readonly drainTimeoutMs?: number;
  /** How long a whole message may wait for the window of a peer that takes nothing of it. Default 0: for ever. */
  readonly flushTimeoutMs?: number;
}

const defaultDrainTimeoutMs = 5_000;

export abstract class Http2Endpoint implements SocketWriterOwner, TimerTarget {
  readonly protocol = 'http2';
  readonly socket: Socket;
  readonly writer: SocketWriter;
  readonly scheduler: SendScheduler;
  readonly guard: FloodGuard;
  readonly encoder: HpackEncoder;
  readonly peer: PeerSettings = new PeerSettings();
  readonly closedStreams: ClosedStreams = new ClosedStreams();
  readonly streams = new Map<number, Http2Stream>();
  readonly limits: HttpLimits;
  readonly http2Limits: Http2Limits;
  readonly scheme: string;
  readonly isServer: boolean;
  /** Time of the read under way or last. */
  nowMs: number;
  /** False when nothing more may be read: ended, or failed. */
  isReading = true;
  /** The highest stream id that the peer began. */
  protected lastPeerStreamId = 0;
  /** Why it ends, when not in order. */
  protected endError: ProxyError | null = null;
  /** Ends when the last stream does. */
  protected endWhenIdle = false;
  protected readonly wheel: TimerWheel;
  protected readonly keepAlive: KeepAlive | null;
  readonly flushTimer: FlushTimer | null;
  readonly #drainTimeoutMs: number;
  readonly #drainTimer: WheelTimer;
  #linger: LingeringClose | null = null;
  /** Of the last GOAWAY that we sent. */
  #goAwayStreamId = Infinity;
  #closeTold = false;
  #doomed = false;

  protected constructor(
    socket: Socket,
    limits: HttpLimits,
    http2Limits: Http2Limits,
    options: Http2ConnectionOptions,
    isServer: boolean,
  ) {
    this.socket = socket;
    this.limits = limits;
    this.http2Limits = http2Limits;
    this.scheme = options.scheme;
    this.isServer = isServer;
    this.wheel = options.wheel;
    this.nowMs = options.clock.nowMs();
    this.writer = new SocketWriter(socket, this, limits.highWatermarkBytes, limits.lowWatermarkBytes);
    this.guard = new FloodGuard(http2Limits, this.nowMs);
    this.scheduler = new SendScheduler(this.writer, this.guard, limits.highWatermarkBytes, limits.lowWatermarkBytes);
    this.encoder = new HpackEncoder(http2Limits.headerTableBytes);
    this.#drainTimer = new WheelTimer(this);
    const { keepAliveIntervalMs, keepAliveTimeoutMs } = http2Limits;
    this.keepAlive =
      keepAliveIntervalMs > 0 ? new KeepAlive(this, options.wheel, keepAliveIntervalMs, keepAliveTimeoutMs) : null;
    const { flushTimeoutMs = 0, drainTimeoutMs = defaultDrainTimeoutMs } = options;
    this.flushTimer = flushTimeoutMs > 0 ? new FlushTimer(this, options.wheel, flushTimeoutMs) : null;
    this.#drainTimeoutMs = drainTimeoutMs;
    socket.on('end', () => this.#onPeerEnd());
    socket.on('error', () => {
      // 'close' follows and is where things end.
    });
    socket.on('close', () => this.#onSocketClose());
  }

  // -- what the sides differ in --

  /** Code of RST_STREAM when the owner gives none. */
  abstract readonly usualResetCode: number;
  /** We sent the end of our message and the peer has not yet. */
  abstract onLocalEnd(stream: Http2Stream): void;
  /** The stream or its connection broke the protocol. */
  protected abstract errorOfFault(
    stream: Http2Stream | null,
    code: number,
    details: string,
    message: string,
  ): ProxyError;
  /** The connection went away below the stream. */
  protected abstract errorOfTermination(stream: Http2Stream | null): ProxyError;
  protected abstract onDrainPingAck(): void;
  /** Nothing is waited for from the peer any more. */
  protected abstract stopStallTimer(): void;
  /** Streams that have no id yet and wait for the peer end, each with an error of its own or all with the one given. */
  protected abstract dropUnbegun(error: ProxyError | null): void;
  /** A stream is gone from {@link streams}. */
  protected abstract onStreamGone(): void;
  protected abstract tellClosed(error: ProxyError | null): void;
  /** A stream was refused before anybody owned it. */
  protected abstract tellFault(error: ProxyError): void;

  // -- streams --

  /** Both directions are done. */
  completeStream(stream: Http2Stream): void {
    this.guard.onCompletedStream();
    this.forget(stream, closedByPeer);
  }

  /** Ends a stream with RST_STREAM; its owner is not told. */
  resetStream(stream: Http2Stream, code: number): void {
    if (stream.id !== 0) {
      this.countWrite(13);
      writeRstStream(this.writer, stream.id, code);
    }
    this.forget(stream, closedByUs);
  }

  /** Ends a stream without a word on the wire; its owner hears why. */
  protected dropStream(stream: Http2Stream, error: ProxyError): void {
    if (stream.state === stateClosed) return;
    this.forget(stream, closedByUs);
    stream.receiver?.onReset(error);
  }

  /** The peer broke a rule on a stream (RFC 9113 5.4.2). */
  failStream(stream: Http2Stream, code: number, details: string, message: string): void {
    const error = this.errorOfFault(stream, code, details, message);
    this.resetStream(stream, code);
    stream.receiver?.onReset(error);
    this.#countProvoked();
  }

  /** The same for a stream that has no owner (yet, or any more). */
  protected failStreamId(streamId: number, code: number, details: string, message: string): void {
    const stream = this.streams.get(streamId);
    if (stream !== undefined) {
      this.failStream(stream, code, details, message);
      return;
    }
    this.countControlWrite(13);
    writeRstStream(this.writer, streamId, code);
    this.closedStreams.add(streamId, closedByUs);
    this.tellFault(this.errorOfFault(null, code, details, message));
    this.#countProvoked();
  }

  #countProvoked(): void {
    // An upstream is asked for no more than our own requests.
    if (this.isServer && this.isReading) this.guard.onWastedStream(this.nowMs);
  }

  protected forget(stream: Http2Stream, reason: number): void {
    if (stream.state === stateClosed) return;
    stream.release();
    if (stream.id !== 0) {
      this.streams.delete(stream.id);
      this.closedStreams.add(stream.id, reason);
    }
    this.onStreamGone();
  }

  // -- writing --

  /** Writes the block in blockScratch as HEADERS. */
  writeBlock(streamId: number, length: number, endStream: boolean): void {
    this.countWrite(length + 9);
    writeHeaders(this.writer, streamId, blockScratch.buffer, length, endStream, this.peer.maxFrameBytes);
  }

  writePing(number: number): void {
    writePing(this.writer, number);
  }

  /** Before a frame that no window holds back: when the peer does not read, too many of them end the connection. */
  countWrite(bytes: number): void {
    if (!this.writer.blocked || !this.guard.isBlockedFlood(bytes) || this.#doomed) return;
    this.#doomed = true;
    // Not now: this may be inside a sender call, and owners must not hear of it there.
    setImmediate(() => this.fail(outboundFlood));
  }

  /** The same for frames that only the peer's own frames made necessary. */
  protected countControlWrite(bytes: number): void {
    if (this.writer.blocked && this.guard.isBlockedFlood(bytes)) throw outboundFlood;
  }

  onWriteBlocked(): void {
    // Streams that go on sending find out in blockAboveBytes.
  }

  onWriteReady(): void {
    this.guard.onUnblocked();
    if (!this.isReading) return;
    try {
      this.scheduler.pump();
    } catch (fault) {
      if (!(fault instanceof ConnectionFault)) throw fault;
      this.fail(fault);
    }
  }

  // -- ending --

  /** Begins or repeats a GOAWAY that lets running streams go on. */
  protected sendGoAway(lastStreamId: number): void {
    this.#writeGoAway(lastStreamId, noError, '');
  }

  /** A later one names no higher stream: the peer may have sent those again elsewhere (RFC 9113 6.8). */
  #writeGoAway(lastStreamId: number, code: number, debug: string): void {
    this.#goAwayStreamId = Math.min(this.#goAwayStreamId, lastStreamId);
    writeGoAway(this.writer, this.#goAwayStreamId, code, debug);
  }

  /** Sends a PING and waits for its answer, for the drain timeout at most, before onDrainPingAck. */
  protected startDrainPing(): void {
    writePing(this.writer, drainPing);
    this.wheel.arm(this.#drainTimer, this.#drainTimeoutMs);
  }

  protected drainPingAnswered(): void {
    if (!this.#drainTimer.armed) return;
    this.wheel.disarm(this.#drainTimer);
    this.onDrainPingAck();
  }

  onTimer(_timer: WheelTimer): void {
    this.onDrainPingAck();
  }

  /** Ends the connection for a fault of the peer: GOAWAY, streams reset, a bounded wait for the peer to read it. */
  fail(fault: ConnectionFault): void {
    if (!this.isReading) return;
    this.#discardRequests();
    this.#writeGoAway(this.lastPeerStreamId, fault.code, fault.message);
    const error = this.errorOfFault(null, fault.code, fault.details, fault.message);
    this.endError = error;
    this.isReading = false;
    for (const stream of this.streams.values()) {
      this.dropStream(stream, this.errorOfFault(stream, fault.code, fault.details, fault.message));
    }
    this.dropUnbegun(null);
    this.end(true);
  }

  /** See ServerConnection.destroy. */
  destroy(error: ProxyError): void {
    if (this.#closeTold) return;
    if (this.isReading) this.#writeGoAway(this.lastPeerStreamId, error.http2Code, '');
    this.isReading = false;
    this.endError = error;
    for (const stream of this.streams.values()) this.dropStream(stream, error);
    this.dropUnbegun(error);
    this.writer.flush();
    this.socket.destroy();
    this.#closed(error);
  }

  /** The peer took nothing of a whole message in time. */
  onFlushTimeout(stream: Http2Stream): void {
    this.resetStream(stream, cancel);
    stream.receiver?.onReset(notFlushed);
  }

  /** The keep-alive PING was not answered. */
  onKeepAliveTimeout(): void {
    this.destroy(this.errorOfTermination(null));
  }

  /** FIN behind what was written, then a bounded wait for the peer's. `faulty`: the peer broke the protocol. */
  protected end(faulty = false): void {
    this.isReading = false;
    this.stopStallTimer();
    this.keepAlive?.stop();
    this.flushTimer?.stop();
    this.wheel.disarm(this.#drainTimer);
    // A stream's owner may have destroyed the connection while this read was under way: then nothing is waited for.
    if (this.#closeTold) return;
    this.#linger ??= new LingeringClose(this.socket, this.writer, this.wheel, { inputIsProgress: true, faulty });
  }

  /** Input came that nobody reads any more. */
  protected dropInput(bytes: number): void {
    this.#linger?.onDropped(bytes);
  }

  #onPeerEnd(): void {
    if (this.isReading) {
      this.isReading = false;
      this.#discardRequests();
      this.#terminateStreams();
    }
    this.end();
  }

  /**
   * Requests that were not handed over yet can go elsewhere, if this peer does not see them. A server keeps what it gathered: answers, which a client that has sent its
   * FIN may still read.
   */
  #discardRequests(): void {
    if (!this.isServer) this.writer.discard();
  }

  #terminateStreams(): void {
    if (this.streams.size > 0) this.endError ??= this.errorOfTermination(null);
    for (const stream of this.streams.values()) this.dropStream(stream, this.errorOfTermination(stream));
    this.dropUnbegun(null);
  }

  #onSocketClose(): void {
    this.isReading = false;
    this.#terminateStreams();
    this.#closed(this.endError);
  }

  #closed(error: ProxyError | null): void {
    this.stopStallTimer();
    this.#linger?.stop();
    this.wheel.disarm(this.#drainTimer);
    this.keepAlive?.stop();
    this.flushTimer?.stop();
    if (this.#closeTold) return;
    this.#closeTold = true;
    this.tellClosed(error);
  }
}

const notFlushed = new ProxyError({
  flag: 'SI',
  source: 'downstream',
  details: 'http2.flush_timeout',
  message: 'The client left no window for the rest of the response and took nothing of it in time.',
  http2Code: cancel,
});

const outboundFlood = new ConnectionFault(
  enhanceYourCalm,
  'http2.outbound_frames_flood',
  'the peer makes us write and does not read',
);
