/**
 * Cuts the byte stream of a socket into frames (RFC 9113 4), whatever the sizes of the reads. DATA is passed on as it comes, all other
 * frames whole. On the common path it looks at the read buffer where it lies and makes no object per frame.
 */
import { ConnectionFault } from './connection-fault.ts';
import { frameSizeError, protocolError } from './error-code.ts';
import { flagEndStream, flagPadded, frameHeaderBytes, typeData } from './frames/frame-header.ts';

export interface FrameSink {
  /** False once nothing more may be read: the reader stops at once. */
  readonly isReading: boolean;
  /** Before anything else of a frame: may it come now? */
  onFrameHeader(type: number, streamId: number): void;
  /** A DATA frame of `length` bytes, padding included, begins: whether its payload is wanted. */
  onDataStart(streamId: number, length: number, endStream: boolean): boolean;
  /** Payload of that frame; `endStream` with the last piece, which may be empty. */
  onDataPiece(bytes: Buffer, start: number, end: number, endStream: boolean): void;
  /** Bytes of that frame that carried nothing. */
  onDataPadding(bytes: number): void;
  /** Any other frame, whole: its payload is `bytes[start, end)`. */
  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void;
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** What a client sends first (RFC 9113 3.4). */
export const clientPreface = preface;

export class FrameReader {
  readonly #sink: FrameSink;
  readonly #maxFrameBytes: number;
  /** Bytes of the client preface still to come. */
  #prefaceLeft: number;
  /** Frames of which something was read. */
  framesBegun = 0;
  /** A frame header that was cut by the end of a read. */
  readonly #header: Buffer = Buffer.allocUnsafeSlow(frameHeaderBytes);
  #headerFill = 0;
  /** The frame being read. */
  #type = 0;
  #flags = 0;
  #streamId = 0;
  /** Payload of a frame other than DATA that was cut. */
  #payload: Buffer | null = null;
  #payloadFill = 0;
  /** A DATA frame that was cut: bytes left, padding among them, and the padding (-1: its length is not read yet). */
  #dataLeft = 0;
  #padding = 0;
  #inData = false;
  #dataWanted = false;

  constructor(sink: FrameSink, maxFrameBytes: number, expectPreface: boolean) {
    this.#sink = sink;
    this.#maxFrameBytes = maxFrameBytes;
    this.#prefaceLeft = expectPreface ? preface.length : 0;
  }

  /** Inside a frame or the preface, so that a timeout makes sense. */
  get isMidFrame(): boolean {
    return this.#headerFill > 0 || this.#payload !== null || this.#prefaceLeft > 0;
  }

  /** Reads all of `bytes`. Throws ConnectionFault. */
  read(bytes: Buffer): void {
    const sink = this.#sink;
    const end = bytes.length;
    let at = this.#prefaceLeft > 0 ? this.#readPreface(bytes) : 0;
    while (at < end && sink.isReading) {
      if (this.#inData) {
        at = this.#continueData(bytes, at, end);
        continue;
      }
      if (this.#payload !== null) {
        at = this.#continuePayload(bytes, at, end);
        continue;
      }
      if (this.#headerFill === 0) this.framesBegun++;
      let header = bytes;
      let from = at;
      if (this.#headerFill > 0 || end - at < frameHeaderBytes) {
        const taken = Math.min(frameHeaderBytes - this.#headerFill, end - at);
        bytes.copy(this.#header, this.#headerFill, at, at + taken);
        this.#headerFill += taken;
        at += taken;
        if (this.#headerFill < frameHeaderBytes) return;
        this.#headerFill = 0;
        header = this.#header;
        from = 0;
      } else {
        at += frameHeaderBytes;
      }
      const length = (header[from]! << 16) | (header[from + 1]! << 8) | header[from + 2]!;
      const type = header[from + 3]!;
      const flags = header[from + 4]!;
      const streamId =
        ((header[from + 5]! & 0x7f) << 24) | (header[from + 6]! << 16) | (header[from + 7]! << 8) | header[from + 8]!;
      if (length > this.#maxFrameBytes) {
        throw new ConnectionFault(
          frameSizeError,
          'http2.frame_too_large',
          `a frame of ${length} bytes; the limit is ${this.#maxFrameBytes}`,
        );
      }
      sink.onFrameHeader(type, streamId);
      if (type === typeData) {
        this.#beginData(length, flags, streamId);
        if (length === 0) at = this.#continueData(bytes, at, at);
      } else if (end - at >= length) {
        at += length;
        sink.onFrame(type, flags, streamId, bytes, at - length, at);
      } else {
        this.#type = type;
        this.#flags = flags;
        this.#streamId = streamId;
        this.#payload = Buffer.allocUnsafeSlow(length);
        this.#payloadFill = 0;
      }
    }
  }

  #readPreface(bytes: Buffer): number {
    const length = Math.min(this.#prefaceLeft, bytes.length);
    const from = preface.length - this.#prefaceLeft;
    if (bytes.compare(preface, from, from + length, 0, length) !== 0) {
      throw new ConnectionFault(protocolError, 'http2.bad_preface', 'the connection preface is wrong (RFC 9113 3.4)');
    }
    this.#prefaceLeft -= length;
    return length;
  }

  #continuePayload(bytes: Buffer, at: number, end: number): number {
    const payload = this.#payload!;
    const taken = Math.min(payload.length - this.#payloadFill, end - at);
    bytes.copy(payload, this.#payloadFill, at, at + taken);
    this.#payloadFill += taken;
    if (this.#payloadFill === payload.length) {
      this.#payload = null;
      this.#sink.onFrame(this.#type, this.#flags, this.#streamId, payload, 0, payload.length);
    }
    return at + taken;
  }

  #beginData(length: number, flags: number, streamId: number): void {
    const padded = (flags & flagPadded) !== 0;
    if (padded && length === 0) {
      throw new ConnectionFault(frameSizeError, 'http2.data_frame_size', 'DATA without pad length');
    }
    this.#flags = flags;
    this.#dataLeft = length;
    this.#padding = padded ? -1 : 0;
    this.#inData = true;
    this.#dataWanted = this.#sink.onDataStart(streamId, length, (flags & flagEndStream) !== 0);
  }

  #continueData(bytes: Buffer, from: number, end: number): number {
    let at = from;
    if (this.#padding < 0) {
      const padding = bytes[at++]!;
      this.#dataLeft--;
      if (padding > this.#dataLeft) {
        throw new ConnectionFault(protocolError, 'http2.padding_too_long', 'DATA has more padding than payload');
      }
      this.#padding = padding;
      if (this.#dataWanted) this.#sink.onDataPadding(padding + 1);
      if (padding < this.#dataLeft && at === end) return at;
    }
    const payloadLeft = this.#dataLeft - this.#padding;
    const taken = Math.min(payloadLeft, end - at);
    const last = taken === payloadLeft;
    const skipped = last ? Math.min(this.#padding, end - at - taken) : 0;
    this.#dataLeft -= taken + skipped;
    // The last piece comes before its padding; when that is cut, nothing more is passed on.
    const wanted = this.#dataWanted;
    if (last) {
      this.#dataWanted = false;
      this.#padding -= skipped;
      if (this.#dataLeft === 0) this.#inData = false;
    }
    if (wanted) this.#sink.onDataPiece(bytes, at, at + taken, last && (this.#flags & flagEndStream) !== 0);
    return at + taken + skipped;
  }
}
