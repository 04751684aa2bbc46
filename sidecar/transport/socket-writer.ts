/**
 * Everything that goes out on one socket: gathers what codecs write during a turn of the event loop and hands it to the socket in one call.
 * Small pieces are laid out side by side in the output slab, large ones pass by reference. Tells its owner when
 * more waits than the high watermark, and when it is below the low one again. Knows nothing of HTTP.
 */
import type { Socket } from 'node:net';
import { maxCopiedBytes, outputSlab } from './output-slab.ts';
import { loan, returnBytes } from './read-loan.ts';

export interface SocketWriterOwner {
  /** More than `highWatermarkBytes` waits to be taken by the kernel. */
  onWriteBlocked(): void;
  /** Less than `lowWatermarkBytes` waits again. */
  onWriteReady(): void;
}

/** With so much gathered, there is nothing to win by waiting for the end of the turn. */
const handOverBytes = 48 * 1024;

const dirty: SocketWriter[] = [];

/** Hands over now what all writers have gathered. */
export function flushWriters(): void {
  if (dirty.length > 0) flushDirty();
}

/** Runs after the poll phase, when every readable socket of this turn has been read. */
function flushDirty(): void {
  let i = 0;
  try {
    // A flush can make a socket fail at once and its owner write elsewhere: those land behind and are flushed in this same pass.
    while (i < dirty.length) dirty[i++]!.flush();
  } finally {
    if (i === dirty.length) dirty.length = 0;
    else {
      // An owner threw: the others' bytes must go out all the same.
      dirty.splice(0, i);
      setImmediate(flushDirty);
    }
  }
}

export class SocketWriter {
  readonly #socket: Socket;
  readonly #owner: SocketWriterOwner;
  readonly #highWatermarkBytes: number;
  readonly #lowWatermarkBytes: number;
  /** TLS encrypts (or copies) what it is handed before the call returns. */
  readonly #copiesAtOnce: boolean;
  /** Not the socket's 'drain': that comes only above the socket's own mark, which may be the higher one. */
  readonly #onWritten = (): void => this.#checkReady();
  /** Finished pieces, in order. */
  #parts: Buffer[] = [];
  #partBytes = 0;
  /** The open region in the slab: [#regionStart, #regionEnd) of #regionBlock; closed when another writer has taken the space behind it. */
  #regionBlock: Buffer | null = null;
  #regionStart = 0;
  #regionEnd = 0;
  /** Regions of `#regionsBlock` to give back after the kernel took them. */
  #regions = 0;
  #regionsBlock: Buffer | null = null;
  /** Bytes that the socket was given since the beginning; what it could not take any more does not count. */
  handedOverBytes = 0;
  #scheduled = false;
  #blocked = false;
  #ending = false;

  constructor(socket: Socket, owner: SocketWriterOwner, highWatermarkBytes: number, lowWatermarkBytes: number) {
    this.#socket = socket;
    this.#owner = owner;
    this.#highWatermarkBytes = highWatermarkBytes;
    this.#lowWatermarkBytes = lowWatermarkBytes;
    this.#copiesAtOnce = (socket as { encrypted?: boolean }).encrypted === true;
  }

  /** Bytes accepted and not yet taken by the kernel. */
  get bufferedBytes(): number {
    return this.#gatheredBytes + this.#socket.writableLength;
  }

  /** More waits than the high watermark, whether the owner was told so or not yet: what can be left out should be. */
  get full(): boolean {
    return this.#blocked || this.bufferedBytes > this.#highWatermarkBytes;
  }

  /** Where the next byte stands among all: it was handed over once {@link handedOverBytes} is above. */
  get position(): number {
    return this.handedOverBytes + this.#gatheredBytes;
  }

