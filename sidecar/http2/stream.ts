/**
 * One HTTP/2 stream: its state, its two windows, and what waits to be sent. What heads look like on either side is for server-stream.ts and
 * client-stream.ts; no frame is read here.
 */
import { ChunkQueue } from '../codec/chunk-queue.ts';
import type { StreamReceiver } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { Http2Connection } from './connection.ts';
import { noError } from './error-code.ts';
import { encodeTrailers } from './head-encoding.ts';
import { stateClosed, stateHalfClosedLocal, stateHalfClosedRemote, stateIdle, stateOpen } from './stream-state.ts';

/** A receiver without the part that differs between requests and responses. */
export type BodyReceiver = Omit<StreamReceiver<never>, 'onHead'>;

export abstract class Http2Stream {
  /** 0 until the head of a client's request is sent. */
  id: number;
  readonly link: Http2Connection;
  receiver: BodyReceiver | null = null;
  state: number;
  /** When it began, in milliseconds of the connection's clock. */
  readonly startMs: number;

  // -- sending --
  /** What the peer lets us send; may be negative after a SETTINGS frame (RFC 9113 6.9.2). */
  sendWindow: number;
  /** Told to stop by onWriteBlocked. */
  blocked = false;
  /** In the scheduler's turn, between these two. Owned by the scheduler. */
  scheduled = false;
  previousScheduled: Http2Stream | null = null;
  nextScheduled: Http2Stream | null = null;
  queuedBytes = 0;
  endQueued = false;
  queuedTrailers: HeaderFields | null = null;
  /** What was queued when the flush timer looked last, -1 for never. */
  bytesAtLastLook = -1;
  /** Made when something must wait for the first time. */
  #queue: ChunkQueue | null = null;

  // -- receiving --
  recvWindow: number;
  /** Taken by the owner and not yet given back to the peer. */
  #creditBytes = 0;
  /** Delivered while reading was paused. */
  #heldBytes = 0;
  #pauses = 0;
  /** What content-length promised, -1 for nothing. */
  expectedBytes = -1;
  receivedBytes = 0;
  /** The final head came: before it no DATA may. */
  headReceived: boolean;
  /** The message may have DATA with a payload. */
  bodyAllowed = true;
  /** CONNECT or an upgrade: the directions end independently. */
  tunnel = false;

  constructor(link: Http2Connection, id: number, state: number) {
    this.link = link;
    this.id = id;
    this.state = state;
    this.headReceived = state !== stateIdle;
    this.startMs = link.nowMs;
    this.sendWindow = link.peer.initialWindowBytes;
    this.recvWindow = link.initialRecvWindowBytes;
  }

  get hasQueued(): boolean {
    return this.queuedBytes > 0 || this.endQueued;
  }

  /** Nothing more may be sent: ended, or about to. */
  get localOver(): boolean {
    return this.state >= stateClosed || this.state === stateHalfClosedLocal || this.endQueued;
  }

  /** The peer may send no more. */
  get remoteOver(): boolean {
    return this.state === stateHalfClosedRemote || this.state === stateClosed;
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    if (this.localOver) return;
    const { length } = chunk;
    if (length === 0 && !endStream) return;
    const { scheduler } = this.link;
    if (!this.hasQueued && this.state !== stateIdle && scheduler.canSendNow(this, length)) {
      scheduler.writeFrame(this, chunk, endStream);
      if (endStream) this.#endLocal();
      return;
    }
    const waiting = this.hasQueued;
    if (length > 0) {
      this.#queue ??= new ChunkQueue();
      this.#queue.push(chunk);
      this.queuedBytes += length;
      scheduler.queuedBytes += length;
    }
    if (endStream) this.endQueued = true;
    if (!waiting && this.state !== stateIdle) scheduler.sendFrom(this);
    if (this.endQueued) this.link.flushTimer?.onEndQueued(this);
    this.#checkBlocked();
  }

  sendTrailers(trailers: HeaderFields): void {
    if (this.localOver) return;
    if (this.hasQueued || this.state === stateIdle) {
      this.endQueued = true;
      this.queuedTrailers = trailers;
      this.link.flushTimer?.onEndQueued(this);
      return;
    }
    this.#writeTrailers(trailers);
    this.#endLocal();
  }

