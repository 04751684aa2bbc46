/**
 * Where the lines of an access log go, in a way that waits for nobody: a pipe without a reader is an error at once, and one whose reader is slow takes what it can, as a socket does. Files are written without Node's streams: those are
 * what every connection is, and V8 makes one slower code of them for files and connections together where both are busy.
 */
import { close, constants, fstatSync, openSync, write } from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';

const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
const mode = 0o640;

export interface LogDestination {
  /** Handed over, and not written so far. */
  readonly waitingBytes: number;
  /** `done` later, once: it was written, or what is wrong. The bytes stay as they are until then. */
  write(bytes: Buffer, done: (error: Error | null) => void): void;
  /** `done` later, when everything that was handed over is written, or cannot be. */
  whenWritten(done: () => void): void;
  /** Nothing follows. */
  end(): void;
}

/** Throws what open(2) said. */
export function openLogDescriptor(path: string): number {
  return openSync(path, flags, mode);
}

/** `onError`: later, once; everything that is handed over fails from then on. */
export function openLogFile(path: string, onError: (error: Error) => void): LogDestination {
  let fd: number;
  try {
    fd = openLogDescriptor(path);
  } catch (error) {
    return new LogFile(null, error as Error, onError);
  }
  if (!fstatSync(fd).isFIFO()) return new LogFile(fd, null, onError);
  return new LogStream(new Socket({ fd, readable: false, writable: true }), onError);
}

/** A stream that is there already, or a pipe. */
export class LogStream implements LogDestination {
  readonly #stream: Writable;

  constructor(stream: Writable, onError: (error: Error) => void) {
    this.#stream = stream;
    stream.on('error', onError);
  }

  get waitingBytes(): number {
    return this.#stream.writableLength;
  }

  write(bytes: Buffer, done: (error: Error | null) => void): void {
    this.#stream.write(bytes, (error) => done(error ?? null));
  }

  whenWritten(done: () => void): void {
    const stream = this.#stream;
    if (stream.destroyed) {
      setImmediate(done);
      return;
    }
    stream.once('error', () => done());
    stream.write('', () => done());
  }

  end(): void {
    this.#stream.end();
  }
}

interface Chunk {
  readonly bytes: Buffer;
  readonly done: (error: Error | null) => void;
}

/** One write at a time, in their order. */
class LogFile implements LogDestination {
  readonly #onError: (error: Error) => void;
  /** Null: closed, or never opened. */
  #fd: number | null;
  #fault: Error | null;
  #chunks: Chunk[] = [];
  /** Bytes of the first chunk that are written. */
  #written = 0;
  #busy = false;
  #ended = false;
  #waiters: Array<() => void> = [];
  waitingBytes = 0;

  /** `fault`: why there is no `fd`. */
  constructor(fd: number | null, fault: Error | null, onError: (error: Error) => void) {
    this.#fd = fd;
    this.#fault = fault;
    this.#onError = onError;
    if (fault !== null) setImmediate(onError, fault);
  }

  write(bytes: Buffer, done: (error: Error | null) => void): void {
    if (this.#fault !== null || this.#ended) {
      setImmediate(done, this.#fault ?? new Error('it is closed'));
      return;
    }
    this.#chunks.push({ bytes, done });
    this.waitingBytes += bytes.length;
    if (!this.#busy) this.#next();
  }

  whenWritten(done: () => void): void {
    if (this.#busy) this.#waiters.push(done);
    else setImmediate(done);
  }

  end(): void {
    this.#ended = true;
    if (!this.#busy) this.#settle();
  }

  #next(): void {
    this.#busy = true;
    const { bytes } = this.#chunks[0]!;
    write(this.#fd!, bytes, this.#written, bytes.length - this.#written, null, this.#onWritten);
  }

  readonly #onWritten = (error: Error | null, written: number): void => {
    if (error !== null || written === 0) {
      this.#fail(error ?? new Error('nothing of it was written'));
      return;
    }
    const { bytes, done } = this.#chunks[0]!;
    this.#written += written;
    if (this.#written === bytes.length) {
      this.#chunks.shift();
      this.#written = 0;
      this.waitingBytes -= bytes.length;
      done(null);
    }
    if (this.#chunks.length > 0) this.#next();
    else this.#settle();
  };

  #fail(error: Error): void {
    this.#fault = error;
    const lost = this.#chunks;
    this.#chunks = [];
    this.waitingBytes = 0;
    for (const { done } of lost) done(error);
    this.#onError(error);
    this.#settle();
  }

  /** Nothing is under way. */
  #settle(): void {
    this.#busy = false;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
    if (this.#fd === null || (!this.#ended && this.#fault === null)) return;
    close(this.#fd, () => {});
    this.#fd = null;
  }
}
