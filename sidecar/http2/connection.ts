/**
 * What the frames of the peer do to an HTTP/2 connection (RFC 9113 4 to 6): settings, windows, and the beginning and end of what belongs to streams; floods are
 * counted. How streams begin and what heads mean is for server-connection.ts and client-connection.ts.
 */
import type { Socket } from 'node:net';
import type { Http2Limits, HttpLimits } from '../codec/limits.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { Clock } from '../runtime/clock.ts';
import { WheelTimer } from '../runtime/timer-wheel.ts';
import { closedByPeer, closedUnknown } from './closed-streams.ts';
import { ConnectionFault } from './connection-fault.ts';
import { drainPing, type Http2ConnectionOptions, Http2Endpoint } from './endpoint.ts';
import {
  enhanceYourCalm,
  flowControlError,
  noError,
  protocolError,
  settingsTimeout,
  streamClosed,
} from './error-code.ts';
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
import { checkGoAway, goAwayCode, goAwayDebug, goAwayLastStreamId } from './frames/go-away-frame.ts';
import { headersPayload, readHeaders } from './frames/headers-frame.ts';
import { checkPing, pingNumber, writePingAck } from './frames/ping-frame.ts';
import { checkPriority } from './frames/priority-frame.ts';
import { refusePushPromise } from './frames/push-promise-frame.ts';
import { readRstStream } from './frames/rst-stream-frame.ts';
import { checkSettings, settingInitialWindowSize, writeSettings, writeSettingsAck } from './frames/settings-frame.ts';
import { maxWindowBytes, readWindowUpdate, writeWindowUpdate } from './frames/window-update-frame.ts';
import { HeaderBlockReader } from './header-block-reader.ts';
import { HpackDecoder } from './hpack/hpack-decoder.ts';
import { defaultWindowBytes } from './peer-settings.ts';
import type { Http2Stream } from './stream.ts';

/** How long the peer may take for its preface and SETTINGS, and for the rest of a frame or header block once begun. */
const stallTimeoutMs = 10_000;
/** {@link Http2Connection.#unfinished}: these two, above them for frames, below for header blocks. */
const nothing = 0;
const handshake = 1;
/** Window of a stream while the streams of a connection hold much: a thousand of them fit into the other half of maxHeldBytes. */
const narrowWindowBytes = 8 * 1024;
/** Streams reset when younger than this were not worth their work (Envoy overload.premature_reset_min_stream_lifetime_seconds). */
const prematureMs = 1_000;

export abstract class Http2Connection extends Http2Endpoint implements FrameSink {
  readonly decoder: HpackDecoder;
  /** Receive window of a new stream. */
  readonly initialRecvWindowBytes: number;
  /** Bytes taken on a stream after which its window is opened again. */
  streamCreditStepBytes: number;
  /** Inside the handling of a read. */
  protected inRead = false;
  protected peerSettingsSeen = false;
  protected settingsAcked = false;
  readonly #clock: Clock;
  readonly #reader: FrameReader;
  readonly #blocks: HeaderBlockReader;
  readonly #connectionWindowBytes: number;
  #recvWindow: number;
  #creditBytes = 0;
  /** Given to owners who have paused reading, over all streams. */
  #heldBytes = 0;
  /** Part of these, not given back to the connection's window because the streams hold too much. */
  #owedBytes = 0;
  /** The peer was told to keep to narrow windows. */
  #narrow = false;
  /** Stream of the DATA frame being read. */
  #dataStream: Http2Stream | null = null;
  readonly #stallTimer: WheelTimer;
  /** What the timer was armed for, see {@link #unfinished}. */
  #stallMark: number = handshake;