  get #gatheredBytes(): number {
    return this.#partBytes + (this.#regionEnd - this.#regionStart);
  }

  get blocked(): boolean {
    return this.#blocked;
  }

  /**
   * Opens `bytes` (≤ maxCopiedBytes) of the slab for direct writing, at {@link OutputSlab.buffer} from the offset returned.
   * Write all of them before calling anything else.
   */
  reserve(bytes: number): number {
    outputSlab.ensure(bytes);
    const at = outputSlab.offset;
    if (this.#regionBlock !== outputSlab.buffer || this.#regionEnd !== at || this.#regionStart === this.#regionEnd) {
      this.#closeRegion();
      this.#regionBlock = outputSlab.buffer;
      this.#regionStart = at;
      if (this.#regionsBlock !== outputSlab.buffer) {
        this.#regionsBlock = outputSlab.buffer;
        this.#regions = 0;
      }
      this.#regions++;
      outputSlab.retain();
    }
    this.#regionEnd = at + bytes;
    outputSlab.offset = at + bytes;
    this.#schedule();
    return at;
  }

  /** Text of bytes (latin1). Longer texts are fine. */
  writeLatin1(text: string): void {
    const { length } = text;
    if (length === 0) return;
    if (length > maxCopiedBytes) {
      this.writeBytes(Buffer.from(text, 'latin1'));
      return;
    }
    const at = this.reserve(length);
    outputSlab.buffer.write(text, at, length, 'latin1');
  }

  /** Bytes; the caller does not touch them again. Large ones are not copied. */
  writeBytes(bytes: Buffer): void {
    const { length } = bytes;
    if (length === 0) return;
    if (length <= maxCopiedBytes) {
      const at = this.reserve(length);
      outputSlab.buffer.set(bytes, at);
      if (loan.bytes !== null) returnBytes(bytes);
    } else {
      this.#closeRegion();
      this.#parts.push(bytes);
      this.#partBytes += length;
      this.#schedule();
      // Large pieces go at once, while they are still in the processor's cache: gathered over a turn they would not be.
      if (this.#partBytes >= handOverBytes) this.#handOver();
    }
    this.#checkBlocked();
  }

  /** Forgets what was gathered and not handed over: the peer is not to see it any more. */
  discard(): void {
    this.#closeRegion();
    this.#parts = [];
    this.#partBytes = 0;
    if (this.#regions > 0) outputSlab.release(this.#regionsBlock!, this.#regions);
    this.#regions = 0;
    this.#regionsBlock = null;
  }

  /** Sends FIN after everything written so far. Later writes are dropped. */
  end(): void {
    if (this.#ending) return;
    this.flush();
    this.#ending = true;
    if (!this.#socket.destroyed) this.#socket.end();
  }

  /** Hands everything to the socket now; otherwise done once at the end of the turn. */
  flush(): void {
    this.#scheduled = false;
    this.#handOver();
    if (this.#blocked) this.#checkReady();
    else this.#checkBlocked();
  }

  #handOver(): void {
    this.#closeRegion();
    const parts = this.#parts;
    const socket = this.#socket;
    const waitedBytes = socket.writableLength;
    if (parts.length > 0) {
      const blocking = this.#blocked || waitedBytes + this.#partBytes > this.#highWatermarkBytes;
      const bytes = this.#partBytes;
      this.#parts = [];
      this.#partBytes = 0;
      if (!this.#ending && !socket.destroyed && socket.writable) {
        this.handedOverBytes += bytes;
        this.#write(parts, blocking ? this.#onWritten : undefined);
        if (loan.bytes !== null && this.#written(waitedBytes)) for (const part of parts) returnBytes(part);
      }
    }
    if (this.#regions > 0) {
      if (this.#written(waitedBytes)) outputSlab.release(this.#regionsBlock!, this.#regions);
      this.#regions = 0;
      this.#regionsBlock = null;
    }
  }

  /**
   * Whether what was just handed over may be overwritten: writableLength is 0 right after write() only when the kernel took every byte, and 0 right before it
   * (`waitedBytes`) when TLS was not busy and has encrypted them.
   */
  #written(waitedBytes: number): boolean {
    return this.#socket.writableLength === 0 || (this.#copiesAtOnce && waitedBytes === 0);
  }

  #write(parts: readonly Buffer[], onWritten: (() => void) | undefined): void {
    const socket = this.#socket;
    const last = parts.length - 1;
    if (last === 0) {
      socket.write(parts[0]!, onWritten);
      return;
    }
    socket.cork();
    for (let i = 0; i < last; i++) socket.write(parts[i]!);
    socket.write(parts[last]!, onWritten);
    socket.uncork();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (dirty.push(this) === 1) setImmediate(flushDirty);
  }

  #closeRegion(): void {
    if (this.#regionEnd > this.#regionStart) {
      const part = this.#regionBlock!.subarray(this.#regionStart, this.#regionEnd);
      this.#parts.push(part);
      this.#partBytes += part.length;
    }
    this.#regionStart = this.#regionEnd;
  }

  #checkBlocked(): void {
    if (!this.#blocked && this.bufferedBytes > this.#highWatermarkBytes) {
      this.#blocked = true;
      this.#owner.onWriteBlocked();
    }
  }

  #checkReady(): void {
    if (this.#blocked && this.bufferedBytes <= this.#lowWatermarkBytes) {
      this.#blocked = false;
      this.#owner.onWriteReady();
    }
  }
}
