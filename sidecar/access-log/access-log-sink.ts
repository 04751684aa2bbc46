/**
 * Where access log lines go. Lines are gathered, where they follow closely upon each other for a tenth of a second, and written without waiting for the disk; past a bound they are dropped and counted: a full disk
 * or a reader that is stuck costs log lines, not requests.
 */
import { closeSync } from 'node:fs';
import type { Writable } from 'node:stream';
import type { LogServiceConfig } from '../config/access-log-config.ts';
import type { AccessLogSinks, LineWriter } from '../connection-manager/http-context.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { Counter, Gauge, StatStore } from '../stats/stat-store.ts';
import { LineBuffer } from './line-buffer.ts';
import { type LogDestination, LogStream, openLogDescriptor, openLogFile } from './log-file.ts';
import type { LogRecord } from './log-record.ts';
import { LostEntries } from './lost-entries.ts';
import type { LogServices } from './service/log-services.ts';

const maxBufferedBytes = 1024 * 1024;

/** After a write, lines are gathered for so long: each write costs as much CPU time as several requests. A line that comes alone is written at once. */
const gatherMs = 100;
/** As many bytes are enough for a write: what a write costs beside its bytes, two threads that are woken, is then shared by hundreds of lines. */
const wholeWrite = 262_144;
/** With room for what comes until it is written. */
const usualCapacity = 327_680;
/** Smaller buffers are copied out of, not handed over. */
const leastHandedOver = 65_536;
/** A buffer begins with so many bytes, and doubles: most sinks have little to write at a time. */
const leastCapacity = 1_280;

const lineEnd = Buffer.from('\n');

/** How long a destination that is broken is left alone: each try would cost the same as a line that is written. */
const reopenAfterMs = 1000;

interface SinkStats {
  /** Lines that were taken, that the destination took, that are lost. */
  readonly buffered: Counter;
  readonly completed: Counter;
  readonly failed: LostEntries;
  readonly bufferedBytes: Gauge;
}

class SinkWriter implements LineWriter, TimerTarget {
  readonly #open: (writer: SinkWriter) => LogDestination;
  readonly #stats: SinkStats;
  readonly #clock: Clock;
  readonly #tell: (error: Error | null) => void;
  #destination: LogDestination | null = null;
  /** The one before, while it is written: lines stay in their order. */
  #ending: LogDestination | null = null;
  /** The last line that was written has no end. */
  #torn = false;
  /** Whole lines that are gathered. */
  readonly #lines = new LineBuffer(leastCapacity);
  #lineCount = 0;
  /** Was written, and can be filled again. */
  #spare: Buffer | null = null;
  /** The last that was told of it: lines are lost. */
  #broken = false;
  #retryMs = -Infinity;
  /** Null: lines are gathered during a turn of the event loop. */
  readonly #wheel: TimerWheel | null;
  readonly #timer = new WheelTimer(this);
  #writtenMs = -Infinity;
  /** It will be flushed at the end of this turn. */
  #due = false;
  readonly #flush = (): void => this.flush();

  /** `tell`: the destination is broken, or (null) can be written again. */
  constructor(
    open: (writer: SinkWriter) => LogDestination,
    tell: (error: Error | null) => void,
    stats: SinkStats,
    clock: Clock,
    wheel: TimerWheel | null,
  ) {
    this.#wheel = wheel;
    this.#open = open;
    this.#tell = tell;
    this.#stats = stats;
    this.#clock = clock;
  }