  protected constructor(
    socket: Socket,
    limits: HttpLimits,
    http2Limits: Http2Limits,
    options: Http2ConnectionOptions,
    isServer: boolean,
  ) {
    super(socket, limits, http2Limits, options, isServer);
    this.#clock = options.clock;
    this.decoder = new HpackDecoder(limits.maxHeadBytes, limits.maxFields);
    // Until our SETTINGS arrive the peer may count on the default windows.
    this.initialRecvWindowBytes = Math.max(http2Limits.initialStreamWindowBytes, defaultWindowBytes);
    this.streamCreditStepBytes = Math.max(1, http2Limits.initialStreamWindowBytes >> 1);
    this.#connectionWindowBytes = Math.max(http2Limits.initialConnectionWindowBytes, defaultWindowBytes);
    this.#recvWindow = this.#connectionWindowBytes;
    this.#reader = new FrameReader(this, defaultMaxFrameBytes, isServer);
    this.#blocks = new HeaderBlockReader(http2Limits.maxContinuationFrames, limits.maxHeadBytes + defaultMaxFrameBytes);
    this.#stallTimer = new WheelTimer(this);
    this.wheel.arm(this.#stallTimer, stallTimeoutMs);
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
  }

  // -- what the sides differ in --

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
  /** RST_STREAM came for a running stream: what its owner hears; null: nothing, it is over in order. */
  protected abstract errorOfPeerReset(stream: Http2Stream, code: number): ProxyError | null;
  /** SETTINGS were applied. */
  protected abstract onPeerSettings(): void;
  protected abstract onGoAway(lastStreamId: number, code: number, debug: string): void;
  /** A read was handled. */
  protected abstract onReadDone(): void;

  // -- beginning and reading --

  protected sendSettings(settings: ReadonlyArray<readonly [number, number]>): void {
    writeSettings(this.writer, settings);
    const more = this.#connectionWindowBytes - defaultWindowBytes;
    if (more > 0) writeWindowUpdate(this.writer, 0, more);
  }

  /** Handles bytes from the peer. Public for those that were read before this object was made. */
  receive(chunk: Buffer): void {
    if (!this.isReading) {
      this.dropInput(chunk.length);
      return;
    }
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

  /**
   * Half a frame or header block must not occupy the connection for ever; the handshake is waited for in the same way. Each has its own time: that reads end
   * inside of frames, again and again, is what large heads and busy peers do.
   */
  #watchStall(): void {
    const mark = this.#unfinished();
    if (mark === this.#stallMark || !this.isReading) return;
    this.#stallMark = mark;
    if (mark === nothing) this.wheel.disarm(this.#stallTimer);
    else this.wheel.arm(this.#stallTimer, stallTimeoutMs);
  }

  /** A number for what has begun and is not whole yet: another one for every header block and for every frame outside of them. */
  #unfinished(): number {
    if (!this.peerSettingsSeen) return handshake;
    if (this.#blocks.openStreamId !== 0) return -this.#blocks.blocksBegun;
    return this.#reader.isMidFrame ? handshake + this.#reader.framesBegun : nothing;
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
    if (wrongLength || !stream.headReceived || (length > 0 && !stream.bodyAllowed)) {
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
      // Rapid reset is what clients do. A server may send NO_ERROR behind each of its answers (RFC 9113 8.1), when we have reset the stream already.
      if (this.isServer) this.guard.onWastedStream(this.nowMs);
      else this.guard.onControlFrame(this.nowMs);
      return;
    }
    const error = this.errorOfPeerReset(stream, code);
    const premature = error !== null && this.nowMs - stream.startMs < prematureMs;
    this.forget(stream, closedByPeer);
    if (error !== null) stream.receiver?.onReset(error);
    if (premature && this.isServer) this.guard.onWastedStream(this.nowMs);
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
    this.countControlWrite(9);
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
      if (number === drainPing) this.drainPingAnswered();
      else if (number > drainPing) this.keepAlive?.onAck();
      else this.guard.onControlFrame(this.nowMs);
      return;
    }
    this.guard.onControlFrame(this.nowMs);
    this.countControlWrite(17);
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

  writeStreamWindowUpdate(streamId: number, bytes: number): void {
    if (this.isReading) writeWindowUpdate(this.writer, streamId, bytes);
  }

  /**
   * `bytes` of DATA came for an owner who has paused reading. The window of their stream holds the peer back; that of the connection must not stay closed for
   * the other streams, unless all of them together hold too much.
   */
  hold(bytes: number): void {
    const { maxHeldBytes } = this.http2Limits;
    this.#heldBytes += bytes;
    if (this.#heldBytes > maxHeldBytes) this.#owedBytes += bytes;
    else this.creditConnection(bytes);
    if (!this.#narrow && this.#heldBytes * 2 > maxHeldBytes) this.#setNarrow(true);
  }

  /** Bytes that were held are not any more. */
  unhold(bytes: number): void {
    const { maxHeldBytes } = this.http2Limits;
    this.#heldBytes -= bytes;
    if (this.#owedBytes > 0 && this.#heldBytes <= maxHeldBytes) {
      const owed = this.#owedBytes;
      this.#owedBytes = 0;
      this.creditConnection(owed);
    }
    if (this.#narrow && this.#heldBytes * 8 <= maxHeldBytes) this.#setNarrow(false);
  }

  /**
   * Changes the window of all streams (RFC 9113 6.9.2). What we hold the peer to stays the wide one: it may have sent before it heard. Narrow windows are given
   * back in small steps, beginning with what was not given back yet.
   */
  #setNarrow(narrow: boolean): void {
    this.#narrow = narrow;
    const wide = this.http2Limits.initialStreamWindowBytes;
    if (!this.isReading || wide <= narrowWindowBytes) return;
    const windowBytes = narrow ? narrowWindowBytes : wide;
    this.countWrite(15);
    writeSettings(this.writer, [[settingInitialWindowSize, windowBytes]]);
    this.streamCreditStepBytes = windowBytes >> 1;
    if (narrow) for (const stream of this.streams.values()) stream.creditNow();
  }

  /** `bytes` of DATA were taken, by an owner or by nobody. */
  creditConnection(bytes: number): void {
    this.#creditBytes += bytes;
    if (this.#creditBytes * 2 < this.#connectionWindowBytes || !this.isReading) return;
    writeWindowUpdate(this.writer, 0, this.#creditBytes);
    this.#recvWindow += this.#creditBytes;
    this.#creditBytes = 0;
  }

  protected stopStallTimer(): void {
    this.wheel.disarm(this.#stallTimer);
  }

  override onTimer(timer: WheelTimer): void {
    if (timer !== this.#stallTimer) super.onTimer(timer);
    else if (!this.peerSettingsSeen) {
      this.fail(new ConnectionFault(settingsTimeout, 'http2.settings_timeout', 'no SETTINGS came'));
    } else {
      this.fail(
        new ConnectionFault(enhanceYourCalm, 'http2.frame_timeout', 'a frame or header block was not finished'),
      );
    }
  }
}
