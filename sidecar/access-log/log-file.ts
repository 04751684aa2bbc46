/**
 * Where the lines of an access log go, in a way that waits for nobody: a pipe without a reader is an error at once, and one whose reader is slow takes what it can, as a socket does. Files are written without Node's streams: those are
 * what every connection is, and V8 makes one slower code of them for files and connections together where both are busy.
 */
import { close, constants, fstatSync, openSync, write } from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';

const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
const mode = 0o640;
const lineEnd = 0x0a;

export interface LogDestination {
  /** Handed over, and not written so far. */
  readonly waitingBytes: number;
  /** `done` later, once: it was written, or what is wrong. The bytes stay as they are until then. */
  write(bytes: Buffer, done: (error: Error | null) => void): void;
  /** `done` when everything that was handed over is written, or cannot be, or nothing is taken for now. */
  whenWritten(done: () => void): void;
  /** Nothing follows. `done` when it is closed, which it is when everything is written, or cannot be. */
  end(done: () => void): void;
}

/** Throws what open(2) said. */
export function openLogDescriptor(path: string): number {
  return openSync(path, flags, mode);
}

/** Told later, once; everything that is handed over fails from then on. `torn`: the last line was written in part. */
type OnError = (error: Error, torn: boolean) => void;

export function openLogFile(path: string, onError: OnError): LogDestination {
  let fd: number;
  try {
    fd = openLogDescriptor(path);
  } catch (error) {
    return new LogFile(null, error as Error, onError);
  }
  if (!fstatSync(fd).isFIFO()) return new LogFile(fd, null, onError);
  return new LogStream(new Socket({ fd, readable: false, writable: true }), (error) => onError(error, false));
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
    if (stream.destroyed || stream.writableFinished) {
      setImmediate(done);
      return;
    }
    stream.once('error', () => done());
    if (stream.writableEnded) stream.once('finish', () => done());
    else stream.write('', () => done());
  }

  end(done: () => void): void {
    this.#stream.end(() => done());
  }
}

interface Chunk {
  readonly bytes: Buffer;
  readonly done: (error: Error | null) => void;
}

/** What of the system is used. */
export interface FileSystem {
  write(
    fd: number,
    bytes: Buffer,
    offset: number,
    length: number,
    position: null,
    done: (error: NodeJS.ErrnoException | null, written: number) => void,
  ): void;
  close(fd: number, done: () => void): void;
  after(delayMs: number, callback: () => void): void;
}

const fileSystem: FileSystem = {
  write,
  close,
  after: (delayMs, callback) => void setTimeout(callback, delayMs).unref(),
};
/** A terminal takes a little at a time (EAGAIN), and tells nobody when it takes more. */
const retryMs = 20;

/** A file or a terminal: one write at a time, in their order. */
export class LogFile implements LogDestination {
  readonly #onError: OnError;
  readonly #system: FileSystem;
  /** Null: closed, or never opened. */
  #fd: number | null;
  #fault: Error | null;
  #chunks: Chunk[] = [];
  /** Bytes of the first chunk that are written. */
  #written = 0;
  #busy = false;
  /** What it is written to takes nothing for now. */
  #stalled = false;
  #onEnded: (() => void) | null = null;
  #waiters: Array<() => void> = [];
  waitingBytes = 0;

  /** `fault`: why there is no `fd`. */
  constructor(fd: number | null, fault: Error | null, onError: OnError, system: FileSystem = fileSystem) {
    this.#system = system;
    this.#fd = fd;
    this.#fault = fault;
    this.#onError = onError;
    if (fault !== null) setImmediate(onError, fault, false);
  }

  write(bytes: Buffer, done: (error: Error | null) => void): void {
    if (this.#fault !== null || this.#onEnded !== null) {
      setImmediate(done, this.#fault ?? new Error('it is closed'));
      return;
    }
    this.#chunks.push({ bytes, done });
    this.waitingBytes += bytes.length;
    if (!this.#busy) this.#next();
  }

  whenWritten(done: () => void): void {
    if (this.#busy && !this.#stalled) this.#waiters.push(done);
    else setImmediate(done);
  }

  end(done: () => void): void {
    this.#onEnded = done;
    if (!this.#busy) this.#settle();
  }

  #next(): void {
    this.#busy = true;
    const { bytes } = this.#chunks[0]!;
    this.#system.write(this.#fd!, bytes, this.#written, bytes.length - this.#written, null, this.#onWritten);
  }

  readonly #onWritten = (error: NodeJS.ErrnoException | null, written: number): void => {
    if (error !== null && error.code === 'EAGAIN') {
      this.#stalled = true;
      this.#tellWaiters();
      this.#system.after(retryMs, () => this.#next());
      return;
    }
    this.#stalled = false;
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
    const torn = this.#written > 0 && lost[0]!.bytes[this.#written - 1] !== lineEnd;
    this.#chunks = [];
    this.waitingBytes = 0;
    for (const { done } of lost) done(error);
    this.#onError(error, torn);
    this.#settle();
  }

  /** Nothing is under way. */
  #settle(): void {
    this.#busy = false;
    this.#tellWaiters();
    if (this.#onEnded === null && this.#fault === null) return;
    if (this.#fd !== null) this.#system.close(this.#fd, () => {});
    this.#fd = null;
    this.#onEnded?.();
  }

  #tellWaiters(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }
}