  /** See StreamSender.reset. A code of 0 becomes the side's usual one. */
  reset(error: ProxyError): void {
    if (this.state === stateClosed) return;
    const code = error.http2Code === noError ? this.link.usualResetCode : error.http2Code;
    this.link.resetStream(this, code);
  }

  pauseReading(): void {
    this.#pauses++;
  }

  resumeReading(): void {
    if (this.#pauses === 0 || --this.#pauses > 0 || this.#heldBytes === 0) return;
    const bytes = this.#heldBytes;
    this.#heldBytes = 0;
    this.link.unhold(bytes);
    this.#credit(bytes);
  }

  /** The owner was given `bytes`; they are given back to the peer when it is not paused. */
  consumed(bytes: number): void {
    if (this.#pauses > 0 && this.state !== stateClosed) {
      this.#heldBytes += bytes;
      this.link.hold(bytes);
    } else {
      this.link.creditConnection(bytes);
      this.#credit(bytes);
    }
  }

  /** END_STREAM came. Called before the owner hears of it, so that whatever it does then meets the new state. */
  endRemote(): void {
    if (this.state === stateHalfClosedLocal) this.link.completeStream(this);
    else this.state = stateHalfClosedRemote;
  }

  /** Takes up to `most` bytes from the head of the queue: one chunk or a part of it. */
  takeQueued(most: number): Buffer {
    const taken = this.#queue!.take(most);
    this.queuedBytes -= taken.length;
    return taken;
  }

  /** The data is out: sends the end that waited behind it, if any. Whether it did. */
  sendQueuedEnd(): boolean {
    if (!this.endQueued || this.state === stateIdle) return false;
    if (this.queuedTrailers !== null) this.#writeTrailers(this.queuedTrailers);
    else this.link.scheduler.writeFrame(this, emptyBuffer, true);
    this.finishQueue();
    return true;
  }

  /** The end that was queued is sent. */
  finishQueue(): void {
    this.endQueued = false;
    this.queuedTrailers = null;
    this.#endLocal();
  }

  /** Later than {@link unblock}: only if it is still true. */
  protected unblockIfIdle(): void {
    if (this.blocked && this.queuedBytes === 0 && this.state !== stateClosed) this.unblock();
  }

  unblock(): void {
    this.blocked = false;
    this.receiver?.onWriteReady();
  }

  /** Called by the connection when the stream is over for any reason: gives back what it holds. */
  release(): void {
    this.state = stateClosed;
    this.link.scheduler.remove(this);
    this.link.scheduler.queuedBytes -= this.queuedBytes;
    this.queuedBytes = 0;
    this.endQueued = false;
    this.queuedTrailers = null;
    this.#queue = null;
    const held = this.#heldBytes;
    this.#heldBytes = 0;
    if (held > 0) this.link.unhold(held);
  }

  /** The state after a head with or without END_STREAM was sent. */
  protected headSent(endStream: boolean): void {
    if (endStream) this.#endLocal();
  }

  #endLocal(): void {
    if (this.state === stateHalfClosedRemote) {
      this.link.completeStream(this);
    } else if (this.state === stateOpen) {
      this.state = stateHalfClosedLocal;
      this.link.onLocalEnd(this);
    }
  }

  #writeTrailers(trailers: HeaderFields): void {
    this.link.writeBlock(this.id, encodeTrailers(this.link.encoder, trailers), true);
  }

  #checkBlocked(): void {
    if (!this.blocked && this.queuedBytes > this.link.scheduler.blockAboveBytes()) {
      this.blocked = true;
      this.receiver?.onWriteBlocked();
    }
  }

  #credit(bytes: number): void {
    if (this.remoteOver) return;
    this.#creditBytes += bytes;
    if (this.#creditBytes >= this.link.streamCreditStepBytes) this.creditNow();
  }

  /** Gives back to the peer what was taken and not given back yet. */
  creditNow(): void {
    if (this.#creditBytes === 0 || this.remoteOver) return;
    this.link.writeStreamWindowUpdate(this.id, this.#creditBytes);
    this.recvWindow += this.#creditBytes;
    this.#creditBytes = 0;
  }
}

const emptyBuffer = Buffer.alloc(0);
