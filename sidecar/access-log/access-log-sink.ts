/**
 * Where access log lines go. Lines are gathered during a turn of the event loop and written without waiting for the disk; past a bound they are dropped and counted: a full disk
 * or a reader that is stuck costs log lines, not requests.
 */
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import type { AccessLogSinks, LineWriter } from '../connection-manager/http-context.ts';
import type { Log } from '../runtime/log.ts';
import type { Counter, StatStore } from '../stats/stat-store.ts';

const maxBufferedBytes = 1024 * 1024;

class SinkWriter implements LineWriter {
  readonly #open: (writer: SinkWriter) => Writable;
  readonly #dropped: Counter;
  readonly #written: Counter;
  #stream: Writable | null = null;
  #pending = '';
  readonly #flush = (): void => this.flush();

  constructor(open: (writer: SinkWriter) => Writable, written: Counter, dropped: Counter) {
    this.#open = open;
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
    this.#stream.write(this.#pending);
    this.#pending = '';
  }

  /** The next line opens the file again: it was rotated. */
  reopen(): void {
    this.flush();
    const stream = this.#stream;
    this.#stream = null;
    stream?.end();
  }

  /** The stream is broken; the next line tries a new one. */
  onBroken(stream: Writable): void {
    this.#dropped.value++;
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

export class AccessLogFiles implements AccessLogSinks {
  readonly #log: Log;
  readonly #written: Counter;
  readonly #dropped: Counter;
  readonly #files = new Map<string, SinkWriter>();
  readonly #standard = new Map<'stdout' | 'stderr', SinkWriter>();

  constructor(stats: StatStore, log: Log) {
    this.#log = log;
    this.#written = stats.counter('access_log_file.write_total_buffered');
    this.#dropped = stats.counter('access_log_file.write_failed');
  }

  open(sink: Parameters<AccessLogSinks['open']>[0]): LineWriter {
    if (sink.kind === 'file')
      return this.#writer(this.#files, sink.path, (writer) => this.#openFile(sink.path, writer));
    return this.#writer(this.#standard, sink.kind, () => (sink.kind === 'stdout' ? process.stdout : process.stderr));
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

  #writer<Key>(writers: Map<Key, SinkWriter>, key: Key, open: (writer: SinkWriter) => Writable): SinkWriter {
    let writer = writers.get(key);
    if (writer === undefined) {
      writer = new SinkWriter(open, this.#written, this.#dropped);
      writers.set(key, writer);
    }
    return writer;
  }

  #openFile(path: string, writer: SinkWriter): Writable {
    const stream = createWriteStream(path, { flags: 'a', mode: 0o640 });
    stream.on('error', (error) => {
      writer.onBroken(stream);
      this.#log.error(`access log ${path}: ${error.message}; lines are lost until it can be written`);
    });
    return stream;
  }
}