  write<Item>(format: (item: Item, out: LineBuffer) => void, item: Item): void {
    const lines = this.#lines;
    const from = lines.length;
    const underWay = (this.#destination ?? this.#ending)?.waitingBytes ?? 0;
    if (from + underWay >= maxBufferedBytes) {
      this.#stats.failed.add(1);
      return;
    }
    format(item, lines);
    lines.endLine();
    if (lines.length + underWay > maxBufferedBytes) {
      lines.cutTo(from);
      this.#stats.failed.add(1);
      return;
    }
    this.#lineCount++;
    this.#stats.buffered.value++;
    if (!this.#due && (from === 0 || lines.length >= wholeWrite)) this.#arm();
  }

  #arm(): void {
    const wheel = this.#wheel;
    const waitMs = wheel === null ? 0 : this.#writtenMs + gatherMs - this.#clock.nowMs();
    if (wheel !== null && waitMs > 0 && this.#lines.length < wholeWrite) wheel.arm(this.#timer, waitMs);
    else {
      this.#due = true;
      setImmediate(this.#flush);
    }
  }

  onTimer(): void {
    this.flush();
  }

  flush(): void {
    this.#due = false;
    const lines = this.#lines;
    const bytes = lines.length;
    if (bytes === 0 || this.#ending !== null) return;
    this.#wheel?.disarm(this.#timer);
    this.#writtenMs = this.#clock.nowMs();
    const count = this.#lineCount;
    this.#lineCount = 0;
    if (this.#destination === null) {
      if (this.#broken && this.#clock.nowMs() < this.#retryMs) {
        lines.cutTo(0);
        this.#stats.failed.add(count);
        return;
      }
      this.#destination = this.#open(this);
      if (this.#torn) this.#destination.write(lineEnd, () => {});
      this.#torn = false;
    }
    const chunk = this.#takeLines(bytes, this.#destination.waitingBytes > 0);
    this.#stats.bufferedBytes.value += bytes;
    this.#destination.write(chunk.subarray(0, bytes), (error) => this.#written(count, bytes, chunk, error));
  }

  /** `busy`: what was handed over before waits still. */
  #takeLines(bytes: number, busy: boolean): Buffer {
    const lines = this.#lines;
    const spare = this.#spare;
    if (spare !== null) {
      this.#spare = null;
      return lines.takeBytes(spare);
    }
    const { capacity } = lines;
    // Those that wait for a slow disk must not each hold on to a buffer that is mostly empty.
    if (capacity < leastHandedOver || (busy && bytes * 2 < capacity)) return lines.copyOut();
    return lines.takeBytes(Buffer.allocUnsafeSlow(Math.min(capacity, usualCapacity)));
  }

  #written(lines: number, bytes: number, chunk: Buffer, error: Error | null): void {
    this.#stats.bufferedBytes.value -= bytes;
    if (error !== null) {
      this.#stats.failed.add(lines);
      return;
    }
    this.#stats.completed.value += lines;
    this.#recycle(chunk);
    if (!this.#broken) return;
    this.#broken = false;
    this.#tell(null);
  }

  #recycle(buffer: Buffer): void {
    if (buffer.length >= leastHandedOver && buffer.length <= usualCapacity) this.#spare = buffer;
  }

  /** The next line opens the file again: it was rotated. */
  reopen(): void {
    this.flush();
    this.#retryMs = -Infinity;
    this.#torn = false;
    const destination = this.#destination;
    if (destination === null) return;
    this.#destination = null;
    this.#ending = destination;
    destination.end(() => {
      this.#ending = null;
      this.flush();
    });
  }

  /** What was written is lost. Told once, until it works again: a destination that stays broken must not fill the other log. */
  onError(error: Error, torn: boolean): void {
    this.#torn = torn;
    this.#retryMs = this.#clock.nowMs() + reopenAfterMs;
    if (this.#broken) return;
    this.#broken = true;
    this.#tell(error);
  }

  /** A later line opens another. */
  drop(destination: LogDestination): void {
    if (this.#destination === destination) this.#destination = null;
  }

  /** Resolves when everything that was gathered has been written, or cannot be. */
  async close(): Promise<void> {
    const ending = this.#ending;
    if (ending !== null) await written(ending);
    this.flush();
    const destination = this.#destination;
    if (destination !== null) await written(destination);
  }
}

function written(destination: LogDestination): Promise<void> {
  return new Promise((resolve) => destination.whenWritten(resolve));
}

/** `process`, or what stands in for it. */
interface StandardStreams {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

export class AccessLogFiles implements AccessLogSinks {
  readonly #log: Log;
  readonly #standardStreams: StandardStreams;
  readonly #clock: Clock;
  readonly #stats: SinkStats;
  readonly #files = new Map<string, SinkWriter>();
  readonly #standard = new Map<'stdout' | 'stderr', SinkWriter>();

  /** Null: no configuration has asked for one. */
  services: LogServices | null = null;

  readonly #wheel: TimerWheel | null;

  /** `wheel` null: nothing is gathered beyond a turn of the event loop. */
  constructor(
    stats: StatStore,
    log: Log,
    clock: Clock,
    standardStreams: StandardStreams = process,
    wheel: TimerWheel | null = null,
  ) {
    this.#wheel = wheel;
    this.#log = log;
    this.#clock = clock;
    this.#standardStreams = standardStreams;
    this.#stats = {
      buffered: stats.counter('access_log_file.write_buffered'),
      completed: stats.counter('access_log_file.write_completed'),
      failed: new LostEntries(stats, 'access_log_file.write_failed', 'file'),
      bufferedBytes: stats.gauge('access_log_file.write_total_buffered'),
    };
  }

  open(sink: Parameters<AccessLogSinks['open']>[0]): LineWriter {
    if (sink.kind === 'file')
      return this.#writer(this.#files, sink.path, (writer) => this.#openFile(sink.path, writer));
    return this.#writer(
      this.#standard,
      sink.kind,
      // Its reader may go (EPIPE); that must not end the proxy.
      (writer) => new LogStream(this.#standardStreams[sink.kind], (error) => writer.onError(error, false)),
    );
  }

  openService(config: LogServiceConfig): (record: LogRecord) => void {
    if (this.services === null) throw new Error('the code of log services was to be loaded with the configuration');
    return this.services.open(config);
  }

  /** Why a file cannot be written, or null. For files of the bootstrap, at the start: later a broken log costs lines, not the process. */
  fileFault(path: string): string | null {
    try {
      closeSync(openLogDescriptor(path));
      return null;
    } catch (error) {
      // A pipe whose reader comes later.
      if ((error as NodeJS.ErrnoException).code === 'ENXIO') return null;
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
    const writers = [...this.#files.values(), ...this.#standard.values()];
    await Promise.all([this.services?.close(), ...writers.map((writer) => writer.close())]);
  }

  #writer<Key extends string>(
    writers: Map<Key, SinkWriter>,
    key: Key,
    open: (writer: SinkWriter) => LogDestination,
  ): SinkWriter {
    let writer = writers.get(key);
    if (writer === undefined) {
      const tell = (error: Error | null): void => {
        if (error === null) this.#log.info(`access log ${key} can be written again`);
        else this.#log.error(`access log ${key}: ${error.message}; lines are lost until it can be written`);
      };
      writer = new SinkWriter(open, tell, this.#stats, this.#clock, this.#wheel);
      writers.set(key, writer);
    }
    return writer;
  }

  #openFile(path: string, writer: SinkWriter): LogDestination {
    const destination = openLogFile(path, (error, torn) => {
      writer.onError(error, torn);
      writer.drop(destination);
    });
    return destination;
  }
}
