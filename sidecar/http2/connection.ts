/**
 * What both sides of an HTTP/2 connection have in common (RFC 9113): reads frames, keeps settings, windows and the streams, counts floods, and
 * ends in order or with GOAWAY. How streams begin and what heads mean is for server-connection.ts and client-connection.ts.
 */
import type { Socket } from 'node:net';
import type { Http2Limits, HttpLimits } from '../codec/limits.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { Clock } from '../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import { SocketWriter, type SocketWriterOwner } from '../transport/socket-writer.ts';
import { ClosedStreams, closedByPeer, closedByUs, closedUnknown } from './closed-streams.ts';
import { ConnectionFault } from './connection-fault.ts';
import {
  enhanceYourCalm,
  flowControlError,
  noError,
  protocolError,
  settingsTimeout,
  streamClosed,
} from './error-code.ts';
import { FloodGuard } from './flood-guard.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import {
  defaultMaxFrameBytes,
  flagAck,
  flagEndHeaders,
  flagEndStream,
  typeContinuation,
  typeData,
  typeGoAway,
  typeHeaders,
  typePing,
  typePriority,
  typePushPromise,
  typeRstStream,
  typeSettings,
  typeWindowUpdate,
} from './frames/frame-header.ts';
import { checkGoAway, goAwayCode, goAwayDebug, goAwayLastStreamId, writeGoAway } from './frames/go-away-frame.ts';
import { headersPayload, readHeaders, writeHeaders } from './frames/headers-frame.ts';
import { checkPing, pingNumber, writePing, writePingAck } from './frames/ping-frame.ts';
import { checkPriority } from './frames/priority-frame.ts';
import { refusePushPromise } from './frames/push-promise-frame.ts';
import { readRstStream, writeRstStream } from './frames/rst-stream-frame.ts';
import { checkSettings, writeSettings, writeSettingsAck } from './frames/settings-frame.ts';
import { maxWindowBytes, readWindowUpdate, writeWindowUpdate } from './frames/window-update-frame.ts';
import { HeaderBlockReader } from './header-block-reader.ts';
import { HpackDecoder } from './hpack/hpack-decoder.ts';
import { blockScratch, HpackEncoder } from './hpack/hpack-encoder.ts';
import { KeepAlive } from './keep-alive.ts';
import { defaultWindowBytes, PeerSettings } from './peer-settings.ts';
import { SendScheduler } from './send-scheduler.ts';
import type { Http2Stream } from './stream.ts';
import { stateClosed } from './stream-state.ts';

/** How long the peer may take for its preface and SETTINGS, and for the rest of a frame or header block once begun. */
const stallTimeoutMs = 10_000;
/** How long a connection that was ended waits for the peer to close. */
const lingerMs = 1_000;
/** PINGs with this number are answered for {@link Http2Connection.onDrainPingAck}. */
const drainPing = 1;
/** Streams reset when younger than this were not worth their work (Envoy overload.premature_reset_min_stream_lifetime_seconds). */
const prematureMs = 1_000;

export interface Http2ConnectionOptions {
  /** Scheme of the transport; used where a request has none. */
  readonly scheme: 'http' | 'https';
  readonly clock: Clock;
  readonly wheel: TimerWheel;
}

