/**
 * Where access log lines go. Lines are gathered during a turn of the event loop and written without waiting for the disk; past a bound they are dropped and counted: a full disk
 * or a reader that is stuck costs log lines, not requests.
 */
import { closeSync, createWriteStream, openSync } from 'node:fs';
import type { Writable } from 'node:stream';
import type { AccessLogSinks, LineWriter } from '../connection-manager/http-context.ts';
import type { Log } from '../runtime/log.ts';
import type { Counter, StatStore } from '../stats/stat-store.ts';

const maxBufferedBytes = 1024 * 1024;

class SinkWriter implements LineWriter {
  readonly #open: (writer: SinkWriter) => Writable;
  readonly #dropped: Counter;
  readonly #written: Counter;
  readonly #tell: (error: Error | null) => void;
  #stream: Writable | null = null;
  #pending = '';
  /** The last that was told of it: lines are lost. */
  #broken = false;
  readonly #onWritten = (error: Error | null | undefined): void => {
    if (!this.#broken || (error !== null && error !== undefined)) return;
    this.#broken = false;
    this.#tell(null);
  };
  readonly #flush = (): void => this.flush();

  /** `tell`: the destination is broken, or (null) can be written again. */
  constructor(
    open: (writer: SinkWriter) => Writable,
    tell: (error: Error | null) => void,
    written: Counter,
    dropped: Counter,
  ) {
    this.#open = open;
    this.#tell = tell;
    this.#written = written;
    this.#dropped = dropped;
  }

  writeLine(line: string): void {
    const buffered = this.#pending.length + (this.#stream === null ? 0 : this.#stream.writableLength);
    if (buffered + line.length > maxBufferedBytes) {
      this.#dropped.value++;
      return;
    }
    if (this.#pending === '') setImmediate(this.#flush);
    this.#pending += `${line}\n`;
    this.#written.value++;
  }

  flush(): void {
    if (this.#pending === '') return;
    this.#stream ??= this.#open(this);
    this.#stream.write(this.#pending, this.#onWritten);
    this.#pending = '';
  }

  /** The next line opens the file again: it was rotated. */
  reopen(): void {
    this.flush();
    const stream = this.#stream;
    this.#stream = null;
    stream?.end();
  }

  /** What was written is lost. Told once, until it works again: a destination that stays broken must not fill the other log. */
  onError(error: Error): void {
    this.#dropped.value++;
    if (this.#broken) return;
    this.#broken = true;
    this.#tell(error);
  }

  /** The next line tries a new stream. */
  drop(stream: Writable): void {
    if (this.#stream === stream) this.#stream = null;
    stream.destroy();
  }

  /** Resolves when everything that was gathered has been written, or cannot be. */
  close(): Promise<void> {
    this.flush();
    const stream = this.#stream;
    if (stream === null || stream.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      stream.once('error', () => resolve());
      stream.write('', () => resolve());
    });
  }
}

/** `process`, or what stands in for it. */
interface StandardStreams {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

export class AccessLogFiles implements AccessLogSinks {
  readonly #log: Log;
  readonly #standardStreams: StandardStreams;
  readonly #written: Counter;
  readonly #dropped: Counter;
  readonly #files = new Map<string, SinkWriter>();
  readonly #standard = new Map<'stdout' | 'stderr', SinkWriter>();

  constructor(stats: StatStore, log: Log, standardStreams: StandardStreams = process) {
    this.#log = log;
    this.#standardStreams = standardStreams;
    this.#written = stats.counter('access_log_file.write_total_buffered');
    this.#dropped = stats.counter('access_log_file.write_failed');
  }

  open(sink: Parameters<AccessLogSinks['open']>[0]): LineWriter {
    if (sink.kind === 'file')
      return this.#writer(this.#files, sink.path, (writer) => this.#openFile(sink.path, writer));
    return this.#writer(this.#standard, sink.kind, (writer) => {
      const stream = this.#standardStreams[sink.kind];
      // Its reader may go (EPIPE); that must not end the proxy.
      stream.on('error', (error) => writer.onError(error));
      return stream;
    });
  }

  /** Why a file cannot be written, or null. For files of the bootstrap, at the start: later a broken log costs lines, not the process. */
  fileFault(path: string): string | null {
    try {
      closeSync(openSync(path, 'a'));
      return null;
    } catch (error) {
      return `the access log ${path} cannot be opened (${(error as Error).message})`;
    }
  }

  /** Files are opened again at the next line (SIGUSR1, as for Envoy and logrotate). */
  reopen(): void {
    for (const writer of this.#files.values()) writer.reopen();
  }

  /** Hands on what is gathered. */
  flush(): void {
    for (const writer of [...this.#files.values(), ...this.#standard.values()]) writer.flush();
  }

  /** Resolves when what is gathered is written: the process is ending. */
  async close(): Promise<void> {
    await Promise.all([...this.#files.values(), ...this.#standard.values()].map((writer) => writer.close()));
  }

  #writer<Key extends string>(
    writers: Map<Key, SinkWriter>,
    key: Key,
    open: (writer: SinkWriter) => Writable,
  ): SinkWriter {
    let writer = writers.get(key);
    if (writer === undefined) {
      const tell = (error: Error | null): void => {
        if (error === null) this.#log.info(`access log ${key} can be written again`);
        else this.#log.error(`access log ${key}: ${error.message}; lines are lost until it can be written`);
      };
      writer = new SinkWriter(open, tell, this.#written, this.#dropped);
      writers.set(key, writer);
    }
    return writer;
  }

  #openFile(path: string, writer: SinkWriter): Writable {
    const stream = createWriteStream(path, { flags: 'a', mode: 0o640 });
    stream.on('error', (error) => {
      writer.onError(error);
      writer.drop(stream);
    });
    return stream;
  }
}
