/** Where access log lines go. Lines are gathered during a turn of the event loop and written without waiting; past a bound they are dropped and counted. */
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import type { AccessLogSinks, LineWriter } from '../connection-manager/http-context.ts';
import type { Log } from '../runtime/log.ts';
import type { Counter, StatStore } from '../stats/stat-store.ts';

const maxBufferedBytes = 1024 * 1024;

class SinkWriter implements LineWriter {
  readonly #open: () => Writable;
  readonly #dropped: Counter;
  readonly #written: Counter;
  #stream: Writable | null = null;
  #pending = '';
  readonly #flush = (): void => this.flush();

  constructor(open: () => Writable, written: Counter, dropped: Counter) {
    this.#open = open;
    this.#written = written;
    this.#dropped = dropped;
  }

  writeLine(line: string): void {
    const buffered = this.#pending.length + (this.#stream?.writableLength ?? 0);
    if (buffered > maxBufferedBytes) {
      this.#dropped.increment();
      return;
    }
    if (this.#pending === '') setImmediate(this.#flush);
    this.#pending += `${line}\n`;
    this.#written.increment();
  }

  flush(): void {
    if (this.#pending === '') return;
    this.#stream ??= this.#open();
    this.#stream.write(this.#pending);
    this.#pending = '';
  }

  /** The next line opens the file again: it was rotated. */
  reopen(): void {
    this.flush();
    this.#stream?.end();
    this.#stream = null;
  }
}

export class AccessLogFiles implements AccessLogSinks {
  readonly #stats: StatStore;
  readonly #log: Log;
  readonly #files = new Map<string, SinkWriter>();
  readonly #standard = new Map<'stdout' | 'stderr', SinkWriter>();

  constructor(stats: StatStore, log: Log) {
    this.#stats = stats;
    this.#log = log;
  }

  open(sink: Parameters<AccessLogSinks['open']>[0]): LineWriter {
    const written = this.#stats.counter('access_log_file.write_total_buffered');
    const dropped = this.#stats.counter('access_log_file.write_failed');
    if (sink.kind !== 'file') {
      let writer = this.#standard.get(sink.kind);
      if (writer === undefined) {
        const stream = sink.kind === 'stdout' ? process.stdout : process.stderr;
        writer = new SinkWriter(() => stream, written, dropped);
        this.#standard.set(sink.kind, writer);
      }
      return writer;
    }
    const { path } = sink;
    let writer = this.#files.get(path);
    if (writer === undefined) {
      writer = new SinkWriter(() => this.#openFile(path, dropped), written, dropped);
      this.#files.set(path, writer);
    }
    return writer;
  }

  /** Files are opened again at the next line (SIGUSR1, as for Envoy and logrotate). */
  reopen(): void {
    for (const writer of this.#files.values()) writer.reopen();
  }

  /** Writes what is gathered: the process is ending. */
  flush(): void {
    for (const writer of [...this.#files.values(), ...this.#standard.values()]) writer.flush();
  }

  #openFile(path: string, dropped: Counter): Writable {
    const stream = createWriteStream(path, { flags: 'a', mode: 0o640 });
    stream.on('error', (error) => {
      dropped.increment();
      this.#log.error(`access log ${path}: ${error.message}; lines are lost until it can be written`);
      this.#files.get(path)?.reopen();
    });
    return stream;
  }
}