export abstract class Http2Connection implements FrameSink, SocketWriterOwner, TimerTarget {
  readonly protocol = 'http2';
  readonly socket: Socket;
  readonly writer: SocketWriter;
  readonly scheduler: SendScheduler;
  readonly guard: FloodGuard;
  readonly encoder: HpackEncoder;
  readonly decoder: HpackDecoder;
  readonly peer: PeerSettings = new PeerSettings();
  readonly closedStreams: ClosedStreams = new ClosedStreams();
  readonly streams = new Map<number, Http2Stream>();
  readonly limits: HttpLimits;
  readonly http2Limits: Http2Limits;
  readonly scheme: string;
  readonly isServer: boolean;
  /** Time of the read under way or last. */
  nowMs: number;
  /** Receive window of a new stream. */
  readonly initialRecvWindowBytes: number;
  /** False when nothing more may be read: ended, or failed. */
  isReading = true;
  /** Inside the handling of a read. */
  protected inRead = false;
  /** The highest stream id that the peer began. */
  protected lastPeerStreamId = 0;
  protected peerSettingsSeen = false;
  protected settingsAcked = false;
  /** Why it ends, when not in order. */
  protected endError: ProxyError | null = null;
  /** Ends when the last stream does. */
  protected endWhenIdle = false;
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  readonly #reader: FrameReader;
  readonly #blocks: HeaderBlockReader;
  readonly #connectionWindowBytes: number;
  #recvWindow: number;
  #creditBytes = 0;
  /** Stream of the DATA frame being read. */
  #dataStream: Http2Stream | null = null;
  readonly #stallTimer: WheelTimer;
  readonly #endTimer: WheelTimer;
  readonly #drainTimer: WheelTimer;
  readonly #keepAlive: KeepAlive | null;
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
    this.#clock = options.clock;
    this.#wheel = options.wheel;
    this.nowMs = options.clock.nowMs();
    this.writer = new SocketWriter(socket, this, limits.highWatermarkBytes, limits.lowWatermarkBytes);
    this.guard = new FloodGuard(http2Limits, this.nowMs);
    this.scheduler = new SendScheduler(this.writer, this.guard, limits.highWatermarkBytes, limits.lowWatermarkBytes);
    this.encoder = new HpackEncoder(http2Limits.headerTableBytes);
    this.decoder = new HpackDecoder(limits.maxHeadBytes, limits.maxFields);
    // Until our SETTINGS arrive the peer may count on the default windows.
    this.initialRecvWindowBytes = Math.max(http2Limits.initialStreamWindowBytes, defaultWindowBytes);
    this.#connectionWindowBytes = Math.max(http2Limits.initialConnectionWindowBytes, defaultWindowBytes);
    this.#recvWindow = this.#connectionWindowBytes;
    this.#reader = new FrameReader(this, defaultMaxFrameBytes, isServer);
    this.#blocks = new HeaderBlockReader(http2Limits.maxContinuationFrames, limits.maxHeadBytes + defaultMaxFrameBytes);
    this.#stallTimer = new WheelTimer(this);
    this.#endTimer = new WheelTimer(this);
    this.#drainTimer = new WheelTimer(this);
    this.#wheel.arm(this.#stallTimer, stallTimeoutMs);
    this.#keepAlive =
      http2Limits.keepAliveIntervalMs > 0
        ? new KeepAlive(this, options.wheel, http2Limits.keepAliveIntervalMs, http2Limits.keepAliveTimeoutMs)
        : null;
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('end', () => this.#onPeerEnd());
    socket.on('error', () => {
      // 'close' follows and is where things end.
    });
    socket.on('close', () => this.#onSocketClose());
  }

  // -- what the sides differ in --

  /** Code of RST_STREAM when the owner gives none. */
  abstract readonly usualResetCode: number;
  /** A header block is complete; `streamId` is not 0. */
  protected abstract onHeaderBlock(
    streamId: number,
    endStream: boolean,
    dependsOnItself: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): void;
  /** Whether a stream of that id was never begun. */
  protected abstract isIdleId(streamId: number): boolean;
  /** We sent the end of our message and the peer has not yet. */
  abstract onLocalEnd(stream: Http2Stream): void;
  /** RST_STREAM came for a running stream: what its owner hears; null: nothing, it is over in order. */
  protected abstract errorOfPeerReset(stream: Http2Stream, code: number): ProxyError | null;
  /** The stream or its connection broke the protocol. */
  protected abstract errorOfFault(
    stream: Http2Stream | null,
    code: number,
    details: string,
    message: string,
  ): ProxyError;
  /** The connection went away below the stream. */
  protected abstract errorOfTermination(stream: Http2Stream | null): ProxyError;
  /** The first SETTINGS, or further ones, were applied. */
  protected abstract onPeerSettings(): void;
  protected abstract onGoAway(lastStreamId: number, code: number, debug: string): void;
  protected abstract onDrainPingAck(): void;
  /** A stream is gone from {@link streams}. */
  protected abstract onStreamGone(): void;
  /** A read was handled. */
  protected abstract onReadDone(): void;
  protected abstract tellClosed(error: ProxyError | null): void;
  /** A stream was refused before anybody owned it. */
  protected abstract tellFault(error: ProxyError): void;

  // -- beginning and reading --

  protected sendSettings(settings: ReadonlyArray<readonly [number, number]>): void {
    writeSettings(this.writer, settings);
    const more = this.#connectionWindowBytes - defaultWindowBytes;
    if (more > 0) writeWindowUpdate(this.writer, 0, more);
  }

  /** Handles bytes from the peer. Public for those that were read before this object was made. */
  receive(chunk: Buffer): void {
    if (!this.isReading) return;
    this.nowMs = this.#clock.nowMs();
    this.inRead = true;
    try {
      this.#reader.read(chunk);
    } catch (fault) {
      if (!(fault instanceof ConnectionFault)) throw fault;
      this.fail(fault);
    } finally {
      this.inRead = false;
    }
    this.#watchStall();
    this.onReadDone();
  }

  /** Half a frame or header block must not occupy the connection for ever; the handshake is waited for in the same way. */
  #watchStall(): void {
    const stalled = this.#blocks.openStreamId !== 0 || !this.peerSettingsSeen || this.#reader.isMidFrame;
    if (stalled === this.#stallTimer.armed || !this.isReading) return;
    if (stalled) this.#wheel.arm(this.#stallTimer, stallTimeoutMs);
    else this.#wheel.disarm(this.#stallTimer);
  }

  onFrameHeader(type: number, streamId: number): void {
    const open = this.#blocks.openStreamId;
    if (open !== 0) {
      if (type !== typeContinuation || streamId !== open) {
        throw new ConnectionFault(
          protocolError,
          'http2.continuation_expected',
          'a header block was interrupted (RFC 9113 6.10)',
        );
      }
    } else if (type === typeContinuation) {
      throw new ConnectionFault(protocolError, 'http2.unexpected_continuation', 'CONTINUATION without a header block');
    }
    if (!this.peerSettingsSeen && type !== typeSettings) {
      throw new ConnectionFault(
        protocolError,
        'http2.settings_expected',
        'the first frame is not SETTINGS (RFC 9113 3.4)',
      );
    }
  }

  onDataStart(streamId: number, length: number, endStream: boolean): boolean {
    if (streamId === 0) throw new ConnectionFault(protocolError, 'http2.data_on_connection', 'DATA on stream 0');
    if (length === 0 && !endStream) this.guard.onEmptyFrame();
    else if (length > 0) this.guard.onFullFrame();
    this.#recvWindow -= length;
    if (this.#recvWindow < 0) {
      throw new ConnectionFault(
        flowControlError,
        'http2.connection_window',
        'more DATA than the window of the connection',
      );
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.#lateFrame(streamId, typeData);
      this.creditConnection(length);
      return false;
    }
    if (stream.remoteOver) {
      this.creditConnection(length);
      this.failStream(stream, streamClosed, 'http2.data_after_end', 'DATA behind END_STREAM');
      return false;
    }
    stream.recvWindow -= length;
    if (stream.recvWindow < 0) {
      this.creditConnection(length);
      this.failStream(stream, flowControlError, 'http2.stream_window', 'more DATA than the window of the stream');
      return false;
    }
    this.#dataStream = stream;
    return true;
  }

  onDataPadding(bytes: number): void {
    this.#dataStream!.consumed(bytes);
  }

  onDataPiece(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    const stream = this.#dataStream!;
    const length = end - start;
    if (stream.remoteOver) {
      // Reset by its owner while the frame was coming in.
      this.creditConnection(length);
      return;
    }
    stream.receivedBytes += length;
    const expected = stream.expectedBytes;
    const wrongLength =
      expected >= 0 && (stream.receivedBytes > expected || (endStream && stream.receivedBytes !== expected));
    if (wrongLength || (length > 0 && !stream.bodyAllowed)) {
      this.creditConnection(length);
      const what = wrongLength ? 'DATA differs from content-length' : 'DATA where no body may be';
      this.failStream(stream, protocolError, 'http2.violation.of.messaging.rule', what);
      return;
    }
    if (length === 0 && !endStream) return;
    if (endStream) stream.endRemote();
    const chunk = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
    stream.receiver!.onData(chunk, endStream);
    if (length > 0) stream.consumed(length);
  }

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case typeHeaders:
        this.#onHeaders(flags, streamId, bytes, start, end);
        break;
      case typeContinuation:
        this.#onContinuation(flags, bytes, start, end);
        break;
      case typeWindowUpdate:
        this.#onWindowUpdate(streamId, readWindowUpdate(bytes, start, end));
        break;
      case typeRstStream:
        this.#onRstStream(streamId, readRstStream(bytes, start, end, streamId));
        break;
      case typeSettings:
        checkSettings(start, end, flags, streamId);
        this.#onSettings(flags, bytes, start, end);
        break;
      case typePing:
        checkPing(start, end, streamId);
        this.#onPing(flags, bytes, start);
        break;
      case typeGoAway:
        checkGoAway(start, end, streamId);
        this.guard.onControlFrame(this.nowMs);
        this.onGoAway(goAwayLastStreamId(bytes, start), goAwayCode(bytes, start), goAwayDebug(bytes, start, end));
        break;
      case typePriority: {
        const code = checkPriority(bytes, start, end, streamId);
        this.guard.onPriority();
        if (code !== noError) this.failStreamId(streamId, code, 'http2.bad_priority', 'PRIORITY is malformed');
        break;
      }
      case typePushPromise:
        refusePushPromise();
        break;
      default:
        // Unknown types are ignored (RFC 9113 4.1), within measure.
        this.guard.onControlFrame(this.nowMs);
    }
  }

  #onHeaders(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId === 0) throw new ConnectionFault(protocolError, 'http2.headers_on_connection', 'HEADERS on stream 0');
    readHeaders(bytes, start, end, flags, streamId);
    const { blockStart, blockEnd, dependsOnItself } = headersPayload;
    const endStream = (flags & flagEndStream) !== 0;
    if (blockEnd === blockStart && !endStream) this.guard.onEmptyFrame();
    else this.guard.onFullFrame();
    if ((flags & flagEndHeaders) !== 0) {
      this.onHeaderBlock(streamId, endStream, dependsOnItself, bytes, blockStart, blockEnd);
    } else {
      this.#blocks.begin(streamId, endStream, dependsOnItself, bytes.subarray(blockStart, blockEnd));
    }
  }

  #onContinuation(flags: number, bytes: Buffer, start: number, end: number): void {
    const blocks = this.#blocks;
    const last = (flags & flagEndHeaders) !== 0;
    if (start === end && !last) this.guard.onEmptyFrame();
    else if (start !== end) this.guard.onFullFrame();
    const streamId = blocks.openStreamId;
    const block = blocks.append(bytes.subarray(start, end), last);
    if (block !== null) this.onHeaderBlock(streamId, blocks.endStream, blocks.dependsOnItself, block, 0, block.length);
  }

  #onWindowUpdate(streamId: number, increment: number): void {
    this.guard.onWindowUpdate();
    const { scheduler } = this;
    if (streamId === 0) {
      if (increment === 0) throw new ConnectionFault(protocolError, 'http2.zero_window_update', 'WINDOW_UPDATE of 0');
      scheduler.windowBytes += increment;
      if (scheduler.windowBytes > maxWindowBytes) {
        throw new ConnectionFault(flowControlError, 'http2.window_overflow', 'the window of the connection overflows');
      }
      scheduler.pump();
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.isIdleId(streamId)) {
        throw new ConnectionFault(protocolError, 'http2.window_update_on_idle', 'WINDOW_UPDATE for an idle stream');
      }
      return;
    }
    if (increment === 0) {
      this.failStream(stream, protocolError, 'http2.zero_window_update', 'WINDOW_UPDATE of 0');
      return;
    }
    stream.sendWindow += increment;
    if (stream.sendWindow > maxWindowBytes) {
      this.failStream(stream, flowControlError, 'http2.window_overflow', 'the window of the stream overflows');
      return;
    }
    if (stream.hasQueued) {
      scheduler.enqueue(stream);
      scheduler.pump();
    }
  }

  #onRstStream(streamId: number, code: number): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.isIdleId(streamId)) {
        throw new ConnectionFault(protocolError, 'http2.rst_on_idle', 'RST_STREAM for an idle stream');
      }
      this.guard.onControlFrame(this.nowMs);
      return;
    }
    const error = this.errorOfPeerReset(stream, code);
    const premature = error !== null && this.nowMs - stream.startMs < prematureMs;
    this.#forget(stream, closedByPeer);
    if (error !== null) stream.receiver?.onReset(error);
    if (premature) this.guard.onWastedStream(this.nowMs);
  }

  #onSettings(flags: number, bytes: Buffer, start: number, end: number): void {
    if ((flags & flagAck) !== 0) {
      if (!this.settingsAcked) {
        this.settingsAcked = true;
        this.decoder.allowTableBytes(this.http2Limits.headerTableBytes);
      } else this.guard.onControlFrame(this.nowMs);
      return;
    }
    this.guard.onControlFrame(this.nowMs);
    const before = this.peer.initialWindowBytes;
    this.peer.apply(bytes, start, end, !this.isServer);
    this.peerSettingsSeen = true;
    this.encoder.setPeerTableBytes(this.peer.headerTableBytes);
    this.scheduler.setPeerMaxFrameBytes(this.peer.maxFrameBytes);
    this.#writeControl(9);
    writeSettingsAck(this.writer);
    const delta = this.peer.initialWindowBytes - before;
    if (delta !== 0) this.#moveWindows(delta);
    this.onPeerSettings();
  }

  /** RFC 9113 6.9.2: open streams follow a changed initial window, below zero if need be. */
  #moveWindows(delta: number): void {
    for (const stream of this.streams.values()) {
      stream.sendWindow += delta;
      if (stream.sendWindow > maxWindowBytes) {
        throw new ConnectionFault(
          flowControlError,
          'http2.window_overflow',
          'SETTINGS_INITIAL_WINDOW_SIZE overflows a window',
        );
      }
      this.scheduler.enqueue(stream);
    }
    this.scheduler.pump();
  }

  #onPing(flags: number, bytes: Buffer, start: number): void {
    if ((flags & flagAck) !== 0) {
      const number = pingNumber(bytes, start);
      if (number === drainPing) this.#drainPingAnswered();
      else if (number > drainPing) this.#keepAlive?.onAck();
      else this.guard.onControlFrame(this.nowMs);
      return;
    }
    this.guard.onControlFrame(this.nowMs);
    this.#writeControl(17);
    writePingAck(this.writer, bytes, start);
  }

  /** A frame for a stream that is not there: an error unless we cut it off ourselves (RFC 9113 5.1). */
  #lateFrame(streamId: number, type: number): void {
    if (this.isIdleId(streamId)) {
      throw new ConnectionFault(protocolError, 'http2.frame_on_idle', 'a frame for an idle stream');
    }
    if (this.closedStreams.reason(streamId) === closedByPeer) {
      throw new ConnectionFault(streamClosed, 'http2.frame_on_closed', 'a frame for a stream that the peer had ended');
    }
    // DATA is bounded by windows and was counted if empty.
    if (type !== typeData) this.guard.onControlFrame(this.nowMs);
  }

  /** HEADERS for a stream that is not there and may not begin. The block was decoded, so that the tables stay in step. */
  protected lateHeaders(streamId: number): void {
    this.#lateFrame(streamId, typeHeaders);
    if (this.isServer && this.closedStreams.reason(streamId) === closedUnknown) {
      throw new ConnectionFault(protocolError, 'http2.stream_id_order', 'stream ids must grow (RFC 9113 5.1.1)');
    }
  }

  // -- streams --

  /** Both directions are done. */
  completeStream(stream: Http2Stream): void {
    this.guard.onCompletedStream();
    this.#forget(stream, closedByPeer);
  }

  /** Ends a stream with RST_STREAM; its owner is not told. */
  resetStream(stream: Http2Stream, code: number): void {
    if (stream.id !== 0) {
      this.countWrite(13);
      writeRstStream(this.writer, stream.id, code);
    }
    this.#forget(stream, closedByUs);
  }

  /** Ends a stream without a word on the wire; its owner hears why. */
  protected dropStream(stream: Http2Stream, error: ProxyError): void {
    if (stream.state === stateClosed) return;
    this.#forget(stream, closedByUs);
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
    this.#writeControl(13);
    writeRstStream(this.writer, streamId, code);
    this.closedStreams.add(streamId, closedByUs);
    this.tellFault(this.errorOfFault(null, code, details, message));
    this.#countProvoked();
  }

  #countProvoked(): void {
    if (this.isReading) this.guard.onWastedStream(this.nowMs);
  }

  #forget(stream: Http2Stream, reason: number): void {
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

  writeStreamWindowUpdate(streamId: number, bytes: number): void {
    if (this.isReading) writeWindowUpdate(this.writer, streamId, bytes);
  }

  /** `bytes` of DATA were taken, by an owner or by nobody. */
  creditConnection(bytes: number): void {
    this.#creditBytes += bytes;
    if (this.#creditBytes * 2 < this.#connectionWindowBytes || !this.isReading) return;
    writeWindowUpdate(this.writer, 0, this.#creditBytes);
    this.#recvWindow += this.#creditBytes;
    this.#creditBytes = 0;
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
  #writeControl(bytes: number): void {
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
    writeGoAway(this.writer, lastStreamId, noError, '');
  }

  /** Sends a PING and waits for its answer, a second at most, before onDrainPingAck. */
  protected startDrainPing(): void {
    writePing(this.writer, drainPing);
    this.#wheel.arm(this.#drainTimer, lingerMs);
  }

  #drainPingAnswered(): void {
    if (!this.#drainTimer.armed) return;
    this.#wheel.disarm(this.#drainTimer);
    this.onDrainPingAck();
  }

  onTimer(timer: WheelTimer): void {
    if (timer === this.#endTimer) this.socket.destroy();
    else if (timer === this.#drainTimer) this.onDrainPingAck();
    else if (!this.peerSettingsSeen)
      this.fail(new ConnectionFault(settingsTimeout, 'http2.settings_timeout', 'no SETTINGS came'));
    else
      this.fail(
        new ConnectionFault(
          enhanceYourCalm,
          'http2.frame_timeout',
          'a frame or header block was begun and not finished',
        ),
      );
  }

  /** Ends the connection for a fault of the peer: GOAWAY, streams reset, a bounded wait for the peer to read it. */
  fail(fault: ConnectionFault): void {
    if (!this.isReading) return;
    writeGoAway(this.writer, this.lastPeerStreamId, fault.code, fault.message);
    const error = this.errorOfFault(null, fault.code, fault.details, fault.message);
    this.endError = error;
    this.isReading = false;
    for (const stream of this.streams.values()) {
      this.dropStream(stream, this.errorOfFault(stream, fault.code, fault.details, fault.message));
    }
    this.end();
  }

  /** See ServerConnection.destroy. */
  destroy(error: ProxyError): void {
    if (this.#closeTold) return;
    if (this.isReading) writeGoAway(this.writer, this.lastPeerStreamId, error.http2Code, '');
    this.isReading = false;
    this.endError = error;
    for (const stream of this.streams.values()) this.dropStream(stream, error);
    this.writer.flush();
    this.socket.destroy();
    this.#closed(error);
  }

  /** The keep-alive PING was not answered. */
  onKeepAliveTimeout(): void {
    this.destroy(this.errorOfTermination(null));
  }

  /** FIN behind what was written, then a bounded wait for the peer's. */
  protected end(): void {
    this.isReading = false;
    this.#keepAlive?.stop();
    this.#wheel.disarm(this.#stallTimer);
    this.#wheel.disarm(this.#drainTimer);
    this.writer.end();
    this.#wheel.arm(this.#endTimer, lingerMs);
  }

  #onPeerEnd(): void {
    if (this.isReading) {
      this.isReading = false;
      this.#terminateStreams();
    }
    this.end();
  }

  #terminateStreams(): void {
    if (this.streams.size > 0) this.endError ??= this.errorOfTermination(null);
    for (const stream of this.streams.values()) this.dropStream(stream, this.errorOfTermination(stream));
  }

  #onSocketClose(): void {
    this.isReading = false;
    this.#terminateStreams();
    this.#closed(this.endError);
  }

  #closed(error: ProxyError | null): void {
    this.#wheel.disarm(this.#stallTimer);
    this.#wheel.disarm(this.#endTimer);
    this.#wheel.disarm(this.#drainTimer);
    this.#keepAlive?.stop();
    if (this.#closeTold) return;
    this.#closeTold = true;
    this.tellClosed(error);
  }
}

const outboundFlood = new ConnectionFault(
  enhanceYourCalm,
  'http2.outbound_frames_flood',
  'the peer makes us write and does not read',
);
