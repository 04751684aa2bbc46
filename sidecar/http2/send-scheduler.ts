/**
 * Decides which stream's bytes go out next (RFC 9113 5.2, 6.9): as much as the windows of stream and connection allow and the socket takes,
 * streams in turn, one frame each. What has to wait lies in the streams' queues.
 */
import type { SocketWriter } from '../transport/socket-writer.ts';
import type { FloodGuard } from './flood-guard.ts';
import { writeData } from './frames/data-frame.ts';
import { defaultMaxFrameBytes } from './frames/frame-header.ts';
import { defaultWindowBytes } from './peer-settings.ts';
import type { Http2Stream } from './stream.ts';
import { stateClosed } from './stream-state.ts';

/** We fill frames up to this even when the peer takes more, so that streams share the connection evenly. */
const maxSentFrameBytes = 4 * defaultMaxFrameBytes;
/** All queues of a connection together, in high watermarks, above which every stream with a queue counts as blocked. */
const pressureFactor = 4;

/** Asked again after a call that may have changed it. */
function isClosed(stream: Http2Stream): boolean {
  return stream.state === stateClosed;
}

export class SendScheduler {
  readonly #writer: SocketWriter;
  readonly #guard: FloodGuard;
  readonly #highWatermarkBytes: number;
  readonly #lowWatermarkBytes: number;
  /** The peer's window for this connection. */
  windowBytes: number = defaultWindowBytes;
  maxFrameBytes: number = defaultMaxFrameBytes;
  /** Sum over all streams. */
  queuedBytes = 0;
  /**
   * The turn: streams that have something to send and an open stream window, linked through themselves, so that one that ends can leave at once: while
   * the window of the connection is closed nobody else would take it out.
   */
  #first: Http2Stream | null = null;
  #last: Http2Stream | null = null;
  /** How many are in the turn; for tests. */
  waiting = 0;

  constructor(writer: SocketWriter, guard: FloodGuard, highWatermarkBytes: number, lowWatermarkBytes: number) {
    this.#writer = writer;
    this.#guard = guard;
    this.#highWatermarkBytes = highWatermarkBytes;
    this.#lowWatermarkBytes = lowWatermarkBytes;
  }

  setPeerMaxFrameBytes(bytes: number): void {
    this.maxFrameBytes = Math.min(bytes, maxSentFrameBytes);
  }

  /** Queued bytes of a stream above which its owner is asked to stop. */
  blockAboveBytes(): number {
    return this.#writer.blocked || this.#underPressure() ? 0 : this.#highWatermarkBytes;
  }

  /** Whether the whole chunk may go at once, as one frame. */
  canSendNow(stream: Http2Stream, length: number): boolean {
    return (
      length === 0 ||
      (length <= stream.sendWindow &&
        length <= this.windowBytes &&
        length <= this.maxFrameBytes &&
        !this.#writer.blocked)
    );
  }

  /** Writes one DATA frame; the caller knows that it may. */
  writeFrame(stream: Http2Stream, payload: Buffer, endStream: boolean): void {
    stream.sendWindow -= payload.length;
    this.windowBytes -= payload.length;
    this.#guard.dataFramesSent++;
    writeData(this.#writer, stream.id, payload, endStream);
  }

  /** Sends from one stream what may go now, and queues it for the rest. Calls no owner. */
  sendFrom(stream: Http2Stream): void {
    while (this.#sendOne(stream)) {
      // Until a window, the socket or the queue says no.
    }
    this.enqueue(stream);
  }

  /** Takes the stream into the turn if it has something to send and may. */
  enqueue(stream: Http2Stream): void {
    if (stream.scheduled || !stream.hasQueued) return;
    if (stream.queuedBytes > 0 && stream.sendWindow <= 0) return;
    const last = this.#last;
    stream.scheduled = true;
    stream.previousScheduled = last;
    if (last === null) this.#first = stream;
    else last.nextScheduled = stream;
    this.#last = stream;
    this.waiting++;
  }

  /** Takes the stream out of the turn, if it is in it. */
  remove(stream: Http2Stream): void {
    if (!stream.scheduled) return;
    const { previousScheduled: previous, nextScheduled: next } = stream;
    if (previous === null) this.#first = next;
    else previous.nextScheduled = next;
    if (next === null) this.#last = previous;
    else next.previousScheduled = previous;
    stream.scheduled = false;
    stream.previousScheduled = null;
    stream.nextScheduled = null;
    this.waiting--;
  }

  /** Sends in turn. Never called from inside a sender call: owners hear onWriteReady. */
  pump(): void {
    for (let stream = this.#first; stream !== null && !this.#writer.blocked; stream = this.#first) {
      if (stream.queuedBytes > 0 && this.windowBytes <= 0) break;
      this.remove(stream);
      this.#sendOne(stream);
      // No window holds back an end: it must not wait behind streams that have none.
      if (stream.queuedBytes === 0) stream.sendQueuedEnd();
      this.enqueue(stream);
      const readyBelow = this.#underPressure() ? 0 : this.#lowWatermarkBytes;
      if (stream.blocked && stream.queuedBytes <= readyBelow && !isClosed(stream)) stream.unblock();
    }
  }

  #underPressure(): boolean {
    return this.queuedBytes > pressureFactor * this.#highWatermarkBytes;
  }

  /** One frame of the stream's queue; false when nothing could be sent. */
  #sendOne(stream: Http2Stream): boolean {
    if (stream.queuedBytes === 0) return stream.sendQueuedEnd();
    const most = Math.min(stream.sendWindow, this.windowBytes, this.maxFrameBytes);
    if (most <= 0 || this.#writer.blocked) return false;
    const payload = stream.takeQueued(most);
    this.queuedBytes -= payload.length;
    const last = stream.queuedBytes === 0 && stream.endQueued && stream.queuedTrailers === null;
    this.writeFrame(stream, payload, last);
    if (last) stream.finishQueue();
    return true;
  }
}
